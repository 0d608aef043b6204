/* The simulator's own structures, for lib/sim alone. */
#ifndef ZS_SIM_SIM_INTERNAL_H
#define ZS_SIM_SIM_INTERNAL_H

#include "sim/prng.h"
#include "sim/queue.h"
#include "sim/sim.h"

#define ZS_SIM_BUCKETS 4096

struct zs_sim_way { /* a link's state */
	struct zs_sim_link link;
	uint64_t busy_ns, last_ns; /* until when it serialises; when the last in order arrives */
};
struct zs_sim_host {
	const struct zs_sim_ops *ops;
	void *ctx;
	struct zs_sim_way up, down;
	uint32_t nat, group, generation;
	int64_t offset_ns;
	uint64_t timer_ns;  /* the node's time, ZS_SIM_NEVER: none */
	uint64_t queued_ns; /* of the live event, the simulator's time */
	bool crashed;
};
struct zs_sim_bound {
	struct zs_endpoint endpoint;
	uint32_t nat, node, next; /* chain of a bucket */
	bool used;
};
struct zs_sim_mapping {
	struct zs_endpoint inside, remote; /* remote: symmetric NATs alone */
	uint16_t port;
	uint64_t used_ns;
};
struct zs_sim_box {
	struct zs_addr outside;
	enum zs_sim_nat_kind kind;
	uint64_t idle_ns;
	uint16_t port; /* the last one given out */
	struct zs_sim_mapping *mapping;
	uint32_t count;
};
struct zs_sim_packet {
	struct zs_endpoint from, to;
	uint32_t group, node, nat; /* of the sender; later node: the receiver */
	size_t len;
	uint8_t bytes[];
};
struct zs_sim {
	uint64_t now_ns, trace;
	struct zs_prng prng;
	struct zs_sim_queue queue;
	struct zs_sim_stats stats;
	struct zs_sim_host *host;
	struct zs_sim_bound *bound;
	struct zs_sim_box *box;
	uint32_t hosts, bounds, boxes, bucket[ZS_SIM_BUCKETS];
};

/* Room for one more element in an array of the simulator's. */
void *zs_sim_grow(void *array, uint32_t count, size_t size);
void zs_sim_note(struct zs_sim *sim, uint64_t what, const void *bytes, size_t len);
void zs_sim_put(struct zs_sim *sim, struct zs_sim_event event);

void zs_sim_arrive(struct zs_sim *sim, struct zs_sim_packet *p);
void zs_sim_lose(struct zs_sim *sim, struct zs_sim_packet *p, enum zs_sim_loss loss);

/* Outward: the source endpoint that the net sees. */
struct zs_endpoint zs_sim_nat_out(struct zs_sim *sim, uint32_t nat, const struct zs_endpoint *inside,
				  const struct zs_endpoint *remote);
/* Inward: is `to` an address of some NAT? Then its number, and *inside when it has a mapping (*mapped). */
uint32_t zs_sim_nat_in(struct zs_sim *sim, const struct zs_endpoint *from, const struct zs_endpoint *to,
		       struct zs_endpoint *inside, bool *mapped);

#endif
