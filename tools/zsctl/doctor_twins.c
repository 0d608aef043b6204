/* The kernel's twins of ports: the names they want, and what the kernel does between them, which the relay does not see. */
#include <errno.h>
#include <string.h>
#include "doctor.h"
#include "net/tap.h"

static void name(struct doctor *d, const struct zs_conf_port *p)
{
	int rc = zs_tap_is(p->twin);
	char check[48];

	snprintf(check, sizeof(check), "twin of %s", p->name);
	if (rc == 1)
		doctor_row(d, check, DOCTOR_OK, "", "%s is a TAP", p->twin);
	else if (rc == -ENODEV)
		doctor_row(d, check, DOCTOR_OK, "", "zs-dataplane makes %s when it starts", p->twin);
	else if (rc == 0)
		doctor_row(d, check, DOCTOR_FAIL, "name another with 'twin:', or rename that one",
			   "there is a device %s that is no TAP", p->twin);
	else
		doctor_row(d, check, DOCTOR_FAIL, "look at the interface", "%s: %s", p->twin, strerror(-rc));
}

/* A twin that is not there yet will have what holds by default. */
static bool forwards(const char *family, const char *device)
{
	char path[96], value[8] = "";

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", family, device);
	if (doctor_read(path, value, sizeof(value)) < 0) {
		snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/default/forwarding", family);
		doctor_read(path, value, sizeof(value));
	}
	return value[0] == '1';
}

static bool forwarding(struct doctor *d, const struct zs_conf_port *p)
{
	bool four = forwards("ipv4", p->twin), six = forwards("ipv6", p->twin);
	char check[48];

	snprintf(check, sizeof(check), "routing by %s", p->twin);
	if (four || six)
		doctor_row(
		    d, check, DOCTOR_WARN,
		    "sysctl net.ipv4.conf.NAME.forwarding=0, net.ipv6.conf.NAME.forwarding=0; or filter it",
		    "the kernel forwards %s between ports: past deny lists, rates and counters",
		    four && six ? "IPv4 and IPv6"
		    : four	? "IPv4"
				: "IPv6");
	return four || six;
}

void doctor_twins(struct doctor *d)
{
	bool twins = false, any = false;

	for (uint32_t i = 0; i < d->conf->dataplane.ports; i++) {
		const struct zs_conf_port *p = &d->conf->dataplane.port[i];

		if (!p->twin[0])
			continue;
		twins = true;
		name(d, p);
		any |= forwarding(d, p);
	}
	if (twins && !any)
		doctor_row(d, "routing by twins", DOCTOR_OK, "", "the kernel forwards nothing between ports");
}
