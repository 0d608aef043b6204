/* Is the relay as well as it was? Asked again and again after a restart; what is wrong is one line. */
#include "upgrade.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"

#define SETTLE_NS (2 * ZS_NS_PER_S) /* a plane that dies at once does so within this; packets come in it */
#define SAMPLE_MS 1000
#define MANY	  50 /* packets, from which on a part of them means something */

/* What a moment's counters say. */
struct sample {
	json_int_t rx, tx, unbound;
	pid_t pid[UPGRADE_PLANES];
};

static json_int_t num(json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *str(json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

/* NULL and u->err: nobody answers. */
static json_t *ask(struct upgrade *u, enum zs_command_id id)
{
	json_t *args = json_object(), *result = NULL;

	zsctl_call(u->z, zs_command_get(id), args, &result, &u->err);
	json_decref(args);
	return result;
}

static struct sample sample(struct upgrade *u, json_t *status)
{
	json_t *total = json_object_get(json_object_get(status, "packets"), "total");
	struct sample s = { .rx = num(total, "rx"), .tx = num(total, "tx") };
	json_t *ports = ask(u, ZS_COMMAND_show_ports), *one;
	size_t i;

	json_array_foreach(json_object_get(ports, "interfaces"), i, one)
	    s.unbound += num(one, "fallback_dropped");
	json_decref(ports);
	for (int p = 0; p < UPGRADE_PLANES; p++)
		s.pid[p] = upgrade_pid(u, p);
	return s;
}

static bool relays(json_t *status)
{
	return !json_is_false(json_object_get(json_object_get(status, "modules"), "forwarding"));
}

static bool is_raised(json_t *status, const char *code)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(status, "health"), i,
			   one) if (!strcmp(str(one, "code"), code)) return true;
	return false;
}

/* The new programs are asked with the file: it must be what they will run with. */
static int steady(struct upgrade *u, json_t *status)
{
	if (!relays(status))
		return zs_error_set(&u->err, -ENODEV, ZS_EXIT_MODULE_OFF,
				    "this instance does not relay: nothing is to be taken over; replace its "
				    "programs and restart zs-controlplane");
	if (json_is_object(json_object_get(json_object_get(status, "control"), "trial")))
		return zs_error_set(&u->err, -EBUSY, ZS_EXIT_REFUSED,
				    "a configuration is on trial; zsctl config confirm or rollback first");
	if (is_raised(status, zs_health_info(ZS_HEALTH_config_unsaved)->code))
		return zs_error_set(
		    &u->err, -EBUSY, ZS_EXIT_REFUSED,
		    "the configuration in force is not the file's, which the new programs are "
		    "judged by; write it there (zsctl config show) and send SIGHUP");
	return 0;
}

int upgrade_look(struct upgrade *u)
{
	json_t *first = ask(u, ZS_COMMAND_status);
	struct sample a, b;
	int rc;

	if (!first)
		return u->err.code;
	rc = steady(u, first);
	if (rc) {
		json_decref(first);
		return rc;
	}
	a = sample(u, first);
	json_decref(first);
	rc = upgrade_pause(u, SAMPLE_MS);
	if (rc)
		return rc;
	json_decref(u->before);
	u->before = ask(u, ZS_COMMAND_status);
	if (!u->before)
		return u->err.code;
	b = sample(u, u->before);
	json_object_set_new(u->before, "moves", json_pack("{s:I,s:I}", "rx", b.rx - a.rx, "tx", b.tx - a.tx));
	snprintf(u->from, sizeof(u->from), "%s", str(json_object_get(u->before, "control"), "version"));
	return 0;
}

static int wrong(struct upgrade *u, const char *what, const char *detail)
{
	return zs_error_set(&u->err, -EAGAIN, ZS_EXIT_FAILED, "%s%s%s", what, detail[0] ? ": " : "", detail);
}

static int judge_codes(struct upgrade *u, json_t *now)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(now, "health"), i, one)
	{
		const char *code = str(one, "code");
		char text[160];

		if (strcmp(str(one, "severity"), "error") != 0 || is_raised(u->before, code))
			continue;
		snprintf(text, sizeof(text), "%s (%s)", str(one, "text"), str(one, "detail"));
		return wrong(u, code, text);
	}
	return 0;
}

static int judge_planes(struct upgrade *u, json_t *now)
{
	json_t *data = json_object_get(now, "dataplane");
	char path[ZS_FILE_PATH];

	for (int p = 0; p < UPGRADE_PLANES; p++) {
		upgrade_installed(u, p, path);
		if (!upgrade_pid(u, p))
			return wrong(u, upgrade_plane_name(p), "it does not run");
		if (!upgrade_runs(u, p, path))
			return wrong(u, upgrade_plane_name(p), "what runs is not what was installed");
	}
	if (!json_is_true(json_object_get(data, "running")) || num(data, "workers") == 0)
		return wrong(u, "zs-dataplane", "the control plane sees no worker of it");
	return 0;
}

/* 0: as well as before. */
static int judge(struct upgrade *u, json_t *now)
{
	int rc = judge_planes(u, now);

	if (!rc)
		rc = judge_codes(u, now);
	if (!rc && json_is_true(json_object_get(now, "stopped")) &&
	    !json_is_true(json_object_get(u->before, "stopped")))
		rc = wrong(u, "the emergency stop is set", "");
	return rc;
}

/* Where packets left before and come still, they must leave; of many, at least half as large a part. */
static int judge_moves(struct upgrade *u, const struct sample *a, const struct sample *b)
{
	json_t *moves = json_object_get(u->before, "moves");
	json_int_t rx = num(moves, "rx"), tx = num(moves, "tx"), rx_now = b->rx - a->rx,
		   tx_now = b->tx - a->tx;
	char text[64];

	if (tx <= 0)
		return 0;
	snprintf(text, sizeof(text), "%lld of %lld, before %lld of %lld", (long long)tx_now,
		 (long long)rx_now, (long long)tx, (long long)rx);
	if (rx_now > 0 && tx_now <= 0)
		return wrong(u, "packets come, and none leaves", text);
	if (rx >= MANY && rx_now >= MANY && 2 * tx_now * rx < tx * rx_now)
		return wrong(u, "packets come, and few leave", text);
	if (tx_now <= 0 && b->unbound > a->unbound)
		return wrong(u, "packets come, and no worker gets them", "");
	return 0;
}

static bool same_pids(const struct sample *a, const struct sample *b)
{
	return memcmp(a->pid, b->pid, sizeof(a->pid)) == 0;
}

/* A look; *since is when it became well, 0 while it is not. 1: it has been for long enough. */
static int look_again(struct upgrade *u, struct sample *first, uint64_t *since)
{
	json_t *now = ask(u, ZS_COMMAND_status);
	struct sample s;
	int rc = now ? judge(u, now) : -EAGAIN;

	if (rc) {
		*since = 0;
		json_decref(now);
		return rc;
	}
	s = sample(u, now);
	json_decref(now);
	if (*since == 0 || !same_pids(first, &s)) {
		*first = s;
		*since = zs_clock_ns();
	}
	if (zs_clock_ns() - *since < SETTLE_NS)
		return 0;
	rc = judge_moves(u, first, &s);
	*since = 0;
	return rc ? rc : 1;
}

static int too_late(struct upgrade *u, const char *what)
{
	char why[ZS_ERROR_TEXT];

	memcpy(why, u->err.text, sizeof(why));
	return zs_error_set(&u->err, -ETIMEDOUT, ZS_EXIT_FAILED, "%s within %u s: %.180s", what, u->timeout_s,
			    why);
}

int upgrade_wait(struct upgrade *u)
{
	uint64_t end = zs_clock_ns() + u->timeout_s * ZS_NS_PER_S, since = 0;
	struct sample first = { 0 };
	int rc;

	for (;;) {
		rc = look_again(u, &first, &since);
		if (rc == 1)
			return 0;
		if (zs_clock_ns() > end && since == 0)
			return too_late(u, "health does not return");
		rc = upgrade_pause(u, UPGRADE_STEP_MS);
		if (rc)
			return rc;
	}
}

void upgrade_count(struct upgrade *u)
{
	json_t *now = ask(u, ZS_COMMAND_status);

	if (now)
		json_object_set(u->before, "published", json_object_get(now, "published"));
	json_decref(now);
}

/* A later look would take ports for lost that somebody has withdrawn. */
static int judge_control(struct upgrade *u, json_t *now)
{
	const char *version = str(json_object_get(now, "control"), "version");

	if (strcmp(version, u->to) != 0)
		return wrong(u, "zs-controlplane answers, of version", version);
	if (num(now, "published") < num(u->before, "published"))
		return wrong(u, "published ports are missing", "");
	return 0;
}

int upgrade_wait_control(struct upgrade *u)
{
	uint64_t end = zs_clock_ns() + u->timeout_s * ZS_NS_PER_S;

	for (;;) {
		json_t *now = ask(u, ZS_COMMAND_status);
		int rc = now ? judge_control(u, now) : -EAGAIN;

		json_decref(now);
		if (!rc)
			return 0;
		if (zs_clock_ns() > end)
			return too_late(u, "the control plane is not as before");
		rc = upgrade_pause(u, UPGRADE_STEP_MS);
		if (rc)
			return rc;
	}
}
