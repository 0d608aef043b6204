/* Drivers and devices. Virtual devices are made here, PCI ones were probed by EAL.
 *
 * One pool serves all ports: AF_XDP then sends a packet from the very buffer another AF_XDP
 * port received it in, without a copy. Its size is the sum of what rings, caches and
 * hand-over rings can hold, so a full house never starves a receive ring. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <rte_bus_vdev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include "port.h"

#define POOL_CACHE     256     /* mbufs a worker keeps to itself */
#define XDP_RINGS      6144    /* net_af_xdp fills 2,048 buffers, and as many again in flight each way */
#define VIRTUAL_PPS    2000000 /* no software port is fed faster than this on one core */
#define FRAME_OVERHEAD 26      /* Ethernet header and FCS, two VLAN tags */
#define WIRE_MIN_BITS  672     /* smallest frame on the wire: 64 bytes, preamble and gap */

struct driver {
	const char *vdev; /* NULL: PCI */
	const char *args; /* printf of the device's text */
	bool many_queues;
};

static const struct driver drivers[] = {
	[ZS_DRIVER_PCI] = { NULL, NULL, true },
	[ZS_DRIVER_AF_XDP] = { "net_af_xdp", "iface=%s,start_queue=0,queue_count=1", false },
	[ZS_DRIVER_AF_PACKET] = { "net_af_packet", "iface=%s,qpairs=1", false },
	[ZS_DRIVER_MEMIF] = { "net_memif", "%s", false },
	[ZS_DRIVER_PCAP] = { "net_pcap", "%s", false },
	[ZS_DRIVER_NULL] = { "net_null", "%s", true },
	[ZS_DRIVER_RING] = { "net_ring", "%s", false },
};

static int fail(struct zs_error *err, int code, const struct zs_port *p, const char *what)
{
	return zs_error_set(err, code, code == -EPERM ? ZS_EXIT_PRIVILEGE : ZS_EXIT_RESOURCE,
			    "port %s (%s): %s: %s", p->conf->name, p->conf->device, what, strerror(-code));
}

static int kernel_mtu(const char *device)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	rc = ioctl(fd, SIOCGIFMTU, &ifr) < 0 ? -errno : ifr.ifr_mtu;
	close(fd);
	return rc;
}

static bool on_kernel(const struct zs_port *p)
{
	return p->conf->driver == ZS_DRIVER_AF_XDP || p->conf->driver == ZS_DRIVER_AF_PACKET;
}

/* The steering object lies beside the binary in a build tree, else where it is installed. */
static void steer_object(char out[256])
{
	ssize_t n = readlink("/proc/self/exe", out, 200);

	while (n > 0 && out[n - 1] != '/')
		n--;
	snprintf(out + (n > 0 ? n : 0), 256 - 200, "%s", "steer.bpf.o");
	if (access(out, R_OK) < 0)
		snprintf(out, 256, "%s", ZS_LIBEXEC "/steer.bpf.o");
}

static int steer(struct zs_dp *dp, struct zs_port *p, struct zs_error *err)
{
	char object[256];
	int rc;

	steer_object(object);
	if ((rc = zs_steer_open(&p->steer, dp->conf->instance, p->conf->device, object, err)))
		return rc;
	p->steered = true;
	if (p->steer.adopted)
		ZS_LOG(dp->log, STEER_ADOPTED, "port=%s", p->conf->name);
	else
		ZS_LOG(dp->log, STEER_ATTACHED, "port=%s", p->conf->name);
	return 0;
}

/* Finds or makes the ethdev of port `i`. */
static int probe(struct zs_dp *dp, uint32_t i, struct zs_error *err)
{
	struct zs_port *p = &dp->port[i];
	const struct driver *d = &drivers[p->conf->driver];
	char name[160], args[192];
	int rc;

	if (on_kernel(p) && !if_nametoindex(p->conf->device))
		return fail(err, -ENODEV, p, "no such interface");
	if (p->conf->driver == ZS_DRIVER_AF_XDP && (rc = steer(dp, p, err)))
		return rc;
	p->kernel_shares = p->conf->driver == ZS_DRIVER_AF_PACKET;
	if (d->vdev) {
		snprintf(name, sizeof(name), "%s%u", d->vdev, i);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(args, sizeof(args), d->args, p->conf->device);
#pragma GCC diagnostic pop
		if ((rc = rte_vdev_init(name, args)))
			return fail(err, rc, p, "the driver refuses it");
	} else {
		snprintf(name, sizeof(name), "%s", p->conf->device);
	}
	if ((rc = rte_eth_dev_get_port_by_name(name, &p->ethdev)))
		return fail(err, rc, p, "DPDK found no such device; is it bound to vfio-pci?");
	return 0;
}

static uint32_t pool_size(const struct zs_dp *dp)
{
	uint32_t n = dp->workers * (2 * POOL_CACHE + ZS_HANDOVER_RING * 2 * dp->workers + 64 * ZS_IFACES_MAX);

	for (uint32_t i = 0; i < dp->ports; i++) {
		const struct zs_conf_port *c = dp->port[i].conf;
		uint32_t queues = drivers[c->driver].many_queues ? dp->workers : 1;

		n += queues * (c->rx_ring + c->tx_ring);
		n += c->driver == ZS_DRIVER_AF_XDP ? XDP_RINGS : 0;
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

static void choose_queues(const struct zs_dp *dp, struct zs_port *p, const struct rte_eth_dev_info *info)
{
	bool many = drivers[p->conf->driver].many_queues && info->max_rx_queues >= dp->workers &&
		    info->max_tx_queues >= dp->workers;

	p->queues = many ? (uint16_t)dp->workers : 1;
}

static void choose_offloads(struct rte_eth_conf *c, const struct zs_port *p,
			    const struct rte_eth_dev_info *info)
{
	c->rxmode.mtu = p->mtu;
	c->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	if (p->queues < 2)
		return;
	c->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	c->rx_adv_conf.rss_conf.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info->flow_type_rss_offloads;
	if (!c->rx_adv_conf.rss_conf.rss_hf)
		c->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
}

static int setup_queues(struct zs_dp *dp, struct zs_port *p, struct zs_error *err)
{
	uint16_t rx = (uint16_t)p->conf->rx_ring, tx = (uint16_t)p->conf->tx_ring;
	int socket_id = rte_eth_dev_socket_id(p->ethdev), rc;

	rte_eth_dev_adjust_nb_rx_tx_desc(p->ethdev, &rx, &tx);
	for (uint16_t q = 0; q < p->queues; q++) {
		rc = rte_eth_rx_queue_setup(p->ethdev, q, rx, (unsigned)socket_id, NULL, dp->pool);
		if (rc)
			return fail(err, rc, p, "receive queue");
		rc = rte_eth_tx_queue_setup(p->ethdev, q, tx, (unsigned)socket_id, NULL);
		if (rc)
			return fail(err, rc, p, "transmit queue");
	}
	return 0;
}

/* How long half the receive ring lasts at line rate: the longest a worker may sleep. */
static uint32_t burst_us(const struct zs_port *p)
{
	struct rte_eth_link link = { 0 };
	uint64_t pps = VIRTUAL_PPS;

	if (p->conf->driver == ZS_DRIVER_PCI && !rte_eth_link_get_nowait(p->ethdev, &link) &&
	    link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN && link.link_speed)
		pps = (uint64_t)link.link_speed * 1000000 / WIRE_MIN_BITS;
	return (uint32_t)((uint64_t)p->conf->rx_ring * 1000000 / 2 / pps) + 1;
}

static int start(struct zs_dp *dp, struct zs_port *p, struct zs_error *err)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc;

	if ((rc = rte_eth_dev_info_get(p->ethdev, &info)))
		return fail(err, rc, p, "no information");
	choose_queues(dp, p, &info);
	choose_offloads(&conf, p, &info);
	if ((rc = rte_eth_dev_configure(p->ethdev, p->queues, p->queues, &conf)))
		return fail(err, rc, p, "cannot be configured");
	if ((rc = setup_queues(dp, p, err)))
		return rc;
	if ((rc = rte_eth_dev_start(p->ethdev)))
		return fail(err, rc, p, "cannot be started");
	p->started = true;
	if ((rc = rte_eth_macaddr_get(p->ethdev, &mac)))
		return fail(err, rc, p, "no link address");
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

static void prepare(struct zs_dp *dp, uint32_t i)
{
	struct zs_port *p = &dp->port[i];
	int mtu;

	p->conf = &dp->conf->dataplane.port[i];
	mtu = p->conf->mtu ? p->conf->mtu : on_kernel(p) ? kernel_mtu(p->conf->device) : RTE_ETHER_MTU;
	p->mtu = mtu >= RTE_ETHER_MIN_MTU && mtu <= UINT16_MAX ? (uint16_t)mtu : RTE_ETHER_MTU;
	for (uint32_t v = 0; v < p->conf->vlans; v++)
		p->vlan[p->vlans++] = p->conf->vlan[v].id;
}

int zs_ports_start(struct zs_dp *dp, struct zs_error *err)
{
	int rc;

	dp->ports = dp->conf->dataplane.ports;
	for (uint32_t i = 0; i < dp->ports; i++)
		prepare(dp, i);
	if ((rc = make_pool(dp, err)))
		return rc;
	for (uint32_t i = 0; i < dp->ports; i++) {
		if ((rc = probe(dp, i, err)) || (rc = start(dp, &dp->port[i], err))) {
			ZS_LOG(dp->log, PORT_FAILED, "port=%s", dp->port[i].conf->name);
			return rc;
		}
		describe(dp, i);
	}
	return 0;
}

void zs_ports_stop(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->ports; i++) {
		struct zs_port *p = &dp->port[i];

		if (!p->started)
			continue;
		atomic_store(&dp->state.iface[i].up, 0);
		rte_eth_dev_stop(p->ethdev);
		if (p->steered)
			zs_steer_close(&p->steer);
		else
			rte_eth_dev_close(p->ethdev);
		ZS_LOG(dp->log, PORT_DOWN, "port=%s", p->conf->name);
	}
}
