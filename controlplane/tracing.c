#include "tracing.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"

#define LOOK_NS	 ZS_NS_PER_S
#define GRACE_NS (20 * ZS_NS_PER_MS) /* until the workers have seen that it is over: they look each ms */

struct zs_tracing {
	struct zs_control *c;
	struct zs_trace shm;
	struct zs_timer *timer;
	uint32_t serial; /* of the last trace; 0: there was none */
	const char *over;
	uint64_t until_ns, read_ns; /* monotonic */
	uint64_t quiet_ns;	    /* when the workers have seen the end */
	uint32_t left;		    /* packets */
	uint32_t worker;	    /* whose turn it is */
};

static uint64_t now_of(const struct zs_tracing *t)
{
	return zs_loop_now(t->c->loop);
}

void zs_tracing_end(struct zs_tracing *t, const char *why)
{
	if (!t->serial || t->over)
		return;
	t->over = why;
	t->quiet_ns = now_of(t) + GRACE_NS;
	zs_seqlock_put(t->shm.wanted, &(struct zs_trace_want){ 0 }, sizeof(struct zs_trace_want));
	ZS_LOG(&t->c->log, TRACE_ENDED, "trace=%u cause=%s", t->serial, why);
}

const char *zs_tracing_over(struct zs_tracing *t)
{
	if (!t->over && now_of(t) >= t->until_ns)
		zs_tracing_end(t, "duration");
	if (!t->over && (!t->c->state || !zs_segment_writer_alive(&t->c->state->seg)))
		zs_tracing_end(t, "dataplane");
	return t->over && now_of(t) >= t->quiet_ns ? t->over : NULL;
}

static void look(void *ctx)
{
	struct zs_tracing *t = ctx;

	zs_trace_link(&t->shm, t->c->shm_dir);
	if (t->serial && !t->over && now_of(t) >= t->read_ns + ZS_TRACING_UNREAD_S * ZS_NS_PER_S)
		zs_tracing_end(t, "unread");
	if (t->serial)
		zs_tracing_over(t);
	zs_timer_after(t->timer, LOOK_NS);
}

int zs_tracing_new(struct zs_tracing **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_tracing *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	t->c = c;
	rc = zs_trace_open_consumer(&t->shm, c->shm_dir, err);
	if (rc)
		goto undo;
	zs_trace_set(&t->shm, &(struct zs_trace_want){ 0 }); /* of the life before: nobody reads it */
	rc = zs_timer_new(&t->timer, c->loop, look, t);
	if (rc) {
		zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
		goto undo_shm;
	}
	look(t);
	*out = t;
	return 0;

undo_shm:
	zs_trace_close(&t->shm);
undo:
	free(t);
	return rc;
}

void zs_tracing_delete(struct zs_tracing *t)
{
	if (!t)
		return;
	zs_tracing_end(t, "stop");
	zs_timer_delete(t->timer);
	zs_trace_close(&t->shm);
	free(t);
}

static int ready(struct zs_tracing *t, struct zs_error *err)
{
	zs_trace_link(&t->shm, t->c->shm_dir);
	if (!t->shm.head || !t->c->state || !zs_segment_writer_alive(&t->c->state->seg))
		return zs_error_set(err, -ENODEV, ZS_EXIT_FAILED,
				    "the dataplane does not run; start zs-dataplane");
	if (t->serial && !zs_tracing_over(t))
		return zs_error_set(err, -EBUSY, ZS_EXIT_REFUSED,
				    "another trace runs, for %u s more at most; try again then",
				    (unsigned)((t->until_ns - now_of(t)) / ZS_NS_PER_S + 1));
	return 0;
}

int zs_tracing_begin(struct zs_tracing *t, struct zs_trace_want *want, uint32_t seconds, uint32_t packets,
		     uint32_t *id, struct zs_error *err)
{
	int rc = ready(t, err);

	if (rc)
		return rc;
	do /* not to be guessed by who reads the trace of another */
		t->serial = randombytes_random();
	while (!t->serial);
	t->over = NULL;
	t->left = packets;
	t->read_ns = now_of(t);
	t->until_ns = zs_clock_ns() + seconds * ZS_NS_PER_S;
	want->serial = t->serial;
	want->until_ns = t->until_ns;
	zs_trace_set(&t->shm, want);
	ZS_LOG(&t->c->log, TRACE_BEGUN, "trace=%u seconds=%u payload=%s", t->serial, seconds,
	       want->payload ? "yes" : "no");
	*id = t->serial;
	return 0;
}

bool zs_tracing_is(const struct zs_tracing *t, uint32_t id)
{
	return id && id == t->serial;
}

bool zs_tracing_take(struct zs_tracing *t, struct zs_trace_record *r, void *capture, uint64_t *time_ns)
{
	uint64_t mono = zs_clock_ns(), wall = zs_clock_wall_ns();

	t->read_ns = now_of(t);
	if (!t->left) {
		zs_tracing_end(t, "packets");
		return false;
	}
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++, t->worker = (t->worker + 1) % ZS_WORKERS_MAX) {
		if (!zs_trace_pop(&t->shm, t->worker, t->serial, r, capture))
			continue;
		*time_ns = r->time_ns < mono ? wall - (mono - r->time_ns) : wall;
		t->left--;
		return true;
	}
	return false;
}

void zs_tracing_count(const struct zs_tracing *t, uint32_t iface, struct zs_trace_count *out)
{
	*out = (struct zs_trace_count){ 0 };
	for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
		zs_trace_count(&t->shm, w, t->serial, iface, out);
}

struct zs_trace *zs_tracing_segments(struct zs_tracing *t)
{
	return t ? &t->shm : NULL;
}
