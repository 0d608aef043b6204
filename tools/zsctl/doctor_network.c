/* Interfaces and ports of this process's network namespace, as the planes would see them: asked of the kernel, for /sys may
 * show another namespace's. No device is opened. */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "doctor.h"
#include "net/channels.h"

/* Does a default route leave by this device? Then people reach the machine through it. */
static bool default_route4(const char *device)
{
	char line[256], name[32];
	FILE *f = fopen("/proc/net/route", "re");
	bool found = false;

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long dest, gateway, flags, mask;
		int refs, use, metric;

		if (sscanf(line, "%31s %lx %lx %lx %d %d %d %lx", name, &dest, &gateway, &flags, &refs, &use,
			   &metric, &mask) == 8 &&
		    dest == 0 && mask == 0 && strcmp(name, device) == 0)
			found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static bool default_route6(const char *device)
{
	char line[256], dest[33], name[32];
	FILE *f = fopen("/proc/net/ipv6_route", "re");
	bool found = false;

	while (f && fgets(line, sizeof(line), f)) {
		unsigned len, flags;

		/* The kernel keeps a "reject" default of its own on lo. */
		if (sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %x %31s", dest, &len, &flags, name) == 4 &&
		    len == 0 && strspn(dest, "0") == 32 && strcmp(name, device) == 0 &&
		    strcmp(name, "lo") != 0)
			found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_management(const char *device)
{
	return default_route4(device) || default_route6(device);
}

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

static void kernel_device(struct doctor *d, const struct zs_conf_port *p)
{
	char check[48];

	snprintf(check, sizeof(check), "port %s", p->name);
	if (!is_up(d, check, p->device))
		return;
	if (is_management(p->device))
		doctor_row(d, check, DOCTOR_WARN, "a separate interface for the relay is safer",
			   "%s carries a default route: only the relay's own ports are taken from it",
			   p->device);
	else
		doctor_row(d, check, DOCTOR_OK, "", "%s is up", p->device);
	queues(d, p, check);
}

/* The kernel's interface of a PCI device, if it has one. */
static bool pci_netdev(const char *address, char out[32])
{
	char path[192];
	struct dirent *e;
	DIR *dir;

	out[0] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/net", address);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(out, 32, "%.31s", e->d_name);
	if (dir)
		closedir(dir);
	return out[0] != '\0';
}

static void pci_device(struct doctor *d, const struct zs_conf_port *p)
{
	char path[192], target[256] = "", check[48], netdev[32];
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
	else if (pci_netdev(p->device, netdev) && is_management(netdev))
		doctor_row(d, check, DOCTOR_FAIL, "never give it to the relay: you would lose the machine",
			   "%s is %s, which carries a default route", p->device, netdev);
	else if (strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "mlx5_core") == 0)
		doctor_row(d, check, DOCTOR_OK, "", "%s is bound to %s", p->device, driver);
	else
		doctor_row(d, check, DOCTOR_FAIL, "dpdk-devbind.py --bind=vfio-pci it", "%s is bound to %s",
			   p->device, driver);
}

static void port(struct doctor *d, const struct zs_conf_port *p)
{
	char check[48];

	switch (p->driver) {
	case ZS_DRIVER_AF_XDP:
	case ZS_DRIVER_AF_PACKET:
		kernel_device(d, p);
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
	for (uint32_t i = 0; i < d->conf->dataplane.ports; i++)
		port(d, &d->conf->dataplane.port[i]);
	flow_ports(d);
}
