/* A bed with two ports of rings (relay/bed.h), and everybody around it, who are the bench's own thread: peers, targets, an
 * edge, and the control plane.
 *
 *     peers, clients, edge, strangers ── port 0 ── worker ── port 1 ── target
 *
 * What does not fit a port's ring is lost before the worker: whoever sends asks for room. */
#ifndef ZS_BENCH_FLOOD_WORLD_H
#define ZS_BENCH_FLOOD_WORLD_H

#include "relay/bed.h"
#include "relay/cidset.h"

#define FLOOD_PEERS	 256 /* attachments that are bound; from 1 on */
#define FLOOD_GREEDY	 64  /* as many more, bound, which may send a packet a second */
#define FLOOD_UNBOUND	 600 /* an attachment that nobody bound, with a session to bind by */
#define FLOOD_EDGE	 700 /* an attachment with a tunnel */
#define FLOOD_SLOTS	 1024
#define FLOOD_FLOWS	 256
#define FLOOD_STRANGERS	 65536 /* addresses that bogus packets come from, each of a /24 of its own */
#define FLOOD_FRAME	 256
#define FLOOD_PUBLISHED	 4443
#define FLOOD_FULL	 4445		       /* leads to a target whose source ports are in use */
#define FLOOD_MAGIC	 0x476f6f64476f6f00ull /* the last bytes of a good packet, and its kind */
#define FLOOD_GENERATION 300
#define FLOOD_RECEIVER	 (0xabcd0000u | FLOOD_EDGE)

enum flood_good { FLOOD_BOUND, FLOOD_ANSWERED, FLOOD_GOODS };

struct flood_frame {
	uint16_t len;
	uint8_t bytes[FLOOD_FRAME];
};

struct flood_world {
	struct zs_bed *bed;
	struct zs_edge_tunnel *edge;
	struct zs_cidset mint;
	uint32_t nonce;
	/* Of the edge: what it sent last, and one of its datagrams as it was accepted. */
	struct flood_frame from_edge, recorded;
	bool edge_spoke, edge_up;
	/* What left, by the sink. */
	uint64_t left[FLOOD_GOODS];
	uint16_t flow_port[FLOOD_FLOWS]; /* the relay's, toward the target */
	uint16_t last_port;		 /* of what left for the target last */
	/* Turns in which somebody else had the core; a turn so long, in cycles, may be one. */
	uint64_t cut, long_turn, usual_turn;
	long switches;
	/* Of strangers, IP headers included. What one is told answers a packet of its own that is no shorter: its longest two that
	 * nothing has answered yet, since two may be on their way at once. */
	uint64_t heard, told;
	uint16_t longest[FLOOD_STRANGERS][2];
	uint64_t amplified; /* answers that were longer, or to nothing */
};

/* EAL, memory, segments, bound peers, confirmed flows, a tunnel in use. Once in a process. */
int flood_open(struct flood_world *w, struct zs_error *err);
void flood_close(struct flood_world *w);
/* Is there room for one more in the port's ring? If so it may be put there. */
bool flood_room(const struct flood_world *w, uint32_t port);
void flood_put(struct flood_world *w, uint32_t port, const struct flood_frame *f);
/* One turn of the worker, then takes what left. Returns its cycles; of one that was cut in upon, those of the turn before. */
uint64_t flood_turn(struct flood_world *w);
/* Turns until nothing waits. */
void flood_drain(struct flood_world *w);
/* people.c: binds, confirms, raises. */
int flood_settle(struct flood_world *w, struct zs_error *err);
/* Packets that wait for the worker. */
uint32_t flood_waiting(const struct flood_world *w);

/* --- frames.c --- */

struct zs_endpoint flood_peer(uint32_t i);     /* where attachment i + 1 is bound */
struct zs_endpoint flood_client(uint32_t i);   /* of flow i */
struct zs_endpoint flood_stranger(uint32_t i); /* by number */
extern const struct zs_endpoint flood_target, flood_full_target, flood_edge;
/* Addressed to the relay, or as the target sends it. */
void flood_udp(struct flood_frame *f, const struct zs_endpoint *src, const struct zs_endpoint *dst,
	       const void *payload, uint16_t len);
struct zs_endpoint flood_relay(uint32_t port, uint16_t udp_port);
/* The i-th good packet of its kind: from bound peer to peer; by turns from client to target and back. Returns its port. */
uint32_t flood_good(struct flood_world *w, struct flood_frame *f, enum flood_good kind, uint64_t i);

enum flood_class {
#define FLOOD_CLASS(name, text) FLOOD_##name,
#include "flood/classes.def"
#undef FLOOD_CLASS
	FLOOD_CLASSES
};
const char *flood_class_name(enum flood_class class);
/* A bogus packet of the class, on port 0. */
void flood_bogus(struct flood_world *w, struct flood_frame *f, enum flood_class class);

#endif
