/* Peerstores of numbered peers with addresses that are words. */
#ifndef ZS_TESTS_PEERSTORE_RIG_H
#define ZS_TESTS_PEERSTORE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/peerstore.h"
#include "unit/p2p/peer_ids.h"
#include "unit/random.h"

#define S    ZS_NS_PER_S
#define HOUR (3600 * S)

static inline struct zs_span bytes(const char *text)
{
	return (struct zs_span){ (const uint8_t *)text, strlen(text) };
}

static inline struct zs_peerstore *store(uint32_t peers)
{
	struct zs_peerstore_config c;

	zs_peerstore_defaults(&c);
	c.peers = peers;
	return zs_peerstore_new(&c);
}

static inline int learn(struct zs_peerstore *s, uint32_t peer, const char *address, enum zs_known known,
			uint64_t now)
{
	struct zs_peer_id id = peer_id(peer);

	return zs_peerstore_learn(s, &id, bytes(address), known, now);
}

/* "a b c": the addresses of a peer in the order they are kept; "-" unknown. */
static inline void assert_addresses(struct zs_peerstore *s, uint32_t peer, uint64_t now, const char *want)
{
	struct zs_peer_id id = peer_id(peer);
	const struct zs_peer_info *p = zs_peerstore_get(s, &id, now);
	char got[1024] = "";

	for (uint32_t i = 0; p && i < p->addresses; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s", i ? " " : "",
			 p->address[i].len, (const char *)p->address[i].bytes);
	assert_string_equal(p ? got : "-", want);
}

#endif
