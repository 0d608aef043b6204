/* The rings of samples. Indices only grow and count lines; each side owns its own and distrusts the other's: a distance
 * beyond the ring is lost by the producer, and sends the consumer to the head. */
#include "shm/trace.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"
#include "net/drop.h"

#define VERSION 1
#define MASK	(ZS_TRACE_LINES - 1)
#define RING	((size_t)ZS_TRACE_LINES * ZS_TRACE_LINE)

_Static_assert((ZS_TRACE_LINES & MASK) == 0, "power of two");

const char *zs_trace_class_name(enum zs_trace_class c)
{
	static const char *const names[] = {
#define ZS_TRACE_CLASS(name, text) #name,
#include "defs/trace.def"
#undef ZS_TRACE_CLASS
	};

	return (unsigned)c < ZS_TRACE_CLASSES ? names[c] : "unknown";
}

const char *zs_trace_verdict_name(enum zs_trace_verdict v)
{
	static const char *const names[] = { "sent", "dropped", "consumed", "punted" };

	return (unsigned)v < ZS_TRACE_VERDICTS ? names[v] : "unknown";
}

/* --- segments --- */

static const struct zs_segment_field trace_members[] = {
	ZS_SEGMENT_MEMBER("head", struct zs_trace_head, next),
	ZS_SEGMENT_MEMBER("head", struct zs_trace_head, serial),
	ZS_SEGMENT_MEMBER("head", struct zs_trace_head, count),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, lines),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, captured),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, length),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, serial),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, iface),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, verdict),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, reason),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, class),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, time_ns),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, from),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, to),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, client),
	ZS_SEGMENT_MEMBER("record", struct zs_trace_record, port),
};

static const struct zs_segment_field want_members[] = {
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, serial),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, until_ns),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, every),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, rate),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, attachment),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, port),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, snap),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, class),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, drop),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, payload),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, has_client),
	ZS_SEGMENT_MEMBER("want", struct zs_trace_want, client),
	ZS_SEGMENT_MEMBER("tail", struct zs_trace_tail, next),
};

static uint32_t trace_fields(struct zs_segment_field *out, const void *shape)
{
	uint32_t n = ZS_ARRAY_LEN(trace_members);

	memcpy(out, trace_members, sizeof(trace_members));
	n = zs_segment_put_region(out, n, "@head", ZS_WORKERS_MAX * sizeof(struct zs_trace_head));
	return zs_segment_put_region(out, n, "@line", ZS_WORKERS_MAX * RING);
}

static uint32_t want_fields(struct zs_segment_field *out, const void *shape)
{
	uint32_t n = ZS_ARRAY_LEN(want_members);

	memcpy(out, want_members, sizeof(want_members));
	n = zs_segment_put_region(out, n, "@want", sizeof(struct zs_trace_want));
	return zs_segment_put_region(out, n, "@tail", ZS_WORKERS_MAX * sizeof(struct zs_trace_tail));
}

/* Samples are worth less than a start: of another build or damaged, they are made anew. */
static bool always(const struct zs_segment_header *old)
{
	return true;
}

const struct zs_segment_kind zs_trace_kind = { .name = "trace",
					       .version = VERSION,
					       .fields = trace_fields,
					       .supersedes = always,
					       .expendable = true,
					       .mode = 0600 };
const struct zs_segment_kind zs_tracewant_kind = { .name = "tracewant",
						   .version = VERSION,
						   .fields = want_fields,
						   .supersedes = always,
						   .expendable = true,
						   .mode = 0600 };

static int bind_rings(void *ctx, const struct zs_segment *seg)
{
	struct zs_trace *t = ctx;
	size_t heads = 0, lines = 0;
	struct zs_trace_head *head = zs_segment_region(seg, "@head", &heads);
	uint8_t *line = zs_segment_region(seg, "@line", &lines);

	if (!head || !line || heads != ZS_WORKERS_MAX * sizeof(*head) || lines != ZS_WORKERS_MAX * RING)
		return -EPROTO;
	t->head = head;
	t->line = line;
	return 0;
}

static int bind_want(void *ctx, const struct zs_segment *seg)
{
	struct zs_trace *t = ctx;
	size_t size = 0, tails = 0;
	struct zs_trace_want *want = zs_segment_region(seg, "@want", &size);
	struct zs_trace_tail *tail = zs_segment_region(seg, "@tail", &tails);

	if (!want || !tail || size != sizeof(*want) || tails != ZS_WORKERS_MAX * sizeof(*tail))
		return -EPROTO;
	__atomic_store_n(&t->tail, tail, __ATOMIC_RELEASE);
	__atomic_store_n(&t->wanted, want, __ATOMIC_RELEASE);
	return 0;
}

int zs_trace_open_producer(struct zs_trace *t, const char *dir, struct zs_error *err)
{
	int rc;

	*t = (struct zs_trace){ .producer = true };
	rc = zs_pair_open(&t->pair, dir, &zs_trace_kind, NULL, bind_rings, t, err);
	if (rc == 0)
		zs_trace_link(t, dir);
	return rc;
}

int zs_trace_open_consumer(struct zs_trace *t, const char *dir, struct zs_error *err)
{
	int rc;

	*t = (struct zs_trace){ .producer = false };
	rc = zs_pair_open(&t->pair, dir, &zs_tracewant_kind, NULL, bind_want, t, err);
	if (rc == 0)
		zs_trace_link(t, dir);
	return rc;
}

int zs_trace_link(struct zs_trace *t, const char *dir)
{
	return t->producer ? zs_pair_link(&t->pair, dir, &zs_tracewant_kind, bind_want, t)
			   : zs_pair_link(&t->pair, dir, &zs_trace_kind, bind_rings, t);
}

void zs_trace_close(struct zs_trace *t)
{
	zs_pair_close(&t->pair);
	*t = (struct zs_trace){ 0 };
}

/* --- a worker's side --- */

static uint8_t *line_at(const struct zs_trace *t, uint32_t worker, uint64_t index)
{
	return t->line + worker * RING + (index & MASK) * ZS_TRACE_LINE;
}

void zs_trace_start(struct zs_trace *t, uint32_t worker, uint32_t serial)
{
	struct zs_trace_head *h = &t->head[worker];

	atomic_store_explicit(&h->serial, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	memset(h->count, 0, sizeof(h->count));
	atomic_store_explicit(&h->serial, serial, memory_order_release);
}

bool zs_trace_push(struct zs_trace *t, uint32_t worker, struct zs_trace_record *r, const void *capture)
{
	struct zs_trace_tail *tail = __atomic_load_n(&t->tail, __ATOMIC_ACQUIRE);
	uint64_t next, room;

	if (!tail || !t->head || r->captured > ZS_TRACE_SNAP)
		return false;
	r->lines = (uint16_t)((r->captured + ZS_TRACE_LINE - 1) / ZS_TRACE_LINE);
	next = atomic_load_explicit(&t->head[worker].next, memory_order_relaxed);
	room = ZS_TRACE_LINES - (next - atomic_load_explicit(&tail[worker].next, memory_order_acquire));
	if (room > ZS_TRACE_LINES || room < 1u + r->lines)
		return false;
	memcpy(line_at(t, worker, next), r, sizeof(*r));
	for (uint32_t i = 0, at = 0; i < r->lines; i++, at += ZS_TRACE_LINE)
		memcpy(line_at(t, worker, next + 1 + i), (const uint8_t *)capture + at,
		       r->captured - at < ZS_TRACE_LINE ? r->captured - at : ZS_TRACE_LINE);
	atomic_store_explicit(&t->head[worker].next, next + 1 + r->lines, memory_order_release);
	return true;
}

/* --- the control plane's --- */

/* What a worker that has not seen the change yet still pushes is of another serial. */
void zs_trace_set(struct zs_trace *t, const struct zs_trace_want *want)
{
	for (uint32_t w = 0; t->head && w < ZS_WORKERS_MAX; w++)
		atomic_store_explicit(&t->tail[w].next,
				      atomic_load_explicit(&t->head[w].next, memory_order_acquire),
				      memory_order_release);
	zs_seqlock_put(t->wanted, want, sizeof(*want));
}

static bool is_sound(const struct zs_trace_record *r, uint64_t there)
{
	return r->captured <= ZS_TRACE_SNAP && r->captured <= r->length &&
	       r->lines == (r->captured + ZS_TRACE_LINE - 1) / ZS_TRACE_LINE && 1u + r->lines <= there &&
	       r->iface < ZS_IFACES_MAX && r->verdict < ZS_TRACE_VERDICTS && r->class < ZS_TRACE_CLASSES &&
	       (r->verdict != ZS_TRACE_DROPPED || r->reason < ZS_DROPS);
}

bool zs_trace_pop(struct zs_trace *t, uint32_t worker, uint32_t serial, struct zs_trace_record *r,
		  void *capture)
{
	if (!t->head)
		return false;
	for (uint32_t looked = 0; looked < ZS_TRACE_LINES; looked++) {
		_Atomic uint64_t *tail = &t->tail[worker].next;
		uint64_t at = atomic_load_explicit(tail, memory_order_relaxed),
			 next = atomic_load_explicit(&t->head[worker].next, memory_order_acquire);

		if (at == next)
			return false;
		memcpy(r, line_at(t, worker, at), sizeof(*r));
		if (next - at > ZS_TRACE_LINES || !is_sound(r, next - at)) {
			atomic_store_explicit(tail, next, memory_order_release);
			return false;
		}
		for (uint32_t i = 0, k = 0; i < r->lines; i++, k += ZS_TRACE_LINE)
			memcpy((uint8_t *)capture + k, line_at(t, worker, at + 1 + i),
			       r->captured - k < ZS_TRACE_LINE ? r->captured - k : ZS_TRACE_LINE);
		atomic_store_explicit(tail, at + 1 + r->lines, memory_order_release);
		if (r->serial == serial)
			return true;
	}
	return false;
}

void zs_trace_count(const struct zs_trace *t, uint32_t worker, uint32_t serial, uint32_t iface,
		    struct zs_trace_count *sum)
{
	if (!t->head || atomic_load_explicit(&t->head[worker].serial, memory_order_acquire) != serial)
		return;
	sum->matched += t->head[worker].count[iface].matched;
	sum->over_rate += t->head[worker].count[iface].over_rate;
	sum->ring_full += t->head[worker].count[iface].ring_full;
	sum->unseen += t->head[worker].count[iface].unseen;
}
