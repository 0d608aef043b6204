/* Interfaces and ports of this process's network namespace, as the planes would see them: asked of the kernel, for /sys may
 * show another namespace's. No device is opened. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "doctor.h"
#include "net/channels.h"

/* AF_XDP takes them all, so each costs memory and a turn of its worker's loop. */
static void queues(struct doctor *d, const struct zs_conf_port *p, const char *check)
{
	struct zs_channels c;

	if (p->driver != ZS_DRIVER_AF_XDP || zs_channels_of(p->device, &c))
		return;
	if (c.rx > ZS_CONF_QUEUES)
		doctor_row(d, check, DOCTOR_FAIL, "ethtool -L it combined N",
			   "%u receive queues, %u are served at most", c.rx, ZS_CONF_QUEUES);
	else if (c.rx < d->conf->dataplane.workers)
		doctor_row(d, check, DOCTOR_WARN, "ethtool -L it combined N, or use fewer workers",
			   "%u receive queues for %u workers: some only help", c.rx,
			   d->conf->dataplane.workers);
	else
		doctor_row(d, check, DOCTOR_OK, "", "%u receive queues, all are served", c.rx);
}

/* IFF_… of an interface, or -errno. */
static int flags_of(const char *device)
{
	struct ifreq ifr = { 0 };
	int fd, rc;

	if (strlen(device) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	strcpy(ifr.ifr_name, device); /* length checked above */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = ioctl(fd, SIOCGIFFLAGS, &ifr) < 0 ? -errno : (int)(unsigned short)ifr.ifr_flags;
	close(fd);
	return rc;
}

/* Is it there and up? Then nothing is said. */
static bool is_up(struct doctor *d, const char *check, const char *device)
{
	int flags = flags_of(device);

	if (flags == -ENODEV)
		doctor_row(d, check, DOCTOR_FAIL, "name an interface that exists; ip link lists them",
			   "there is no interface %s", device);
	else if (flags < 0)
		doctor_row(d, check, DOCTOR_FAIL, "look at the interface", "%s: %s", device,
			   strerror(-flags));
	else if (!(flags & IFF_UP))
		doctor_row(d, check, DOCTOR_FAIL, "ip link set it up", "%s is down", device);
	else if (!(flags & IFF_RUNNING))
		doctor_row(d, check, DOCTOR_FAIL, "look at the cable and the other end", "%s has no carrier",
			   device);
	return flags >= 0 && flags & IFF_UP && flags & IFF_RUNNING;
}

/* The kernel's devices of tagged networks: their neighbours and routes hold there. */
static void vlans(struct doctor *d, const struct zs_conf_port *p)
{
	for (uint32_t i = 1; i < p->vlans; i++) {
		const struct zs_conf_vlan *v = &p->vlan[i];
		char check[64];

		snprintf(check, sizeof(check), "port %s vlan %u", p->name, v->id);
		if (v->device[0] && is_up(d, check, v->device))
			doctor_row(d, check, DOCTOR_OK, "", "%s is up", v->device);
	}
}

static void kernel_device(struct doctor *d, const struct zs_conf_port *p, const struct zs_management *m)
{
	enum zs_management_why why = zs_management_by(m, p->device);
	char check[48];

	snprintf(check, sizeof(check), "port %s", p->name);
	if (!is_up(d, check, p->device))
		return;
	if (why)
		doctor_row(d, check, DOCTOR_WARN, "a separate interface for the relay is safer",
			   "%s %s: shared, only the relay's own ports are taken from it", p->device,
			   zs_management_text(why));
	else
		doctor_row(d, check, DOCTOR_OK, "", "%s is up", p->device);
	queues(d, p, check);
}

static void pci_device(struct doctor *d, const struct zs_conf_port *p)
{
	char path[192], target[256] = "", check[48];
	const char *driver;
	ssize_t n;

	snprintf(check, sizeof(check), "port %s", p->name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/driver", p->device);
	n = readlink(path, target, sizeof(target) - 1);
	driver = n > 0 ? strrchr(target, '/') : NULL;
	driver = driver ? driver + 1 : "no driver";
	path[strlen(path) - strlen("/driver")] = '\0';
	if (access(path, F_OK) != 0)
		doctor_row(d, check, DOCTOR_FAIL, "lspci -D lists the addresses", "there is no PCI device %s",
			   p->device);
	else if (strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "mlx5_core") == 0)
		doctor_row(d, check, DOCTOR_OK, "", "%s is bound to %s", p->device, driver);
	else
		doctor_row(d, check, DOCTOR_FAIL, "dpdk-devbind.py --bind=vfio-pci it", "%s is bound to %s",
			   p->device, driver);
}

/* What the planes would refuse too. */
static bool spares(struct doctor *d, const struct zs_conf_port *p, const struct zs_management *m)
{
	struct zs_error err = { 0 };
	char check[48];

	if (zs_conf_port_spares(p, m, &err) == 0)
		return true;
	snprintf(check, sizeof(check), "port %s", p->name);
	doctor_row(d, check, DOCTOR_FAIL, "name another interface: both planes refuse this one", "%s",
		   err.text);
	return false;
}

static void port(struct doctor *d, const struct zs_conf_port *p, const struct zs_management *m)
{
	char check[48];

	if (!spares(d, p, m))
		return;
	switch (p->driver) {
	case ZS_DRIVER_AF_XDP:
	case ZS_DRIVER_AF_PACKET:
		kernel_device(d, p, m);
		break;
	case ZS_DRIVER_PCI:
		pci_device(d, p);
		break;
	default:
		snprintf(check, sizeof(check), "port %s", p->name);
		doctor_row(d, check, DOCTOR_OK, "", "its driver has no device to look at");
	}
	vlans(d, p);
}

/* Flow source ports must not be handed to the host's own programs. */
static void flow_ports(struct doctor *d)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_local_reserved_ports";
	unsigned first = d->conf->flows.port_first, last = d->conf->flows.port_last, from = 0, to = 0,
		 n = first;
	char *reserved = calloc(1, 65536), range[64];

	if (!reserved)
		return;
	doctor_read(path, reserved, 65536);
	if (doctor_read("/proc/sys/net/ipv4/ip_local_port_range", range, sizeof(range)) > 0)
		sscanf(range, "%u %u", &from, &to);
	while (n <= last && (n < from || n > to || doctor_in_list(reserved, n)))
		n++;
	free(reserved);
	if (n > last)
		doctor_row(d, "flow ports", DOCTOR_OK, "", "%u-%u are kept from the host's own programs",
			   first, last);
	else
		doctor_row(d, "flow ports", DOCTOR_FAIL, "add the range to net.ipv4.ip_local_reserved_ports",
			   "the host may hand out port %u, which is in %u-%u", n, first, last);
}

void doctor_network(struct doctor *d)
{
	struct zs_management m;
	int rc = zs_management_read(&m);

	if (rc)
		doctor_row(d, "management", DOCTOR_FAIL, "look at ip link and ip route",
			   "cannot see which interface the machine is managed by: %s", strerror(-rc));
	for (uint32_t i = 0; !rc && i < d->conf->dataplane.ports; i++)
		port(d, &d->conf->dataplane.port[i], &m);
	doctor_twins(d);
	flow_ports(d);
}
