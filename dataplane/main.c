/* zs-dataplane [--config FILE] [--instance NAME] [--check | --preflight] [--version] [--help] [--man]
 *
 * Start order: configuration, state segment (a second process of the instance ends here), EAL,
 * ports, flow partitions, workers, sandbox. No control plane is needed: without tables all is
 * dropped as `stopped` until they appear.
 *
 * SIGTERM and SIGINT: workers stop receiving, drain what they handed each other, send it and
 * end; every packet is accounted for. The steering programs stay attached and drop relay
 * packets until the next start: `zs-steer` removes them for good. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/refused.h"
#include "binds.h"
#include "conf/options.h"
#include "eal.h"
#include "fastpath.h"
#include "flows.h"
#include "housekeeping.h"
#include "loop/notify.h"
#include "port.h"
#include "sandbox.h"
#include "shm/preflight.h"
#include "steering.h"
#include "tunnels.h"
#include "view.h"
#include "offenders.h"
#include "worker.h"
#include "version.h"

#define DYING_MS      1000 /* a killed process with gigabytes mapped takes some 100 ms to go */
#define DYING_STEP_MS 20

static void set_log(struct zs_dp *dp)
{
	const char *format = dp->conf->log.format;

	if (!strcmp(format, "json"))
		dp->log->format = ZS_LOG_JSON;
	else if (!strcmp(format, "journald"))
		dp->log->format = ZS_LOG_JOURNALD;
	ZS_CHECK(zs_log_set_level(dp->log, NULL, dp->conf->log.level) == 0, "no log level '%s'",
		 dp->conf->log.level);
}

static int load_conf(struct zs_dp *dp, const struct zs_options *o, struct zs_error *err)
{
	int rc = zs_conf_load_for(dp->conf, o->config, o->instance, err);

	if (rc || o->check)
		return rc;
	set_log(dp);
	rc = zs_module_need(dp->conf, ZS_MODULE_forwarding, err);
	if (rc)
		return rc;
	dp->workers = dp->conf->dataplane.workers;
	dp->service_port = dp->conf->p2p.listens ? dp->conf->attach.service_port : 0;
	dp->tunnel_port = dp->conf->p2p.listens ? dp->conf->attach.tunnel_port : 0;
	ZS_LOG(dp->log, CONFIG_LOADED, "instance=%s workers=%u ports=%u", dp->conf->instance, dp->workers,
	       dp->conf->dataplane.ports);
	return 0;
}

static void notify(struct zs_dp *dp, const char *state)
{
	int rc = zs_notify(state);

	if (rc < 0)
		ZS_LOG(dp->log, NOTIFY_FAILED, "error=\"%s\"", strerror(-rc));
}

/* A process that was killed holds its segment for some more milliseconds: a restart waits for
 * it to be gone, a second instance is refused after that. */
static int open_state(struct zs_dp *dp, const struct zs_state_shape *shape, bool *fresh, struct zs_error *err)
{
	int rc = 0;

	for (uint32_t ms = 0; ms < DYING_MS; ms += DYING_STEP_MS) {
		rc = zs_state_open_writer(&dp->state, dp->shm_dir, shape, fresh, err);
		if (rc != -EBUSY)
			return rc;
		usleep(DYING_STEP_MS * 1000);
	}
	zs_refused_note(dp->shm_dir);
	return rc;
}

/* Forwarding matters more than the flows that a damaged file held: they are lost, and that is said. */
static void tell_remade(struct zs_dp *dp, const struct zs_error *err)
{
	ZS_LOG(dp->log, SEGMENT_REFUSED, "segment=state reason=\"%s\"", err->text);
	zs_health_raise(dp->state.health, ZS_HEALTH_segment_lost, "state: flows and counters");
}

/* Shared memory first: who holds the state segment is the instance's dataplane. */
static int open_segments(struct zs_dp *dp, bool *fresh, struct zs_error *err)
{
	struct zs_state_shape shape = { .flow_capacity = dp->conf->flows.capacity,
					.event_capacity = CONFIG_EVENTS,
					.partitions = dp->workers,
					.attachments = dp->conf->attach.capacity,
					.sessions = zs_sessions_slots(dp->conf->attach.capacity),
					.windows = dp->conf->attach.lanes };
	struct zs_events_shape events = { .capacity = CONFIG_EVENTS };
	int rc;

	if ((rc = zs_segment_dir(dp->shm_dir, dp->conf->instance, true, err)) ||
	    (rc = open_state(dp, &shape, fresh, err)))
		return rc;
	zs_fault_watch(&dp->state.seg);
	if (*fresh && err->code == -EUCLEAN)
		tell_remade(dp, err);
	else
		zs_health_clear(dp->state.health, ZS_HEALTH_segment_lost);
	if (*fresh)
		ZS_LOG(dp->log, SEGMENT_NEW, "segment=state mib=%zu attachments=%u", dp->state.seg.size >> 20,
		       dp->state.attachments);
	else
		ZS_LOG(dp->log, SEGMENT_ADOPTED, "segment=state mib=%zu attachments=%u",
		       dp->state.seg.size >> 20, dp->state.attachments);
	rc = zs_events_open_producer(&dp->events, dp->shm_dir, &events, err);
	if (rc) {
		zs_state_close(&dp->state);
		return rc;
	}
	rc = zs_trace_open_producer(&dp->trace, dp->shm_dir, err);
	if (rc) {
		zs_events_close(&dp->events);
		zs_state_close(&dp->state);
	}
	return rc;
}

static void clear_health(struct zs_dp *dp)
{
	zs_health_clear(dp->state.health, ZS_HEALTH_privilege);
	zs_health_clear(dp->state.health, ZS_HEALTH_no_hugepages);
	zs_health_clear(dp->state.health, ZS_HEALTH_steering);
}

static void wait_for_signal(struct zs_dp *dp, const sigset_t *set)
{
	struct timespec tick = { .tv_nsec = ZS_TICK_MS * 1000000l };
	int signo;

	for (;;) {
		signo = sigtimedwait(set, NULL, &tick);
		if (signo == SIGTERM || signo == SIGINT)
			break;
		zs_housekeeping_main(dp);
	}
	ZS_LOG(dp->log, STOPPING, "signal=%d", signo);
	notify(dp, ZS_NOTIFY_STOPPING);
}

static int serve(struct zs_dp *dp, const sigset_t *set, struct zs_error *err)
{
	int rc;

	zs_view_refresh(dp);
	zs_steering_sync(dp);
	if (dp->fast)
		zs_fastpath_begin(dp->worker[0]);
	if ((rc = zs_workers_start(dp, err)))
		goto stop;
	if ((rc = zs_sandbox_main(dp, err)))
		goto stop;
	ZS_LOG(dp->log, SANDBOXED, "");
	zs_housekeeping_main(dp);
	clear_health(dp);
	ZS_LOG(dp->log, READY, "instance=%s", dp->conf->instance);
	notify(dp, ZS_NOTIFY_READY);
	dp->watchdog_ns = zs_notify_watchdog_ns();
	wait_for_signal(dp, set);
stop:
	zs_workers_stop(dp);
	return rc;
}

static int start(struct zs_dp *dp, const sigset_t *set, struct zs_error *err)
{
	bool fresh;
	int rc;

	if ((rc = open_segments(dp, &fresh, err)))
		return rc;
	if ((rc = zs_eal_start(dp, err)))
		goto close_segments;
	if ((rc = zs_ports_start(dp, err)))
		goto stop_ports;
	if ((rc = zs_fastpath_open(dp, err)) || (rc = zs_workers_new(dp, err)))
		goto delete_workers;
	dp->offenders = zs_offenders_new(dp);
	if (!dp->offenders) {
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for source prefixes");
		goto delete_workers;
	}
	if ((rc = zs_flows_open(dp, fresh, err)) || (rc = zs_binds_open(dp, err)) ||
	    (rc = zs_tunnels_open(dp, err)))
		goto close_flows;
	rc = serve(dp, set, err);
	zs_view_close(dp);
close_flows:
	zs_binds_close(dp);
	zs_tunnels_close(dp);
	zs_flows_close(dp);
	free(dp->offenders);
delete_workers:
	zs_workers_delete(dp);
	zs_fastpath_close(dp);
stop_ports:
	zs_ports_stop(dp);
close_segments:
	/* What kept this process from starting stays on the instance's board for whoever looks. */
	if (rc && err->exit == ZS_EXIT_PRIVILEGE)
		zs_health_raise(dp->state.health, ZS_HEALTH_privilege, "%s", err->text);
	zs_trace_close(&dp->trace);
	zs_events_close(&dp->events);
	zs_state_close(&dp->state);
	return rc;
}

/* The manager has its own copy of what it keeps for us (twin.c): ours is of no use. */
static void close_kept(void *ctx, int fd, const char *name)
{
	(void)ctx;
	(void)name;
	close(fd);
}

static int run(struct zs_dp *dp, const sigset_t *set, struct zs_error *err)
{
	int rc;

	zs_notify_kept(close_kept, NULL);
	ZS_LOG(dp->log, STARTED, "version=%s instance=%s", ZS_VERSION, dp->conf->instance);
	rc = start(dp, set, err);
	if (!rc)
		ZS_LOG(dp->log, STOPPED, "");
	return rc;
}

/* The log goes to stderr too: a record there is the one line. Without a configuration it is no log yet. */
static int report(struct zs_dp *dp, const struct zs_error *err, int rc)
{
	int status = err->exit ? (int)err->exit : ZS_EXIT_FAILED;

	if (!rc)
		return ZS_EXIT_OK;
	if (dp->workers)
		ZS_LOG(dp->log, FATAL, "status=%s reason=\"%s\"", zs_exit_name(status), err->text);
	else
		fprintf(stderr, "zs-dataplane: %s\n", err->text);
	return status;
}

static int preflight(const struct zs_conf *conf, struct zs_error *err)
{
	static const struct zs_preflight rows[] = { { .kind = &zs_state_kind, .precious = true },
						    { .kind = &zs_events_kind },
						    { .kind = &zs_trace_kind } };
	char dir[96];
	int rc = zs_module_need(conf, ZS_MODULE_forwarding, err);

	if (!rc)
		rc = zs_segment_dir(dir, conf->instance, false, err);
	return rc ? rc : zs_preflight(dir, rows, ZS_ARRAY_LEN(rows), stdout, err);
}

static int checked(const struct zs_dp *dp, const struct zs_options *o, struct zs_error *err)
{
	printf("%s: correct\n", o->config);
	return o->preflight ? preflight(dp->conf, err) : 0;
}

static const struct zs_plane self = {
	.name = "zs-dataplane",
	.version = ZS_VERSION,
	.purpose = "forwards the packets of a ZeroState relay",
	.more =
	    "Workers, one a core, forward what the control plane's tables say; they go on when it ends, and "
	    "drop\n"
	    "everything while there are no tables. SIGTERM ends: packets that are inside are sent first.\n",
};

int main(int argc, char **argv)
{
	struct zs_options o;
	struct zs_error err = { 0 };
	struct zs_fault fault = { 0 };
	struct zs_log log;
	struct zs_dp *dp = calloc(1, sizeof(*dp));
	int status = zs_options_read(&o, &self, argc, argv), rc;
	sigset_t set;

	if (!dp && status < 0)
		fputs("zs-dataplane: out of memory\n", stderr);
	if (status >= 0 || !dp)
		return status >= 0 ? status : ZS_EXIT_RESOURCE;
	zs_log_init(&log, STDERR_FILENO, "zs-dataplane");
	dp->log = &log;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGIO);		    /* a twin's, for the workers alone */
	sigprocmask(SIG_BLOCK, &set, NULL); /* before EAL's threads, which inherit it */
	zs_fault_install(&fault);
	dp->conf = calloc(1, sizeof(*dp->conf));
	rc = dp->conf ? load_conf(dp, &o, &err)
		      : zs_error_set(&err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	if (!rc && o.check)
		rc = checked(dp, &o, &err);
	else if (!rc)
		rc = run(dp, &set, &err);
	status = report(dp, &err, rc);
	zs_log_flush(&log, true);
	free(dp->conf);
	free(dp);
	return status;
}
