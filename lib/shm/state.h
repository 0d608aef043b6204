/* The state segment: what the dataplane knows and counts. Written by zs-dataplane alone,
 * mapped read-only by zs-controlplane; it outlives both, so flows survive a restart.
 *
 * Across builds: a new counter, drop reason, stage or health code needs no new version. A
 * dataplane that finds other counters than its own makes a new segment with the flows of the old
 * one; counts begin at 0. A change of what a flow, its head or an endpoint is does need one, and a
 * migration: tests/unit/lib/state_fixture.h holds the flows of version 2, which state_v2.c takes over into
 * version 3.
 *
 * What belongs to attachments is of their capacity. It goes on under another number of workers; another capacity
 * or another build begins it anew, with an incarnation that ends every session of before: no counter may come twice
 * under its keys (docs/PROTOCOL.md). */
#ifndef ZS_SHM_STATE_H
#define ZS_SHM_STATE_H

#include "net/drop.h"
#include "relay/binding.h"
#include "shm/changelog.h"
#include "shm/flow.h"
#include "shm/hot.h"
#include "shm/police.h"
#include "shm/qsbr.h"
#include "shm/ring.h"
#include "shm/senders.h"
#include "shm/tables.h"
#include "shm/tunnels.h"

#ifndef ZS_STATE_VERSION   /* tests/next builds one that is further */
#define ZS_STATE_VERSION 3 /* 2 had flows of 128 bytes in one piece */
#endif
#define ZS_FLOW_CAPACITY_MAX (1u << 24) /* Kconfig's limit */

enum zs_counter {
#define ZS_COUNTER(name, text) ZS_COUNTER_##name,
#include "defs/counters.def"
#undef ZS_COUNTER
	ZS_COUNTERS
};

enum zs_stage {
#define ZS_STAGE(name, text) ZS_STAGE_##name,
#include "defs/stages.def"
#undef ZS_STAGE
	ZS_STAGES
};

/* Names and one-line texts of the tables above; never NULL for a valid value. */
const char *zs_counter_name(enum zs_counter c);
const char *zs_counter_text(enum zs_counter c);
const char *zs_drop_name(enum zs_drop d);
const char *zs_drop_text(enum zs_drop d);
const char *zs_stage_name(enum zs_stage s);

/* One worker's counters: plain single-writer words, read racily by the control plane. Kept
 * across restarts (never reset while the segment lives), so the conservation equation
 * holds for the segment's whole life. */
struct zs_worker_counters {
	uint64_t counter[ZS_COUNTERS];
	uint64_t drop[ZS_DROPS];
	uint64_t stage_cycles[ZS_STAGES];
	uint64_t stage_packets[ZS_STAGES];
} __attribute__((aligned(64)));

struct zs_worker_state {
	struct zs_qsbr_cell qsbr;
	_Atomic uint64_t heartbeat_ns; /* once per housekeeping */
	_Atomic uint32_t running;
	uint32_t cpu;
	uint64_t tsc_hz;
	uint64_t idle_sleeps;
	uint64_t pad[4];
	struct zs_worker_counters counters;
} __attribute__((aligned(64)));

/* Both planes: has a worker that runs not reported for too long? */
bool zs_worker_stalled(const struct zs_worker_state *w, uint64_t now_ns);

/* What XDP and the NIC counted for an interface; refreshed by the dataplane's main thread. */
struct zs_iface_state {
	char name[32];
	uint8_t mac[6];
	uint16_t mtu;
	_Atomic uint32_t up;
	uint64_t steered, passed, fallback_dropped; /* by the steering program */
	uint64_t missed, errors;		    /* by the port */
	uint64_t blocked;			    /* by the steering program, of blocked source prefixes */
	uint64_t pad[2];
} __attribute__((aligned(64)));

struct zs_state_shape {
	uint32_t flow_capacity;	 /* per partition, default from Kconfig */
	uint32_t event_capacity; /* per ring, power of two */
	uint32_t partitions;	 /* of the flow table, at least the workers; 0 = 1, at most ZS_WORKERS_MAX */
	uint32_t attachments;	 /* power of two; 0 = Kconfig's */
	uint32_t sessions;	 /* slots, as the sessions segment has them; 0 = Kconfig's */
	uint32_t windows;	 /* lanes of edges; 0 = ZS_WINDOWS */
};

/* Health the dataplane reports: one word per code of health.def that is its own (0 = fine). */
#include "shm/health.h"

extern const struct zs_segment_kind zs_state_kind;
/* The shape with defaults in the place of zeros; NULL: all defaults. */
struct zs_state_shape zs_state_shaped(const struct zs_state_shape *shape);

struct zs_state {
	struct zs_segment seg;
	struct zs_worker_state *worker;		  /* ZS_WORKERS_MAX */
	struct zs_iface_state *iface;		  /* ZS_IFACES_MAX */
	struct zs_health_cell *health;		  /* ZS_HEALTHS */
	struct zs_flow_partition_head *flow_head; /* partitions */
	struct zs_flow_bucket *by_client, *by_target;
	struct zs_flow *flow;
	struct zs_flow_rest *flow_rest;
	uint32_t flow_capacity, flow_buckets; /* per partition, checked against the regions' sizes */
	uint32_t partitions;
	/* Attachments, by id. */
	uint32_t attachments;
	struct zs_binding *binding;	 /* the binder's */
	struct zs_changelog bindings;	 /* ids whose binding changed; the binder's */
	struct zs_sender_bucket *sender; /* zs_senders_for(attachments); the binder's */
	struct zs_hot *hot;		 /* partitions × attachments, see zs_state_hot */
	struct zs_account *account;	 /* the same, see zs_state_account */
	struct zs_buckets *bucket;
	struct zs_buckets *tenant; /* ZS_TENANTS, by number */
	/* Tunnels, by slot of the session. */
	uint32_t sessions, windows;
	struct zs_tunnel_session *tunnel_session;
	struct zs_tunnel_lane *tunnel_lane; /* partitions × sessions: a worker's are together */
	struct zs_window *tunnel_window;    /* a pool: tunnel_session.window says whose */
};

/* The lines of one worker, `attachments` of them. */
static inline struct zs_hot *zs_state_hot(const struct zs_state *s, uint32_t worker)
{
	return &s->hot[(size_t)worker * s->attachments];
}

static inline struct zs_account *zs_state_account(const struct zs_state *s, uint32_t worker)
{
	return &s->account[(size_t)worker * s->attachments];
}

/* For the segment's own files (state_v2.c): are the rows of what a flow is made of these? */
bool zs_state_same_flows(const struct zs_segment_header *old, const struct zs_segment_field *rows,
			 uint32_t count);
/* For the segment's own files (state_tunnels.c): rows of the members and of the regions, and the same as below. */
#define ZS_STATE_TUNNEL_MEMBERS 40
uint32_t zs_state_tunnel_members(struct zs_segment_field *out);
uint32_t zs_state_tunnel_regions(struct zs_segment_field *out, uint32_t n,
				 const struct zs_state_shape *shape);
int zs_state_bind_tunnels(struct zs_state *s);
void zs_state_carry_tunnels(const struct zs_state *old, struct zs_state *fresh);
/* For the segment's own files (state_relay.c): binds the regions of attachments, -EPROTO; copies them from a segment
 * of the same capacity and fewer or as many workers. */
int zs_state_bind_relay(struct zs_state *s);
void zs_state_carry_relay(const struct zs_state *old, struct zs_state *fresh);

/* Writer: adopts what is there (counters and flows survive; of another build's segment the flows
 * alone), else makes it. A shape that wants more partitions or flows than there are, or another number of
 * attachments, gets a new segment with the old one's contents.
 * All workers' cells are offline and not running afterwards. *fresh: there was none, or (err->code is
 * -EUCLEAN, its text says why) a damaged one, which was set aside. */
int zs_state_open_writer(struct zs_state *s, const char *dir, const struct zs_state_shape *shape, bool *fresh,
			 struct zs_error *err);
int zs_state_open_reader(struct zs_state *s, const char *dir, struct zs_error *err);
void zs_state_close(struct zs_state *s);
/* The view of partition `index`: as zs_flow_table_open for the writer, zs_flow_table_join for a
 * reader (`fresh` is ignored). -EINVAL: no such partition. */
int zs_state_flow_table(const struct zs_state *s, uint32_t index, const uint8_t hash_key[16], bool fresh,
			struct zs_flow_table *out);
/* Has this session carried a datagram each way? Its edge answered a PROBE where it is now. */
bool zs_state_tunnel_proven(const struct zs_state *s, const struct zs_session *v);
/* Has every worker that runs passed this grace period of the tables (shm/qsbr.h)? NULL: none runs. */
bool zs_state_graced(const struct zs_state *s, uint64_t epoch);
/* Sums over all worker slots. */
void zs_state_sum(const struct zs_state *s, struct zs_worker_counters *out);

#endif
