/* Apart from node.c: who asks for no name links no c-ares. */
#include <errno.h>
#include "node/node.h"

int zs_node_resolve(struct zs_resolve **out, struct zs_resolver *r, const struct zs_dial_target *target,
		    zs_resolve_fn *fn, void *ctx)
{
	static const enum zs_resolve_family families[] = { [ZS_DIAL_DNS] = ZS_RESOLVE_ANY,
							   [ZS_DIAL_DNS4] = ZS_RESOLVE_IP4,
							   [ZS_DIAL_DNS6] = ZS_RESOLVE_IP6 };

	if (target->host == ZS_DIAL_IP || target->host == ZS_DIAL_DNSADDR)
		return -EPROTONOSUPPORT;
	return zs_resolve_start(out, r, target->name, families[target->host], fn, ctx);
}
