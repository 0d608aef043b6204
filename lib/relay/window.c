/* The bits are a ring over the last ZS_WINDOW_BITS counters, by words of 64. The word that the highest counter is in lies apart, in
 * `last`: what the ring has in its place are the bits of ZS_WINDOW_BITS before, some of which the window still holds.
 *
 * Stores are in such an order that a kill between any two leaves bits that refuse packets never seen, never the other way
 * round: `highest` before bits are cleared; and the last word is added to the ring before another becomes the last, and put there
 * alone after. */
#include "relay/window.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "relay/lane.h"

#define WORDS (ZS_WINDOW_BITS / 64)

static void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* The word of a counter that is not above `highest`. */
static uint64_t *word_of(struct zs_window *w, uint64_t counter)
{
	return counter / 64 == w->highest / 64 ? &w->last : &w->seen[counter / 64 % WORDS];
}

static void make_next(struct zs_window_keys k, const struct zs_gcm_engine *e)
{
	struct zs_window_ratchet *r = k.ratchet;

	zs_attach_ratchet(r->secret, r->secret);
	r->newest++;
	zs_attach_gcm_key(e, r->secret, zs_window_key(k, r->newest));
}

int zs_window_load(struct zs_window_keys k, const struct zs_gcm_engine *e, const struct zs_window *w,
		   const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t lane)
{
	struct zs_window_ratchet *next = k.ratchet;

	if (w->epoch >= ZS_LANE_EPOCHS)
		return -ERANGE;
	*next = (struct zs_window_ratchet){ .newest = w->epoch ? w->epoch - 1 : 0, .loaded = 1 };
	zs_attach_lane_at(r, dir, lane, next->newest, next->secret);
	zs_attach_gcm_key(e, next->secret, zs_window_key(k, next->newest));
	zs_window_prepare(k, e, w);
	return 0;
}

void zs_window_wipe(struct zs_window_keys k)
{
	for (uint32_t i = 0; i < ZS_WINDOW_KEYS; i++)
		zs_gcm_key_wipe(zs_window_key(k, i));
	sodium_memzero(k.ratchet, sizeof(*k.ratchet));
}

void zs_window_prepare(struct zs_window_keys k, const struct zs_gcm_engine *e, const struct zs_window *w)
{
	while (zs_window_wants(k, w))
		make_next(k, e);
}

enum zs_drop zs_window_judge_any(const struct zs_window *w, struct zs_window_keys k,
				 const struct zs_tunnel_head *head, uint64_t now_ns,
				 struct zs_window_pick *pick)
{
	uint64_t counter = head->counter;
	uint32_t ahead = (head->epoch - w->epoch) & 7, epoch = ahead == 7 ? w->epoch - 1 : w->epoch + ahead;

	if (ZS_UNLIKELY(w->failed >= ZS_WINDOW_FAILED))
		return ZS_DROP_tunnel_receiver;
	if (ahead == 7 && now_ns >= w->old_until_ns)
		return ZS_DROP_tunnel_epoch;
	/* No key is further on than the next; in epoch 0 "the one before" is beyond all. */
	if (epoch > k.ratchet->newest)
		return ZS_DROP_tunnel_epoch;
	if (!counter || counter + ZS_WINDOW_BITS <= w->highest ||
	    (counter <= w->highest && zs_window_is_seen(w, counter)))
		return ZS_DROP_tunnel_replay;
	*pick = (struct zs_window_pick){ zs_window_key(k, epoch), epoch };
	return ZS_DROPS;
}

/* `counter` lies in a later word than the highest one. */
static void move_to(struct zs_window *w, uint64_t counter)
{
	uint64_t before = w->highest, word = before / 64;

	w->seen[word % WORDS] |= w->last;
	in_order();
	w->highest = counter;
	in_order();
	if (counter - before >= ZS_WINDOW_BITS) {
		memset(w->seen, 0, sizeof(w->seen));
	} else {
		w->seen[word % WORDS] = w->last;
		while (++word < counter / 64)
			w->seen[word % WORDS] = 0;
	}
	w->last = 0;
	in_order();
}

enum zs_drop zs_window_accept_any(struct zs_window *w, uint64_t counter, uint32_t epoch, uint64_t now_ns,
				  bool *newest)
{
	*newest = counter > w->highest;
	if (*newest && counter / 64 != w->highest / 64)
		move_to(w, counter);
	else if (*newest)
		w->highest = counter;
	else if (counter + ZS_WINDOW_BITS <= w->highest || zs_window_is_seen(w, counter))
		return ZS_DROP_tunnel_replay;
	in_order();
	*word_of(w, counter) |= 1ull << (counter & 63);
	in_order();
	if (ZS_UNLIKELY(epoch > w->epoch)) {
		w->old_until_ns = now_ns + ZS_WINDOW_OLD_NS;
		in_order();
		w->epoch = epoch;
		in_order();
	}
	return ZS_DROPS;
}

bool zs_window_failed(struct zs_window *w)
{
	return ++w->failed >= ZS_WINDOW_FAILED;
}
