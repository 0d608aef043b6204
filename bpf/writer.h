/* The fast path's writer: the maps of fast.h as memory of this process. One thread writes: the worker (zs-dataplane has one, with this
 * engine). Nothing but zs_fast_map makes a system call.
 *
 * Life: map once; begin when a worker starts (what another offered is void, what was counted stays); renew whenever anything
 * that entries are made from has changed; offer what was forwarded; void what has ended; keep alive. */
#ifndef ZS_BPF_WRITER_H
#define ZS_BPF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include "fast.h"

#define ZS_FAST_NO_HOP UINT32_MAX

/* Capacities: powers of two, flows up to ZS_FAST_FLOWS_MAX. */
struct zs_fast_shape {
	uint32_t attachments, flows;
};

enum zs_fast_map {
#define ZS_FAST_MAP(name, entry, entries) ZS_FAST_MAP_##name,
#include "fast_maps.def"
#undef ZS_FAST_MAP
	ZS_FAST_MAPS
};

struct zs_fast {
	struct zs_fast_shape shape;
	/* the mappings, by name */
#define ZS_FAST_MAP(name, entry, entries) struct entry *name;
#include "fast_maps.def"
#undef ZS_FAST_MAP
	struct zs_senders ways; /* over `index`; words name flows */
	uint32_t cpus;		/* that can count */
	uint32_t stamp;		/* the last one given; 0: never any */
	uint32_t hops_used;	/* of the half in use */
	uint32_t half;
};

const char *zs_fast_map_name(enum zs_fast_map map); /* as the program calls it */
uint32_t zs_fast_entries(enum zs_fast_map map, const struct zs_fast_shape *shape);

/* Main. fd: of the maps, the caller's to close whenever it likes. 0 or -errno. */
int zs_fast_map(struct zs_fast *f, const struct zs_fast_shape *shape, const int fd[ZS_FAST_MAPS]);
void zs_fast_unmap(struct zs_fast *f);

/* Nothing is forwarded until renew. Ways are indexed under flow_key; senders are the binder's (zs_senders over f->senders). */
void zs_fast_begin(struct zs_fast *f, const uint64_t flow_key[2]);
/* What entries were made from is `c` now, of which stamp, flow_key and masks are not looked at. All that was offered is void. */
void zs_fast_renew(struct zs_fast *f, const struct zs_fast_config *c);
/* Packets are the worker's until renew. */
void zs_fast_hold(struct zs_fast *f);
static inline bool zs_fast_held(const struct zs_fast *f)
{
	return !f->config->stamp;
}
/* The worker lives. */
static inline void zs_fast_alive(struct zs_fast *f, uint64_t now_ns)
{
	__atomic_store_n(&f->config->alive_until_ns, now_ns + ZS_FAST_ALIVE_MS * 1000000ull,
			 __ATOMIC_RELAXED);
}

/* Index of a frame header, or ZS_FAST_NO_HOP: there are too many. */
uint32_t zs_fast_hop(struct zs_fast *f, const struct zs_fast_hop *hop);

/* Where an attachment's packets go: line 0, but for seq, stamp and meter. */
void zs_fast_put_to(struct zs_fast *f, uint32_t id, const struct zs_fast_attachment *to);
/* Its limits: policed, mark, tenant, police. Before either end is offered. */
void zs_fast_put_limits(struct zs_fast *f, uint32_t id, const struct zs_fast_attachment *limits);
/* What comes from its bound address is good: the address was judged, and is no relay's. */
void zs_fast_put_from(struct zs_fast *f, uint32_t id);
/* Is what was offered for it in force? */
static inline bool zs_fast_has_to(const struct zs_fast *f, uint32_t id)
{
	return f->attachments[id].stamp == f->stamp;
}
static inline bool zs_fast_has_from(const struct zs_fast *f, uint32_t id)
{
	return f->attachments[id].sends == f->stamp;
}
/* Both ends; the worker decides again. */
void zs_fast_void(struct zs_fast *f, uint32_t id);

/* One way of a confirmed flow. `ends`: both ways' from, port, local and out. */
void zs_fast_put_way(struct zs_fast *f, uint32_t id, enum zs_fast_side side, const struct zs_fast_flow *ends,
		     uint32_t hop, uint32_t now_ms);
static inline bool zs_fast_has_way(const struct zs_fast *f, uint32_t id, enum zs_fast_side side)
{
	return f->flows[id].way[side].stamp == f->stamp;
}
void zs_fast_void_flow(struct zs_fast *f, uint32_t id);

/* A configuration of connection IDs. key NULL: they are in clear. */
void zs_fast_put_cids(struct zs_fast *f, uint8_t rotation, const uint8_t key[16]);
void zs_fast_void_cids(struct zs_fast *f, uint8_t rotation);

/* What was counted since it was taken last. Who is killed in between has lost it, never doubled. */
struct zs_fast_meter zs_fast_take(struct zs_fast_meter *m);
void zs_fast_take_counts(struct zs_fast *f, uint64_t out[ZS_FAST_COUNTS]);

#endif
