/* A single-producer single-consumer ring of fixed 64-byte events between two processes.
 * Neither side trusts the other's index: it is masked and a distance beyond the capacity
 * empties the ring (counted). The producer never waits: a full ring loses the event and
 * counts it. */
#ifndef ZS_SHM_RING_H
#define ZS_SHM_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ZS_RING_ENTRY 64

/* Producer's half and consumer's half lie in segments that each can write (the consumer
 * maps the producer's read-only), so the consumer's index is a cell of its own. */
struct zs_ring_producer {
	_Atomic uint64_t head; /* next to write */
	_Atomic uint64_t lost;
	uint64_t pad[6];
	/* entries follow */
};
struct zs_ring_consumer {
	_Atomic uint64_t tail;	 /* next to read */
	_Atomic uint64_t resets; /* times the producer's index made no sense */
	uint64_t pad[6];
};

struct zs_ring {
	struct zs_ring_producer *producer;
	struct zs_ring_consumer *consumer;
	uint8_t *entries;
	uint32_t capacity; /* power of two, private copy */
};

/* Binds a view; capacity is a power of two. */
void zs_ring_open(struct zs_ring *r, struct zs_ring_producer *p, struct zs_ring_consumer *c, void *entries,
		  uint32_t capacity);
/* false: full (counted as lost), or the other half is missing (not counted). */
bool zs_ring_push(struct zs_ring *r, const void *event);
/* Copies the oldest event out. false: empty, or the other half is missing. */
bool zs_ring_pop(struct zs_ring *r, void *event);
uint32_t zs_ring_count(const struct zs_ring *r);

#endif
