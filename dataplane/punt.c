#include "punt.h"

#include <stddef.h>
#include <string.h>
#include "base/hash.h"
#include "net/packet.h"

#define SOURCE_PART 8  /* a source has one in so many */
#define BURST_MS    50 /* that may come at once */
#define BURST_LEAST 8

static const uint8_t quarters[ZS_PUNT_PARTS] = { 1, 1, 2 };

void zs_punt_set(struct zs_punts *p, uint8_t iface, uint32_t pps)
{
	struct zs_punt_port *b = &p->port[iface];

	for (int i = 0; i < ZS_PUNT_PARTS; i++) {
		uint64_t part = (uint64_t)pps * quarters[i] / 4 + 1, source = part / SOURCE_PART + 1;

		zs_gcra_init(&b->rate[i], part, part * BURST_MS / 1000 + BURST_LEAST);
		zs_gcra_init(&b->source_rate[i], source, source * BURST_MS / 1000 + BURST_LEAST);
	}
}

/* Who sent a frame, as far as it tells. false: it carries no IP, the link address stands for the source. */
static bool source_of(const uint8_t *frame, uint32_t len, struct zs_addr *src)
{
	uint32_t at = ZS_ETH_LEN;
	uint16_t type;

	memset(src, 0, sizeof(*src));
	if (len < ZS_ETH_LEN + ZS_VLAN_LEN)
		return false;
	type = (uint16_t)(frame[12] << 8 | frame[13]);
	if (type == ZS_ETHERTYPE_VLAN) {
		type = (uint16_t)(frame[16] << 8 | frame[17]);
		at += ZS_VLAN_LEN;
	}
	if (type == ZS_ETHERTYPE_IP4 && len >= at + ZS_IP4_MIN) {
		uint32_t be32;

		memcpy(&be32, frame + at + offsetof(struct zs_ip4, src), sizeof(be32));
		*src = zs_addr_from4(be32);
		return true;
	}
	if (type == ZS_ETHERTYPE_IP6 && len >= at + ZS_IP6_LEN) {
		memcpy(src, frame + at + offsetof(struct zs_ip6, src), sizeof(*src));
		return true;
	}
	memcpy(src, frame + offsetof(struct zs_eth, src), 6);
	return false;
}

static bool is_link_local(const struct zs_addr *a)
{
	return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80; /* fe80::/10 */
}

bool zs_punt_may(struct zs_punts *p, const struct zs_locals *locals, uint8_t iface, const uint8_t *frame,
		 uint32_t len, uint64_t now_ns)
{
	struct zs_punt_port *b = &p->port[iface];
	enum zs_punt_part part = ZS_PUNT_LINK;
	struct zs_addr src;
	uint64_t hash;

	if (source_of(frame, len, &src))
		part = is_link_local(&src) || zs_locals_on_link(locals, &src, iface) ? ZS_PUNT_NEAR
										     : ZS_PUNT_FAR;
	hash = zs_hash_fold(zs_hash_load(src.ip) ^ p->key[0], zs_hash_load(src.ip + 8) ^ p->key[1]);
	/* Its own bucket first: one that has had enough takes nothing from the others. */
	return zs_gcra_allow(&b->source[part][hash % ZS_PUNT_SOURCES], &b->source_rate[part], now_ns, 1) &&
	       zs_gcra_allow(&b->all[part], &b->rate[part], now_ns, 1);
}
