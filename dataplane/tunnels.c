/* What a worker knows of tunnels. Memory is taken at the start; a session's keys are made when it is first met and
 * wiped when the sweep finds it gone. */
#include "tunnels.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "limit.h"

#define UNSEEN_RATE_S 2000 /* lanes not seen yet whose keys are made a second: some 15 µs each */
#define UNSEEN_BURST  2000
#define SWEEP	      64 /* slots looked at each time: all of 65,536 in a second */

static struct zs_tunnel_session *session_at(struct zs_worker *w, uint32_t slot)
{
	return &w->dp->state.tunnel_session[slot];
}

/* --- what is known of a slot --- */

static void forget(struct zs_known *k)
{
	k->tag = 0;
	k->ready = 0;
}

/* As of a change log that has grown since. */
ZS_COLD static uint64_t judge(struct zs_worker *w, uint32_t slot, uint32_t as_of)
{
	struct zs_known *k = &w->tunnels->known[slot];
	uint32_t seq = zs_seqlock_read(&w->sessions->session[slot].seq);
	struct zs_session v = { 0 };
	bool ok;

	if (seq == k->seq) {
		k->as_of = as_of;
		return k->tag;
	}
	ok = zs_sessions_slot(w->sessions, slot, &v);
	if (seq & 1)
		return 0; /* being written: nothing is known */
	forget(k);
	if (ok && v.mode == ZS_SESSION_TUNNEL && v.incarnation == w->dp->state.seg.base->incarnation)
		k->tag = zs_tunnel_tag(&v);
	k->attachment = v.attachment;
	k->generation = v.generation;
	k->receiver = v.receiver;
	k->seq = ok ? atomic_load_explicit(&v.seq, memory_order_relaxed) : seq;
	k->as_of = as_of;
	sodium_memzero(&v, sizeof(v));
	return k->tag;
}

uint64_t zs_tunnel_known(struct zs_worker *w, uint32_t slot)
{
	uint32_t as_of;

	if (!w->sessions || slot >= w->sessions->sessions || slot >= w->tunnels->sessions)
		return 0;
	as_of = zs_tunnel_as_of(w);
	if (ZS_LIKELY(as_of == w->tunnels->known[slot].as_of))
		return w->tunnels->known[slot].tag;
	return judge(w, slot, as_of);
}

void zs_tunnels_forget(struct zs_worker *w)
{
	uint32_t never = w->sessions ? zs_tunnel_as_of(w) - 1 : 0;

	for (uint32_t i = 0; w->tunnels && i < w->tunnels->sessions; i++) {
		struct zs_known *k = &w->tunnels->known[i];

		forget(k);
		k->as_of = never;
		k->seq = 0;
	}
}

bool zs_tunnel_aim(struct zs_worker *w, uint32_t attachment, uint16_t generation, struct zs_aim *out)
{
	struct zs_attachment a;

	if (!w->sessions || !zs_sessions_attachment(w->sessions, attachment, &a) ||
	    a.generation != generation)
		return false;
	for (int i = 0; i < 2; i++) {
		out->slot = i ? a.previous : a.session;
		out->tag = zs_tunnel_known(w, out->slot);
		if (out->tag && zs_tunnel_path_get(session_at(w, out->slot), out->tag, &out->path))
			return true;
	}
	return false;
}

bool zs_tunnel_serves(struct zs_worker *w, uint32_t attachment, uint16_t generation)
{
	struct zs_attachment a;

	return w->sessions && zs_sessions_attachment(w->sessions, attachment, &a) &&
	       a.generation == generation &&
	       (zs_tunnel_known(w, a.session) || zs_tunnel_known(w, a.previous));
}

/* --- ways out --- */

/* A copy of the session, if it is the one with this tag. The caller wipes it. */
static bool copy_session(struct zs_worker *w, uint32_t slot, uint64_t tag, struct zs_session *v)
{
	return w->sessions && zs_sessions_slot(w->sessions, slot, v) && zs_tunnel_tag(v) == tag;
}

static void way_free(struct zs_tunnels *t, struct zs_known *k)
{
	struct zs_tunnel_way *way = &t->way[k->way - 1];

	zs_lane_wipe(&way->lane);
	way->tag = 0;
	t->way_free[t->ways_left++] = k->way;
	k->way = 0;
}

ZS_COLD static struct zs_tunnel_way *way_make(struct zs_worker *w, uint32_t slot, uint64_t tag)
{
	struct zs_tunnels *t = w->tunnels;
	struct zs_known *k = &t->known[slot];
	struct zs_tunnel_lane *lane =
	    &w->dp->state.tunnel_lane[(size_t)w->index * w->dp->state.sessions + slot];
	struct zs_tunnel_way *way = NULL;
	struct zs_session v;

	if (k->way)
		way_free(t, k);
	if (!t->ways_left || !copy_session(w, slot, tag, &v))
		return NULL;
	k->way = t->way_free[--t->ways_left];
	way = &t->way[k->way - 1];
	way->tag = tag;
	way->slot = slot;
	way->peer = v.peer;
	way->max_payload = v.max_payload;
	way->hop.stamp = ZS_TABLES_STOPPED;
	if (zs_lane_init(&way->lane, &t->engine, zs_tunnel_lane_take(lane, tag), v.root, ZS_ATTACH_DIR_RELAY,
			 (uint8_t)w->index, w->dp->conf->attach.ratchet)) {
		way_free(t, k);
		way = NULL;
	}
	sodium_memzero(&v, sizeof(v));
	return way;
}

struct zs_tunnel_way *zs_tunnel_way(struct zs_worker *w, uint32_t slot, uint64_t tag)
{
	struct zs_known *k = &w->tunnels->known[slot];

	if (ZS_LIKELY(k->way && w->tunnels->way[k->way - 1].tag == tag))
		return &w->tunnels->way[k->way - 1];
	return way_make(w, slot, tag);
}

void zs_tunnel_sent(struct zs_worker *w, struct zs_tunnel_way *way)
{
	struct zs_tunnels *t = w->tunnels;

	if (ZS_UNLIKELY(zs_lane_wants(&way->lane)) && t->want_ways < ZS_TUNNEL_WANTS)
		t->want_way[t->want_ways++] = way->slot;
}

/* --- windows of the sessions we own --- */

static void window_free(struct zs_worker *w, uint32_t window)
{
	struct zs_tunnels *t = w->tunnels;

	if (window >= w->dp->state.windows)
		return;
	zs_window_wipe(zs_tunnel_keys(t, window));
	zs_windows_put(&w->dp->windows, window);
}

void zs_tunnel_begin(struct zs_worker *w, uint32_t slot, uint64_t tag)
{
	struct zs_tunnel_session *s = session_at(w, slot);

	if (ZS_LIKELY(s->tag == tag))
		return;
	__atomic_store_n(&s->tag, 0, __ATOMIC_RELEASE);
	for (uint32_t lane = 0; lane < ZS_TUNNEL_LANES; lane++) {
		uint32_t window = s->window[lane];

		s->window[lane] = 0;
		if (window)
			window_free(w, window - 1);
	}
	zs_seqlock_put(&s->path, &(struct zs_tunnel_path){ 0 }, sizeof(s->path));
	s->ended = s->heard = 0;
	memset(&s->roam, 0, sizeof(s->roam));
	memset(&s->pmtu, 0, sizeof(s->pmtu));
	__atomic_store_n(&s->tag, tag, __ATOMIC_RELEASE);
}

ZS_COLD static bool load_keys(struct zs_worker *w, uint32_t slot, uint64_t tag, uint8_t lane, uint32_t window)
{
	struct zs_tunnels *t = w->tunnels;
	struct zs_session v;
	int rc;

	if (!copy_session(w, slot, tag, &v))
		return false;
	rc = zs_window_load(zs_tunnel_keys(t, window), &t->engine, &w->dp->state.tunnel_window[window],
			    v.root, ZS_ATTACH_DIR_EDGE, lane);
	sodium_memzero(&v, sizeof(v));
	return rc == 0;
}

int64_t zs_tunnel_window(struct zs_worker *w, uint32_t slot, uint64_t tag, uint8_t lane)
{
	uint32_t window = session_at(w, slot)->window[lane] - 1;
	struct zs_known *k = &w->tunnels->known[slot];

	if (window >= w->dp->state.windows)
		return -1;
	if (!(k->ready >> lane & 1) && !load_keys(w, slot, tag, lane, window))
		return -1;
	k->ready |= (uint16_t)(1u << lane);
	zs_windows_known(&w->dp->windows, window, k->attachment);
	return window;
}

ZS_COLD int64_t zs_tunnel_window_try(struct zs_worker *w, uint32_t slot, uint64_t tag, uint8_t lane,
				     enum zs_drop *why)
{
	struct zs_tunnels *t = w->tunnels;
	int64_t window = zs_windows_take(&w->dp->windows, t->known[slot].attachment);

	*why = ZS_DROP_tunnel_lanes;
	if (window < 0)
		return -1;
	*why = ZS_DROP_tunnel_rate;
	if (!zs_limit_take(&t->unseen_tat_ns, UNSEEN_RATE_S, UNSEEN_BURST, w->now_ns)) {
		zs_windows_put(&w->dp->windows, (uint32_t)window);
		return -1;
	}
	memset(&w->dp->state.tunnel_window[window], 0, sizeof(struct zs_window));
	*why = ZS_DROP_tunnel_receiver;
	if (load_keys(w, slot, tag, lane, (uint32_t)window))
		return window;
	window_free(w, (uint32_t)window);
	return -1;
}

void zs_tunnel_window_keep(struct zs_worker *w, uint32_t slot, uint8_t lane, uint32_t window)
{
	__atomic_store_n(&session_at(w, slot)->window[lane], window + 1, __ATOMIC_RELEASE);
	w->tunnels->known[slot].ready |= (uint16_t)(1u << lane);
}

void zs_tunnel_window_drop(struct zs_worker *w, uint32_t window)
{
	window_free(w, window);
}

void zs_tunnel_turned(struct zs_worker *w, uint32_t window)
{
	struct zs_tunnels *t = w->tunnels;

	if (t->want_windows < ZS_TUNNEL_WANTS)
		t->want_window[t->want_windows++] = window;
}

/* --- housekeeping --- */

static void prepare_way(struct zs_worker *w, uint32_t slot)
{
	struct zs_known *k = &w->tunnels->known[slot];

	if (k->way && zs_lane_wants(&w->tunnels->way[k->way - 1].lane))
		zs_lane_prepare(&w->tunnels->way[k->way - 1].lane, &w->tunnels->engine);
}

static void prepare_window(struct zs_worker *w, uint32_t window)
{
	struct zs_tunnels *t = w->tunnels;

	zs_window_prepare(zs_tunnel_keys(t, window), &t->engine, &w->dp->state.tunnel_window[window]);
}

static void sweep_owned(struct zs_worker *w, uint32_t slot, uint64_t tag)
{
	struct zs_tunnel_session *s = session_at(w, slot);

	if (s->tag != tag)
		zs_tunnel_begin(w, slot, tag);
	for (uint32_t lane = 0; tag && lane < ZS_TUNNEL_LANES; lane++)
		if (s->window[lane] && s->window[lane] <= w->dp->state.windows)
			prepare_window(w, s->window[lane] - 1);
	if (!tag)
		atomic_store_explicit(&s->owner, 0, memory_order_release);
	else
		zs_tunnel_tend(w, slot, tag);
}

static void sweep(struct zs_worker *w)
{
	struct zs_tunnels *t = w->tunnels;

	for (uint32_t i = 0; i < SWEEP; i++) {
		uint32_t slot = t->sweep++ % t->sessions;
		struct zs_known *k = &t->known[slot];
		uint64_t tag;

		if (slot < w->sessions->sessions && zs_seqlock_read(&w->sessions->session[slot].seq) & 1)
			continue;
		tag = zs_tunnel_known(w, slot);
		if (k->way && t->way[k->way - 1].tag != tag)
			way_free(t, k);
		prepare_way(w, slot);
		if (atomic_load_explicit(&session_at(w, slot)->owner, memory_order_relaxed) == w->index + 1)
			sweep_owned(w, slot, tag);
	}
}

void zs_tunnels_keep(struct zs_worker *w)
{
	struct zs_tunnels *t = w->tunnels;

	if (!t)
		return;
	while (t->want_ways)
		prepare_way(w, t->want_way[--t->want_ways]);
	while (t->want_windows)
		prepare_window(w, t->want_window[--t->want_windows]);
	if (w->sessions)
		sweep(w);
}
