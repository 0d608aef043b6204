/* Interfaces that people reach this machine by: what a default route leaves by, and what the SSH session of who calls comes
 * in by. Who takes one of them away may lose the machine. Asks the kernel about this network namespace (rtnetlink, no right
 * is needed) and /proc about the calling process and its ancestors; opens no device. Any process. */
#ifndef ZS_NET_MANAGEMENT_H
#define ZS_NET_MANAGEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/addr.h"

#define ZS_MANAGEMENT_LINKS 512 /* interfaces; a machine of more is not judged (-E2BIG) */

enum zs_management_why { ZS_MANAGEMENT_NOT, ZS_MANAGEMENT_ROUTE, ZS_MANAGEMENT_SSH };

struct zs_management_link {
	uint32_t index, below,
	    master; /* below: what a VLAN or its like stands on; master: bond or bridge; 0: none */
	enum zs_management_why why;
	char name[16];
};

struct zs_management {
	bool full;
	uint32_t links;
	struct zs_management_link link[ZS_MANAGEMENT_LINKS];
};

/* 0 or -errno; *out is whole only then. */
int zs_management_read(struct zs_management *out);
/* Is `device` one of them, or under one: as the port of a bridge, a bond's member, the device of a VLAN? */
enum zs_management_why zs_management_by(const struct zs_management *m, const char *device);
/* For people: "carries a default route"; never NULL. */
const char *zs_management_text(enum zs_management_why why);
/* The kernel's interface of a PCI device ("0000:01:00.0"), if it has one. */
bool zs_management_pci(const char *address, char out[16]);
/* Own address of the SSH session that this process, or an ancestor whose environment may be read, was started in. */
bool zs_management_ssh(struct zs_addr *out);

/* One rtnetlink message of the kernel's; links before routes and addresses. `ssh` (may be NULL): the session's own address. For
 * zs_management_read and its test. */
struct nlmsghdr;
void zs_management_take(struct zs_management *m, const struct nlmsghdr *message, const struct zs_addr *ssh);

#endif
