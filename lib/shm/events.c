/* Workers push while the main thread links; the consumer is one thread. */
#include "shm/events.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"

#define EVENTS_VERSION 1
#define CAPACITY_MAX   (1u << 20)

static const struct zs_segment_field events_members[] = {
	ZS_SEGMENT_MEMBER("producer", struct zs_ring_producer, head),
	ZS_SEGMENT_MEMBER("producer", struct zs_ring_producer, lost),
	ZS_SEGMENT_MEMBER("event", struct zs_event, kind),
	ZS_SEGMENT_MEMBER("event", struct zs_event, iface),
	ZS_SEGMENT_MEMBER("event", struct zs_event, reason),
	ZS_SEGMENT_MEMBER("event", struct zs_event, port),
	ZS_SEGMENT_MEMBER("event", struct zs_event, vlan),
	ZS_SEGMENT_MEMBER("event", struct zs_event, time_ns),
	ZS_SEGMENT_MEMBER("event", struct zs_event, client),
	ZS_SEGMENT_MEMBER("event", struct zs_event, source_port),
	ZS_SEGMENT_MEMBER("event", struct zs_event, packets),
	ZS_SEGMENT_MEMBER("event", struct zs_event, bytes),
};

static const struct zs_segment_field eventack_members[] = {
	ZS_SEGMENT_MEMBER("consumer", struct zs_ring_consumer, tail),
	ZS_SEGMENT_MEMBER("consumer", struct zs_ring_consumer, resets),
};

static bool good_capacity(uint64_t n)
{
	return n >= 2 && n <= CAPACITY_MAX && (n & (n - 1)) == 0;
}

static uint32_t events_fields(struct zs_segment_field *out, const void *shape)
{
	const struct zs_events_shape *s = shape;
	uint64_t capacity = s && s->capacity ? s->capacity : CONFIG_EVENTS;
	uint32_t n = ZS_ARRAY_LEN(events_members);

	ZS_CHECK(good_capacity(capacity), "events: %lu is not a power of two in range",
		 (unsigned long)capacity);
	memcpy(out, events_members, sizeof(events_members));
	n = zs_segment_put_region(out, n, "@producer", ZS_WORKERS_MAX * sizeof(struct zs_ring_producer));
	return zs_segment_put_region(out, n, "@entry", ZS_WORKERS_MAX * capacity * ZS_RING_ENTRY);
}

static uint32_t eventack_fields(struct zs_segment_field *out, const void *shape)
{
	(void)shape;
	memcpy(out, eventack_members, sizeof(eventack_members));
	return zs_segment_put_region(out, ZS_ARRAY_LEN(eventack_members), "@consumer",
				     ZS_WORKERS_MAX * sizeof(struct zs_ring_consumer));
}

const struct zs_segment_kind zs_events_kind = {
	.name = "events", .version = EVENTS_VERSION, .fields = events_fields, .expendable = true
};
const struct zs_segment_kind zs_eventack_kind = {
	.name = "eventack", .version = EVENTS_VERSION, .fields = eventack_fields, .expendable = true
};

/* Points the rings at the producer's half. */
static int bind_events(void *ctx, const struct zs_segment *seg)
{
	struct zs_events *e = ctx;
	size_t heads = 0, entries = 0;
	struct zs_ring_producer *p = zs_segment_region(seg, "@producer", &heads);
	uint8_t *entry = zs_segment_region(seg, "@entry", &entries);
	size_t capacity = entries / (ZS_WORKERS_MAX * ZS_RING_ENTRY);

	if (!p || !entry || heads != ZS_WORKERS_MAX * sizeof(*p) || !good_capacity(capacity) ||
	    entries != capacity * ZS_WORKERS_MAX * ZS_RING_ENTRY)
		return -EPROTO;
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		zs_ring_open(&e->ring[i], &p[i], e->ring[i].consumer, entry + i * capacity * ZS_RING_ENTRY,
			     (uint32_t)capacity);
	return 0;
}

static int bind_ack(void *ctx, const struct zs_segment *seg)
{
	struct zs_events *e = ctx;
	size_t size = 0;
	struct zs_ring_consumer *c = zs_segment_region(seg, "@consumer", &size);

	if (!c || size != ZS_WORKERS_MAX * sizeof(*c))
		return -EPROTO;
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		__atomic_store_n(&e->ring[i].consumer, &c[i], __ATOMIC_RELEASE);
	return 0;
}

int zs_events_open_producer(struct zs_events *e, const char *dir, const struct zs_events_shape *shape,
			    struct zs_error *err)
{
	int rc;

	*e = (struct zs_events){ .producer = true };
	rc = zs_pair_open(&e->pair, dir, &zs_events_kind, shape, bind_events, e, err);
	if (rc < 0)
		return rc;
	e->rings = ZS_WORKERS_MAX;
	zs_events_link(e, dir);
	return 0;
}

int zs_events_open_consumer(struct zs_events *e, const char *dir, struct zs_error *err)
{
	int rc;

	*e = (struct zs_events){ .producer = false };
	rc = zs_pair_open(&e->pair, dir, &zs_eventack_kind, NULL, bind_ack, e, err);
	if (rc < 0)
		return rc;
	e->rings = ZS_WORKERS_MAX;
	zs_events_link(e, dir);
	return 0;
}

int zs_events_link(struct zs_events *e, const char *dir)
{
	return e->producer ? zs_pair_link(&e->pair, dir, &zs_eventack_kind, bind_ack, e)
			   : zs_pair_link(&e->pair, dir, &zs_events_kind, bind_events, e);
}

void zs_events_close(struct zs_events *e)
{
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		e->ring[i] = (struct zs_ring){ 0 };
	e->rings = 0;
	zs_pair_close(&e->pair);
}
