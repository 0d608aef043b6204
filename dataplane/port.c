/* Ports: their packet pool, queues, start and stop.
 *
 * One pool serves all ports: AF_XDP then sends a packet from the very buffer another AF_XDP
 * port received it in, without a copy. Its size is the sum of what rings, caches and
 * hand-over rings can hold, so a full house never starves a receive ring. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include "device.h"
#include "port.h"
#include "twin.h"

#define POOL_CACHE     256     /* mbufs a worker keeps to itself */
#define XDP_RINGS      6144    /* net_af_xdp fills 2,048 buffers, and as many again in flight each way */
#define VIRTUAL_PPS    2000000 /* no software port is fed faster than this on one core */
#define FRAME_OVERHEAD 26      /* Ethernet header and FCS, two VLAN tags */
#define WIRE_MIN_BITS  672     /* smallest frame on the wire: 64 bytes, preamble and gap */

static uint32_t pool_size(const struct zs_dp *dp)
{
	uint32_t n = dp->workers * (2 * POOL_CACHE + ZS_HANDOVER_RING * 2 * dp->workers + 64 * ZS_IFACES_MAX);

	for (uint32_t i = 0; i < dp->ports; i++) {
		const struct zs_conf_port *c = dp->port[i].conf;

		n += dp->port[i].queues * (c->rx_ring + c->tx_ring);
		n += c->twin[0] ? dp->workers * ZS_TWIN_BUFFERS : 0;
		n += c->driver == ZS_DRIVER_AF_XDP ? dp->port[i].queues * XDP_RINGS : 0;
	}
	return n;
}

static int make_pool(struct zs_dp *dp, struct zs_error *err)
{
	uint32_t n = pool_size(dp), room = RTE_MBUF_DEFAULT_BUF_SIZE;

	for (uint32_t i = 0; i < dp->ports; i++)
		if (dp->port[i].mtu + FRAME_OVERHEAD + RTE_PKTMBUF_HEADROOM + 0u > room)
			room = RTE_ALIGN(dp->port[i].mtu + FRAME_OVERHEAD + RTE_PKTMBUF_HEADROOM + 0u, 64u);
	dp->pool = rte_pktmbuf_pool_create("packets", n, POOL_CACHE, 0, (uint16_t)room, SOCKET_ID_ANY);
	if (dp->pool)
		return 0;
	return zs_error_set(err, -rte_errno, ZS_EXIT_RESOURCE,
			    "no memory for %u packet buffers of %u bytes: raise dataplane.memory_mb above %u",
			    n, room, (uint32_t)(((uint64_t)n * (room + 192)) >> 20) + 16);
}

static void choose_offloads(struct rte_eth_conf *c, const struct zs_port *p, uint16_t queues,
			    const struct rte_eth_dev_info *info)
{
	c->rxmode.mtu = p->mtu;
	c->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	if (queues < 2)
		return;
	c->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	c->rx_adv_conf.rss_conf.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info->flow_type_rss_offloads;
	if (!c->rx_adv_conf.rss_conf.rss_hf)
		c->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
}

static int setup_queues(struct zs_dp *dp, const struct zs_port *p, uint16_t ethdev, uint16_t queues,
			struct zs_error *err)
{
	uint16_t rx = (uint16_t)p->conf->rx_ring, tx = (uint16_t)p->conf->tx_ring;
	int socket_id = rte_eth_dev_socket_id(ethdev), rc;

	rte_eth_dev_adjust_nb_rx_tx_desc(ethdev, &rx, &tx);
	for (uint16_t q = 0; q < queues; q++) {
		rc = rte_eth_rx_queue_setup(ethdev, q, rx, (unsigned)socket_id, NULL, dp->pool);
		if (rc)
			return zs_device_fail(err, rc, p, "receive queue");
		rc = rte_eth_tx_queue_setup(ethdev, q, tx, (unsigned)socket_id, NULL);
		if (rc)
			return zs_device_fail(err, rc, p, "transmit queue");
	}
	return 0;
}

/* How long half the receive ring lasts at line rate: the longest a worker may sleep. */
static uint32_t burst_us(const struct zs_port *p)
{
	struct rte_eth_link link = { 0 };
	uint64_t pps = VIRTUAL_PPS;

	if (p->conf->driver == ZS_DRIVER_PCI && !rte_eth_link_get_nowait(p->queue[0].ethdev, &link) &&
	    link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN && link.link_speed)
		pps = (uint64_t)link.link_speed * 1000000 / WIRE_MIN_BITS;
	return (uint32_t)((uint64_t)p->conf->rx_ring * 1000000 / 2 / pps) + 1;
}

static int start_ethdev(struct zs_dp *dp, const struct zs_port *p, uint16_t ethdev, uint16_t queues,
			struct zs_error *err)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	int rc;

	if ((rc = rte_eth_dev_info_get(ethdev, &info)))
		return zs_device_fail(err, rc, p, "no information");
	choose_offloads(&conf, p, queues, &info);
	if ((rc = rte_eth_dev_configure(ethdev, queues, queues, &conf)))
		return zs_device_fail(err, rc, p, "cannot be configured");
	if ((rc = setup_queues(dp, p, ethdev, queues, err)))
		return rc;
	if ((rc = rte_eth_dev_start(ethdev)))
		return zs_device_fail(err, rc, p, "cannot be started");
	return 0;
}

/* A device with queues of its own choice has as many as there are workers, or one. */
static int start_many(struct zs_dp *dp, struct zs_port *p, struct zs_error *err)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(p->queue[0].ethdev, &info);

	if (rc)
		return zs_device_fail(err, rc, p, "no information");
	if (info.max_rx_queues < p->queues || info.max_tx_queues < p->queues)
		p->queues = 1;
	p->tx_queues = p->queues;
	for (uint16_t q = 0; q < p->queues; q++)
		p->queue[q] = (struct zs_queue){ .ethdev = p->queue[0].ethdev, .id = q };
	return start_ethdev(dp, p, p->queue[0].ethdev, p->queues, err);
}

static int start(struct zs_dp *dp, struct zs_port *p, struct zs_error *err)
{
	struct rte_ether_addr mac;
	int rc = 0;

	if (zs_device_many_queues(p))
		rc = start_many(dp, p, err);
	else
		for (uint16_t k = 0; !rc && k < p->queues; k++)
			rc = start_ethdev(dp, p, p->queue[k].ethdev, 1, err);
	if (rc)
		return rc;
	p->started = true;
	if ((rc = rte_eth_macaddr_get(p->queue[0].ethdev, &mac)))
		return zs_device_fail(err, rc, p, "no link address");
	memcpy(p->mac, mac.addr_bytes, sizeof(p->mac));
	p->burst_us = burst_us(p);
	return 0;
}

static void describe(struct zs_dp *dp, uint32_t i)
{
	struct zs_port *p = &dp->port[i];
	struct zs_iface_state *s = &dp->state.iface[i];

	snprintf(s->name, sizeof(s->name), "%s", p->conf->name);
	memcpy(s->mac, p->mac, sizeof(s->mac));
	s->mtu = p->mtu;
	atomic_store(&s->up, 1);
	ZS_LOG(dp->log, PORT_UP, "port=%s device=%s queues=%u mtu=%u mac=%02x:%02x:%02x:%02x:%02x:%02x",
	       p->conf->name, p->conf->device, p->queues, p->mtu, p->mac[0], p->mac[1], p->mac[2], p->mac[3],
	       p->mac[4], p->mac[5]);
}

/* DPDK has room for so many devices; each queue of the kernel's is one. */
static int check_room(const struct zs_dp *dp, struct zs_error *err)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < dp->ports; i++)
		n += dp->port[i].conf->driver == ZS_DRIVER_AF_XDP ? dp->port[i].queues : 1;
	if (n <= RTE_MAX_ETHPORTS)
		return 0;
	return zs_error_set(err, -E2BIG, ZS_EXIT_RESOURCE,
			    "the ports have %u receive queues together, %u are served at most: "
			    "ethtool -L DEVICE combined N",
			    n, RTE_MAX_ETHPORTS);
}

static int bring_up(struct zs_dp *dp, uint32_t i, struct zs_error *err)
{
	int rc = zs_device_find(dp, i, err);

	if (!rc)
		rc = start(dp, &dp->port[i], err);
	if (rc)
		ZS_LOG(dp->log, PORT_FAILED, "port=%s", dp->port[i].conf->name);
	else
		describe(dp, i);
	return rc;
}

int zs_ports_start(struct zs_dp *dp, struct zs_error *err)
{
	int rc = 0;

	dp->ports = dp->conf->dataplane.ports;
	for (uint32_t i = 0; !rc && i < dp->ports; i++)
		rc = zs_device_prepare(dp, i, err);
	if (!rc)
		rc = check_room(dp, err);
	if (!rc)
		rc = make_pool(dp, err);
	for (uint32_t i = 0; !rc && i < dp->ports; i++)
		rc = bring_up(dp, i, err);
	for (uint32_t i = 0; !rc && i < dp->ports; i++)
		if (dp->port[i].conf->twin[0])
			rc = zs_twin_open(dp, i, err);
	return rc;
}

void zs_ports_stop(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->ports; i++) {
		struct zs_port *p = &dp->port[i];

		if (!p->started)
			continue;
		atomic_store(&dp->state.iface[i].up, 0);
		for (uint16_t k = 0; k < p->queues; k++)
			if (p->queue[k].id == 0)
				rte_eth_dev_stop(p->queue[k].ethdev);
		if (p->steered)
			zs_steer_close(&p->steer);
		else
			rte_eth_dev_close(p->queue[0].ethdev);
		if (p->twinned)
			rte_eth_dev_stop(p->twin);
		ZS_LOG(dp->log, PORT_DOWN, "port=%s", p->conf->name);
	}
}
