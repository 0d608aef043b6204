#include "punt.h"

#include <string.h>
#include "base/check.h"
#include "base/hash.h"
#include "net/packet.h"

#define PARTS	    32
#define BURST_MS    50 /* that may come at once */
#define BURST_LEAST 8

static const struct {
	uint8_t parts, source;
} share[ZS_PUNTS] = {
#define ZS_PUNT(name, parts, source, text) { parts, source },
#include "defs/punts.def"
#undef ZS_PUNT
};

enum {
	GIVEN = 0
#define ZS_PUNT(name, parts, source, text) +(parts)
#include "defs/punts.def"
#undef ZS_PUNT
};
_Static_assert(GIVEN < PARTS, "something is spare");

static void set(struct zs_gcra_rate *rate, uint64_t pps)
{
	zs_gcra_init(rate, pps + 1, pps * BURST_MS / 1000 + BURST_LEAST);
}

void zs_punt_set(struct zs_punts *p, uint8_t iface, const struct zs_contacts *contacts, uint32_t pps)
{
	struct zs_punt_port *b = &p->port[iface];

	b->contacts = contacts;
	set(&b->spare_rate, (uint64_t)pps * (PARTS - GIVEN) / PARTS);
	for (int i = 0; i < ZS_PUNTS; i++) {
		struct zs_punt_kind *k = &b->kind[i];
		uint64_t part = (uint64_t)pps * share[i].parts / PARTS;

		set(&k->rate, part);
		set(&k->source_rate, part / share[i].source);
		set(&k->link_rate[ZS_PUNT_KNOWN], part / 2);
		set(&k->link_rate[ZS_PUNT_STRANGERS], part / 4);
		set(&k->side_rate[ZS_PUNT_KNOWN], part);
		set(&k->side_rate[ZS_PUNT_STRANGERS], part / 2);
	}
}

/* Of all buckets or of none: who has had enough of one takes nothing from those that share another with him. */
static bool take(struct zs_gcra *const bucket[], const struct zs_gcra_rate *const rate[], int n,
		 uint64_t now_ns)
{
	struct zs_gcra before[4];

	for (int i = 0; i < n; i++) {
		before[i] = *bucket[i];
		if (zs_gcra_allow(bucket[i], rate[i], now_ns, 1))
			continue;
		while (i-- > 0)
			*bucket[i] = before[i];
		return false;
	}
	return true;
}

static bool own_part(const struct zs_punts *p, struct zs_punt_kind *k, const struct zs_addr *src,
		     const uint8_t mac[6], bool known, uint64_t now_ns)
{
	enum zs_punt_side side = known ? ZS_PUNT_KNOWN : ZS_PUNT_STRANGERS;
	struct zs_punt_senders *s = &k->side[side];
	uint64_t source = zs_hash(p->key, src, sizeof(*src)), link = zs_hash(p->key, mac, 6);
	struct zs_gcra *const bucket[] = { &s->source[source % ZS_PUNT_SOURCES],
					   &s->link[link % ZS_PUNT_LINKS], &s->all, &k->all };
	const struct zs_gcra_rate *const rate[] = { &k->source_rate, &k->link_rate[side], &k->side_rate[side],
						    &k->rate };

	return take(bucket, rate, ZS_ARRAY_LEN(bucket), now_ns);
}

bool zs_punt_may(struct zs_punts *p, uint8_t iface, const uint8_t *frame, uint32_t len, uint64_t now_ns,
		 enum zs_punt *kind)
{
	static const uint8_t nobody[6];
	struct zs_punt_port *b = &p->port[iface];
	const uint8_t *mac = len >= ZS_ETH_LEN ? frame + 6 : nobody;
	struct zs_addr src;

	*kind = zs_punt_kind(p->p2p, frame, len, &src);
	return own_part(p, &b->kind[*kind], &src, mac, zs_contacts_know(b->contacts, mac, now_ns), now_ns) ||
	       zs_gcra_allow(&b->spare, &b->spare_rate, now_ns, 1);
}
