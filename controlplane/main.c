/* zs-controlplane. Start order: capabilities, configuration, log, lock, store, identity, revisions; with the
 * role relay tables, the dataplane's segments, lists, attach, usage, netlink, traces; then the libp2p host, admin, metrics, system calls, READY. The end is the reverse. The tables stay
 * behind for the dataplane, which goes on with them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin/admin.h"
#include "admin/record.h"
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/refused.h"
#include "conf/options.h"
#include "drain.h"
#include "ident.h"
#include "instance.h"
#include "leftovers.h"
#include "loop/notify.h"
#include "metrics.h"
#include "netlink.h"
#include "peers/peers.h"
#include "lists.h"
#include "program.h"
#include "publication.h"
#include "pulse.h"
#include "reserve.h"
#include "revisions/revisions.h"
#include "sandbox.h"
#include "shm/fault.h"
#include "shm/preflight.h"
#include "state_watch.h"
#include "store.h"
#include "supplies.h"
#include "version.h"
#include "tracing.h"

#define PROGRAM	  "zs-controlplane"
#define SECOND_NS ZS_NS_PER_S

#ifdef ZS_SANITIZED
/* The leak checker stops all threads by ptrace at exit, which the filter forbids; the unit tests have it on. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* The configuration file as it was read. */
struct file {
	struct zs_conf *conf;
	char *text;
	size_t len;
};

struct process {
	struct zs_control c;
	struct zs_fault fault;
	struct zs_options o;
	struct file file; /* of the start; what is in force is c.conf */
	int lock;
	uint64_t refused_until_ns;
	struct zs_pulse *pulse;
	struct zs_timer *second, *watchdog;
	uint64_t watchdog_ns;
};

static const struct zs_plane self = {
	.name = PROGRAM,
	.version = ZS_VERSION,
	.purpose = "decides what a ZeroState relay forwards",
	.more = "Keeps identity, store and audit file, serves zsctl and edges, and writes the tables that "
		"zs-dataplane\n"
		"forwards by. SIGHUP reads the configuration again; SIGTERM ends. Exit statuses: 0 ended or "
		"checked,\n"
		"2 wrong command line, 3 wrong configuration, 4 missing privilege, 5 another process of\n"
		"this instance runs, 6 missing resource, 11 shared memory of another layout, 1 otherwise.\n",
};

static int read_conf(const struct process *p, struct file *f, struct zs_error *err)
{
	int rc = zs_conf_read_file(p->c.conf_path, &f->text, &f->len, err);

	if (!rc)
		rc = zs_conf_parse(f->conf, p->c.conf_path, f->text, f->len, err);
	if (!rc)
		rc = zs_conf_check_instance(f->conf, p->c.conf_path, p->o.instance, err);
	return rc ? rc : zs_conf_spares_management(f->conf, err);
}

static void forget(struct file *f)
{
	free(f->conf);
	free(f->text);
	*f = (struct file){ 0 };
}

static int load(const struct process *p, struct file *f, struct zs_error *err)
{
	struct zs_conf *conf = malloc(sizeof(*conf));
	int rc;

	if (!conf)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	*f = (struct file){ .conf = conf };
	rc = read_conf(p, f, err);
	for (uint32_t i = 0; !rc && i < conf->publishes; i++) {
		struct zs_publication pub = zs_publication_from_conf(&conf->publish[i]);
		struct zs_error why;

		if (zs_publication_check(conf, &pub, &why))
			rc = zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "%.64s:%u: %.180s", p->c.conf_path,
					  conf->publish[i].line, why.text);
	}
	if (!rc)
		rc = zs_attach_conf_check(conf, err);
	if (!rc)
		rc = zs_peers_conf_check(conf, err);
	if (rc)
		forget(f);
	return rc;
}

static void set_log_level(struct zs_control *c)
{
	ZS_CHECK(!zs_log_set_level(&c->log, NULL, c->conf->log.level), "a level the configuration knows");
}

static void set_log(struct zs_control *c)
{
	const char *format = c->conf->log.format;

	if (!strcmp(format, "json"))
		c->log.format = ZS_LOG_JSON;
	else if (!strcmp(format, "journald"))
		c->log.format = ZS_LOG_JOURNALD;
	set_log_level(c);
}

/* --- signals and timers --- */

static struct zs_offer offer_of(const struct process *p, const struct file *f, enum zs_revision_origin origin,
				uid_t uid)
{
	return (struct zs_offer){
		.name = p->c.conf_path, .text = f->text, .len = f->len, .origin = origin, .uid = uid
	};
}

static int read_again(struct process *p, uid_t uid, struct zs_error *err)
{
	struct zs_offer offer;
	struct file f;
	int rc = load(p, &f, err);

	if (rc) {
		zs_control_raise(&p->c, ZS_HEALTH_config_rejected, "%s", err->text);
		return rc;
	}
	offer = offer_of(p, &f, ZS_REVISION_RELOAD, uid);
	rc = zs_revisions_put(p->c.revisions, &offer, f.conf, err);
	if (!rc)
		f.conf = NULL;
	forget(&f);
	return rc;
}

/* Who may send a signal is the kernel's business: root and our own user, both owners. */
static void reload(struct process *p, const struct zs_signal_info *from)
{
	struct zs_caller caller = { .uid = from->uid,
				    .gid = (gid_t)-1,
				    /* a signal does not tell */ .pid = from->pid,
				    .level = ZS_LEVEL_owner };
	json_t *args = json_pack("{s:s}", "file", p->c.conf_path);
	struct zs_error err = { 0 };
	int rc = zs_admin_record_open(&p->c, "reload", &caller, args, 0, &err);

	json_decref(args);
	zs_notify_reloading(zs_loop_now(p->c.loop));
	if (!rc)
		rc = zs_admin_record_close(&p->c, read_again(p, from->uid, &err), &err);
	if (rc)
		ZS_LOG(&p->c.log, CONFIG_REJECTED, "error=\"%s\"", err.text);
	zs_notify(ZS_NOTIFY_READY);
}

static void on_signal(void *ctx, const struct zs_signal_info *info)
{
	struct process *p = ctx;

	if (info->signo == SIGHUP) {
		reload(p, info);
		return;
	}
	ZS_LOG(&p->c.log, STOPPING, "signal=%s", strsignal(info->signo));
	zs_loop_stop(p->c.loop);
}

static void look_for_refused(struct process *p)
{
	int pid = 0;

	switch (zs_refused_look(p->c.conf->state_dir, &p->refused_until_ns, zs_loop_now(p->c.loop), &pid)) {
	case ZS_REFUSED_NOW:
		zs_control_raise(&p->c, ZS_HEALTH_second_instance, "process %d was refused", pid);
		break;
	case ZS_REFUSED_LONG_AGO:
		zs_control_clear(&p->c, ZS_HEALTH_second_instance);
		break;
	case ZS_REFUSED_NOTHING:
		break;
	}
}

static void each_second(void *ctx)
{
	struct process *p = ctx;

	look_for_refused(p);
	zs_log_flush(&p->c.log, false);
	zs_timer_after(p->second, SECOND_NS);
}

static void beat_watchdog(void *ctx)
{
	struct process *p = ctx;

	zs_notify(ZS_NOTIFY_WATCHDOG);
	zs_timer_after(p->watchdog, p->watchdog_ns);
}

static int start_timers(struct process *p, struct zs_error *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	int rc = zs_loop_signals(p->c.loop, signals, ZS_ARRAY_LEN(signals), on_signal, p);

	if (!rc)
		rc = zs_timer_new(&p->second, p->c.loop, each_second, p);
	if (!rc)
		rc = zs_timer_new(&p->watchdog, p->c.loop, beat_watchdog, p);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timers: %s", strerror(-rc));
	zs_timer_after(p->second, SECOND_NS);
	p->watchdog_ns = zs_notify_watchdog_ns();
	if (p->watchdog_ns)
		zs_timer_after(p->watchdog, p->watchdog_ns);
	return 0;
}

/* --- start and end --- */

/* Each published port holds a socket an own address. */
static void raise_descriptors(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int prepare(struct process *p, struct zs_error *err)
{
	struct zs_control *c = &p->c;
	int rc;

	umask(077); /* what a library makes is ours alone; what others may see has its mode set */
	rc = zs_instance_folder(c->conf->state_dir, 0750, err);
	if (!rc)
		rc = zs_instance_folder(c->conf->run_dir, 0755, err);
	if (!rc)
		rc = zs_instance_lock(&p->lock, c->conf->state_dir, err);
	if (!rc)
		rc = zs_segment_dir(c->shm_dir, c->conf->instance, true, err);
	if (!rc)
		rc = zs_loop_new(&c->loop, ZS_LOOP_AUTO, err);
	if (!rc)
		rc = start_timers(p, err);
	raise_descriptors();
	zs_fault_install(&p->fault);
	return rc;
}

/* From here on c->conf is what is in force. */
static int start_revisions(struct process *p, struct zs_error *err)
{
	struct zs_offer offer = offer_of(p, &p->file, ZS_REVISION_START, geteuid());
	int rc = zs_revisions_new(&p->c.revisions, &p->c, err);

	if (rc)
		return rc;
	zs_revisions_start(p->c.revisions, &offer);
	free(p->file.text);
	p->file.text = NULL;
	set_log_level(&p->c);
	return 0;
}

/* What was published and is owed goes on without a disk that takes writes; the first that is written again ends the health code. */
static int read_store(struct zs_control *c, const char *dir, const struct zs_error *why)
{
	int rc = zs_store_open_reading(&c->store, dir, NULL);

	if (rc)
		return rc;
	zs_control_raise(c, ZS_HEALTH_store_failed, "%s; as it was read at the start", strerror(-why->code));
	ZS_LOG(&c->log, STORE_FAILED, "error=\"%s\"", why->text);
	return 0;
}

/* On a full disk by what was set aside for it, of which as much as is left is kept for the next time. */
static int open_store(struct zs_control *c, struct zs_error *err)
{
	char dir[160];
	int rc;

	snprintf(dir, sizeof(dir), "%s/store", c->conf->state_dir);
	rc = zs_store_open(&c->store, dir, err);
	if (rc == -ENOSPC && !zs_reserve_give(c->conf->state_dir)) {
		rc = zs_store_open(&c->store, dir, err);
		zs_reserve_hold(c->conf->state_dir);
	}
	if (!rc)
		ZS_LOG(&c->log, STORE_OPEN, "path=%s", dir);
	else if ((rc == -EIO || rc == -ENOSPC) && !read_store(c, dir, err))
		rc = 0;
	return rc;
}

/* What forwards, and edges behind it. Only with the role relay. */
static int start_relay(struct process *p, struct zs_error *err)
{
	struct zs_control *c = &p->c;
	int rc;

	zs_drain_load(c);
	rc = zs_program_new(&c->program, c, err);
	if (!rc)
		rc = zs_state_watch_new(&c->watch, c, err);
	if (!rc)
		rc = zs_lists_new(&c->lists, c, err);
	if (!rc)
		rc = zs_pulse_new(&p->pulse, c, err);
	if (!rc)
		rc = zs_netlink_new(&c->netlink, c, err);
	if (!rc)
		rc = zs_tracing_new(&c->tracing, c, err);
	return rc;
}

static int start_modules(struct process *p, struct zs_error *err)
{
	struct zs_control *c = &p->c;
	bool relay = false;
	int rc = open_store(c, err);

	if (!rc)
		rc = zs_ident_open(&c->ident, c->conf->state_dir, err);
	if (!rc)
		rc = start_revisions(p, err);
	if (!rc)
		rc = zs_supplies_new(&c->supplies, c, err);
	if (!rc)
		zs_control_budgets(c);
	if (!rc)
		relay = zs_module_on(c->conf, ZS_MODULE_forwarding);
	if (!rc && !relay)
		zs_leftovers_remove(c);
	if (!rc && relay)
		rc = start_relay(p, err);
	if (!rc)
		rc = zs_peers_new(&c->peers, c, p->pulse, err);
	if (!rc && relay)
		rc = zs_drain_resume(c, err);
	if (!rc)
		rc = zs_admin_new(&c->admin, c, err);
	if (!rc)
		rc = zs_revisions_resume(c->revisions, err);
	if (!rc)
		rc = zs_metrics_new(&c->metrics, c, err);
	if (!rc)
		rc = zs_control_filter(err);
	return rc;
}

static void end_modules(struct process *p)
{
	struct zs_control *c = &p->c;

	zs_metrics_delete(c->metrics);
	zs_drain_delete(c);
	zs_tracing_delete(c->tracing);
	zs_admin_delete(c->admin);
	zs_peers_delete(c->peers);
	c->peers = NULL;
	zs_netlink_delete(c->netlink);
	c->netlink = NULL;
	zs_pulse_delete(p->pulse);
	zs_lists_delete(c->lists);
	zs_state_watch_delete(c->watch);
	zs_program_delete(c->program);
	zs_revisions_delete(c->revisions);
	zs_supplies_delete(c->supplies);
	zs_ident_close(c->ident);
	zs_store_close(c->store);
	if (c->loop)
		zs_loop_delete(c->loop);
	if (p->lock >= 0)
		close(p->lock);
	free(c->conf);
	free(p->file.text);
}

static int fail(struct process *p, const struct zs_error *err)
{
	/* The log goes to stderr too: a record there is the one line. */
	if (p->c.conf)
		ZS_LOG(&p->c.log, FATAL, "error=\"%s\" exit=%d", err->text, (int)err->exit);
	else
		fprintf(stderr, PROGRAM ": %s\n", err->text);
	return err->exit ? (int)err->exit : ZS_EXIT_FAILED;
}

static int serve(struct process *p)
{
	struct zs_control *c = &p->c;
	int rc;

	ZS_LOG(&c->log, SANDBOXED, "");
	ZS_LOG(&c->log, READY, "instance=%s identity=%s loop=%s ms=%llu", c->conf->instance,
	       zs_ident_hex(c->ident), zs_loop_engine_name(c->loop),
	       (unsigned long long)((zs_clock_wall_ns() - c->started_ns) / ZS_NS_PER_MS));
	zs_notify(ZS_NOTIFY_READY);
	rc = zs_loop_run(c->loop);
	zs_notify(ZS_NOTIFY_STOPPING);
	if (rc)
		ZS_LOG(&c->log, FATAL, "loop=\"%s\"", strerror(-rc));
	return rc ? ZS_EXIT_FAILED : ZS_EXIT_OK;
}

static int preflight(const struct zs_conf *conf, struct zs_error *err)
{
	static const struct zs_preflight rows[] = { { .kind = &zs_tables_kind, .precious = true },
						    { .kind = &zs_sessions_kind, .precious = true },
						    { .kind = &zs_eventack_kind },
						    { .kind = &zs_tracewant_kind } };
	char dir[96];
	int rc = zs_segment_dir(dir, conf->instance, false, err);

	return rc ? rc : zs_preflight(dir, rows, ZS_ARRAY_LEN(rows), stdout, err);
}

/* The configuration is correct; what else was asked for? */
static int checked(struct process *p)
{
	struct zs_error err = { 0 };
	int rc;

	printf("%s: correct\n", p->c.conf_path);
	rc = p->o.preflight ? preflight(p->file.conf, &err) : 0;
	forget(&p->file);
	return rc ? fail(p, &err) : ZS_EXIT_OK;
}

static int run(struct process *p)
{
	struct zs_error err = { 0 };
	int status;

	if (zs_control_drop(&err) || load(p, &p->file, &err))
		return fail(p, &err);
	if (p->o.check)
		return checked(p);
	p->c.conf = p->file.conf;
	p->file.conf = NULL;
	set_log(&p->c);
	ZS_LOG(&p->c.log, STARTED, "version=%s instance=%s config=%s", ZS_VERSION, p->c.conf->instance,
	       p->c.conf_path);
	if (prepare(p, &err) || start_modules(p, &err))
		status = fail(p, &err);
	else
		status = serve(p);
	ZS_LOG(&p->c.log, STOPPED, "status=%d", status);
	end_modules(p);
	zs_log_flush(&p->c.log, true);
	return status;
}

int main(int argc, char **argv)
{
	struct process *p = calloc(1, sizeof(*p));
	int status;

	if (!p) {
		fputs(PROGRAM ": out of memory\n", stderr);
		return ZS_EXIT_RESOURCE;
	}
	p->lock = -1;
	p->c.started_ns = zs_clock_wall_ns();
	p->c.version = ZS_VERSION;
	status = zs_options_read(&p->o, &self, argc, argv);
	if (status < 0) {
		zs_log_init(&p->c.log, STDERR_FILENO, PROGRAM);
		snprintf(p->c.conf_path, sizeof(p->c.conf_path), "%s", p->o.config);
		status = run(p);
	}
	free(p);
	return status;
}
