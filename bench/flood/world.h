/* A dataplane's worker in this very process: real stages, tables, sessions and state in a folder of its own, two ports made of
 * rings in memory. The bench's thread is everybody else: peers, targets, an edge, and the control plane.
 *
 *     peers, clients, edge, strangers ── port 0 ── worker ── port 1 ── target
 *
 * Nothing is lost before the worker: whoever sends waits for room in the ring. */
#ifndef ZS_BENCH_FLOOD_WORLD_H
#define ZS_BENCH_FLOOD_WORLD_H

#include "base/error.h"
#include "relay/cidset.h"
#include "stage/stage.h"

#define FLOOD_RING	1024
#define FLOOD_PEERS	256 /* attachments that are bound; from 1 on */
#define FLOOD_UNBOUND	600 /* an attachment that nobody bound, with a session to bind by */
#define FLOOD_EDGE	700 /* an attachment with a tunnel */
#define FLOOD_SLOTS	1024
#define FLOOD_FLOWS	256
#define FLOOD_STRANGERS 65536 /* addresses that bogus packets come from, each of a /24 of its own */
#define FLOOD_FRAME	256
#define FLOOD_PUBLISHED 4443
#define FLOOD_SERVICE	4433
#define FLOOD_TUNNEL	4434
#define FLOOD_MAGIC	0x476f6f64476f6f64ull /* the last bytes of a good packet */

struct flood_frame {
	uint16_t len;
	uint8_t bytes[FLOOD_FRAME];
};

struct flood_world {
	char dir[64];
	struct zs_dp dp;
	struct zs_log log;
	struct zs_tables tables;
	struct zs_sessions sessions;
	struct zs_burst burst;
	struct rte_ring *in[2], *out[2];
	struct zs_edge_tunnel *edge;
	struct zs_cidset mint;
	uint32_t nonce;
	uint64_t random;
	/* Of the edge: what it sent last, and one of its datagrams as it was accepted. */
	struct flood_frame from_edge, recorded;
	bool edge_spoke, edge_up;
	/* What left, by the sink. */
	uint64_t good_out, bogus_out;
	uint16_t flow_port[FLOOD_FLOWS]; /* the relay's, toward the target */
	uint32_t learning; /* flow whose port the next packet to the target shows; FLOOD_FLOWS: none */
	uint64_t heard[FLOOD_STRANGERS],
	    told[FLOOD_STRANGERS]; /* bytes from and to each, IP header included */
};

/* EAL, memory, segments, bound peers, confirmed flows, a tunnel in use. Once in a process. */
int flood_open(struct flood_world *w, struct zs_error *err);
void flood_close(struct flood_world *w);
/* Waits for room, letting the worker turn. Returns the cycles that the worker took. */
uint64_t flood_put(struct flood_world *w, uint32_t port, const struct flood_frame *f);
/* One turn of the worker, then takes what left. Returns its cycles. */
uint64_t flood_turn(struct flood_world *w);
/* Packets that wait for the worker. */
uint32_t flood_waiting(const struct flood_world *w);
uint64_t flood_random(struct flood_world *w);

/* --- frames.c --- */

struct zs_endpoint flood_peer(uint32_t i);     /* where attachment i + 1 is bound */
struct zs_endpoint flood_client(uint32_t i);   /* of flow i */
struct zs_endpoint flood_stranger(uint32_t i); /* by number */
extern const struct zs_endpoint flood_target, flood_edge;
/* Addressed to the relay, or as the target sends it. */
void flood_udp(struct flood_frame *f, const struct zs_endpoint *src, const struct zs_endpoint *dst,
	       const void *payload, uint16_t len);
struct zs_endpoint flood_relay(uint32_t port, uint16_t udp_port);
/* A good packet: of bound peer to peer, of client to target, of target to client. */
void flood_good_cid(struct flood_world *w, struct flood_frame *f, uint32_t i);
void flood_good_client(struct flood_world *w, struct flood_frame *f, uint32_t i);
void flood_good_target(struct flood_world *w, struct flood_frame *f, uint32_t i);

enum flood_class {
#define FLOOD_CLASS(name, text) FLOOD_##name,
#include "flood/classes.def"
#undef FLOOD_CLASS
	FLOOD_CLASSES
};
const char *flood_class_name(enum flood_class class);
/* A bogus packet of the class, from a stranger drawn at random. */
void flood_bogus(struct flood_world *w, struct flood_frame *f, enum flood_class class);

#endif
