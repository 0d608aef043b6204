/* Links, attempts and their failures. link[SERVING] has the session that serves, its connection may be gone (state
 * disconnected); link[NEXT] is the attempt under way. What people see is one state: active while the serving link is
 * connected, else that of the attempt, else the one that is rested in. An attempt is due at one time, whatever it is for. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "p2p/attach_client_internal.h"

#define MOVE_MOST  (600 * ZS_NS_PER_S)	/* a drain that takes longer is none */
#define RETRY_MOST (3600 * ZS_NS_PER_S) /* a relay may ask us to wait, not to go away */

/* --- what is told ----------------------------------------------------------------------------- */

enum zs_attach_state zs_attach_link_view(const struct zs_attach_client *c)
{
	if (zs_attach_link_connected(&c->link[SERVING]) || c->link[SERVING].relieved)
		return ZS_ATTACH_STATE_active;
	return c->link[NEXT].number ? c->link[NEXT].state : c->rest;
}

static void emit(struct zs_attach_client *c, const struct zs_attach_event *event)
{
	c->ops.event(c->ctx, event);
}

static void tell(struct zs_attach_client *c, const char *why)
{
	enum zs_attach_state state = zs_attach_link_view(c);
	bool waits = c->attempt_ns && !c->link[NEXT].number && (state != ZS_ATTACH_STATE_active || why[0]);

	if (state == c->state && !why[0])
		return;
	c->state = state;
	emit(c, &(struct zs_attach_event){ .kind = ZS_ATTACH_EVENT_STATE,
					   .state = state,
					   .why = why,
					   .retry_ns = waits ? c->attempt_ns - c->now : 0,
					   .refusal = c->refusal });
}

void zs_attach_link_saved(struct zs_attach_client *c)
{
	emit(c, &(struct zs_attach_event){ .kind = ZS_ATTACH_EVENT_SAVE });
}

/* --- links ------------------------------------------------------------------------------------ */

struct link *zs_attach_link_find(struct zs_attach_client *c, uint32_t number)
{
	for (int i = 0; i < LINKS && number; i++)
		if (c->link[i].number == number)
			return &c->link[i];
	return NULL;
}

void zs_attach_link_reach(struct zs_attach_client *c, struct link *l, enum zs_attach_state state)
{
	uint64_t within = zs_attach_retry(state)->within_ns;

	l->state = state;
	l->until_ns = within ? c->now + within : 0;
	tell(c, "");
}

void zs_attach_link_end_session(struct zs_attach_client *c, struct link *l)
{
	struct zs_attach_session ended = l->session;

	if (!ended.link)
		return;
	l->session.link = 0;
	emit(c, &(struct zs_attach_event){
		    .kind = ZS_ATTACH_EVENT_ENDED, .link = ended.link, .session = &ended });
	sodium_memzero(&ended, sizeof(ended));
}

void zs_attach_link_forget_connection(struct link *l)
{
	zs_frame_free(&l->frame);
	if (l->hello)
		sodium_memzero(l->hello, l->hello_len);
	free(l->hello);
	l->hello = NULL;
}

void zs_attach_link_drop(struct zs_attach_client *c, struct link *l)
{
	struct link gone = *l;

	sodium_memzero(l, sizeof(*l));
	zs_attach_link_forget_connection(&gone);
	zs_attach_link_end_session(c, &gone);
	sodium_memzero(&gone, sizeof(gone));
}

static struct zs_attach_target take_target(struct zs_attach_client *c)
{
	struct zs_attach_target home = c->config.home;

	if (c->alternatives > 0)
		return c->alternative[--c->alternatives];
	if (!home.at.peer.len)
		home.at.peer = c->memory.home;
	return home;
}

void zs_attach_link_attempt(struct zs_attach_client *c)
{
	struct link *l = &c->link[NEXT];

	c->attempt_ns = 0;
	*l = (struct link){ .number = ++c->numbers, .target = take_target(c) };
	zs_frame_init(&l->frame, ZS_ATTACH_FRAME);
	c->ops.dial(c->ctx, l->number, &l->target);
	zs_attach_link_reach(
	    c, l, l->target.at.host == ZS_DIAL_IP ? ZS_ATTACH_STATE_connecting : ZS_ATTACH_STATE_discovering);
}

/* --- failures --------------------------------------------------------------------------------- */

static uint64_t wait_of(const struct zs_attach_client *c, enum zs_attach_state end, uint64_t spread_ns,
			uint32_t retry_ms)
{
	uint64_t told = retry_ms * ZS_NS_PER_MS,
		 wait = zs_attach_retry_wait(end, c->failures, spread_ns, zs_attach_retry_silence(spread_ns),
					     &c->config.random);

	if (told > RETRY_MOST)
		told = RETRY_MOST;
	/* All who were told the same number must not come back together. */
	return wait >= told ? wait : told + zs_random_below(&c->config.random, told / 2);
}

/* The relay lets go of the old connection as soon as the new one is proven to it, which may be a moment before it is to us. */
static bool is_handed_over(const struct zs_attach_client *c, const struct link *l)
{
	return l == &c->link[SERVING] && l->session.link && c->link[NEXT].session.link;
}

void zs_attach_link_end_all(struct zs_attach_client *c)
{
	for (int i = 0; i < LINKS; i++)
		zs_attach_link_drop(c, &c->link[i]);
	c->rest = ZS_ATTACH_STATE_disconnected;
	tell(c, "");
}

void zs_attach_link_lose(struct zs_attach_client *c, struct link *l, enum zs_attach_state end,
			 uint32_t retry_ms, const char *why)
{
	uint64_t spread = l->session.spread_ns, lease = l->session.lease_ns;

	if (c->detaching) {
		zs_attach_link_end_all(c);
		return;
	}
	if (l->target.learnt && end == ZS_ATTACH_STATE_failed)
		end = ZS_ATTACH_STATE_error; /* says nothing about the others */
	zs_attach_link_forget_connection(l);
	if (is_handed_over(c, l)) {
		l->state = ZS_ATTACH_STATE_disconnected;
		l->until_ns = c->now + lease;
		l->relieved = true;
		return;
	}
	c->link[SERVING].relieved = false;
	c->rest = end;
	c->failures++;
	if (l == &c->link[SERVING] && l->session.link) {
		l->state = ZS_ATTACH_STATE_disconnected;
		l->until_ns = c->now + lease;
	} else {
		zs_attach_link_drop(c, l);
	}
	c->attempt_ns = c->now + wait_of(c, end, spread, retry_ms);
	tell(c, why);
}

void zs_attach_link_give_up(struct zs_attach_client *c, struct link *l, enum zs_attach_state end,
			    uint32_t retry_ms, const char *why)
{
	c->ops.close(c->ctx, l->number, why);
	zs_attach_link_lose(c, l, end, retry_ms, why);
}

void zs_attach_link_too_late(struct zs_attach_client *c, struct link *l)
{
	const struct zs_attach_retry *rule = zs_attach_retry(l->state);
	char why[ZS_ATTACH_WHY];

	if (c->detaching) {
		c->ops.close(c->ctx, l->number, "detached");
		zs_attach_link_end_all(c);
	} else if (!zs_attach_link_connected(l)) {
		zs_attach_link_drop(c, l);
		tell(c, "the lease is over: the relay may give the attachment's ports to others");
	} else {
		snprintf(why, sizeof(why), "%s took over %u s; see whether the relay runs and UDP reaches it",
			 rule->name, (unsigned)(rule->within_ns / ZS_NS_PER_S));
		zs_attach_link_give_up(c, l, ZS_ATTACH_STATE_timeout, 0, why);
	}
}

void zs_attach_link_replace(struct zs_attach_client *c, const struct link *l)
{
	struct link *serving = &c->link[SERVING];

	if (!serving->number || !zs_peer_id_eq(&serving->relay, &l->relay))
		return;
	if (zs_attach_link_connected(serving))
		c->ops.close(c->ctx, serving->number, "the session was replaced");
	zs_attach_link_drop(c, serving);
}

void zs_attach_link_move(struct zs_attach_client *c, const struct link *l, const zs_pb_Notice *notice)
{
	uint64_t in = notice->in_ms * ZS_NS_PER_MS;

	c->alternatives = 0;
	for (pb_size_t i = 0; i < notice->alternatives_count; i++) {
		struct zs_attach_target *to = &c->alternative[c->alternatives], swap;
		struct zs_multiaddr addr;
		uint32_t other;

		*to = (struct zs_attach_target){ .learnt = true };
		if (zs_multiaddr_decode(&addr, notice->alternatives[i].bytes, notice->alternatives[i].size) ||
		    zs_multiaddr_dial(&addr, &to->at) || !to->at.peer.len ||
		    zs_peer_id_eq(&to->at.peer, &l->relay))
			continue;
		other = (uint32_t)zs_random_below(&c->config.random, ++c->alternatives);
		swap = c->alternative[other];
		c->alternative[other] = *to;
		*to = swap;
	}
	if (c->alternatives > 0)
		c->attempt_ns = c->now +
				zs_random_below(&c->config.random, (in < MOVE_MOST ? in : MOVE_MOST) / 2 + 1);
}
