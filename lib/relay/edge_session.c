#include "relay/edge_session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void *aligned_new(size_t size)
{
	void *p = aligned_alloc(ZS_CACHE_LINE, ZS_ALIGN_UP(size, ZS_CACHE_LINE));

	if (p)
		memset(p, 0, size);
	return p;
}

struct zs_edge_end *zs_edge_end_new(const struct zs_gcm_engine *e, const struct zs_edge_session *is,
				    uint64_t ratchet, uint64_t now_ns)
{
	struct zs_edge_end *s = aligned_new(sizeof(*s));

	if (!s)
		return NULL;
	s->is = *is;
	s->until_ns = now_ns + ZS_EDGE_START_NS;
	s->remote = is->relay[0];
	zs_keepalive_start(&s->keepalive, now_ns);
	ZS_CHECK(!zs_lane_init(&s->lane, e, &s->store, is->root, ZS_ATTACH_DIR_EDGE, 0, ratchet));
	return s;
}

void zs_edge_end_delete(struct zs_edge_end *s)
{
	if (!s)
		return;
	for (int n = 0; n < ZS_TUNNEL_LANES; n++) {
		if (s->heard[n])
			zs_window_wipe(zs_window_room_keys(&s->heard[n]->keys));
		free(s->heard[n]);
	}
	sodium_memzero(s, sizeof(*s));
	free(s);
}

static struct zs_edge_lane *heard_lane(struct zs_edge_end *s, const struct zs_gcm_engine *e, uint8_t number)
{
	struct zs_edge_lane *l = s->heard[number];

	if (l)
		return l;
	if (!(l = aligned_new(sizeof(*l))))
		return NULL;
	ZS_CHECK(!zs_window_load(zs_window_room_keys(&l->keys), e, &l->window, s->is.root,
				 ZS_ATTACH_DIR_RELAY, number));
	return s->heard[number] = l;
}

enum zs_drop zs_edge_end_seal(struct zs_edge_end *s, const struct zs_gcm_engine *e,
			      struct zs_tunnel_head *head, uint8_t *datagram, size_t len)
{
	uint8_t aad[ZS_TUNNEL_AAD];
	struct zs_lane_stamp stamp;
	struct zs_gcm_job job;
	enum zs_drop why;

	zs_lane_prepare(&s->lane, e);
	if ((why = zs_lane_next(&s->lane, len, &stamp)) != ZS_DROPS)
		return why;
	head->receiver = s->is.peer;
	head->lane = s->lane.number;
	head->epoch = stamp.epoch;
	head->counter = stamp.counter;
	zs_tunnel_write(head, datagram);
	zs_tunnel_job(&job, head, datagram, len, stamp.key, aad);
	zs_gcm_seal(e, &job);
	return ZS_DROPS;
}

enum zs_drop zs_edge_end_open(struct zs_edge_end *s, const struct zs_gcm_engine *e,
			      const struct zs_tunnel_head *head, uint8_t *datagram, size_t len,
			      uint64_t now_ns, bool *spent)
{
	struct zs_edge_lane *l = heard_lane(s, e, head->lane);
	uint8_t aad[ZS_TUNNEL_AAD];
	struct zs_window_pick pick;
	struct zs_gcm_job job;
	enum zs_drop why;
	bool newest;

	if (!l)
		return ZS_DROP_tunnel_lane;
	zs_window_prepare(zs_window_room_keys(&l->keys), e, &l->window);
	if ((why = zs_window_judge(&l->window, zs_window_room_keys(&l->keys), head, now_ns, &pick)) !=
	    ZS_DROPS)
		return why;
	zs_tunnel_job(&job, head, datagram, len, pick.key, aad);
	if (!zs_gcm_open(e, &job)) {
		*spent = zs_window_failed(&l->window);
		return ZS_DROP_tunnel_tag;
	}
	if ((why = zs_window_accept(&l->window, head->counter, pick.epoch, now_ns, &newest)) != ZS_DROPS)
		return why;
	s->heard_ns = now_ns;
	return zs_tunnel_form(head, ZS_TUNNEL_RELAY, datagram + ZS_TUNNEL_HEADER, len - ZS_TUNNEL_OVERHEAD);
}
