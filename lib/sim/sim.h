/* A network of UDP endpoints in virtual time, for tests: nodes with an access link each way, NATs,
 * partitions, crashes and clocks that jump. It knows nothing of what the datagrams hold.
 *
 * A datagram passes its sender's uplink, the NAT, the net, the receiver's downlink. Each link loses,
 * duplicates, delays and reorders by its figures, drawn from one seeded generator: the same seed and
 * the same calls give the same run, which zs_sim_trace() shows. One thread; a node's upcalls may call
 * anything here but run, step and delete. Out of memory ends the process: it is a test's tool. */
#ifndef ZS_SIM_SIM_H
#define ZS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/addr.h"

#define ZS_SIM_NO_NAT UINT32_MAX
#define ZS_SIM_NEVER  UINT64_MAX

/* All-zero is a perfect link. Rates are parts per million. */
struct zs_sim_link {
	uint64_t delay_ns, jitter_ns; /* delay + [0, jitter), order kept */
	uint32_t loss_ppm, duplicate_ppm;
	uint32_t reorder_ppm; /* held back by reorder_ns, others overtake */
	uint64_t reorder_ns;
	uint64_t rate_bps;    /* 0: no limit */
	uint32_t queue_bytes; /* what may wait for the rate; above it is lost */
	uint32_t mtu;	      /* longest UDP payload; 0: no limit */
};

enum zs_sim_loss {
	ZS_SIM_LOST_LINK,   /* by loss_ppm */
	ZS_SIM_LOST_QUEUE,  /* no room before a slow link */
	ZS_SIM_LOST_MTU,    /* too long */
	ZS_SIM_LOST_NAT,    /* no mapping, or not from whom it is for */
	ZS_SIM_LOST_NOBODY, /* nobody has that endpoint */
	ZS_SIM_LOST_PARTITION,
	ZS_SIM_LOST_CRASHED,
	ZS_SIM_LOSSES
};

/* sent + duplicated = delivered + sum of lost + in_flight, always. */
struct zs_sim_stats {
	uint64_t sent, duplicated, reordered, delivered, in_flight, lost[ZS_SIM_LOSSES];
};

enum zs_sim_nat_kind {
	ZS_SIM_NAT_CONE,      /* a port for each inside endpoint, anyone may answer */
	ZS_SIM_NAT_SYMMETRIC, /* a port for each pair of endpoints, only that one may answer */
};

struct zs_sim_ops {
	/* A datagram for the node; the bytes are good during the call. now_ns: the node's own clock. */
	void (*receive)(void *ctx, uint64_t now_ns, const struct zs_endpoint *from,
			const struct zs_endpoint *to, const uint8_t *bytes, size_t len);
	void (*timer)(void *ctx, uint64_t now_ns);
};

struct zs_sim;

struct zs_sim *zs_sim_new(uint64_t seed);
void zs_sim_delete(struct zs_sim *sim);

/* A node, numbered from 0; `ops` outlives it. Its clock starts as the simulator's, at one second. */
uint32_t zs_sim_node(struct zs_sim *sim, const struct zs_sim_ops *ops, void *ctx);
void zs_sim_set_links(struct zs_sim *sim, uint32_t node, const struct zs_sim_link *up,
		      const struct zs_sim_link *down);
/* The node owns this endpoint; behind a NAT it is one of the inside. -EADDRINUSE. */
int zs_sim_bind(struct zs_sim *sim, uint32_t node, const struct zs_endpoint *endpoint);
void zs_sim_unbind(struct zs_sim *sim, uint32_t node, const struct zs_endpoint *endpoint);
/* -EADDRNOTAVAIL: `from` is not bound by this node. What the net loses is no error. */
int zs_sim_send(struct zs_sim *sim, uint32_t node, const struct zs_endpoint *from,
		const struct zs_endpoint *to, const void *bytes, size_t len);
/* The node's one timer, in its own time; replaces the one before. ZS_SIM_NEVER: none. */
void zs_sim_set_timer(struct zs_sim *sim, uint32_t node, uint64_t at_ns);

/* A NAT with one public address; mappings unused for idle_ns are forgotten. Numbered from 0. */
uint32_t zs_sim_nat(struct zs_sim *sim, const struct zs_addr *outside, enum zs_sim_nat_kind kind,
		    uint64_t idle_ns);
/* Before the node binds. */
void zs_sim_behind(struct zs_sim *sim, uint32_t node, uint32_t nat);
/* Forgets all mappings: the next datagrams leave from new ports. */
void zs_sim_rebind(struct zs_sim *sim, uint32_t nat);

/* Only nodes of one group reach each other; all start in group 0. */
void zs_sim_partition(struct zs_sim *sim, uint32_t node, uint32_t group);
/* A crashed node hears nothing, its timer is gone; what it sent before is on its way. */
void zs_sim_crash(struct zs_sim *sim, uint32_t node, bool crashed);
/* Moves the node's clock; a timer that is now in the past fires at once. */
void zs_sim_jump(struct zs_sim *sim, uint32_t node, int64_t by_ns);

uint64_t zs_sim_now(const struct zs_sim *sim);
uint64_t zs_sim_node_now(const struct zs_sim *sim, uint32_t node);
/* One event. False: there is none. */
bool zs_sim_step(struct zs_sim *sim);
/* All events up to and at `until_ns` of the simulator's clock, which then stands there. */
void zs_sim_run(struct zs_sim *sim, uint64_t until_ns);

struct zs_sim_stats zs_sim_stats(const struct zs_sim *sim);
/* A hash over all that happened so far: times, endpoints, bytes. */
uint64_t zs_sim_trace(const struct zs_sim *sim);
const char *zs_sim_loss_name(enum zs_sim_loss loss);

#endif
