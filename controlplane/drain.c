/* Serving → draining → drained, and back by zs_drain_lift. Draining: published ports make no new flows, no edge attaches, those
 * that are there know until when and where else to go. Drained, when nobody is left or the time is up: sessions are
 * ended, flows of before too.
 *
 * In the store, "drain": {u8 version 1, u8 state, be32 timeout_s, be64 Unix time of the deadline} = 14 bytes; no record: serving. */
#include "drain.h"

#include <errno.h>
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "program.h"
#include "state_watch.h"
#include "store.h"

#define POLL_NS (200 * ZS_NS_PER_MS)
#define KEY	"drain"
#define KEY_LEN 5
#define VERSION 1

const char *zs_drain_name(enum zs_drain_state state)
{
	static const char *const names[] = { "serving", "draining", "drained" };

	return (unsigned)state < ZS_ARRAY_LEN(names) ? names[state] : "unknown";
}

/* --- the record --- */

void zs_drain_record_write(uint8_t out[ZS_DRAIN_RECORD], const struct zs_drain *d)
{
	struct zs_writer w = zs_writer_of(out, ZS_DRAIN_RECORD);

	zs_write_u8(&w, VERSION);
	zs_write_u8(&w, (uint8_t)d->state);
	zs_write_u32(&w, d->timeout_s);
	zs_write_u64(&w, d->until_s);
	ZS_CHECK(!w.failed && zs_writer_len(&w) == ZS_DRAIN_RECORD, "a drain's record");
}

bool zs_drain_record_read(struct zs_drain *d, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), state = zs_read_u8(&r);

	*d = (struct zs_drain){ .state = (enum zs_drain_state)state, .timeout_s = zs_read_u32(&r) };
	d->until_s = zs_read_u64(&r);
	return zs_reader_done(&r) && version == VERSION && state >= ZS_DRAINING && state <= ZS_DRAINED &&
	       d->timeout_s <= ZS_DRAIN_TIMEOUT_MAX_S;
}

static int record(struct zs_control *c, const struct zs_drain *d, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(c->store);
	uint8_t value[ZS_DRAIN_RECORD];

	zs_drain_record_write(value, d);
	if (d->state == ZS_SERVING)
		zs_store_del(b, KEY, KEY_LEN);
	else
		zs_store_put(b, KEY, KEY_LEN, value, sizeof(value));
	return zs_control_commit(c, b, err);
}

static uint64_t wall_s(void)
{
	return zs_clock_wall_ns() / ZS_NS_PER_S;
}

void zs_drain_load(struct zs_control *c)
{
	uint8_t value[ZS_DRAIN_RECORD];
	size_t len = 0;
	int rc = zs_store_get(c->store, KEY, KEY_LEN, value, sizeof(value), &len);

	c->drain = (struct zs_drain){ 0 };
	if (rc == -ENOENT || (!rc && len <= sizeof(value) && zs_drain_record_read(&c->drain, value, len)))
		return;
	/* It may have said that nothing is to come in; zsctl undrain says otherwise. */
	ZS_LOG(&c->log, STORE_FAILED, "error=\"damaged record of a drain\" bytes=%zu", len);
	zs_control_raise(c, ZS_HEALTH_drain_unread, "%zu bytes", len);
	c->drain = (struct zs_drain){ .state = ZS_DRAINING,
				      .timeout_s = ZS_DRAIN_TIMEOUT_S,
				      .until_s = wall_s() + ZS_DRAIN_TIMEOUT_S };
}

/* --- the states --- */

/* A clock that was set back does not make it longer. */
static uint32_t left_s(const struct zs_drain *d)
{
	uint64_t now_s = wall_s(), left = d->until_s > now_s ? d->until_s - now_s : 0;

	return left < d->timeout_s ? (uint32_t)left : d->timeout_s;
}

void zs_drain_left(const struct zs_control *c, struct zs_drain_left *out)
{
	*out = (struct zs_drain_left){ .flows = c->watch ? zs_state_watch_flows(c->watch) : 0,
				       .left_s = c->drain.state == ZS_DRAINING ? left_s(&c->drain) : 0 };
	if (!c->attach)
		return;
	out->edges = zs_attach_edges(c->attach);
	out->sessions = zs_attach_counts(c->attach)->sessions;
}

static void finish(struct zs_control *c, const struct zs_drain_left *rest)
{
	c->drain.state = ZS_DRAINED;
	record(c, &c->drain, NULL); /* if that fails it is drained once more after a restart */
	zs_program_drain(c->program);
	if (c->attach)
		zs_attach_drained(c->attach, zs_loop_now(c->loop));
	ZS_LOG(&c->log, DRAINED, "edges=%u sessions=%u flows=%llu", rest->edges, rest->sessions,
	       (unsigned long long)rest->flows);
}

/* Who has moved keeps a session here for its lease, which carries nothing: it is not waited for. After a restart nobody can tell it
 * from one that still serves, whose edge may not connect any more: then all of them have the time that they were told. */
static bool is_waited_for(const struct zs_control *c, const struct zs_drain_left *rest)
{
	return rest->edges || rest->flows || (c->drain.resumed && rest->sessions);
}

static void poll(void *ctx)
{
	struct zs_control *c = ctx;
	struct zs_drain_left rest;

	if (c->drain.state != ZS_DRAINING)
		return;
	zs_drain_left(c, &rest);
	if (is_waited_for(c, &rest) && zs_loop_now(c->loop) < c->drain.until_ns)
		zs_timer_after(c->drain.timer, POLL_NS);
	else
		finish(c, &rest);
}

static int start(struct zs_control *c, uint32_t for_s, struct zs_error *err)
{
	if (!c->drain.timer && zs_timer_new(&c->drain.timer, c->loop, poll, c))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no timer for the drain");
	c->drain.until_ns = zs_loop_now(c->loop) + for_s * ZS_NS_PER_S;
	zs_program_drain(c->program);
	if (c->attach)
		zs_attach_drain(c->attach, for_s * 1000, zs_loop_now(c->loop));
	ZS_LOG(&c->log, DRAINING, "timeout_s=%u", for_s);
	zs_timer_after(c->drain.timer, POLL_NS);
	return 0;
}

int zs_drain_resume(struct zs_control *c, struct zs_error *err)
{
	c->drain.resumed = c->drain.state == ZS_DRAINING;
	if (c->drain.resumed)
		return start(c, left_s(&c->drain), err);
	if (c->drain.state == ZS_DRAINED && c->attach)
		zs_attach_drained(c->attach, zs_loop_now(c->loop));
	return 0;
}

void zs_drain_delete(struct zs_control *c)
{
	zs_timer_delete(c->drain.timer);
	c->drain.timer = NULL;
}

int zs_drain_begin(struct zs_control *c, uint32_t timeout_s, struct zs_error *err)
{
	struct zs_drain next = c->drain;
	int rc;

	if (timeout_s > ZS_DRAIN_TIMEOUT_MAX_S)
		return zs_error_set(err, -ERANGE, ZS_EXIT_USAGE, "timeout: 0 to %u seconds",
				    ZS_DRAIN_TIMEOUT_MAX_S);
	if (c->drain.state == ZS_DRAINED)
		return 0;
	next.state = ZS_DRAINING;
	next.timeout_s = timeout_s;
	next.until_s = wall_s() + timeout_s;
	rc = zs_program_writable(c->program, err);
	if (!rc)
		rc = record(c, &next, err);
	if (rc)
		return rc;
	zs_control_clear(c, ZS_HEALTH_drain_unread);
	c->drain = next;
	return start(c, timeout_s, err);
}

int zs_drain_lift(struct zs_control *c, struct zs_error *err)
{
	int rc;

	if (c->drain.state == ZS_SERVING)
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED, "the relay does not drain");
	rc = zs_program_writable(c->program, err);
	if (!rc)
		rc = record(c, &(struct zs_drain){ 0 }, err);
	if (rc)
		return rc;
	zs_control_clear(c, ZS_HEALTH_drain_unread);
	c->drain.state = ZS_SERVING;
	c->drain.resumed = false;
	zs_program_drain(c->program);
	if (c->attach)
		zs_attach_undrain(c->attach);
	ZS_LOG(&c->log, UNDRAINED);
	return 0;
}
