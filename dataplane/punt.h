/* How many packets a worker gives to the kernel through a port's twin, so that no flood reaches it: of twin_pps a quarter is for what
 * carries no IP (ARP), a quarter for sources on the port's own networks (ND, the neighbours of BGP), half for the rest. No source
 * has more than an eighth of its part. One thread. */
#ifndef ZS_DATAPLANE_PUNT_H
#define ZS_DATAPLANE_PUNT_H

#include "base/gcra.h"
#include "locals.h"

#define ZS_PUNT_SOURCES 64 /* buckets that sources share by a keyed hash */

enum zs_punt_part { ZS_PUNT_LINK, ZS_PUNT_NEAR, ZS_PUNT_FAR, ZS_PUNT_PARTS };

struct zs_punts {
	uint64_t key[2]; /* random */
	struct zs_punt_port {
		struct zs_gcra_rate rate[ZS_PUNT_PARTS], source_rate[ZS_PUNT_PARTS];
		struct zs_gcra all[ZS_PUNT_PARTS], source[ZS_PUNT_PARTS][ZS_PUNT_SOURCES];
	} port[ZS_IFACES_MAX];
};

/* Packets a second, of this worker alone, through the twin of port `iface`. */
void zs_punt_set(struct zs_punts *p, uint8_t iface, uint32_t pps);
/* Takes one off the budget; false: there is none left. The frame is whatever came, `len` bytes in one piece. */
bool zs_punt_may(struct zs_punts *p, const struct zs_locals *locals, uint8_t iface, const uint8_t *frame,
		 uint32_t len, uint64_t now_ns);

#endif
