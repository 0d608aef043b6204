/* Placeholder sockets: the kernel's word that a UDP port, published or of its own, is the relay's. They keep
 * other programs off the port and the kernel from answering with ICMP unreachable while no
 * worker is bound; they receive nothing (a filter drops all). */
#ifndef ZS_CONTROLPLANE_PLACEHOLDER_H
#define ZS_CONTROLPLANE_PLACEHOLDER_H

#include "conf/conf.h"

struct zs_placeholder {
	uint32_t count;
	struct {
		struct zs_addr addr; /* all zero: every address of the host */
		int fd;
	} held[ZS_LOCALS_MAX];
};

/* Binds `port` on each of the addresses that it does not hold yet, and lets go of those not listed. Addresses no
 * interface has yet are bound all the same. Without any address that can be bound it takes the wildcard.
 * -EADDRINUSE (another program has it; err names port and address), -EACCES (privileged port), -EMFILE:
 * what was held before is held still, nothing is new. Loop thread. */
int zs_placeholder_hold(struct zs_placeholder *h, uint16_t port, const struct zs_addr *addr, uint32_t count,
			struct zs_error *err);
void zs_placeholder_release(struct zs_placeholder *h);

/* The own addresses of a configuration, each once; returns how many (at most ZS_LOCALS_MAX). */
uint32_t zs_placeholder_addresses(const struct zs_conf *conf, struct zs_addr out[ZS_LOCALS_MAX]);

#endif
