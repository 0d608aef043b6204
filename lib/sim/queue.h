/* Events in the order of their time; those of one time in the order they were put. One thread. */
#ifndef ZS_SIM_QUEUE_H
#define ZS_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zs_sim_event_kind { ZS_SIM_TIMER, ZS_SIM_ARRIVE /* at the receiver's link */, ZS_SIM_DELIVER };

struct zs_sim_packet;
struct zs_sim_event {
	uint64_t at_ns, order;
	enum zs_sim_event_kind kind;
	uint32_t node, generation; /* of a timer: one set later makes it void */
	struct zs_sim_packet *packet;
};

struct zs_sim_queue {
	struct zs_sim_event *heap;
	size_t count, capacity;
	uint64_t order;
};

/* Grows as needed; -ENOMEM. The queue numbers the event. */
int zs_sim_queue_put(struct zs_sim_queue *q, struct zs_sim_event event);
/* The next one, NULL when there is none; good until the next put or take. */
const struct zs_sim_event *zs_sim_queue_peek(const struct zs_sim_queue *q);
bool zs_sim_queue_take(struct zs_sim_queue *q, struct zs_sim_event *out);
void zs_sim_queue_delete(struct zs_sim_queue *q); /* packets stay the caller's */

#endif
