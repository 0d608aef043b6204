/* When an edge sends KEEPALIVE (docs/PROTOCOL.md): at once after Grant, then ever less often until the relay's first
 * PROBE shows that it was heard; later after 20 s in which nothing was sent (RFC 8085 §3.5). Sans-I/O. */
#ifndef ZS_RELAY_KEEPALIVE_H
#define ZS_RELAY_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define ZS_KEEPALIVE_NS (20 * ZS_NS_PER_S)

struct zs_keepalive {
	uint64_t due_ns;
	uint32_t sent; /* before the first PROBE */
	bool found;
};

static inline void zs_keepalive_start(struct zs_keepalive *k, uint64_t now_ns)
{
	*k = (struct zs_keepalive){ .due_ns = now_ns };
}

/* Something was sent, a KEEPALIVE or not. */
static inline void zs_keepalive_sent(struct zs_keepalive *k, uint64_t now_ns)
{
	if (k->found)
		k->due_ns = now_ns + ZS_KEEPALIVE_NS;
}

/* True: send one now. */
static inline bool zs_keepalive_due(struct zs_keepalive *k, uint64_t now_ns)
{
	if (now_ns < k->due_ns)
		return false;
	if (k->found)
		return true;
	k->due_ns = now_ns + (k->sent < 4 ? 100 * ZS_NS_PER_MS << k->sent : ZS_NS_PER_S);
	k->sent += k->sent < 4;
	return true;
}

/* A PROBE came. */
static inline void zs_keepalive_probed(struct zs_keepalive *k, uint64_t now_ns)
{
	if (!k->found)
		k->due_ns = now_ns + ZS_KEEPALIVE_NS;
	k->found = true;
}

#endif
