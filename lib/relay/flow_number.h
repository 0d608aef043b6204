/* What the opener of flows keeps: which number to use next, and when to say OPEN (docs/PROTOCOL.md). Numbers belong to
 * the attachment and outlive its sessions. Sans-I/O, no allocation, one thread. */
#ifndef ZS_RELAY_FLOW_NUMBER_H
#define ZS_RELAY_FLOW_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define ZS_OPEN_PACE_NS (100 * ZS_NS_PER_MS)

struct zs_flow_resting {
	uint64_t until_ns;
	uint16_t number;
};

/* Numbers first … first + count − 1, each used again only after its rest. */
struct zs_flow_numbers {
	struct zs_flow_resting *rest; /* ring, oldest first */
	uint64_t rest_ns;
	uint32_t count, start, fresh; /* fresh: how many were never used, counted from start */
	uint32_t head, resting;
	uint16_t first;
};

/* `rest`: the caller's, `count` entries (≤ 65,536). `start` is drawn at random: another run of the program may lately
 * have used the first ones. idle_ns: the idle time-out; a number rests twice that. */
void zs_flow_numbers_init(struct zs_flow_numbers *n, struct zs_flow_resting *rest, uint16_t first,
			  uint32_t count, uint32_t start, uint64_t idle_ns);
/* -EAGAIN: all are in use or resting. */
int zs_flow_numbers_take(struct zs_flow_numbers *n, uint64_t now_ns, uint16_t *number);
/* Once for each number taken, when its flow has ended. */
void zs_flow_numbers_give(struct zs_flow_numbers *n, uint16_t number, uint64_t now_ns);

/* OPEN goes before or beside the flow's data, at most every 100 ms, until DATA has come back. All zero: not yet. */
struct zs_opening {
	uint64_t next_ns;
	bool answered;
};
static inline bool zs_opening_due(struct zs_opening *o, uint64_t now_ns)
{
	if (o->answered || now_ns < o->next_ns)
		return false;
	o->next_ns = now_ns + ZS_OPEN_PACE_NS;
	return true;
}

#endif
