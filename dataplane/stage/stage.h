/* One packet's life, in reading order. A stage takes a burst of items and returns how many
 * go on; the others have ended, each in exactly one way: transmitted, consumed, punted, or
 * dropped with a reason (zs_stage_drop).
 *
 *   express    (express.c, express_cid.c) what needs no more than a look at each of few lines, from frame to tx; the rest goes the long way:
 *   parse      frame and headers, hygiene; the kernel's packets are punted here
 *   classify   emergency stop, own address, which side of a flow: published port (client's
 *              side) or flow source port (target's side), the service port or the tunnel's; ICMP errors leave for icmp
 *   tunnel_in  session, window and keys of a datagram, opened; what was in it goes on as if it had
 *              come from the attachment's end of its flow, or to the service port; control messages end here
 *   cid        of the service port: connection IDs decoded as one burst, attachments, senders; what the relay itself is
 *              asked (BIND) ends in bind, at the one worker that binds. No flow is made
 *   flow       hash all, prefetch, find; a miss makes a flow (newflow), another worker's
 *              packet crosses a ring and begins again at parse, or here when it came out of a tunnel
 *   police     who sends and who gets it, where that is an attachment: may they?
 *   tunnel_out toward an attachment: lane, header, sealed; the rest passes
 *   rewrite    addresses, ports, checksums, TTL, header of the other family, frame header
 *   tx         to the port's queue, or by a ring to the worker that holds the queue
 *
 * In each stage what costs little to refuse is refused first; what is dear (late.c: tags of who has proven nothing) is put off until the
 * others of the burst have left, and goes the same way then.
 *
 * All of it runs on a worker, allocates nothing, makes no system call and never logs. */
#ifndef ZS_STAGE_H
#define ZS_STAGE_H

#include "net/packet.h"
#include "worker.h"

enum zs_side { ZS_SIDE_CLIENT /* toward the target */, ZS_SIDE_TARGET /* toward the client */ };

enum zs_class { ZS_CLASS_FLOW, ZS_CLASS_CID, ZS_CLASS_TUNNEL };

/* What the sender's checksum says of a payload that came out of a tunnel. */
enum zs_sum {
	ZS_SUM_NONE, /* nothing: the payload was encrypted, or nobody summed it */
	ZS_SUM_OUTER, /* the outer headers say it, which are where they were, as are the tunnel's header and tag */
	ZS_SUM_KNOWN, /* payload_sum */
};

struct rte_mbuf;

/* What a packet shall carry when it leaves. */
struct zs_ends {
	struct zs_endpoint src, dst; /* of one family */
};

/* One packet of the burst. Pointers and lengths are checked by parse; later stages trust them. */
struct zs_item {
	struct rte_mbuf *m;
	struct zs_packet p;
	uint8_t *frame, *ip, *l4; /* where they are now; rewrite may move ip */
	uint16_t ip_len;	  /* of the IP packet, of the new one after rewrite */
	uint16_t l4_len;	  /* of the IP payload */
	uint8_t iface;
	uint8_t side;
	uint8_t handed; /* came over a ring: its flow is ours or nobody's */
	uint8_t class;	/* enum zs_class */
	uint8_t inner;	/* came out of a tunnel: enum zs_tunnel_type; 0: straight off the wire */
	uint8_t auth;	/* inner: its payload came in clear */
	uint8_t sealed; /* goes into a tunnel: rewrite has nothing to do */
	uint8_t local;	/* index of the own address it is for */
	uint32_t flow;	/* id in table */
	struct zs_flow_table *table;
	uint64_t hash;
	/* Of the service port. */
	struct zs_cid cid;
	uint32_t sender; /* the attachment that has bound the source, or ZS_SENDER_NONE */
	struct zs_ends ends;
	/* Who is charged for it: attachments, or ZS_SENDER_NONE. */
	uint32_t from, to;
	/* Of what came out of a tunnel; p.src is the attachment's end, p.dst.port the flow number, p.ecn the inner. */
	uint8_t *payload;
	uint16_t payload_len;
	uint8_t summed;	      /* enum zs_sum */
	uint32_t payload_sum; /* for zs_inner_sum */
	struct zs_published published;
	struct zs_hop hop;
};

struct zs_burst {
	uint32_t count;
	struct zs_item *at[ZS_BURST]; /* those that go on */
	struct zs_item item[ZS_BURST];
};

/* Runs `n` packets of one interface through all stages. `handed`: they came over a ring. */
void zs_stage_run(struct zs_worker *w, struct zs_burst *b, struct rte_mbuf **mbuf, uint32_t n, bool handed);

/* express.c: of packets that a port received, sends those that take the short way. Returns how many are left in `mbuf`, as they
 * came. */
uint32_t zs_stage_express(struct zs_worker *w, struct rte_mbuf **mbuf, uint32_t n);
uint32_t zs_stage_parse(struct zs_worker *w, struct zs_item **at, uint32_t n);
uint32_t zs_stage_classify(struct zs_worker *w, struct zs_item **at, uint32_t n);
uint32_t zs_stage_cid(struct zs_worker *w, struct zs_item **at, uint32_t n);
uint32_t zs_stage_tunnel_in(struct zs_worker *w, struct zs_item **at, uint32_t n);
uint32_t zs_stage_flow(struct zs_worker *w, struct zs_item **at, uint32_t n);
uint32_t zs_stage_police(struct zs_worker *w, struct zs_item **at, uint32_t n);
uint32_t zs_stage_tunnel_out(struct zs_worker *w, struct zs_item **at, uint32_t n);
uint32_t zs_stage_rewrite(struct zs_worker *w, struct zs_item **at, uint32_t n);
void zs_stage_tx(struct zs_worker *w, struct zs_item **at, uint32_t n);

/* Frees packets that have ended, at once: each is of one piece, straight from a port. */
void zs_stage_free(struct rte_mbuf **m, uint32_t n);
/* Ends a packet with a counted reason. */
void zs_stage_drop(struct zs_worker *w, struct rte_mbuf *m, enum zs_drop reason);
/* flood.c: the same for a packet of nobody known. */
void zs_stage_refuse(struct zs_worker *w, struct zs_item *it, enum zs_drop reason);
/* Ends a packet that is the kernel's: punted where the kernel has it, else `no_twin`. */
void zs_stage_punt(struct zs_worker *w, struct zs_item *it);

/* police.c: charges an attachment that has limits for a payload; false: it may not pass. `ecn`: of its header, becomes CE where the
 * policer marks it. */
bool zs_police_charge(struct zs_worker *w, uint32_t attachment, enum zs_way way, uint32_t bytes,
		      uint8_t *ecn);
/* flow.c: the partition other than `home` where a client's flow is, or -1. */
int zs_flow_elsewhere(const struct zs_worker *w, const struct zs_flow_table *home, uint64_t hash,
		      const struct zs_endpoint *client, uint16_t port, uint8_t local);

/* Copies the entry of a published port into the item. false: there is none (used = 0). */
static inline bool zs_stage_published(const struct zs_worker *w, struct zs_item *it, uint16_t port)
{
	if (!zs_tables_published(w->tables, port, &it->published))
		it->published.used = 0;
	return it->published.used;
}

/* newflow.c: makes the flow of a client's first packet. ZS_DROPS: made, else the reason. */
enum zs_drop zs_flow_make(struct zs_worker *w, struct zs_item *it);
/* newflow.c, after flow_limit_port: another worker's partition with an unconfirmed flow of the port, which
 * would make room there, or -1. */
int zs_flow_room_elsewhere(const struct zs_worker *w, uint16_t port);
/* Ends a flow: counters, event, memory. `counter` says which of flows_* is raised. */
void zs_flow_end(struct zs_worker *w, struct zs_flow_table *t, uint32_t id, enum zs_flow_end why);
/* Told of a flow that zs_flow_add evicted. */
void zs_flow_gone(struct zs_worker *w, const struct zs_flow_gone *gone, enum zs_flow_end why);

/* hop.c: the way to a bound address, kept in its line; as zs_hop_find. */
enum zs_drop zs_hop_bound(struct zs_worker *w, struct zs_item *it, struct zs_hot *line);
/* Moves with every change of the tables: the one that this loop began with, and one since. */
static inline uint32_t zs_hop_stamp(const struct zs_worker *w)
{
	return w->stamp + (uint32_t)atomic_load_explicit(w->tables->change, memory_order_acquire);
}
/* The neighbour of an index that was kept, if it is at hand; else NULL. */
static inline const struct zs_hop *zs_hop_kept(const struct zs_worker *w, uint16_t nexthop)
{
	const struct zs_hop_line *l = &w->hop[nexthop % ZS_HOPS];

	return nexthop < ZS_HOT_KEPT && l->index == nexthop + 1u && l->stamp == zs_hop_stamp(w) ? &l->hop
												: NULL;
}
/* The way to a bound address, if all of it is known; else NULL, and zs_hop_bound finds it. */
static inline const struct zs_hop *zs_hop_at_hand(const struct zs_worker *w, const struct zs_hot *line)
{
	return line->stamp == w->stamp ? zs_hop_kept(w, line->nexthop) : NULL;
}
/* Worker, in housekeeping: finds that way, so that the first packet need not. */
void zs_hop_refresh(struct zs_worker *w, struct zs_hot *line);
/* hop.c: the next hop of the item's flow toward its side, by the published entry's generation; re-resolved when the tables changed.
 * ZS_DROPS: it->hop is good, else the reason. */
enum zs_drop zs_hop_find(struct zs_worker *w, struct zs_item *it);
/* hop.c: what zs_hop_resolve said just now of a flow's two ends. */
void zs_hop_keep(struct zs_worker *w, struct zs_flow_table *t, uint32_t flow, uint32_t to_target,
		 uint32_t to_client);
/* Resolves an address: index, or the sentinel for no route. Tells of a missing neighbour. */
uint32_t zs_hop_resolve(struct zs_worker *w, const struct zs_addr *addr, struct zs_nexthop *hop);
/* The same for an address of the caller's, who keeps the memo (stamp 0: nothing yet). `hash`: anything that tells askers
 * apart. */
struct zs_hop_memo {
	uint32_t index, stamp; /* of the next hop, as of these tables */
};
enum zs_drop zs_hop_toward(struct zs_worker *w, const struct zs_addr *addr, struct zs_hop_memo *memo,
			   uint64_t hash, struct zs_hop *hop);
/* What of a neighbour's entry a frame needs. */
struct zs_hop zs_hop_of(const struct zs_nexthop *n);
#define ZS_HOP_UNREACHABLE (ZS_NEXTHOP_NONE - 1) /* no route; kept in a flow like an index */
#define ZS_HOP_DENIED	   (ZS_NEXTHOP_NONE - 2) /* so is this: the lists forbid to send there */

/* icmp.c: takes an ICMP error for an own address to its end: sent on translated, handed over,
 * punted or dropped. */
void zs_icmp_take(struct zs_worker *w, struct zs_item *it);
/* icmp_write.c: tells the client of a published port that the item's payload must not be longer than `payload`; rate-limited.
 * The item stays the caller's. */
void zs_icmp_too_big(struct zs_worker *w, const struct zs_item *it, uint32_t payload);

/* Partition that owns a flow source port, or -1. */
static inline int zs_flow_partition_of(const struct zs_dp *dp, uint16_t port)
{
	for (uint32_t i = 0; i < dp->partitions; i++)
		if (port <= dp->partition_last[i] && port >= dp->partition_first[i] && port)
			return (int)i;
	return -1;
}
/* pass.c: passes a packet to another worker, by a ring; ends it here. What came out of a tunnel goes on there at its
 * flow, all else begins at parse. */
void zs_hand_over(struct zs_worker *w, struct zs_item *it, uint32_t worker);
/* stage.c: into another worker's inbox, counted; or dropped. */
void zs_stage_push(struct zs_worker *w, struct rte_mbuf *m, uint32_t worker);
/* The item of a packet that came out of a tunnel on another worker. false: it did not. */
bool zs_stage_resume(struct zs_item *it);
/* Passes a packet to the worker that owns its flow; ends it here. */
void zs_flow_hand_over(struct zs_worker *w, struct zs_item *it, uint32_t partition);

/* late.c: puts a packet off until the others of its burst have left. It is not the stage's any more. */
void zs_stage_later(struct zs_worker *w, struct zs_item *it);
/* late.c: takes up what was put off. Requests end there; returns how many that came out of tunnels, now in `at`, go on at flow. */
uint32_t zs_stage_late(struct zs_worker *w, struct zs_item **at);

/* bind.c: takes a message of the BIND family, whose connection ID was decoded into it->cid, to its end. The binder alone. */
void zs_bind_take(struct zs_worker *w, struct zs_item *it);
/* bind.c: may answer a packet of an unknown source to a known connection ID with a NUDGE. The packet goes on. */
void zs_bind_nudge(struct zs_worker *w, const struct zs_item *it);
/* originate.c: a datagram of the relay's own, counted as originated and sent. false: no way to dst, or no buffer. */
bool zs_originate(struct zs_worker *w, const struct zs_ends *ends, const void *payload, uint16_t len);
/* originate.c: an empty packet, with room for all headers and a payload as long as any. NULL: none left. */
struct rte_mbuf *zs_stage_new(struct zs_worker *w);
/* originate.c: ends a packet that was for the relay itself. */
void zs_consume(struct zs_worker *w, struct rte_mbuf *m);

/* inner.c: the payload's sum, as zs_csum_add gives it, by the sender's word: what was damaged on the way stays wrong. Not of ZS_SUM_NONE. */
uint32_t zs_inner_sum(const struct zs_item *it);
/* inner.c: what came out of a tunnel meets its flow, which may be none. true: go on (OPEN: make the flow); false: it
 * has ended. */
bool zs_flow_inner(struct zs_worker *w, struct zs_item *it);
/* inner.c: the item has its flow. false: it was an OPEN, which ends here. */
bool zs_flow_opened(struct zs_worker *w, struct zs_item *it);

/* header.c: IP and UDP headers and the frame's before `payload`; the item describes the new packet, its hop is
 * found. false: no headroom. */
struct zs_header {
	struct zs_endpoint src, dst; /* of one family */
	uint32_t payload_sum;	     /* zs_csum_add over the payload */
	uint8_t ecn;
};
bool zs_header_put(struct zs_item *it, const struct zs_header *h, uint8_t *payload, uint16_t len);
/* Sum of a pseudo header and a UDP header without a checksum. */
uint32_t zs_header_sum(const struct zs_endpoint *src, const struct zs_endpoint *dst, uint16_t udp_len);

/* frame.c: writes the frame header for it->hop before the IP header at `ip`, trims the packet
 * to ip_len. false: no headroom. */
bool zs_frame_put(struct zs_item *it, uint8_t *ip, uint16_t ip_len);

/* tx.c: sends one packet out of interface `iface`; `sent` is what to count when it is taken. */
void zs_tx_put(struct zs_worker *w, uint8_t iface, struct rte_mbuf *m, const struct zs_sent *sent);
/* The same; inline. The caller fills in what is to count, at once. */
void zs_tx_push(struct zs_worker *w, uint8_t iface);
static inline struct zs_sent *zs_tx_add(struct zs_worker *w, uint8_t iface, struct rte_mbuf *m)
{
	struct zs_txbuf *t = &w->tx[iface];

	if (ZS_UNLIKELY(t->count == ZS_BURST))
		zs_tx_push(w, iface);
	t->mbuf[t->count] = m;
	return &t->sent[t->count++];
}
/* Pushes what is buffered into the ports. */
void zs_tx_flush(struct zs_worker *w);
/* Sends what other workers left for the ports whose queue is ours. Returns packets taken. */
uint32_t zs_tx_outbox(struct zs_worker *w);

#endif
