/* Edges of many tunnels, as far as a generator needs them: keys, counters, where they are. Set up once with the relay of a
 * bed, through the wire's messages; after that nothing of the relay's is read. */
#ifndef ZS_BENCH_EDGES_H
#define ZS_BENCH_EDGES_H

#include "relay/bed.h"

struct zs_edge {
	struct zs_attach_key key;
	uint64_t counter; /* the last one used */
	uint16_t flow;	  /* number of the one flow that leads to it */
};

struct zs_edges {
	struct zs_bed *bed;
	struct zs_gcm_engine engine; /* the generator's own */
	uint32_t count;
	struct zs_edge *edge;
};

/* `count` tunnels, each with an attachment, a session that has found its way and a flow that a client opened. */
int zs_edges_open(struct zs_edges *e, struct zs_bed *bed, uint32_t count, struct zs_error *err);

/* What the generator knows of a datagram it made. */
struct zs_datagram {
	struct rte_mbuf *m;
	uint8_t *bytes; /* header, payload, tag */
	uint16_t len;
	uint32_t edge;
	uint64_t counter;
};
/* A DATA datagram of edge `index` with `len` bytes of payload, in a packet of its own. */
struct zs_datagram zs_edges_data(struct zs_edges *e, uint32_t index, bool auth, uint16_t len);

#endif
