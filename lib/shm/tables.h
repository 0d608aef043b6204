/* The tables segment: what the control plane wants. Written by zs-controlplane alone
 * (controlplane/program.c), mapped read-only by every worker.
 *
 * Each entry is published by its own sequence lock; a reader copies it once, checks the
 * copy's bounds (indices, enums) and uses the copy. Tables are direct-indexed or
 * open-addressed and never rehashed; sizes are fixed at creation (struct zs_tables_shape). */
#ifndef ZS_SHM_TABLES_H
#define ZS_SHM_TABLES_H

#include "net/addr.h"
#include "net/deny.h"
#include "shm/acl.h"
#include "shm/segment.h"
#include "shm/seqlock.h"

#ifndef ZS_TABLES_VERSION   /* tests/next builds one that is further */
#define ZS_TABLES_VERSION 2 /* 1 had no new-flow limit of its own per port: see tables.c */
#endif
#define ZS_UDP_PORTS	  65536
#define ZS_WORKERS_MAX	  16 /* lanes of the tunnel header are 4 bits wide */
#define ZS_IFACES_MAX	  16 /* ports (interfaces) of the dataplane */
#define ZS_LOCALS_MAX	  64 /* own addresses */
#define ZS_NEXTHOP_NONE	  UINT32_MAX
#define ZS_TABLES_MODULES 32 /* room for more modules than the log has */

/* The emergency stop: 0 forwards, anything else drops all (`stopped`). One line of its own. */
struct zs_stop {
	_Atomic uint32_t word;
	uint32_t pad[15];
};

/* What may change while running. One entry. */
struct zs_settings {
	_Atomic uint32_t seq;
	uint32_t flow_idle_answered_ms; /* of a confirmed flow; default 120,000 */
	uint32_t
	    flow_idle_unanswered_ms; /* of any other; default 10,000; a member's name is layout, so both keep theirs */
	uint32_t new_flows_per_prefix_s; /* per source /24 or /56; 0 = unlimited */
	uint32_t new_flows_prefix_burst;
	uint32_t max_flows_per_prefix; /* 0 = unlimited */
	uint32_t port_share;	       /* percent of all flows that a port without max_flows may have */
	uint32_t busy_poll_us;	       /* how long a quiet worker spins before it sleeps */
	uint32_t sleep_max_us;	       /* longest sleep of a quiet worker; 0 = never sleep */
	uint16_t flow_port_first;      /* 20000 */
	uint16_t flow_port_last;       /* 32767 */
	uint64_t generation;	       /* raised with each change */
	uint8_t log_level[ZS_TABLES_MODULES]; /* the dataplane's by enum zs_log_module; 0: leave it */
	struct zs_deny deny;		      /* allow-list over the special-purpose table */
	uint8_t hash_key[16]; /* keys flow hashing; drawn at creation, zs_tables_set_settings keeps it */
};

/* An own address on an interface of the dataplane. Entry valid when used != 0. */
struct zs_local {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t iface; /* 0 … ZS_IFACES_MAX-1, index into the configuration's ports */
	uint16_t vlan; /* 0: untagged */
	struct zs_addr addr;
	uint8_t prefix_len; /* bits of 128, for the on-link broadcast check */
	uint8_t pad[3];
	uint32_t pad2[9];
};
_Static_assert(sizeof(struct zs_local) == 64, "one line");

/* Where a published port leads. */
enum zs_published_kind { ZS_PUBLISHED_TARGET, ZS_PUBLISHED_ATTACHED };
#define ZS_SERVICE_MAX 127 /* of an attachment, numbered from 1: 7 bits in a tunnel's header */

/* A published port: index = the UDP port. */
struct zs_published {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t drain; /* 1: its flows go on, a new one is the drop `draining` */
	uint16_t target_port;
	struct zs_addr target;
	uint32_t generation;  /* raised when the entry changes its target: old flows end */
	uint32_t new_flows_s; /* 0 = unlimited */
	uint32_t new_flows_burst;
	uint32_t max_flows; /* 0 = by port_share */
	/* An attached port leads into the tunnel of an attachment; target and target_port are zero then. */
	uint8_t kind;	    /* enum zs_published_kind */
	uint8_t service;    /* 1 … ZS_SERVICE_MAX */
	uint8_t protection; /* 0 seal, 1 auth (docs/PROTOCOL.md) */
	uint8_t pad;
	uint32_t attachment;
	uint16_t attachment_generation;
	uint16_t pad1;
	uint32_t pad2[3];
};
_Static_assert(sizeof(struct zs_published) == 64, "one line");

/* A route: longest prefix wins, then lowest metric. Looked up when a flow is made or a
 * table changed, never per packet. */
struct zs_route {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t len; /* bits of 128 */
	uint8_t iface;
	uint8_t onlink; /* 1: the destination itself is the neighbour */
	uint16_t vlan;
	uint16_t pad;
	uint32_t metric;
	struct zs_addr dest;
	struct zs_addr gateway;
	uint32_t pad2[4];
};
_Static_assert(sizeof(struct zs_route) == 64, "one line");

/* A neighbour and the frame header toward it. Open addressing by zs_nexthop_hash(addr,
 * iface, vlan), linear probing over at most ZS_NEXTHOP_PROBE entries. */
#define ZS_NEXTHOP_PROBE 16
struct zs_nexthop {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t iface;
	uint16_t vlan;
	struct zs_addr addr;
	uint8_t dmac[6];
	uint8_t smac[6];
	uint8_t valid; /* 0: known but unresolved */
	uint8_t pad[3];
	uint16_t mtu;
	uint16_t pad1;
	uint32_t pad2[5];
};
_Static_assert(sizeof(struct zs_nexthop) == 64, "one line");

/* What belongs to no entry. One line of its own. */
struct zs_tables_meta {
	_Atomic uint64_t change;     /* raised after each change of a local, route or nexthop entry */
	_Atomic uint64_t epoch;	     /* of QSBR, see shm/qsbr.h */
	_Atomic uint32_t route_high; /* routes at and beyond this index are unused */
	uint32_t pad;
	uint64_t nexthop_key[2];	   /* keys zs_nexthop_hash; drawn at creation */
	_Atomic uint64_t published_change; /* raised after each change of a published entry */
	uint64_t pad2[2];
};
_Static_assert(sizeof(struct zs_tables_meta) == 64, "one line");

/* Capacities, from Kconfig unless the configuration says otherwise. */
struct zs_tables_shape {
	uint32_t routes;   /* default 1,024 */
	uint32_t nexthops; /* power of two, default 4,096 */
	uint32_t rules;	   /* of the deny and allow lists, default 100,000 */
};

extern const struct zs_segment_kind zs_tables_kind;

/* One process's view. Pointers into the mapping; counts checked against the file size. */
struct zs_tables {
	struct zs_segment seg;
	struct zs_stop *stop;
	struct zs_settings *settings;
	struct zs_local *local;		/* ZS_LOCALS_MAX */
	struct zs_published *published; /* ZS_UDP_PORTS */
	struct zs_route *route;
	uint32_t routes;
	struct zs_nexthop *nexthop;
	uint32_t nexthops;
	struct zs_tables_meta *meta;
	_Atomic uint64_t *change; /* = &meta->change */
	_Atomic uint64_t *epoch;  /* = &meta->epoch */
	uint64_t nexthop_key[2];  /* private copy */
	struct zs_acl acl;	  /* all zero: a file of a build before there were lists, seen by a reader */
};

/* Writer: adopt the segment that is there, else make one (stop word = `stopped`). *fresh
 * says which; with err->code -EUCLEAN there was a damaged one, which was set aside. Reader: join. */
int zs_tables_open_writer(struct zs_tables *t, const char *dir, const struct zs_tables_shape *shape,
			  bool stopped, bool *fresh, struct zs_error *err);
int zs_tables_open_reader(struct zs_tables *t, const char *dir, struct zs_error *err);
void zs_tables_close(struct zs_tables *t);
/* Writer: new deny and allow lists (sorted in place), as zs_acl_put; workers find their next hops again, since an
 * address may be denied now. Only when no worker reads the half that was in force before (zs_qsbr_passed of *epoch,
 * which this starts). */
int zs_tables_put_rules(struct zs_tables *t, struct zs_acl_rule *rules, uint32_t count, uint64_t *epoch);
/* For the kind's migration and tests: sets the view's pointers from seg (-EPROTO: a region is
 * missing or has an impossible size); writes the initial values into a new segment. */
int zs_tables_bind(struct zs_tables *t);
void zs_tables_fill(struct zs_tables *t, bool stopped);
/* Where an entry's probe window begins; the caller masks it. */
uint32_t zs_nexthop_hash(const struct zs_tables *t, const struct zs_addr *addr, uint8_t iface, uint16_t vlan);

static inline bool zs_tables_stopped(const struct zs_tables *t)
{
	return atomic_load_explicit(&t->stop->word, memory_order_relaxed) != 0;
}

/* Readers: copy one entry. false: not there, or not to be had whole in ZS_SEQLOCK_TRIES. Index is
 * bounds-checked. The copy's enums and indices are checked, so it may be used as it is. */
bool zs_tables_settings(const struct zs_tables *t, struct zs_settings *out);
bool zs_tables_local(const struct zs_tables *t, uint32_t index, struct zs_local *out);
bool zs_tables_published(const struct zs_tables *t, uint16_t port, struct zs_published *out);
/* The generation of a published port alone, without a copy. false: there is none, or it is being written. */
static inline bool zs_tables_generation(const struct zs_tables *t, uint16_t port, uint32_t *generation)
{
	const struct zs_published *p = &t->published[port];
	uint32_t before = zs_seqlock_read(&p->seq);
	uint8_t used = __atomic_load_n(&p->used, __ATOMIC_RELAXED);

	*generation = __atomic_load_n(&p->generation, __ATOMIC_RELAXED);
	return used && zs_seqlock_good(&p->seq, before);
}
/* What a new flow asks of a port first, without a copy. false: the entry is being written. */
static inline bool zs_tables_door(const struct zs_tables *t, uint16_t port, bool *used, bool *drain)
{
	const struct zs_published *p = &t->published[port];
	uint32_t before = zs_seqlock_read(&p->seq);

	*used = __atomic_load_n(&p->used, __ATOMIC_RELAXED);
	*drain = __atomic_load_n(&p->drain, __ATOMIC_RELAXED);
	return zs_seqlock_good(&p->seq, before);
}
bool zs_tables_nexthop(const struct zs_tables *t, uint32_t index, struct zs_nexthop *out);
bool zs_tables_route(const struct zs_tables *t, uint32_t index, struct zs_route *out);
/* Index of a neighbour's entry or ZS_NEXTHOP_NONE. */
uint32_t zs_tables_find_nexthop(const struct zs_tables *t, const struct zs_addr *addr, uint8_t iface,
				uint16_t vlan);
/* Index of the next hop toward addr: route by longest prefix, then its neighbour; on
 * ZS_NEXTHOP_NONE *missing says which neighbour is missing (route found) or is zeroed (no route).
 * The entry may be unresolved (valid == 0): the index stays good for when it is. */
uint32_t zs_tables_resolve(const struct zs_tables *t, const struct zs_addr *addr, struct zs_nexthop *missing);

/* Writer: put or clear an entry (a NULL value clears). A route's key is {dest, len, metric,
 * iface, vlan}, a next hop's {addr, iface, vlan}. `seq` of a value is ignored. -ENOSPC: table full; -EINVAL: out of range;
 * -ENOENT: nothing to delete. */
int zs_tables_set_settings(struct zs_tables *t, const struct zs_settings *value);
int zs_tables_set_local(struct zs_tables *t, uint32_t index, const struct zs_local *value);
int zs_tables_set_published(struct zs_tables *t, uint16_t port,
			    const struct zs_published *value); /* NULL clears */
int zs_tables_put_route(struct zs_tables *t, const struct zs_route *value);
int zs_tables_del_route(struct zs_tables *t, const struct zs_route *key);
int zs_tables_put_nexthop(struct zs_tables *t, const struct zs_nexthop *value);
int zs_tables_del_nexthop(struct zs_tables *t, const struct zs_nexthop *key);
void zs_tables_set_stop(struct zs_tables *t, bool stopped);
/* Would readers take this entry? */
bool zs_published_ok(const struct zs_published *p);
/* Walker for tests and fuzzers: 0, or -EUCLEAN and *where set. */
int zs_tables_check(const struct zs_tables *t, const char **where);

#endif
