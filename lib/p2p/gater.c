/* The order of judgement: port, ourselves, the deny table; the profile is asked last, and only for the two kinds
 * of space it lifts. */
#include "p2p/gater.h"

#include <errno.h>
#include <stdio.h>

int zs_gater_profile_parse(enum zs_gater_profile *out, const char *word)
{
	if (strcmp(word, "strict") && strcmp(word, "test"))
		return -EINVAL;
	*out = *word == 't' ? ZS_GATER_TEST : ZS_GATER_STRICT;
	return 0;
}

int zs_gater_own(struct zs_gater *g, const struct zs_addr *addr, uint16_t first, uint16_t last)
{
	if (first > last)
		return -EINVAL;
	if (g->own_count == ZS_GATER_OWN)
		return -ENOSPC;
	g->own[g->own_count].addr = *addr;
	g->own[g->own_count].first = first;
	g->own[g->own_count++].last = last;
	return 0;
}

static bool ours(const struct zs_gater *g, const struct zs_endpoint *e)
{
	for (uint32_t i = 0; i < g->own_count; i++)
		if (zs_addr_eq(&g->own[i].addr, &e->addr) && e->port >= g->own[i].first &&
		    e->port <= g->own[i].last)
			return true;
	return false;
}

/* Private and loopback space of both families. */
static bool lifted_by_test(enum zs_special class)
{
	return class == ZS_SPECIAL_private || class == ZS_SPECIAL_unique_local ||
	       class == ZS_SPECIAL_loopback;
}

enum zs_gate zs_gater_judge(const struct zs_gater *g, const struct zs_endpoint *endpoint,
			    enum zs_gater_origin origin, enum zs_special *class)
{
	static const struct zs_deny none; /* an empty list: nothing is lifted */

	*class = zs_deny_target(origin == ZS_GATER_CONFIGURED ? &g->allowed : &none, &endpoint->addr);
	if (!endpoint->port)
		return ZS_GATE_PORT;
	if (ours(g, endpoint))
		return ZS_GATE_OWN;
	if (*class == ZS_SPECIAL_NONE || (g->profile == ZS_GATER_TEST && lifted_by_test(*class)))
		return ZS_GATE_OPEN;
	return ZS_GATE_SPECIAL;
}

const char *zs_gate_text(enum zs_gate gate, enum zs_special class, const struct zs_endpoint *endpoint,
			 char buf[ZS_GATER_TEXT])
{
	char ep[ZS_ENDPOINT_TEXT];

	zs_endpoint_format(endpoint, ep);
	switch (gate) {
	case ZS_GATE_OPEN:
		snprintf(buf, ZS_GATER_TEXT, "%s may be dialled", ep);
		break;
	case ZS_GATE_PORT:
		snprintf(buf, ZS_GATER_TEXT, "%s has no port; name one", ep);
		break;
	case ZS_GATE_OWN:
		snprintf(buf, ZS_GATER_TEXT, "%s is this relay itself; name another peer's address", ep);
		break;
	case ZS_GATE_SPECIAL:
		snprintf(buf, ZS_GATER_TEXT,
			 "%s is %s; use a public address, or allow its range in this site's list", ep,
			 zs_special_text(class));
		break;
	}
	return buf;
}
