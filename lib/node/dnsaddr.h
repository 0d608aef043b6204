/* /dnsaddr: the endpoints of a peer that the TXT records `dnsaddr=/…/p2p/ID` of _dnsaddr.NAME tell
 * (github.com/multiformats/multiaddr, protocols/DNSADDR.md). A record counts when it ends in the wanted peer and is an address of
 * QUIC, a name of one, or one more /dnsaddr. One thread, the loop's. */
#ifndef ZS_NODE_DNSADDR_H
#define ZS_NODE_DNSADDR_H

#include "loop/resolve.h"
#include "p2p/multiaddr.h"

#define ZS_DNSADDR_DEPTH     4	/* a /dnsaddr in a /dnsaddr in …: so many names deep */
#define ZS_DNSADDR_QUESTIONS 16 /* names asked for in all */
#define ZS_DNSADDR_ENDPOINTS 16 /* told; others are left out */

struct zs_dnsaddr; /* a search under way */

/* Once, from the loop and never from within zs_dnsaddr_start: different endpoints in the order they were found, good until it
 * returns; none: `why`, one line. The search is gone then. A stranger's word: the gater judges each. */
typedef void zs_dnsaddr_fn(void *ctx, const struct zs_endpoint *at, uint32_t count, const char *why);
/* -ENOMEM; -EINVAL: the name is too long for DNS with _dnsaddr before it. */
int zs_dnsaddr_start(struct zs_dnsaddr **out, struct zs_resolver *r, const char *name,
		     const struct zs_peer_id *peer, zs_dnsaddr_fn *fn, void *ctx);
/* No answer will come. Before its resolver goes. */
void zs_dnsaddr_cancel(struct zs_dnsaddr *d);

#endif
