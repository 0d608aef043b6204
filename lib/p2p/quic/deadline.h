/* The connection whose timer is next: a binary heap of pointers; each element knows its place.
 * Private to lib/p2p/quic. */
#ifndef ZS_P2P_QUIC_DEADLINE_H
#define ZS_P2P_QUIC_DEADLINE_H

#include <stdint.h>

struct zs_deadline {
	uint64_t at;
	uint32_t place; /* in the heap, plus one; 0: not in it */
};

struct zs_deadlines {
	struct zs_deadline **heap;
	uint32_t count, capacity;
};

void zs_deadlines_free(struct zs_deadlines *h);
/* Makes room for `count` elements: zs_deadlines_set() cannot fail then. -ENOMEM. */
int zs_deadlines_reserve(struct zs_deadlines *h, uint32_t count);
/* Enters or moves it; UINT64_MAX takes it out. */
void zs_deadlines_set(struct zs_deadlines *h, struct zs_deadline *d, uint64_t at);

#endif
