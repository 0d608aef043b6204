/* Rates of new flows, shared by all workers: per source prefix (/24, /56) and per published
 * port, as GCRA (one theoretical arrival time each). Words are changed by compare-and-swap on
 * the slow path of a new flow alone; no packet of a known flow comes here.
 *
 * The prefix table is bounded: a bucket of four words, each tag and time; the word that has
 * been idle longest makes room, so a flood of prefixes can only forget, never grow. */
#ifndef ZS_DATAPLANE_LIMIT_H
#define ZS_DATAPLANE_LIMIT_H

#include "net/addr.h"
#include "shm/tables.h"

#define ZS_LIMIT_BUCKETS 16384 /* 64 Ki prefixes: half a megabyte */
#define ZS_LIMIT_WAYS	 4

struct zs_limits {
	uint64_t key;
	_Atomic uint64_t port_tat_ns[ZS_UDP_PORTS];
	_Atomic uint32_t port_flows[ZS_UDP_PORTS];
	_Atomic uint64_t prefix[ZS_LIMIT_BUCKETS][ZS_LIMIT_WAYS]; /* tag:20, µs:44 */
};

/* May one more come? rate 0: always. burst 0: as many at once as the rate gives in a second. A
 * prefix's word counts whole µs, rounded up: its rate ends at a million a second (config.def). */
bool zs_limit_port(struct zs_limits *l, uint16_t port, uint32_t rate_s, uint32_t burst, uint64_t now_ns);
bool zs_limit_prefix(struct zs_limits *l, const struct zs_addr *src, uint32_t rate_s, uint32_t burst,
		     uint64_t now_ns);
/* The same for one word of one writer; it moves on with true. */
bool zs_limit_take(uint64_t *tat_ns, uint32_t rate_s, uint32_t burst, uint64_t now_ns);

#endif
