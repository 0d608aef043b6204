/* A worker: one pinned thread that takes every packet from receive to its end.
 *
 * Everything in struct zs_worker is written by its thread alone, but for the rings (single
 * producer, single consumer) and what it has seen, which main reads. */
#ifndef ZS_DATAPLANE_WORKER_H
#define ZS_DATAPLANE_WORKER_H

#include "cids.h"
#include "dataplane.h"
#include "entropy.h"
#include "flood.h"
#include "hot.h"
#include "locals.h"
#include "shm/policer.h"
#include "tracer.h"

#define ZS_BURST	  32
#define ZS_MISSING_SLOTS  256 /* neighbours lately asked for, by hash: one event each 100 ms */
#define ZS_TABLES_STOPPED 0   /* stamp of no tables at all */
#define ZS_HOPS		  64  /* neighbours at hand: a relay speaks to a router or two */

struct rte_mbuf;
struct zs_item;
struct zs_tunnels;
struct rte_ring;

enum zs_sent_kind { ZS_SENT_PLAIN, ZS_SENT_TUNNELLED, ZS_SENT_CONTROL /* the relay's own words */ };

/* What tx needs to remember of a packet until the port takes it. */
struct zs_sent {
	struct zs_flow *flow; /* NULL: none (ICMP, connection IDs, handed over) */
	uint32_t from, to;    /* attachments + 1 that it came from and goes to; 0: none */
	uint16_t payload;     /* UDP payload bytes, the inner one's */
	uint16_t ip_len;
	uint8_t way;  /* enum zs_flow_way */
	uint8_t kind; /* enum zs_sent_kind */
};

/* What a frame needs to know of a neighbour. */
struct zs_hop {
	uint8_t dmac[6], smac[6];
	uint16_t vlan;
	uint16_t mtu; /* 0: the port's */
	uint8_t iface;
};

/* A neighbour's entry of the tables as it was lately, so that not every packet copies it. */
struct zs_hop_line {
	uint32_t index; /* + 1; 0: nothing */
	uint32_t stamp; /* of the tables, see hop.c */
	struct zs_hop hop;
};

struct zs_txbuf {
	uint32_t count;
	struct rte_mbuf *mbuf[ZS_BURST];
	struct zs_sent sent[ZS_BURST];
};

/* Packets of the burst that are judged when the others have left (stage/late.c). */
struct zs_later {
	uint32_t count;
	bool now; /* they are being judged */
	struct zs_item *at[ZS_BURST];
};

struct zs_worker {
	struct zs_dp *dp;
	uint32_t index;
	struct zs_worker_state *state;
	uint64_t *count; /* = state->counters.counter, by enum zs_counter */
	uint64_t *drop;	 /* = state->counters.drop, by enum zs_drop */
	/* This loop's view of the world. */
	const struct zs_tables *tables; /* NULL: stopped */
	struct zs_tables *_Atomic tables_seen;
	const struct zs_sessions *sessions; /* NULL: no attachment is known */
	struct zs_sessions *_Atomic sessions_seen;
	uint64_t change;
	uint32_t stamp; /* of tables and change, compared with zs_flow.as_of; never 0 with tables */
	uint64_t now_ns;
	uint32_t now_ms;
	zs_acl_view acl; /* NULL: nothing is denied */
	struct zs_locals locals;
	struct zs_hop_line hop[ZS_HOPS]; /* by index */
	struct zs_settings settings;
	uint32_t random;
	struct zs_tunnels *tunnels;
	struct zs_entropy entropy;
	/* Queues this worker polls, and how it sends on each port. */
	uint32_t polls;
	struct {
		uint8_t port;
		uint16_t ethdev, queue;
	} poll[ZS_IFACES_MAX * ZS_QUEUES_MAX];
	struct zs_queue out[ZS_IFACES_MAX]; /* a queue of ours, else one of the worker that sends for us */
	struct zs_txbuf tx[ZS_IFACES_MAX];
	struct rte_ring *inbox[ZS_WORKERS_MAX];	 /* [from]: packets whose flow is ours */
	struct rte_ring *outbox[ZS_WORKERS_MAX]; /* [from]: packets ready for a port that is ours */
	/* Attachments. */
	struct zs_hot *hot; /* the state segment's lines for this worker, by attachment: routes and meters */
	struct zs_account *account; /* the same */
	struct zs_hot_view hot_view;
	struct zs_policer policer;
	struct zs_tracer tracer;
	struct zs_tracer *trace; /* NULL: nobody asked for samples */
	struct zs_cids cids;
	struct zs_flood flood;
	struct zs_later later;
	/* Rare things. */
	struct zs_punts *punts; /* what the twins of ports may be given; NULL: no port has one */
	uint64_t icmp_tat_ns;
	uint64_t unix_s; /* as of the last housekeeping */
	uint32_t missing_ms[ZS_MISSING_SLOTS];
	uint32_t retry_ms[ZS_MISSING_SLOTS]; /* flows that lately asked again, by hash */
	uint64_t housekeeping_ns;	     /* next time */
	uint32_t sweep;			     /* partition whose turn it is */
	uint64_t quiet_since_ns;
	uint32_t sleep_us;
	uint32_t burst_us; /* longest sleep its receive rings allow */
	uint64_t mark;	   /* cycle counter at the end of the stage before */
} __attribute__((aligned(64)));

/* Main: makes the workers, their rings and the flow partitions. */
int zs_workers_new(struct zs_dp *dp, struct zs_error *err);
/* Main: starts every worker on its core; returns when all run. */
int zs_workers_start(struct zs_dp *dp, struct zs_error *err);
/* Main: two steps, so that nothing handed over is lost: all stop receiving, then each drains
 * its rings and ends. Returns when all have ended. */
void zs_workers_stop(struct zs_dp *dp);
void zs_workers_delete(struct zs_dp *dp);

/* loop.c: a worker's life, on its core; `arg` is its struct zs_worker. */
int zs_worker_run(void *arg);
/* loop.c: once round it: what came (unless `receiving` is false), what others handed over, housekeeping when it is due. Returns how
 * many packets there were. For benches, which are a worker's thread themselves. */
struct zs_burst;
uint32_t zs_worker_turn(struct zs_worker *w, struct zs_burst *b, bool receiving);
/* Worker: an event for the control plane; a full ring loses it, counted. */
void zs_worker_event(struct zs_worker *w, struct zs_event *event);
static inline uint32_t zs_worker_random(struct zs_worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 17;
	w->random ^= w->random << 5;
	return w->random;
}

#endif
