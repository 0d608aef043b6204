/* How many packets a worker gives to the kernel through a port's twin, so that no flood reaches it, and none of one kind keeps
 * out another: lib/defs/punts.def has the kinds and their parts.
 *
 *   frame ─► kind ─┬─► sender: of its source address, of its link address, of all strangers' ─► kind's part ─┬─► kernel
 *                  └─ one of them has had enough ─► spare, which all kinds share ────────────────────────────┤
 *                                                                                         nothing left ─► drop twin_rate
 *
 * A stranger is a link address that the kernel does not speak to (contacts.h): one has a quarter of a part and all have half,
 * a known one has half, and no bucket is both's. So neither addresses that anybody can write into a packet nor link addresses
 * drawn at random take what the kernel's neighbours have. Who floods with one kind of packet by a neighbour's link address
 * (from beyond a router) takes of that kind. One thread. */
#ifndef ZS_DATAPLANE_PUNT_H
#define ZS_DATAPLANE_PUNT_H

#include "base/gcra.h"
#include "conf/conf.h"
#include "contacts.h"
#include "net/addr.h"

#define ZS_PUNT_SOURCES 64 /* buckets that source addresses share by a keyed hash */
#define ZS_PUNT_LINKS	32 /* … and link addresses */

enum zs_punt {
#define ZS_PUNT(name, parts, source, text) ZS_PUNT_##name,
#include "defs/punts.def"
#undef ZS_PUNT
	ZS_PUNTS
};

enum zs_punt_side { ZS_PUNT_KNOWN, ZS_PUNT_STRANGERS, ZS_PUNT_SIDES };

struct zs_punts {
	uint64_t key[2];	       /* random */
	const struct zs_conf_p2p *p2p; /* whose ports are `control` */
	struct zs_punt_port {
		const struct zs_contacts *contacts;
		struct zs_gcra_rate spare_rate;
		struct zs_gcra spare;
		struct zs_punt_kind {
			struct zs_gcra_rate rate, source_rate, link_rate[ZS_PUNT_SIDES],
			    side_rate[ZS_PUNT_SIDES];
			struct zs_gcra all;
			struct zs_punt_senders {
				struct zs_gcra all, source[ZS_PUNT_SOURCES], link[ZS_PUNT_LINKS];
			} side[ZS_PUNT_SIDES];
		} kind[ZS_PUNTS];
	} port[ZS_IFACES_MAX];
};

/* Packets a second, of this worker alone, through the twin of port `iface`. */
void zs_punt_set(struct zs_punts *p, uint8_t iface, const struct zs_contacts *contacts, uint32_t pps);
/* Takes one off the budget; false: there is none left. The frame is whatever came, `len` bytes in one piece; *kind is its. */
bool zs_punt_may(struct zs_punts *p, uint8_t iface, const uint8_t *frame, uint32_t len, uint64_t now_ns,
		 enum zs_punt *kind);

/* punt_kind.c: of what kind a frame of any length is, and the source address: of what carries no IP its link address. */
enum zs_punt zs_punt_kind(const struct zs_conf_p2p *p2p, const uint8_t *frame, uint32_t len,
			  struct zs_addr *src);
/* punt_kind.c: is it ARP or ND? */
bool zs_punt_resolves(const uint8_t *frame, uint32_t len);

#endif
