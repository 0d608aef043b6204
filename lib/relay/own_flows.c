#include "relay/own_flows.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"

int zs_own_flows_init(struct zs_own_flows *f, uint32_t count, uint64_t idle_ns,
		      const struct zs_random *random)
{
	uint16_t first;

	ZS_CHECK(count >= 1 && count <= ZS_OWN_FLOWS_MAX);
	f->flow = calloc(count, sizeof(*f->flow));
	f->rest = calloc(count, sizeof(*f->rest));
	if (!f->flow || !f->rest) {
		zs_own_flows_fini(f);
		return -ENOMEM;
	}
	first = (uint16_t)zs_random_below(random, ZS_OWN_FLOWS_MAX - count + 1);
	zs_flow_numbers_init(&f->numbers, f->rest, first, count, (uint32_t)zs_random_below(random, count),
			     idle_ns);
	return 0;
}

void zs_own_flows_fini(struct zs_own_flows *f)
{
	free(f->flow);
	free(f->rest);
	*f = (struct zs_own_flows){ 0 };
}

int zs_own_flows_open(struct zs_own_flows *f, const struct zs_endpoint *target, uint64_t now_ns,
		      struct zs_tunnel_flow *flow)
{
	*flow = (struct zs_tunnel_flow){ .opener = ZS_TUNNEL_EDGE };
	int rc = zs_flow_numbers_take(&f->numbers, now_ns, &flow->number);

	if (!rc)
		f->flow[flow->number - f->numbers.first] = (struct zs_own_flow){ .target = *target,
										 .used = true };
	return rc;
}

struct zs_own_flow *zs_own_flows_find(struct zs_own_flows *f, const struct zs_tunnel_flow *flow)
{
	uint32_t at = flow->number - (uint32_t)f->numbers.first;

	return flow->opener == ZS_TUNNEL_EDGE && at < f->numbers.count && f->flow[at].used ? &f->flow[at]
											   : NULL;
}

void zs_own_flows_forget(struct zs_own_flows *f, const struct zs_tunnel_flow *flow, uint64_t now_ns)
{
	struct zs_own_flow *own = zs_own_flows_find(f, flow);

	if (!own)
		return;
	*own = (struct zs_own_flow){ 0 };
	zs_flow_numbers_give(&f->numbers, flow->number, now_ns);
}
