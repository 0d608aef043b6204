/* Who calls: what a callee gives out is shared by all its callers, first come, first served, down to half of what it may give at once.
 * The other half is for callers within shares of their own, the caller's and its network's: so whoever asks without end, under
 * however many names from a few networks, locks nobody else out.
 *
 * Shares are found by keyed hash in a table of fixed size. In a set that is full the one nearest to a whole share makes room, so what
 * is forgotten is little. A network is where the caller's owner came from as a newcomer. */
#include "attach/internal.h"

#include <string.h>
#include "base/hash.h"

#define PER_S	     64		       /* connection IDs a callee gives to all callers together … */
#define BURST	     (16 * PER_S)      /* … and at once */
#define CALLER_NS    (4 * ZS_NS_PER_S) /* a caller is sure of one in so long, a dial each … */
#define CALLER_BURST 16
#define NETWORK_NS                                                                                           \
	(ZS_NS_PER_S / 4) /* … and those of a network of one in so long: 16 networks use up a callee */
#define NETWORK_BURST 128

static struct caller_share *share_of(struct zs_attach *s, uint32_t callee, uint32_t caller,
				     const struct zs_addr *network)
{
	uint8_t who[24];
	struct caller_share *set, *at;
	uint64_t name;

	memcpy(who, &callee, 4);
	memcpy(who + 4, &caller, 4);
	memcpy(who + 8, network->ip, 16);
	name = zs_hash24(s->bucket_key, who);
	set = at = s->caller_share[name % CALLER_SETS];
	for (int i = 0; i < CALLER_WAYS; i++) {
		if (set[i].name == name)
			return &set[i];
		if (set[i].bucket.tat_ns < at->bucket.tat_ns)
			at = &set[i];
	}
	*at = (struct caller_share){ .name = name };
	return at;
}

static bool within(struct zs_gcra *bucket, uint64_t every_ns, uint32_t burst, uint64_t now, uint32_t count)
{
	const struct zs_gcra_rate rate = { .interval = every_ns << ZS_GCRA_SHIFT,
					   .burst_ns = burst * every_ns };

	return zs_gcra_allow(bucket, &rate, now, count);
}

bool zs_attach_call(struct zs_attach *s, struct slot *callee, const struct slot *caller, uint32_t count)
{
	static const struct zs_addr none;
	struct caller_share *own = share_of(s, callee->id, caller->id, &none), *network;
	struct zs_gcra a = own->bucket, b;
	bool sure;
	struct zs_gcra_rate rate;

	network = share_of(s, callee->id, 0, &caller->kept.prefix); /* it may have taken the other's place */
	b = network->bucket;
	sure = within(&a, CALLER_NS, CALLER_BURST, s->now_ns, count) &&
	       within(&b, NETWORK_NS, NETWORK_BURST, s->now_ns, count);
	zs_gcra_init(&rate, PER_S, sure ? BURST : BURST / 2);
	if (!zs_gcra_allow(&callee->called, &rate, s->now_ns, count))
		return false;
	if (sure) {
		own->bucket = a;
		network->bucket = b; /* behind it: one place is the network's */
	}
	return true;
}
