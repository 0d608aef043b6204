/* The events segment: one ring per worker from the dataplane to the control plane. The
 * consumer's indices live in a small segment of its own (`eventack`) that the control plane
 * writes and the dataplane reads, so each process writes only its own files. */
#ifndef ZS_SHM_EVENTS_H
#define ZS_SHM_EVENTS_H

#include "net/addr.h"
#include "shm/pair.h"
#include "shm/ring.h"
#include "shm/tables.h"

enum zs_event_kind {
	ZS_EVENT_FLOW_NEW = 1,
	ZS_EVENT_FLOW_END,
	ZS_EVENT_NEIGHBOUR_MISSING, /* addr is wanted on iface/vlan */
};

enum zs_flow_end { ZS_FLOW_END_IDLE = 1, ZS_FLOW_END_EVICTED, ZS_FLOW_END_UNPUBLISHED, ZS_FLOW_END_CLOSED };

struct zs_event {
	uint8_t kind;
	uint8_t iface;
	uint8_t reason;
	uint8_t pad;
	uint16_t port; /* published port */
	uint16_t vlan;
	uint64_t time_ns;	   /* monotonic */
	struct zs_endpoint client; /* or the wanted neighbour's address */
	uint16_t source_port;
	uint32_t packets;
	uint64_t bytes;
	uint8_t pad2[16];
};
_Static_assert(sizeof(struct zs_event) == ZS_RING_ENTRY, "one line");

extern const struct zs_segment_kind zs_events_kind;
extern const struct zs_segment_kind zs_eventack_kind;

struct zs_events {
	struct zs_pair
	    pair; /* dataplane: own = events, other = eventack; control plane: the other way round */
	bool producer;
	struct zs_ring ring[ZS_WORKERS_MAX];
	uint32_t rings;
};

/* As shm/pair.h: the dataplane is the producer. Rings are usable when both halves are there; until then push counts
 * nothing and returns false. */
struct zs_events_shape {
	uint32_t capacity;
};
int zs_events_open_producer(struct zs_events *e, const char *dir, const struct zs_events_shape *shape,
			    struct zs_error *err);
int zs_events_open_consumer(struct zs_events *e, const char *dir, struct zs_error *err);
int zs_events_link(struct zs_events *e, const char *dir);
void zs_events_close(struct zs_events *e);

#endif
