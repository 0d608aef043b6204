/* The short way of tunnel datagrams, in a flood alone: what its header, its session or its window refuses ends here, and what may not have
 * its tag checked now. All else is left: its tag is the long way's (tunnel_in.c), which looks at it from the beginning. */
#include "base/prefetch.h"
#include "express.h"
#include "tunnels.h"

struct arrival {
	struct zs_express_packet *e;
	struct zs_tunnel_head head;
	uint32_t slot;
	const struct zs_window *window; /* NULL: it has ended, or was left */
};

bool zs_express_tunnel_is_open(const struct zs_worker *w)
{
	return w->flood.on && w->sessions && w->tunnels;
}

/* The header. false: it goes no further. */
static inline bool open_one(struct zs_express *x, struct zs_express_packet *e, struct arrival *a)
{
	struct zs_worker *w = x->w;
	enum zs_drop why;

	if (!zs_express_is_source(x, e)) {
		zs_express_leave(x, e);
		return false;
	}
	why = zs_tunnel_read(&a->head, zs_express_payload(e), e->payload_len);
	a->e = e;
	a->slot = a->head.receiver & (w->sessions->sessions - 1);
	if (why == ZS_DROPS && a->slot >= w->tunnels->sessions)
		why = ZS_DROP_tunnel_receiver;
	if (why != ZS_DROPS) {
		zs_express_refuse(x, e, why);
		return false;
	}
	zs_tunnel_prefetch(w, a->slot);
	return true;
}

/* Whose it is; the window is on its way. Sessions that are to be looked at again, and lanes without keys, are the long way's. */
static inline void know(struct zs_express *x, struct arrival *a, uint32_t as_of)
{
	const struct zs_worker *w = x->w;
	const struct zs_known *k = &w->tunnels->known[a->slot];
	uint32_t window = w->dp->state.tunnel_session[a->slot].window[a->head.lane] - 1;

	a->window = NULL;
	if (k->as_of == as_of && (!k->tag || k->receiver != a->head.receiver)) {
		zs_express_refuse(x, a->e, ZS_DROP_tunnel_receiver);
	} else if (!zs_tunnel_is_ready(w, a->slot, &a->head, as_of) || window >= w->dp->state.windows) {
		zs_express_leave(x, a->e);
	} else {
		a->window = &w->dp->state.tunnel_window[window];
		zs_prefetch(a->window);
	}
}

static inline enum zs_drop judge(const struct zs_worker *w, const struct arrival *a)
{
	const struct zs_tunnel_session *s = &w->dp->state.tunnel_session[a->slot];
	uint32_t number = (uint32_t)(a->window - w->dp->state.tunnel_window);
	struct zs_window_pick pick;
	enum zs_drop why;

	if (s->ended)
		return ZS_DROP_tunnel_receiver;
	why = zs_window_judge(a->window, zs_tunnel_keys(w->tunnels, number), &a->head, w->now_ns, &pick);
	if (why != ZS_DROPS || !zs_flood_is_spent(w))
		return why;
	return zs_tunnel_is_from(s, &a->e->src, a->e->local) ? ZS_DROPS : ZS_DROP_flood;
}

static inline void end(struct zs_express *x, struct arrival *a)
{
	enum zs_drop why = judge(x->w, a);

	if (why == ZS_DROPS)
		zs_express_leave(x, a->e);
	else
		zs_express_refuse(x, a->e, why);
}

void zs_express_tunnel_step(struct zs_express *x, struct zs_express_lane *lane)
{
	uint32_t n = 0, as_of = zs_tunnel_as_of(x->w);
	struct arrival a[ZS_EXPRESS_GROUP];

	for (; lane->done < lane->taken; lane->done++)
		n += open_one(x, &lane->at[lane->done], &a[n]);
	for (uint32_t i = 0; i < n; i++)
		know(x, &a[i], as_of);
	for (uint32_t i = 0; i < n; i++)
		if (a[i].window)
			end(x, &a[i]);
}
