/* Ports in memory. Buffers are few, so that their lines stay in the core's caches as a NIC's do that writes into them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include "relay/bed.h"

#define PACKETS 2047
#define CACHE	512

static struct rte_ring *make_ring(const char *kind, uint32_t i)
{
	char name[16];

	snprintf(name, sizeof(name), "%s%u", kind, i);
	return rte_ring_create(name, ZS_BED_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int make_port(struct zs_bed *bed, uint32_t i, struct zs_error *err)
{
	static const struct rte_eth_conf eth;
	struct zs_port *p = &bed->dp.port[i];
	int id = -1;

	bed->in[i] = make_ring("in", i);
	bed->out[i] = make_ring("out", i);
	if (bed->in[i] && bed->out[i])
		id = rte_eth_from_rings(i ? "far" : "near", &bed->in[i], 1, &bed->out[i], 1, 0);
	if (id < 0 || rte_eth_dev_configure((uint16_t)id, 1, 1, &eth) ||
	    rte_eth_rx_queue_setup((uint16_t)id, 0, ZS_BED_RING, 0, NULL, bed->dp.pool) ||
	    rte_eth_tx_queue_setup((uint16_t)id, 0, ZS_BED_RING, 0, NULL) || rte_eth_dev_start((uint16_t)id))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no port made of rings");
	*p = (struct zs_port){ .conf = &bed->conf.dataplane.port[i],
			       .queues = 1,
			       .tx_queues = 1,
			       .mtu = 1500,
			       .vlans = 1,
			       .mac = { 2, 0, 0, 0, 0, (uint8_t)(1 + i) } };
	p->queue[0].ethdev = (uint16_t)id;
	return 0;
}

int zs_bed_rings(struct zs_bed *bed, struct zs_error *err)
{
	int rc = 0;

	bed->dp.pool = rte_pktmbuf_pool_create("ports", PACKETS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					       SOCKET_ID_ANY);
	if (!bed->dp.pool)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for packets");
	for (uint32_t i = 0; i < 2 && !rc; i++)
		rc = make_port(bed, i, err);
	bed->dp.ports = 2;
	return rc;
}
