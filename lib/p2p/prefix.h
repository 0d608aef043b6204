/* How often new connections may come from one address and from one network (/24, /56): the first gate,
 * before any state is made. An Initial without a token may carry a forged source, so it can only be
 * answered by Retry, never held against the network it names beyond the soft mark: who has proved its
 * address always finds the rest of the burst. One thread, no clock, fixed memory. */
#ifndef ZS_P2P_PREFIX_H
#define ZS_P2P_PREFIX_H

#include <stdbool.h>
#include <stdint.h>
#include "base/gcra.h"
#include "net/addr.h"

enum zs_new_rate {
#define ZS_NEW_RATE(name, bits4, bits6, per_s, burst, soft, text) ZS_NEW_RATE_##name,
#include "defs/p2p_limits.def"
#undef ZS_NEW_RATE
	ZS_NEW_RATES
};

enum zs_arrival { ZS_ARRIVAL_ACCEPT, ZS_ARRIVAL_RETRY, ZS_ARRIVAL_REFUSE, ZS_ARRIVALS };
enum zs_arrival_why {
	ZS_ARRIVAL_FINE,
	ZS_ARRIVAL_ADDRESS,   /* this address comes too often */
	ZS_ARRIVAL_PREFIX,    /* its network does */
	ZS_ARRIVAL_HALF_OPEN, /* too many handshakes are unfinished, whoever began them */
	ZS_ARRIVAL_CROWDED,   /* the table cannot tell this source from others */
	ZS_ARRIVAL_WHYS
};

struct zs_prefix_config {
	struct {
		uint8_t bits4, bits6;
		uint32_t per_s, burst, soft; /* soft ≤ burst */
	} rate[ZS_NEW_RATES];
	uint32_t half_open_retry,
	    half_open_max; /* unfinished handshakes: from here Retry, from here no more */
	uint32_t sources;  /* remembered at once */
	uint64_t key[2];   /* random per start */
};

struct zs_prefix_rates {
	struct zs_prefix_config config;
	struct zs_gcra_rate hard[ZS_NEW_RATES], soft[ZS_NEW_RATES];
	struct zs_prefix_set *set;
	uint32_t mask;
	uint64_t count[ZS_ARRIVALS][ZS_ARRIVAL_WHYS]; /* verdicts so far: metrics */
};

void zs_prefix_defaults(struct zs_prefix_config *config); /* but for the key */
int zs_prefix_rates_new(struct zs_prefix_rates *r, const struct zs_prefix_config *config); /* -ENOMEM */
void zs_prefix_rates_delete(struct zs_prefix_rates *r);
/* A connection from `addr` begins; `proven`: its token was good. ACCEPT takes from both rates, RETRY and
 * REFUSE from none. Unproven sources are never refused, proven ones never asked to prove again. */
enum zs_arrival zs_prefix_judge(struct zs_prefix_rates *r, const struct zs_addr *addr, bool proven,
				uint32_t half_open, uint64_t now_ns, enum zs_arrival_why *why);

#endif
