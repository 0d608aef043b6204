/* Random bytes that nobody can foretell, for a worker: drawn ahead in housekeeping. */
#ifndef ZS_DATAPLANE_ENTROPY_H
#define ZS_DATAPLANE_ENTROPY_H

#include <stdint.h>
#include "base/random.h"

struct zs_entropy {
	uint32_t left;
	uint8_t bytes[512];
};

/* Housekeeping, and once before the first packet. */
void zs_entropy_refill(struct zs_entropy *e);
/* One that draws from it, and from the system when it is empty. */
struct zs_random zs_entropy_random(struct zs_entropy *e);

#endif
