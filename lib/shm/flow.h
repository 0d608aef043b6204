/* The flow table: who is behind a published port. It lives in the state segment in
 * partitions, one per worker slot; a partition is written by the one worker that owns it
 * and owns a sub-range of the flow source ports, so a port number names the owner.
 *
 * A flow is found from both sides:  (client, published port, local address) -> flow
 *                                   (target, source port, local address)   -> flow
 * by two bucket indexes of 16-bit tags and 32-bit ids, eight to a line. Of a flow there are two lines: one that a
 * packet reads and writes, and the rest, which is for whoever makes, ends, lists or counts it. Packets and bytes are
 * counted in the first and put to the rest now and then: what a flow has had is the sum of both.
 *
 * Either end may be an attachment behind a tunnel (attached.h). A flow that the edge opened is found by
 * the client's end alone, its number in the port's place: its packets name no published port.
 * A flow toward an attachment rests when it ends: it keeps its entry and its number in the target's index,
 * found by nobody but whoever looks for a free number, until twice its idle time-out is over. So the edge
 * never takes a new flow for an old one. An entry is only taken from a resting flow when none is free.
 *
 * A flow is confirmed when its client spoke again after the target's answer: whoever forges a
 * source address cannot know when that was. A full partition evicts the oldest unconfirmed flow
 * it meets, never a confirmed one. */
#ifndef ZS_SHM_FLOW_H
#define ZS_SHM_FLOW_H

#include "net/addr.h"
#include "shm/attached.h"
#include "shm/segment.h"

#define ZS_FLOW_NONE UINT32_MAX
#define ZS_FLOW_TRIES                                                                                        \
	4 /* free source ports or numbers tried for a new flow: the index may have no room for one */
#define ZS_BUCKET_SLOTS 8

/* How far a flow has come: values of zs_flow.answered. */
enum zs_flow_life {
	ZS_FLOW_ASKING,
	ZS_FLOW_ANSWERED,
	ZS_FLOW_CONFIRMED,
};

/* Values of zs_flow.used. */
enum zs_flow_use {
	ZS_FLOW_FREE,
	ZS_FLOW_LIVE,
	ZS_FLOW_RESTING, /* ended at last_ms; its number is not free yet */
};

/* Where a packet of a flow goes. */
enum zs_flow_way { ZS_FLOW_TO_TARGET, ZS_FLOW_TO_CLIENT, ZS_FLOW_WAYS };

struct zs_flow {
	struct zs_endpoint client; /* 18 bytes: zs_endpoint is 16 + 2 */
	struct zs_endpoint target;
	uint16_t port;			/* the published port, host order */
	uint16_t source_port;		/* ours, facing the target; toward an attachment the flow number */
	uint8_t local_client;		/* index of the own address the client sees */
	uint8_t local_target;		/* index of the own address the target sees */
	uint8_t used;			/* enum zs_flow_use */
	uint8_t answered;		/* enum zs_flow_life */
	uint32_t last_ms;		/* monotonic ms, wraps */
	uint32_t as_of;			/* zs_flow_as_of when nexthop was found; 0: it is to be found */
	uint16_t nexthop[ZS_FLOW_WAYS]; /* index into tables, its low half: zs_hot_keeps */
	uint32_t lately[ZS_FLOW_WAYS];	/* counts that are not in the rest yet: zs_flow_count */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct zs_flow) == 64, "one line");

struct zs_flow_rest {
	uint64_t packets[ZS_FLOW_WAYS], bytes[ZS_FLOW_WAYS]; /* UDP payload, counted when tx accepts */
	uint32_t created_ms;
	uint32_t published_generation;
	uint32_t next;	/* free list while unused; the next younger while not confirmed */
	uint32_t older; /* the next older flow that waits; ZS_FLOW_NONE at the end */
	uint32_t waits; /* 1: linked in the partition's list of unconfirmed flows */
	uint8_t pad[12];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct zs_flow_rest) == 64, "one line");

struct zs_flow_bucket {
	uint16_t tag[ZS_BUCKET_SLOTS]; /* 0: empty */
	uint32_t id[ZS_BUCKET_SLOTS];
	uint8_t pad[16];
};
_Static_assert(sizeof(struct zs_flow_bucket) == 64, "one line");

/* The shared part of one partition; buckets, flows and their rests lie in regions of their own. */
struct zs_flow_partition_head {
	uint32_t capacity; /* flows */
	uint32_t buckets;  /* of each index, power of two */
	uint16_t port_first, port_last;
	_Atomic uint32_t used; /* live flows */
	uint32_t free_head;    /* ids chained by zs_flow_rest.next */
	uint32_t sweep;	       /* where the idle sweep goes on */
	uint8_t owner;	       /* worker slot */
	uint8_t dirty;	       /* 1 while an insert or remove is under way: rebuilt on adoption */
	uint8_t pad[2];
	uint32_t oldest, youngest; /* unconfirmed flows by age; confirmed ones leave when they are met */
	uint8_t pad2[28];
};
_Static_assert(sizeof(struct zs_flow_partition_head) == 64, "one line");

/* One process's view of a partition. */
struct zs_flow_table {
	struct zs_flow_partition_head *head;
	struct zs_flow_bucket *by_client, *by_target;
	struct zs_flow *flow;
	struct zs_flow_rest *rest; /* by the same id */
	uint32_t capacity, mask;   /* private copies, checked at join: the shared ones are not trusted */
	uint64_t key[2];	   /* hash key */
	uint32_t number_cursor, rest_cursor;
	uint64_t tried;			    /* source ports and numbers: the work of choosing one */
	uint32_t resting;		    /* entries, as the owner counts */
	uint16_t number_first, number_last; /* flow numbers toward attachments; both 0: none */
	struct zs_flow_ports *ports;	    /* NULL: no flow is exchanged; see flow_port.h */
	struct zs_flow_sources
	    *sources; /* NULL: it is not known which source ports are free; see flow_source.h */
};

/* Buckets of an index for `capacity` flows, at load ≤ 1/2. */
uint32_t zs_flow_buckets_for(uint32_t capacity);

/* Where a partition lies. */
struct zs_flow_memory {
	struct zs_flow_partition_head *head;
	struct zs_flow_bucket *by_client, *by_target; /* `buckets` each */
	struct zs_flow *flow;			      /* `capacity` … */
	struct zs_flow_rest *rest;		      /* … each */
	uint32_t capacity, buckets;
};

/* Writer: binds a view to memory; `fresh` zeroes it, otherwise the indexes are rebuilt from
 * the flows when dirty, and the whole is checked. -EUCLEAN: beyond repair, start fresh. */
int zs_flow_table_open(struct zs_flow_table *t, const struct zs_flow_memory *memory,
		       const uint8_t hash_key[16], bool fresh);
/* Reader: binds a view to memory it can only read; nothing is checked but the arguments. */
int zs_flow_table_join(struct zs_flow_table *t, const struct zs_flow_memory *memory,
		       const uint8_t hash_key[16]);
void zs_flow_table_set_ports(struct zs_flow_table *t, uint16_t first, uint16_t last);
/* Which ranges of flow numbers are the partition's, in this process; 0 of the first is never given. */
void zs_flow_table_set_ranges(struct zs_flow_table *t, uint32_t first, uint32_t count);

/* Hashes, to be computed for a burst before the look-ups are prefetched. */
uint64_t zs_flow_hash(const struct zs_flow_table *t, const struct zs_endpoint *remote, uint16_t own_port,
		      uint8_t local);
void zs_flow_prefetch_client(const struct zs_flow_table *t, uint64_t hash);
void zs_flow_prefetch_target(const struct zs_flow_table *t, uint64_t hash);
/* A while later: the flows that it may be are on their way, for reading and counting. false: the first bucket knows of none,
 * the other one is on its way: ask again with `other`. */
bool zs_flow_fetch_client(const struct zs_flow_table *t, uint64_t hash, bool other);
bool zs_flow_fetch_target(const struct zs_flow_table *t, uint64_t hash, bool other);

/* Owner (and read-only peers): the live flow's id or ZS_FLOW_NONE. The port of a client that is an attachment's
 * end is 0 here and in its hash. */
uint32_t zs_flow_find_client(const struct zs_flow_table *t, uint64_t hash, const struct zs_endpoint *client,
			     uint16_t port, uint8_t local);
uint32_t zs_flow_find_target(const struct zs_flow_table *t, uint64_t hash, const struct zs_endpoint *target,
			     uint16_t source_port, uint8_t local);

/* What way and target of a flow depend on, in one word: the tables' stamp, which has its top bit, and the published entry's
 * generation. Never 0. */
static inline uint32_t zs_flow_as_of(uint32_t stamp, uint32_t generation)
{
	return (stamp ^ generation * 0x9e3779b1u) | 1u << 31;
}

struct zs_flow_counts {
	uint64_t packets[ZS_FLOW_WAYS], bytes[ZS_FLOW_WAYS];
};
/* Any process, racily: all that a flow has had. */
struct zs_flow_counts zs_flow_counts(const struct zs_flow *f, const struct zs_flow_rest *rest);
#define ZS_FLOW_LATELY_PACKET (1u << 22)	    /* packets stand above the bytes */
#define ZS_FLOW_LATELY_FULL   (1u << 31 | 1u << 21) /* one more packet has room all the same */
/* Owner: one more packet. true: zs_flow_settle comes before the next. */
static inline bool zs_flow_count(struct zs_flow *f, enum zs_flow_way way, uint16_t payload)
{
	f->lately[way] += ZS_FLOW_LATELY_PACKET + payload;
	return f->lately[way] & ZS_FLOW_LATELY_FULL;
}
void zs_flow_settle(struct zs_flow *f, struct zs_flow_rest *rest);

enum zs_flow_error {
	ZS_FLOW_OK,
	ZS_FLOW_FULL /* all confirmed */,
	ZS_FLOW_PORTS /* no free source port */,
	ZS_FLOW_BUCKET /* index bucket full */,
	ZS_FLOW_PORT_FULL /* in_exchange, and no unconfirmed flow of the port was met */
};
struct zs_flow_new {
	struct zs_endpoint client, target;
	uint16_t port;
	uint8_t local_client, local_target;
	uint32_t published_generation, now_ms;
	bool in_exchange; /* the port has all it may have: only for an unconfirmed flow of the same port */
};
/* Owner: makes a flow that does not exist yet. Where the target's source ports are used up, the published port's oldest unconfirmed flow
 * gives its own; numbers rest, so nobody gives one. Its next hops are to be found. *evicted (may be NULL) gets what a flow was that
 * had to go, else flow.used = 0. */
struct zs_flow_gone {
	struct zs_flow flow;
	struct zs_flow_counts counts;
};
enum zs_flow_error zs_flow_add(struct zs_flow_table *t, const struct zs_flow_new *want, uint32_t random,
			       uint32_t *id, struct zs_flow_gone *evicted);
/* Ends a live flow: toward an attachment it rests, any other is removed. */
void zs_flow_finish(struct zs_flow_table *t, uint32_t id, uint32_t now_ms);
/* Frees the entry of a flow, resting ones too. */
void zs_flow_remove(struct zs_flow_table *t, uint32_t id);
/* Owner: puts right what a kill or damage left: indexes and lists are made again from the entries. */
void zs_flow_table_rebuild(struct zs_flow_table *t);
/* What a sweep looks for. */
struct zs_flow_sweep {
	uint32_t now_ms, idle_confirmed_ms, idle_unconfirmed_ms;
	/* Has something else ended it? NULL: no. */
	bool (*ended)(const struct zs_flow *f, const struct zs_flow_rest *rest, const void *ctx);
	const void *ctx;
};
/* Owner, in housekeeping: looks at *count entries, frees those that have rested, and returns the id of the next flow that is idle
 * or ended (not yet removed; *idle says which), or ZS_FLOW_NONE when the slice is done. *count goes
 * down by what was looked at. */
uint32_t zs_flow_sweep(struct zs_flow_table *t, const struct zs_flow_sweep *s, uint32_t *count, bool *idle);
/* Owner: what a packet does to a flow's life. */
static inline void zs_flow_asked(struct zs_flow *f)
{
	if (f->answered == ZS_FLOW_ANSWERED)
		f->answered = ZS_FLOW_CONFIRMED;
}
static inline void zs_flow_answers(struct zs_flow *f)
{
	if (f->answered == ZS_FLOW_ASKING)
		f->answered = ZS_FLOW_ANSWERED;
}
/* Walker: 0, or -EUCLEAN and *where. */
int zs_flow_table_check(const struct zs_flow_table *t, const char **where);

#endif
