/* Rates of new flows, shared by all workers: per source prefix (/24, /56) and per published
 * port, as GCRA (one theoretical arrival time each). Words are changed by compare-and-swap on
 * the slow path of a new flow alone; no packet of a known flow comes here.
 *
 * Flows there are, by port and by prefix, are counted here too. A prefix's counter is found by hash
 * alone: two may share one, so it may say more than there are, and nobody can choose with whom.
 *
 * The prefix table is bounded: a bucket of four words, each tag and time; the word that has
 * been idle longest makes room, so a flood of prefixes can only forget, never grow. */
#ifndef ZS_DATAPLANE_LIMIT_H
#define ZS_DATAPLANE_LIMIT_H

#include "net/addr.h"
#include "shm/sessions.h"
#include "shm/tables.h"

#define ZS_LIMIT_BUCKETS 16384 /* 64 Ki prefixes: half a megabyte */
#define ZS_LIMIT_WAYS	 4
#define ZS_LIMIT_COUNTS	 65536 /* of flows by prefix: a quarter of a megabyte */

struct zs_limits {
	uint64_t key;
	_Atomic uint64_t port_tat_ns[ZS_UDP_PORTS];
	_Atomic uint32_t port_flows[ZS_UDP_PORTS];
	_Atomic uint32_t prefix_flows[ZS_LIMIT_COUNTS];
	_Atomic uint32_t tenant_flows[ZS_TENANTS];		  /* held.h */
	_Atomic uint64_t prefix[ZS_LIMIT_BUCKETS][ZS_LIMIT_WAYS]; /* tag:20, µs:44 */
};

/* May one more come? rate 0: always. burst 0: as many at once as the rate gives in a second. A
 * prefix's word counts whole µs, rounded up: its rate ends at a million a second (config.def). */
bool zs_limit_port(struct zs_limits *l, uint16_t port, uint32_t rate_s, uint32_t burst, uint64_t now_ns);
bool zs_limit_prefix(struct zs_limits *l, const struct zs_addr *src, uint32_t rate_s, uint32_t burst,
		     uint64_t now_ns);
/* Other rates by prefix, in the same table under names of their own. */
enum zs_limit_kind { ZS_LIMIT_FLOWS, ZS_LIMIT_STRANGERS, ZS_LIMIT_NUDGES, ZS_LIMIT_TAGS, ZS_LIMIT_BINDS };
bool zs_limit_prefix_of(struct zs_limits *l, enum zs_limit_kind kind, const struct zs_addr *src,
			uint32_t rate_s, uint32_t burst, uint64_t now_ns);
/* Would one more be let through? Takes nothing. */
bool zs_limit_prefix_left(struct zs_limits *l, enum zs_limit_kind kind, const struct zs_addr *src,
			  uint32_t rate_s, uint32_t burst, uint64_t now_ns);
/* Of the source's network, secret: nobody can choose who shares it. */
uint64_t zs_limit_site_hash(const struct zs_limits *l, const struct zs_addr *src);
/* A flow was made or found at the start, and its end. */
void zs_limit_flow_made(struct zs_limits *l, uint16_t port, const struct zs_addr *client);
void zs_limit_flow_gone(struct zs_limits *l, uint16_t port, const struct zs_addr *client);
/* How many flows a port has; how many the prefix of an address. */
uint32_t zs_limit_port_flows(const struct zs_limits *l, uint16_t port);
uint32_t zs_limit_prefix_flows(const struct zs_limits *l, const struct zs_addr *client);
/* A rate as above for one word of one writer; it moves on with true. */
bool zs_limit_take(uint64_t *tat_ns, uint32_t rate_s, uint32_t burst, uint64_t now_ns);

#endif
