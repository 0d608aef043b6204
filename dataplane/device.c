/* Drivers and what they need of the kernel. Virtual devices are made here, PCI ones were probed by EAL. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include "base/file.h"
#include "device.h"
#include "fastpath.h"
#include "net/channels.h"

#ifdef CONFIG_DRIVER_MEMIF
#define HAS_MEMIF true
#else
#define HAS_MEMIF false
#endif
#ifdef CONFIG_DRIVER_BENCH
#define HAS_BENCH true
#else
#define HAS_BENCH false
#endif
#ifdef CONFIG_DRIVER_NICS
#define HAS_NICS true
#else
#define HAS_NICS false
#endif

struct driver {
	const char *vdev; /* NULL: PCI */
	const char *args; /* printf of the device's text */
	bool many_queues;
	bool built; /* Kconfig's choice */
	const char *name;
};

static const struct driver drivers[] = {
	[ZS_DRIVER_PCI] = { NULL, NULL, true, HAS_NICS, "pci" },
	[ZS_DRIVER_AF_XDP] = { "net_af_xdp", "iface=%s", false, true, "af_xdp" },
	[ZS_DRIVER_AF_PACKET] = { "net_af_packet", "iface=%s,qpairs=1", false, true, "af_packet" },
	[ZS_DRIVER_MEMIF] = { "net_memif", "%s", false, HAS_MEMIF, "memif" },
	[ZS_DRIVER_PCAP] = { "net_pcap", "%s", false, HAS_BENCH, "pcap" },
	[ZS_DRIVER_NULL] = { "net_null", "%s", true, HAS_BENCH, "null" },
	[ZS_DRIVER_RING] = { "net_ring", "%s", false, HAS_BENCH, "ring" },
};

/* Rights were looked at before (eal.c): a driver's -1 is no errno, whatever it looks like. */
int zs_device_fail(struct zs_error *err, int code, const struct zs_port *p, const char *what)
{
	return zs_error_set(err, code, ZS_EXIT_RESOURCE, "port %s (%s): %s: %s", p->conf->name,
			    p->conf->device, what,
			    code == -EPERM ? "the driver refuses, the log may say why" : strerror(-code));
}

static int kernel_mtu(const char *device)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, device, strnlen(device, sizeof(ifr.ifr_name) - 1));
	rc = ioctl(fd, SIOCGIFMTU, &ifr) < 0 ? -errno : ifr.ifr_mtu;
	close(fd);
	return rc;
}

static bool on_kernel(const struct zs_port *p)
{
	return p->conf->driver == ZS_DRIVER_AF_XDP || p->conf->driver == ZS_DRIVER_AF_PACKET;
}

static int steer(struct zs_dp *dp, struct zs_port *p, struct zs_error *err)
{
	struct zs_fast_shape shape = zs_fastpath_shape(dp->conf);
	bool fast = zs_conf_engine_xdp(dp->conf);
	char object[ZS_FILE_PATH];
	int rc;

	zs_file_beside(object, fast ? "fast.bpf.o" : "steer.bpf.o");
	rc = zs_steer_open(&p->steer, dp->conf->instance, p->conf->device, object, fast ? &shape : NULL, err);
	if (rc == -EBUSY)
		zs_health_raise(dp->state.health, ZS_HEALTH_steering, "%s", err->text);
	if (rc)
		return rc;
	p->steered = true;
	if (p->steer.adopted)
		ZS_LOG(dp->log, STEER_ADOPTED, "port=%s", p->conf->name);
	else
		ZS_LOG(dp->log, STEER_ATTACHED, "port=%s", p->conf->name);
	return 0;
}

/* What a driver answers to arguments it does not like is any number: it is no reason to tell. */
static int refused(struct zs_error *err, const struct zs_port *p, const struct driver *d)
{
	return zs_error_set(
	    err, -EINVAL, ZS_EXIT_RESOURCE,
	    "port %s: the driver %s refuses '%s'; the log says why, docs/examples/relay.yaml what it takes",
	    p->conf->name, d->name, p->conf->device);
}

/* Makes ethdev `queue` of a virtual device; its name in DPDK is `name`. */
static int make_device(const struct zs_port *p, uint32_t i, uint32_t queue, char name[160],
		       struct zs_error *err)
{
	const struct driver *d = &drivers[p->conf->driver];
	char args[192];
	size_t n;

	snprintf(name, 160, "%s%u_%u", d->vdev, i, queue);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = (size_t)snprintf(args, sizeof(args), d->args, p->conf->device);
#pragma GCC diagnostic pop
	if (p->conf->driver == ZS_DRIVER_AF_XDP)
		snprintf(args + n, sizeof(args) - n, ",start_queue=%u,queue_count=1", queue);
	return rte_vdev_init(name, args) ? refused(err, p, d) : 0;
}

/* Finds or makes the ethdevs of port `i`. */
int zs_device_find(struct zs_dp *dp, uint32_t i, struct zs_error *err)
{
	struct zs_port *p = &dp->port[i];
	uint32_t ethdevs = p->conf->driver == ZS_DRIVER_AF_XDP ? p->queues : 1;
	char name[160];
	int rc;

	if (p->conf->driver == ZS_DRIVER_AF_XDP && (rc = steer(dp, p, err)))
		return rc;
	p->kernel_shares = p->conf->driver == ZS_DRIVER_AF_PACKET && !p->conf->twin[0];
	for (uint32_t k = 0; k < ethdevs; k++) {
		snprintf(name, sizeof(name), "%s", p->conf->device);
		if (drivers[p->conf->driver].vdev && (rc = make_device(p, i, k, name, err)))
			return rc;
		if ((rc = rte_eth_dev_get_port_by_name(name, &p->queue[k].ethdev)))
			return zs_device_fail(err, rc, p,
					      "DPDK found no such device; is it bound to vfio-pci?");
	}
	return 0;
}

/* How many receive queues there will be. */
static int count_queues(const struct zs_dp *dp, struct zs_port *p, struct zs_error *err)
{
	struct zs_channels there;
	int rc;

	p->queues = p->tx_queues = 1;
	if (drivers[p->conf->driver].many_queues)
		p->queues = (uint16_t)dp->workers;
	if (p->conf->driver != ZS_DRIVER_AF_XDP)
		return 0;
	if ((rc = zs_channels_of(p->conf->device, &there)))
		return zs_device_fail(err, rc, p, "its queues cannot be counted");
	if (there.rx > ZS_QUEUES_MAX)
		return zs_error_set(
		    err, -E2BIG, ZS_EXIT_RESOURCE,
		    "port %s: %s has %u receive queues, %u are served at most: ethtool -L %s combined %u",
		    p->conf->name, p->conf->device, there.rx, ZS_QUEUES_MAX, p->conf->device, ZS_QUEUES_MAX);
	p->queues = (uint16_t)there.rx;
	p->tx_queues = (uint16_t)(there.tx < there.rx ? there.tx : there.rx);
	return 0;
}

int zs_device_prepare(struct zs_dp *dp, uint32_t i, struct zs_error *err)
{
	struct zs_port *p = &dp->port[i];
	int mtu;

	p->conf = &dp->conf->dataplane.port[i];
	if (!drivers[p->conf->driver].built)
		return zs_error_set(err, -ENOTSUP, ZS_EXIT_RESOURCE,
				    "port %s: this build has no driver %s; build with it (make menuconfig)",
				    p->conf->name, drivers[p->conf->driver].name);
	if (on_kernel(p) && !if_nametoindex(p->conf->device))
		return zs_device_fail(err, -ENODEV, p, "no such interface");
	mtu = p->conf->mtu ? p->conf->mtu : on_kernel(p) ? kernel_mtu(p->conf->device) : RTE_ETHER_MTU;
	p->mtu = mtu >= RTE_ETHER_MIN_MTU && mtu <= UINT16_MAX ? (uint16_t)mtu : RTE_ETHER_MTU;
	for (uint32_t v = 0; v < p->conf->vlans; v++)
		p->vlan[p->vlans++] = p->conf->vlan[v].id;
	return count_queues(dp, p, err);
}

bool zs_device_many_queues(const struct zs_port *p)
{
	return drivers[p->conf->driver].many_queues;
}
