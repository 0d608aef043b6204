/* An end of a flow that is an attachment: an endpoint whose address never comes off the wire, so that keys,
 * indexes, hand-over and events of the flow table need not know of tunnels. It lies in ff00::/16, multicast
 * of a scope that RFC 4291 reserves: hygiene drops it as a source, the deny table as a target.
 *
 *   ff 00 | attachment 4 | 00 | generation 2 | service 1 | 00 × 6
 *
 * The first 56 bits are the attachment's own, so limits by source prefix are limits by attachment. As a
 * target the port is 0 and zs_flow.source_port the relay's flow number; as a client (a flow that the edge
 * opened) the service is 0 and the port the edge's flow number. */
#ifndef ZS_SHM_ATTACHED_H
#define ZS_SHM_ATTACHED_H

#include <endian.h>
#include <string.h>

#include "net/addr.h"

#define ZS_LOCAL_ATTACHED 255  /* in the place of the index of an own address: none faces a tunnel */
#define ZS_FLOW_NUMBERS	  4096 /* flow numbers of a range: the top 4 bits name it */
#define ZS_FLOW_RANGES	  16 /* each is one partition's; a partition has one or more that follow one another */

struct zs_attached {
	uint32_t attachment;
	uint16_t generation;
	uint8_t service;
};

static inline bool zs_is_attached(const struct zs_addr *a)
{
	return a->ip[0] == 0xff && a->ip[1] == 0;
}

/* Made by whole words: it is read again at once. */
static inline struct zs_addr zs_attached_addr(const struct zs_attached *e)
{
	uint64_t word[2] = { htobe64(0xff00ull << 48 | (uint64_t)e->attachment << 16 | e->generation >> 8),
			     htobe64((uint64_t)e->generation << 56 | (uint64_t)e->service << 48) };
	struct zs_addr a;

	memcpy(a.ip, word, sizeof(a.ip));
	return a;
}

/* Of an address for which zs_is_attached. */
static inline struct zs_attached zs_attached_of(const struct zs_addr *a)
{
	return (struct zs_attached){ .attachment = (uint32_t)a->ip[2] << 24 | (uint32_t)a->ip[3] << 16 |
						   (uint32_t)a->ip[4] << 8 | a->ip[5],
				     .generation = (uint16_t)(a->ip[7] << 8 | a->ip[8]),
				     .service = a->ip[9] };
}

#endif
