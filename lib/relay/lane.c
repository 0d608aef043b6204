/* Stores, and what a kill after each leaves behind:
 *   end    before the first counter of a block is used: a restart skips the rest of the block;
 *   epoch  before the first packet under its key: a restart goes on in the new epoch, which receivers try anyway;
 *   first  after epoch: cut between the two, the new epoch counts from the old one's start and ends too early. */
#include "relay/lane.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"

/* The kernel keeps a killed process's stores in program order; the compiler must as well. */
static void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static void set_turn(struct zs_lane *l)
{
	uint64_t first = l->store->first ? l->store->first : 1;

	l->turn = first + (l->store->longs ? l->ratchet >> ZS_LANE_LONG_BY : l->ratchet);
}

void zs_lane_prepare(struct zs_lane *l, const struct zs_gcm_engine *e)
{
	if (l->ready)
		return;
	zs_attach_ratchet(l->secret, l->secret);
	zs_attach_gcm_key(e, l->secret, &l->key[(l->epoch + 1) & 1]);
	l->ready = true;
}

int zs_lane_init(struct zs_lane *l, const struct zs_gcm_engine *e, struct zs_lane_store *store,
		 const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t number, uint64_t ratchet)
{
	if (store->epoch >= ZS_LANE_EPOCHS || store->end >= ZS_TUNNEL_COUNTER)
		return -ERANGE;
	memset(l, 0, sizeof(*l));
	l->store = store;
	l->number = number;
	l->epoch = store->epoch;
	l->ratchet = ratchet ? ratchet : ZS_LANE_RATCHET;
	l->next = store->end ? store->end : 1;
	l->end = l->next;
	set_turn(l);
	zs_attach_lane_at(r, dir, number, l->epoch, l->secret);
	zs_attach_gcm_key(e, l->secret, &l->key[l->epoch & 1]);
	zs_lane_prepare(l, e);
	return 0;
}

void zs_lane_wipe(struct zs_lane *l)
{
	sodium_memzero(l, sizeof(*l));
}

/* Cold: once in 2^22 packets or more. */
ZS_COLD static enum zs_drop turn(struct zs_lane *l, size_t len)
{
	if (!l->ready || l->epoch + 1 >= ZS_LANE_EPOCHS)
		return ZS_DROP_tunnel_lane;
	l->epoch++;
	l->ready = false;
	l->store->epoch = l->epoch;
	in_order();
	l->store->first = l->next;
	l->store->longs = len > ZS_LANE_LONG;
	set_turn(l);
	return ZS_DROPS;
}

ZS_COLD static enum zs_drop take_block(struct zs_lane *l)
{
	if (l->next + ZS_LANE_BLOCK > ZS_TUNNEL_COUNTER)
		return ZS_DROP_tunnel_lane;
	l->end = l->next + ZS_LANE_BLOCK;
	l->store->end = l->end;
	in_order();
	return ZS_DROPS;
}

ZS_COLD static void first_long(struct zs_lane *l)
{
	l->store->longs = 1;
	set_turn(l);
}

enum zs_drop zs_lane_next(struct zs_lane *l, size_t len, struct zs_lane_stamp *stamp)
{
	if (ZS_UNLIKELY(l->next == l->end) && take_block(l) != ZS_DROPS)
		return ZS_DROP_tunnel_lane;
	if (ZS_UNLIKELY(len > ZS_LANE_LONG) && !l->store->longs)
		first_long(l);
	if (ZS_UNLIKELY(l->next >= l->turn) && turn(l, len) != ZS_DROPS)
		return ZS_DROP_tunnel_lane;
	*stamp = (struct zs_lane_stamp){ l->next++, &l->key[l->epoch & 1], l->epoch & 7 };
	in_order();
	return ZS_DROPS;
}
