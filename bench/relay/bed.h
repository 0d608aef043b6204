/* One worker of zs-dataplane inside this process: the product's own segments, tables and stages. Nothing runs by itself: a
 * bench makes packets ahead of the clock and has them run. On two ports that swallow what they are given (net_null) stages
 * are run by themselves; with `rings` the ports are rings in memory (net_ring), and the worker's own loop takes from them
 * and sends into them.
 *
 * Segments lie in a tmpfs of this process's own mount namespace, so nothing is left however it ends.
 *
 *     near: 10.1.0.1/24, fd00:1::1/64; beyond its router 10.128.0.0/9 and fd00:8000::/20
 *     far:  10.2.0.1/24, fd00:2::1/64; beyond its router 10.64.0.0/10
 *
 * With `rings` beyond near's router are 32.0.0.0/3 and 2a00::/12 too, beyond far's 128.0.0.0/3 and 2600::/12. */
#ifndef ZS_BENCH_BED_H
#define ZS_BENCH_BED_H

#include <rte_mbuf.h>
#include "bench.h"
#include "stage/stage.h"

#define ZS_BED_PACKETS                                                                                       \
	1024 /* of a run, 32 bursts: as a NIC's ring, they stay where it puts them, in the nearer caches */
#define ZS_BED_NEAR    0 /* own addresses, by index */
#define ZS_BED_FAR     1
#define ZS_BED_NEAR6   2
#define ZS_BED_FAR6    3
#define ZS_BED_WORKERS 8
#define ZS_BED_RING    1024 /* of a port; one less can wait in it */
#define ZS_BED_TUNNEL  4434
#define ZS_BED_SERVICE 4433
#define ZS_BED_POP     7
#define ZS_BED_ROUTER  0x22 /* each octet of a router's link address */
#define ZS_BED_PCI     4
#define ZS_BED_PORT    4443 /* published, leads to an attachment, in clear */

struct zs_bed_shape {
	uint32_t attachments, tunnels, flows;
	uint32_t rules;	  /* room in the deny lists; 0: the build's */
	bool small_pages; /* else huge ones where the kernel gives them */
	bool rings;
	uint32_t workers; /* with `rings`, each with a queue of both ports; 0: one */
	uint32_t packets; /* with `rings`: how many there are; 0: few, which stay in the nearer caches */
	const char
	    *pci[ZS_BED_PCI]; /* devices that DPDK opens besides, for the bench's own use; NULL: none */
};

struct zs_bed {
	struct zs_dp dp;
	struct zs_conf conf;
	struct zs_log log;
	struct zs_tables tables;
	struct zs_sessions sessions;
	struct zs_worker *w;
	struct rte_mempool *packets;
	/* With `rings`: what a worker's queues of the near and the far port receive and have sent. */
	struct zs_bed_queues {
		struct rte_ring *in[2], *out[2];
	} queues[ZS_BED_WORKERS];
	struct zs_burst burst;
	uint64_t random;
};

/* What a run costs: cycles a packet, the median of its bursts, since one that another process cut in upon says nothing. Of
 * each stage, up to what came out of a tunnel or a connection ID (receive), and in all. */
struct zs_bed_cost {
	double stage[ZS_STAGES], receive, all;
};

/* One a process; the process ends after it. Memory is the kernel's to take back. */
struct zs_bed *zs_bed_open(const struct zs_bed_shape *shape, struct zs_error *err);
struct zs_addr zs_bed_addr(const char *text);
uint64_t zs_bed_random(struct zs_bed *bed);
uint32_t zs_bed_below(struct zs_bed *bed, uint32_t n);

/* An empty packet that came in by interface `iface`, and where its UDP payload goes: the frame begins on a line, as a NIC
 * writes it. NULL: none left. */
struct rte_mbuf *zs_bed_new(struct zs_bed *bed, uint8_t iface, bool is4, uint8_t **payload);
/* Headers around `len` bytes of payload, as the sender's host makes them. */
void zs_bed_wrap(struct rte_mbuf *m, const struct zs_endpoint *src, const struct zs_endpoint *dst,
		 uint8_t *payload, uint16_t len);

/* Runs packets through all stages, in bursts. The first half warms up and is not counted. The head of a packet was just written,
 * as a driver does it. */
void zs_bed_run(struct zs_bed *bed, struct rte_mbuf **m, uint32_t n, struct zs_bed_cost *cost);
/* The median; `v` is sorted. */
double zs_bed_median(double *v, uint32_t n);
/* Housekeeping until the worker's own lines of attachments are up to date. */
void zs_bed_settle(struct zs_bed *bed);
/* rings.c: makes the ports in the place of zs_ports_start; `packets` as in the shape. */
int zs_bed_rings(struct zs_bed *bed, uint32_t packets, struct zs_error *err);
/* Packets that were dropped so far, for whatever reason, and the name of one. */
uint64_t zs_bed_dropped(const struct zs_bed *bed, const char **name);

/* Of this process's shared memory, in KiB: all, and what lies on huge pages. */
void zs_bed_memory(uint64_t *all_kb, uint64_t *huge_kb);

#endif
