/* Ports in memory. Buffers are few, so that their lines stay in the core's caches as a NIC's do that writes into them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include "relay/bed.h"

#define PACKETS 2047 /* of each worker */
#define CACHE	512

static struct rte_ring *make_ring(const char *kind, uint32_t port, uint32_t queue)
{
	char name[24];

	snprintf(name, sizeof(name), "%s%u-%u", kind, port, queue);
	return rte_ring_create(name, ZS_BED_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

/* Which worker polls a queue, as worker.c has it. */
static uint32_t worker_of(const struct zs_bed *bed, uint32_t port, uint32_t queue)
{
	return (port + queue) % bed->dp.workers;
}

static int make_rings(struct zs_bed *bed, uint32_t i, struct rte_ring **in, struct rte_ring **out)
{
	for (uint32_t k = 0; k < bed->dp.workers; k++) {
		struct zs_bed_queues *q = &bed->queues[worker_of(bed, i, k)];

		q->in[i] = in[k] = make_ring("in", i, k);
		q->out[i] = out[k] = make_ring("out", i, k);
		if (!in[k] || !out[k])
			return -ENOMEM;
	}
	return 0;
}

static int start_port(struct zs_bed *bed, uint16_t id)
{
	static const struct rte_eth_conf eth;
	uint16_t queues = (uint16_t)bed->dp.workers;
	int rc = rte_eth_dev_configure(id, queues, queues, &eth);

	for (uint16_t k = 0; k < queues && !rc; k++)
		rc = rte_eth_rx_queue_setup(id, k, ZS_BED_RING, 0, NULL, bed->dp.pool) |
		     rte_eth_tx_queue_setup(id, k, ZS_BED_RING, 0, NULL);
	return rc ? rc : rte_eth_dev_start(id);
}

static int make_port(struct zs_bed *bed, uint32_t i, struct zs_error *err)
{
	struct rte_ring *in[ZS_BED_WORKERS], *out[ZS_BED_WORKERS];
	struct zs_port *p = &bed->dp.port[i];
	uint16_t queues = (uint16_t)bed->dp.workers;
	int id = -1;

	if (!make_rings(bed, i, in, out))
		id = rte_eth_from_rings(i ? "far" : "near", in, queues, out, queues, 0);
	if (id < 0 || start_port(bed, (uint16_t)id))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no port made of rings");
	*p = (struct zs_port){ .conf = &bed->conf.dataplane.port[i],
			       .queues = queues,
			       .tx_queues = queues,
			       .mtu = 1500,
			       .vlans = 1,
			       .mac = { 2, 0, 0, 0, 0, (uint8_t)(1 + i) } };
	for (uint16_t k = 0; k < queues; k++)
		p->queue[k] = (struct zs_queue){ .ethdev = (uint16_t)id, .id = k };
	return 0;
}

int zs_bed_rings(struct zs_bed *bed, uint32_t packets, struct zs_error *err)
{
	int rc = 0;

	packets = packets ? packets : bed->dp.workers * (PACKETS + 1) - 1;
	bed->dp.pool = rte_pktmbuf_pool_create("ports", packets, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					       SOCKET_ID_ANY);
	if (!bed->dp.pool)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for packets");
	for (uint32_t i = 0; i < 2 && !rc; i++)
		rc = make_port(bed, i, err);
	bed->dp.ports = 2;
	return rc;
}
