/* Packets made ahead of the clock, and what it costs to run them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include "net/checksum.h"
#include "relay/bed.h"
#include "stage/mark.h"

/* --- packets --- */

struct rte_mbuf *zs_bed_new(struct zs_bed *bed, uint8_t iface, bool is4, uint8_t **payload)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(bed->packets);

	if (!m)
		return NULL;
	m->port = iface;
	*payload = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM + ZS_ETH_LEN +
		   (is4 ? ZS_IP4_MIN : ZS_IP6_LEN) + ZS_UDP_LEN;
	return m;
}

void zs_bed_wrap(struct rte_mbuf *m, const struct zs_endpoint *src, const struct zs_endpoint *dst,
		 uint8_t *payload, uint16_t len)
{
	struct zs_header h = { *src, *dst, zs_csum_add(0, payload, len), 0 };
	struct zs_item it = { .m = m };
	struct rte_ether_addr mac;

	ZS_CHECK(rte_eth_macaddr_get(m->port, &mac) == 0);
	memcpy(it.hop.dmac, &mac, sizeof(it.hop.dmac));
	ZS_CHECK(zs_header_put(&it, &h, payload, len));
}

/* --- running it --- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double zs_bed_median(double *v, uint32_t n)
{
	qsort(v, n, sizeof(*v), ascending);
	return n ? v[n / 2] : 0;
}

#define BURSTS (ZS_BED_PACKETS / ZS_BURST)
struct bursts {
	double stage[ZS_STAGES][BURSTS], receive[BURSTS], all[BURSTS];
	uint32_t count;
};

static void run_burst(struct zs_bed *bed, struct rte_mbuf **m, uint32_t n, struct bursts *out)
{
	uint64_t *cycles = bed->w->state->counters.stage_cycles, before[ZS_STAGES], start;
	uint32_t k = out->count++;

	for (uint32_t i = 0; i < n; i++)
		m[i]->ol_flags = 0;
	memcpy(before, cycles, sizeof(before));
	ZS_STAGE_BEGIN(bed->w);
	start = bed->w->mark;
	zs_stage_run(bed->w, &bed->burst, m, n, false);
	out->all[k] = (double)(bed->w->mark - start) / n;
	for (int i = 0; i < ZS_STAGES; i++)
		out->stage[i][k] = (double)(cycles[i] - before[i]) / n;
	out->receive[k] = out->stage[ZS_STAGE_parse][k] + out->stage[ZS_STAGE_classify][k] +
			  out->stage[ZS_STAGE_cid][k] + out->stage[ZS_STAGE_tunnel_in][k];
}

void zs_bed_run(struct zs_bed *bed, struct rte_mbuf **m, uint32_t n, struct zs_bed_cost *cost)
{
	uint32_t warm = n / 2 / ZS_BURST * ZS_BURST;
	struct bursts b = { .count = 0 };

	for (uint32_t i = 0; i < n; i += ZS_BURST) {
		if (i == warm)
			b.count = 0;
		run_burst(bed, m + i, n - i < ZS_BURST ? n - i : ZS_BURST, &b);
	}
	for (int i = 0; i < ZS_STAGES; i++)
		cost->stage[i] = zs_bed_median(b.stage[i], b.count);
	cost->receive = zs_bed_median(b.receive, b.count);
	cost->all = zs_bed_median(b.all, b.count);
}

uint64_t zs_bed_dropped(const struct zs_bed *bed, const char **name)
{
	uint64_t all = 0;

	for (int d = 0; d < ZS_DROPS; d++) {
		if (bed->w->drop[d] && name)
			*name = zs_drop_name((enum zs_drop)d);
		all += bed->w->drop[d];
	}
	return all;
}

void zs_bed_memory(uint64_t *all_kb, uint64_t *huge_kb)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	unsigned long long v;
	char line[128];

	*all_kb = *huge_kb = 0;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss_Shmem: %llu", &v) == 1)
			*all_kb = v;
		else if (sscanf(line, "ShmemPmdMapped: %llu", &v) == 1)
			*huge_kb = v;
	if (f)
		fclose(f);
}
