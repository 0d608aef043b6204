/* top: the difference of two statuses, again and again, until Ctrl-C. The terminal is given back as it was. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "zsctl.h"

#define ENTER "\033[?1049h\033[?25l" /* other screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"
#define CLEAR "\033[H\033[2J"

struct sample {
	json_t *status, *runtime; /* runtime may be NULL */
	uint64_t at_ns;
	bool offline;
};

static json_t *ask(const struct zsctl *z, enum zs_command_id id, bool *offline, struct zs_error *err)
{
	const struct zs_command *cmd = zs_command_get(id);
	json_t *args = json_object(), *result = NULL;

	if (zsctl_call(z, cmd, args, &result, err) == ZS_EXIT_UNREACHABLE) {
		*offline = true;
		zsctl_offline(z, cmd, args, &result);
	}
	json_decref(args);
	return result;
}

static int take(const struct zsctl *z, struct sample *s, struct zs_error *err)
{
	struct zs_error ignored = { 0 };

	s->offline = false;
	s->status = ask(z, ZS_COMMAND_status, &s->offline, err);
	s->runtime = s->status ? ask(z, ZS_COMMAND_show_runtime, &s->offline, &ignored) : NULL;
	s->at_ns = zs_clock_ns();
	return s->status ? 0 : -EIO;
}

static void drop(struct sample *s)
{
	json_decref(s->status);
	json_decref(s->runtime);
	memset(s, 0, sizeof(*s));
}

static json_int_t counter(const struct sample *s, const char *name)
{
	json_t *packets = json_object_get(s->status, "packets");

	if (strcmp(name, "drops") == 0)
		return json_integer_value(json_object_get(packets, name));
	return json_integer_value(json_object_get(json_object_get(packets, "total"), name));
}

static double rate(const struct sample *old, const struct sample *new, const char *name)
{
	double seconds = (double)(new->at_ns - old->at_ns) / 1e9;

	return seconds > 0 ? (double)(counter(new, name) - counter(old, name)) / seconds : 0;
}

static void show_workers(const struct sample *s)
{
	if (!s->runtime)
		return;
	putchar('\n');
	zsctl_table(json_object_get(s->runtime, "workers"),
		    "worker:worker,cpu:cpu,running:running,heartbeat_ms:beat "
		    "ms,packets_per_burst:packets/burst,sleeps:sleeps",
		    "no worker has run");
}

static void show(const struct zsctl *z, const struct sample *old, const struct sample *new)
{
	static const char *const names[] = { "rx",	 "tx",	      "drops",
					     "punted",	 "flows_new", "flows_expired",
					     "rx_bytes", "tx_bytes" };
	struct zsctl as_status = *z;
	char total[32], each[32];

	as_status.cmd = zs_command_get(ZS_COMMAND_status);
	zsctl_print(&as_status, new->status);
	printf("\n%-14s %16s %20s\n", "counter", "per second", "total");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		printf("%-14s %16s %20s\n", names[i],
		       zsctl_number(each, (json_int_t)rate(old, new, names[i])),
		       zsctl_number(total, counter(new, names[i])));
	show_workers(new);
}

static void show_json(const struct zsctl *z, const struct sample *old, const struct sample *new)
{
	json_t *r = json_pack("{s:O,s:{s:f,s:f,s:f,s:f}}", "status", new->status, "per_second", "rx",
			      rate(old, new, "rx"), "tx", rate(old, new, "tx"), "drops",
			      rate(old, new, "drops"), "flows_new", rate(old, new, "flows_new"));

	if (new->runtime)
		json_object_set(r, "runtime", new->runtime);
	zsctl_print_json(z, r);
	json_decref(r);
}

/* true: it is time to end. */
static bool wait_s(int signals, unsigned seconds)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };

	return poll(&p, 1, (int)seconds * 1000) != 0;
}

static int once(const struct zsctl *z, struct sample *old, int signals, unsigned seconds)
{
	struct zs_error err = { 0 };
	struct sample new;

	wait_s(signals, seconds);
	if (take(z, &new, &err) != 0)
		return zsctl_fail(z, err.exit, "%s", err.text);
	if (z->json)
		show_json(z, old, &new);
	else
		show(z, old, &new);
	drop(old);
	*old = new;
	return ZS_EXIT_OK;
}

static int live(const struct zsctl *z, struct sample *old, int signals, unsigned seconds)
{
	struct zs_error err = { 0 };
	struct sample new;
	int status = ZS_EXIT_OK;

	printf(ENTER CLEAR);
	show(z, old, old);
	fflush(stdout);
	while (!wait_s(signals, seconds)) {
		if (take(z, &new, &err) != 0) {
			status = (int)err.exit;
			break;
		}
		printf(CLEAR);
		show(z, old, &new);
		printf("\nevery %u s; Ctrl-C ends\n", seconds);
		fflush(stdout);
		drop(old);
		*old = new;
	}
	printf(LEAVE);
	fflush(stdout);
	return status == ZS_EXIT_OK ? status : zsctl_fail(z, err.exit, "%s", err.text);
}

int zsctl_top(const struct zsctl *z)
{
	json_t *interval = json_object_get(z->args, "interval");
	unsigned seconds = interval ? (unsigned)json_integer_value(interval) : 1;
	struct zs_error err = { 0 };
	struct sample first;
	sigset_t set;
	int signals, status;

	if (seconds < 1 || seconds > 3600)
		return zsctl_fail(z, ZS_EXIT_USAGE, "--interval: 1 to 3600 seconds");
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0 || take(z, &first, &err) != 0)
		return zsctl_fail(z, err.exit != ZS_EXIT_OK ? err.exit : ZS_EXIT_FAILED, "%s",
				  err.text[0] ? err.text : strerror(errno));
	if (z->json || json_object_get(z->args, "once") || !isatty(STDOUT_FILENO))
		status = once(z, &first, signals, seconds);
	else
		status = live(z, &first, signals, seconds);
	drop(&first);
	close(signals);
	return status;
}
