/* The time of a trial: a health code that counts it down, the undo at its end, and the patience with a disk that takes nothing.
 *
 * While the process lives the monotonic clock counts; over a restart the wall's does, which can make a trial shorter, and no
 * longer than it was asked for. */
#include "revisions/internal.h"

#include <errno.h>
#include <jansson.h>
#include <unistd.h>
#include "admin/record.h"
#include "base/clock.h"
#include "program.h"

static void until_text(const struct zs_revisions *r, char out[32])
{
	time_t at = (time_t)r->now.until_s;
	struct tm tm;

	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
}

uint32_t zs_trial_left(const struct zs_revisions *r)
{
	uint64_t now_ns = zs_loop_now(r->c->loop);

	if (!r->now.confirm_s || r->until_ns <= now_ns)
		return 0;
	return (uint32_t)((r->until_ns - now_ns + ZS_NS_PER_S - 1) / ZS_NS_PER_S);
}

void zs_revisions_trial(const struct zs_revisions *r, struct zs_trial *out)
{
	*out = (struct zs_trial){ 0 };
	if (!r->now.confirm_s)
		return;
	*out = (struct zs_trial){ .number = r->now.number,
				  .previous = r->now.previous,
				  .left_s = zs_trial_left(r),
				  .until_s = r->now.until_s };
}

static void show(struct zs_revisions *r)
{
	char until[32];

	until_text(r, until);
	zs_control_raise(r->c, ZS_HEALTH_config_trial, "revision %u until %s, %u s left, then revision %u",
			 r->now.number, until, zs_trial_left(r), r->now.previous);
}

void zs_trial_begin(struct zs_revisions *r)
{
	char until[32];

	r->until_ns = zs_loop_now(r->c->loop) + r->now.confirm_s * ZS_NS_PER_S;
	until_text(r, until);
	ZS_LOG(&r->c->log, CONFIG_TRIAL, "revision=%u previous=%u until=%s", r->now.number, r->now.previous,
	       until);
	show(r);
	zs_timer_after(r->timer, ZS_NS_PER_S);
}

void zs_trial_end(struct zs_revisions *r)
{
	zs_control_clear(r->c, ZS_HEALTH_config_trial);
	zs_timer_after(r->timer, 1); /* for what is not stored yet */
}

/* What was undone stands in store and audit file as soon as these can be written. */
static void catch_up(struct zs_revisions *r)
{
	struct zs_caller self = {
		.uid = geteuid(), .gid = (gid_t)-1, .pid = getpid(), .level = ZS_LEVEL_owner
	};
	struct zs_error err = { 0 };

	if (r->unrecorded) {
		json_t *args = json_pack("{s:I}", "revision", (json_int_t)r->unrecorded);

		if (zs_admin_record_open(r->c, "config undo", &self, args, 0, &err) == 0 &&
		    zs_admin_record_close(r->c, 0, &err) == 0)
			r->unrecorded = 0;
		json_decref(args);
	}
	zs_revisions_settle(r);
}

/* A port whose publication by command waits behind the configuration's; 0: none. */
static uint16_t displaced(const struct zs_control *c)
{
	struct zs_publication waits;

	for (uint32_t i = 0; c->program && i < c->conf->publishes; i++)
		if (zs_program_waiting(c->program, c->conf->publish[i].port, &waits))
			return waits.port;
	return 0;
}

static void tell_undone(struct zs_revisions *r, uint32_t revision, uint32_t confirm_s)
{
	uint16_t port = displaced(r->c);

	if (port)
		zs_control_raise(r->c, ZS_HEALTH_config_rejected,
				 "revision %u was not confirmed within %u s; port %u by command gave way",
				 revision, confirm_s, port);
	else
		zs_control_raise(r->c, ZS_HEALTH_config_rejected, "revision %u was not confirmed within %u s",
				 revision, confirm_s);
}

static void end(struct zs_revisions *r)
{
	uint32_t revision = r->now.number, confirm_s = r->now.confirm_s;
	struct zs_error err = { 0 };

	if (zs_revisions_undo(r, &err) != 0) {
		zs_control_raise(r->c, ZS_HEALTH_config_trial, "revision %u cannot be undone yet: %.60s",
				 revision, err.text);
		return;
	}
	r->unrecorded = revision;
	tell_undone(r, revision, confirm_s);
}

static void tick(void *ctx)
{
	struct zs_revisions *r = ctx;

	if (r->now.confirm_s && zs_trial_left(r) == 0)
		end(r);
	else if (r->now.confirm_s)
		show(r);
	if (r->unstored || r->unrecorded)
		catch_up(r);
	if (r->now.confirm_s || r->unstored || r->unrecorded)
		zs_timer_after(r->timer, ZS_NS_PER_S);
}

static uint32_t left_by_wall(const struct zs_revisions_now *now)
{
	uint64_t now_s = zs_clock_wall_ns() / ZS_NS_PER_S,
		 left = now->until_s > now_s ? now->until_s - now_s : 0;

	return left < now->confirm_s ? (uint32_t)left : now->confirm_s;
}

int zs_revisions_resume(struct zs_revisions *r, struct zs_error *err)
{
	if (zs_timer_new(&r->timer, r->c->loop, tick, r) != 0)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no timer for the revisions");
	if (r->now.confirm_s)
		r->until_ns = zs_loop_now(r->c->loop) + left_by_wall(&r->now) * ZS_NS_PER_S;
	tick(r);
	return 0;
}
