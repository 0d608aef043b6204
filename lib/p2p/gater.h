/* Whom we may dial or remember: each address goes through the deny table (net/deny.h) before it is stored
 * or dialled. What others told us can aim at nothing but ordinary unicast addresses; no allow-list reaches
 * it. What our own operator configured may also use the site's allow-list. The profile `test` alone lifts
 * private and loopback space, for both; it is a word in the configuration and nothing else sets it.
 * And nobody may aim us at ourselves: our own endpoints and the ports we relay. One thread, no I/O. */
#ifndef ZS_P2P_GATER_H
#define ZS_P2P_GATER_H

#include <stdbool.h>
#include "net/deny.h"

#define ZS_GATER_OWN  64 /* ranges of own ports: sites have a handful of addresses */
#define ZS_GATER_TEXT 160

enum zs_gater_profile { ZS_GATER_STRICT, ZS_GATER_TEST };
enum zs_gater_origin {
	ZS_GATER_CONFIGURED, /* by our operator: configuration, command line, zsctl */
	ZS_GATER_LEARNT,     /* from anybody else, signed or not, and what a name resolved to */
};
enum zs_gate {
	ZS_GATE_OPEN,
	ZS_GATE_PORT,	 /* port 0 */
	ZS_GATE_OWN,	 /* our own endpoint, or a port we relay */
	ZS_GATE_SPECIAL, /* the deny table: *class says which */
};

struct zs_gater {
	enum zs_gater_profile profile;
	struct zs_deny allowed; /* the site's list; for ZS_GATER_CONFIGURED alone */
	struct {
		struct zs_addr addr;
		uint16_t first, last;
	} own[ZS_GATER_OWN];
	uint32_t own_count;
};

/* "strict" or "test"; -EINVAL. */
int zs_gater_profile_parse(enum zs_gater_profile *out, const char *word);
/* Ports first..last of one of our addresses are ours. -ENOSPC, -EINVAL (first > last). */
int zs_gater_own(struct zs_gater *g, const struct zs_addr *addr, uint16_t first, uint16_t last);
enum zs_gate zs_gater_judge(const struct zs_gater *g, const struct zs_endpoint *endpoint,
			    enum zs_gater_origin origin, enum zs_special *class);
/* One line: why not, and what to do. */
const char *zs_gate_text(enum zs_gate gate, enum zs_special class, const struct zs_endpoint *endpoint,
			 char buf[ZS_GATER_TEXT]);

#endif
