/* Peer ids out of numbers, for tests that need many. */
#ifndef ZS_TEST_PEER_IDS_H
#define ZS_TEST_PEER_IDS_H

#include "p2p/peerid.h"

static inline struct zs_peer_id peer_id(uint32_t n)
{
	struct zs_peer_id id = { .len = 38, .bytes = { 0x00, 0x24, 0x08, 0x01, 0x12, 0x20 } };

	memcpy(id.bytes + 6, &n, sizeof(n));
	return id;
}

#endif
