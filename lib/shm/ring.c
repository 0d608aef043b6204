/* The event ring. Indices only grow; the slot is index & (capacity - 1). Each side owns its
 * index and distrusts the other's: a distance beyond the capacity is a peer that restarted or
 * was scribbled on. The producer then takes the ring for empty, the consumer moves its tail to
 * the head and counts a reset. */
#include "shm/ring.h"

#include <string.h>

void zs_ring_open(struct zs_ring *r, struct zs_ring_producer *p, struct zs_ring_consumer *c, void *entries,
		  uint32_t capacity)
{
	*r = (struct zs_ring){ .producer = p, .consumer = c, .entries = entries, .capacity = capacity };
}

static uint8_t *slot(const struct zs_ring *r, uint64_t index)
{
	return r->entries + (index & (r->capacity - 1)) * ZS_RING_ENTRY;
}

/* The half of the other process may be swapped by zs_events_link on another thread. */
static struct zs_ring_consumer *consumer_of(const struct zs_ring *r)
{
	return __atomic_load_n(&r->consumer, __ATOMIC_ACQUIRE);
}

bool zs_ring_push(struct zs_ring *r, const void *event)
{
	struct zs_ring_consumer *c = consumer_of(r);

	if (!c || !r->producer)
		return false;
	uint64_t head = atomic_load_explicit(&r->producer->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&c->tail, memory_order_acquire);
	if (head - tail == r->capacity) {
		uint64_t lost = atomic_load_explicit(&r->producer->lost, memory_order_relaxed);
		atomic_store_explicit(&r->producer->lost, lost + 1, memory_order_relaxed);
		return false;
	}
	memcpy(slot(r, head), event, ZS_RING_ENTRY);
	atomic_store_explicit(&r->producer->head, head + 1, memory_order_release);
	return true;
}

bool zs_ring_pop(struct zs_ring *r, void *event)
{
	struct zs_ring_consumer *c = consumer_of(r);

	if (!c || !r->producer)
		return false;
	uint64_t tail = atomic_load_explicit(&c->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&r->producer->head, memory_order_acquire);
	if (head == tail)
		return false;
	if (head - tail > r->capacity) {
		atomic_store_explicit(&c->tail, head, memory_order_release);
		atomic_fetch_add_explicit(&c->resets, 1, memory_order_relaxed);
		return false;
	}
	memcpy(event, slot(r, tail), ZS_RING_ENTRY);
	atomic_store_explicit(&c->tail, tail + 1, memory_order_release);
	return true;
}

uint32_t zs_ring_count(const struct zs_ring *r)
{
	struct zs_ring_consumer *c = consumer_of(r);

	if (!c || !r->producer)
		return 0;
	uint64_t n = atomic_load_explicit(&r->producer->head, memory_order_acquire) -
		     atomic_load_explicit(&c->tail, memory_order_relaxed);
	return n > r->capacity ? 0 : (uint32_t)n;
}
