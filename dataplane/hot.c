/* Two change logs name the attachments that changed. Who has fallen behind one of them, or sees another segment, looks at
 * all of them, a slice at a time; the cursors are moved to now before that begins, so no change falls between. */
#include "hot.h"

#include <string.h>
#include "binds.h"
#include "fastpath.h"
#include "held.h"
#include "stage/stage.h"
#include "worker.h"

void zs_hot_open(struct zs_worker *w)
{
	const struct zs_state *s = &w->dp->state;
	struct zs_policer_view v = { .bucket = s->bucket, .tenant = s->tenant };

	if (w->dp->fast) { /* one bucket for both */
		v.bucket = w->dp->fast->maps.buckets;
		v.tenant = w->dp->fast->maps.shared;
	}
	w->hot = zs_state_hot(s, w->index);
	w->account = v.account = zs_state_account(s, w->index);
	for (uint32_t id = 0; id < s->attachments; id++) {
		w->hot[id].stamp = 0;
		zs_policer_forget(&w->account[id]);
		if (w->account[id].tenant >= ZS_TENANTS)
			w->account[id].tenant = 0;
	}
	zs_policer_init(&w->policer, &v);
}

uint32_t zs_hot_attachments(const struct zs_worker *w)
{
	uint32_t n = w->dp->state.attachments;

	return w->sessions && w->sessions->attachments < n ? w->sessions->attachments : n;
}

static void find_way(struct zs_worker *w, struct zs_hot *line)
{
	uint32_t routes = w->tables ? atomic_load(&w->tables->meta->route_high) : UINT32_MAX;

	if (routes >= w->hot_view.routes)
		return;
	w->hot_view.routes -= routes + 1;
	zs_hop_refresh(w, line);
}

static void load(struct zs_worker *w, uint32_t id)
{
	struct zs_hot *line = &w->hot[id], now = { .nexthop = UINT16_MAX };
	struct zs_attachment a;
	struct zs_binding b;

	if (w->index == ZS_BINDER)
		zs_binds_judge(w, id); /* who is no longer bound is no sender any more, at once */
	if (zs_sessions_attachment(w->sessions, id, &a)) {
		now.generation = a.generation;
		now.flags = (uint8_t)((a.strangers == ZS_STRANGERS_LIMITED ? ZS_HOT_STRANGERS : 0) |
				      (zs_attachment_policed(&a) ? ZS_HOT_POLICED : 0));
		zs_held_tenant(w, id, a.tenant);
	} else if (zs_seqlock_read(&w->sessions->attachment[id].seq) & 1) {
		return; /* half written: its writer names it again, or the next one all of them */
	}
	if (now.generation && !zs_seqlock_get(&w->dp->state.binding[id], &b, sizeof(b)))
		return; /* so does the binder */
	if (now.generation && zs_binding_lives(&b, a.generation, w->now_ns) && b.local < ZS_LOCALS_MAX &&
	    zs_binds_held(w, &a, &b)) {
		now.port = b.port;
		now.addr = b.addr;
		now.local = b.local;
		now.expires = zs_hot_tick(b.expires_ns);
	}
	if (zs_addr_eq(&now.addr, &line->addr)) { /* the way there is the same */
		now.nexthop = line->nexthop;
		now.stamp = line->stamp;
	}
	memcpy(now.meter, line->meter, sizeof(now.meter));
	*line = now;
	if (w->dp->fast)
		zs_fastpath_void(w, id);
	if (now.port)
		find_way(w, line);
}

/* Takes a slice of a log. An overrun begins a look at all. */
static void follow(struct zs_worker *w, const struct zs_changelog *log, uint64_t *cursor)
{
	uint32_t id[ZS_HOT_SLICE], all = zs_hot_attachments(w), n;
	bool overrun;

	n = zs_changelog_read(log, cursor, id, ZS_HOT_SLICE, &overrun);
	if (overrun)
		w->hot_view.scan = 0;
	for (uint32_t i = 0; i < n; i++)
		if (id[i] < all)
			load(w, id[i]);
}

static void scan(struct zs_worker *w)
{
	uint32_t *at = &w->hot_view.scan, all = zs_hot_attachments(w);
	uint32_t end = all - *at > ZS_HOT_SLICE ? *at + ZS_HOT_SLICE : all;

	for (; *at < end; ++*at)
		load(w, *at);
}

/* Attachments that the new segment has no room for are nobody's. */
static void begin(struct zs_worker *w)
{
	const struct zs_sessions *s = w->sessions;

	w->hot_view = (struct zs_hot_view){ .of = s,
					    .incarnation = s->seg.base->incarnation,
					    .wanted = zs_changelog_now(&s->changes),
					    .bound = zs_changelog_now(&w->dp->state.bindings) };
	for (uint32_t id = zs_hot_attachments(w); id < w->dp->state.attachments; id++)
		w->hot[id].generation = 0;
}

void zs_hot_refresh(struct zs_worker *w)
{
	const struct zs_sessions *s = w->sessions;
	struct zs_hot_view *v = &w->hot_view;

	if (!s)
		return;
	if (v->of != s || v->incarnation != s->seg.base->incarnation)
		begin(w);
	v->routes = ZS_HOT_ROUTES;
	follow(w, &s->changes, &v->wanted);
	follow(w, &w->dp->state.bindings, &v->bound);
	if (v->scan < zs_hot_attachments(w))
		scan(w);
}
