/* What the owner reports, and the client's life. */
#include "p2p/attach_client.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/attach_client_internal.h"

#define DETACH_NS   (1 * ZS_NS_PER_S) /* for Detach to arrive */
#define RENEW_SHARE 8 /* a fresh session is begun between 6 and 7 eighths of its life: room for retries */

static void look(struct zs_attach_client *c, uint64_t now)
{
	if (now > c->now)
		c->now = now;
}

/* --- reports ---------------------------------------------------------------------------------- */

void zs_attach_client_resolved(struct zs_attach_client *c, uint32_t number, uint64_t now)
{
	struct link *l = zs_attach_link_find(c, number);

	look(c, now);
	if (l && l->state == ZS_ATTACH_STATE_discovering)
		zs_attach_link_reach(c, l, ZS_ATTACH_STATE_connecting);
}

void zs_attach_client_closed(struct zs_attach_client *c, uint32_t number, enum zs_attach_state end,
			     const char *why, uint64_t now)
{
	struct link *l = zs_attach_link_find(c, number);

	look(c, now);
	if (l && zs_attach_link_connected(l))
		zs_attach_link_lose(c, l, l == &c->link[SERVING] ? ZS_ATTACH_STATE_lost : end, 0, why);
}

static void trust(struct zs_attach_client *c, struct link *l, const struct zs_peer_id *peer)
{
	l->target.at.peer = *peer;
	c->memory.home = *peer;
	zs_attach_link_saved(c);
}

void zs_attach_client_connected(struct zs_attach_client *c, uint32_t number, const struct zs_peer_id *peer,
				const char *group, uint64_t now)
{
	struct link *l = zs_attach_link_find(c, number);

	look(c, now);
	if (!l || (l->state != ZS_ATTACH_STATE_connecting && l->state != ZS_ATTACH_STATE_discovering))
		return;
	if (l->target.at.peer.len && !zs_peer_id_eq(&l->target.at.peer, peer)) {
		zs_attach_link_give_up(c, l, ZS_ATTACH_STATE_failed, 0,
				       "another peer than the relay answers there; if the relay has a new "
				       "identity on purpose, give its new peer id");
		return;
	}
	l->relay = *peer;
	snprintf(l->session.group, sizeof(l->session.group), "%s", group);
	if (!l->target.at.peer.len)
		trust(c, l, peer);
	c->ops.open(c->ctx, number);
	zs_attach_link_reach(c, l, ZS_ATTACH_STATE_connected);
}

void zs_attach_client_opened(struct zs_attach_client *c, uint32_t number, uint64_t now)
{
	struct link *l = zs_attach_link_find(c, number);

	look(c, now);
	if (l && l->state == ZS_ATTACH_STATE_connected && l->last_id == 0)
		zs_attach_link_hello(c, l);
}

void zs_attach_client_bytes(struct zs_attach_client *c, uint32_t number, const void *bytes, size_t len,
			    uint64_t now)
{
	look(c, now);
	zs_attach_link_read(c, number, bytes, len);
}

void zs_attach_client_proved(struct zs_attach_client *c, uint32_t number, uint64_t now)
{
	struct link *next = &c->link[NEXT], *serving = &c->link[SERVING];
	uint64_t share = c->config.session_ns / RENEW_SHARE;

	look(c, now);
	if (!number || next->number != number || !next->session.link || c->detaching)
		return;
	struct link old = *serving;
	*serving = *next;
	sodium_memzero(next, sizeof(*next));
	c->failures = 0;
	if (serving->target.learnt)
		c->alternatives = 0; /* moved */
	if (c->alternatives == 0)    /* else a drain is under way: that attempt stays due */
		c->attempt_ns = c->now + (RENEW_SHARE - 2) * share +
				zs_random_below(&c->config.random, share);
	if (zs_attach_link_connected(&old))
		c->ops.close(c->ctx, old.number, "a fresh session serves");
	if (old.number)
		zs_attach_link_drop(c, &old);
	zs_attach_link_reach(c, serving, ZS_ATTACH_STATE_active);
	zs_attach_stock_fill(c);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool publish_ok(const struct zs_attach_client_config *config)
{
	if (config->publishes > ZS_ATTACH_PUBLISHED ||
	    (config->publishes && config->mode != ZS_ATTACH_MODE_tunnel))
		return false;
	for (uint32_t i = 0; i < config->publishes; i++) {
		struct zs_attach_frame f = { .kind = ZS_ATTACH_PUBLISH };

		snprintf(f.publish.name, sizeof(f.publish.name), "%s", config->publish[i].name);
		f.publish.protection = config->publish[i].protection;
		if (!zs_attach_check(&f))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(config->publish[i].name, config->publish[j].name))
				return false;
	}
	return true;
}

static bool config_ok(const struct zs_attach_client_config *config)
{
	return (config->mode == ZS_ATTACH_MODE_tunnel || config->mode == ZS_ATTACH_MODE_socket) &&
	       config->token_len <= sizeof(((struct zs_attach_client *)0)->token) &&
	       config->psk_id_len <= sizeof(((struct zs_attach_client *)0)->psk_id) &&
	       !(config->psk && sodium_is_zero(config->psk, PSK)) && publish_ok(config);
}

static const void *keep(void *copy, const void *bytes, size_t len)
{
	if (len)
		memcpy(copy, bytes, len);
	return len ? copy : NULL;
}

int zs_attach_client_new(struct zs_attach_client **out, const struct zs_attach_client_config *config,
			 const struct zs_attach_client_ops *ops, void *ctx)
{
	struct zs_attach_client *c;

	if (!config_ok(config))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->config.token = keep(c->token, config->token, config->token_len);
	c->config.psk_id = keep(c->psk_id, config->psk_id, config->psk_id_len);
	c->config.psk = keep(c->psk, config->psk, config->psk ? PSK : 0);
	c->config.publish = keep(c->publish, config->publish, config->publishes * sizeof(*config->publish));
	if (!c->config.session_ns)
		c->config.session_ns = ZS_ATTACH_SESSION_NS;
	c->ops = *ops;
	c->ctx = ctx;
	*out = c;
	return 0;
}

void zs_attach_client_delete(struct zs_attach_client *c)
{
	if (!c)
		return;
	for (int i = 0; i < LINKS; i++)
		zs_attach_link_forget_connection(&c->link[i]);
	sodium_memzero(c, sizeof(*c));
	free(c);
}

int zs_attach_client_restore(struct zs_attach_client *c, const void *bytes, size_t len)
{
	return zs_attach_memory_load(&c->memory, bytes, len);
}

size_t zs_attach_client_memory(const struct zs_attach_client *c, uint8_t out[ZS_ATTACH_MEMORY])
{
	return zs_attach_memory_save(&c->memory, out);
}

void zs_attach_client_start(struct zs_attach_client *c, uint64_t now)
{
	look(c, now);
	if (!c->link[NEXT].number && !c->link[SERVING].number)
		zs_attach_link_attempt(c);
}

void zs_attach_client_detach(struct zs_attach_client *c, uint64_t now)
{
	struct link *serving = &c->link[SERVING], *next = &c->link[NEXT], *says = NULL;

	look(c, now);
	if (c->detaching)
		return;
	c->detaching = true;
	c->attempt_ns = 0;
	if (zs_attach_link_connected(serving))
		says = serving;
	else if (next->number && next->session.link)
		says = next;
	if (next->number && next != says)
		c->ops.close(c->ctx, next->number, "detached");
	if (!says) {
		zs_attach_link_end_all(c);
		return;
	}
	zs_attach_link_detach(c, says);
	says->until_ns = c->now + DETACH_NS;
	zs_attach_link_drop(c, says == serving ? next : serving);
}

uint64_t zs_attach_client_deadline(const struct zs_attach_client *c)
{
	uint64_t at = c->attempt_ns && !c->link[NEXT].number ? c->attempt_ns : UINT64_MAX;

	for (int i = 0; i < LINKS; i++)
		if (c->link[i].number && c->link[i].until_ns && c->link[i].until_ns < at)
			at = c->link[i].until_ns;
	return at < zs_attach_stock_due(c) ? at : zs_attach_stock_due(c);
}

void zs_attach_client_advance(struct zs_attach_client *c, uint64_t now)
{
	look(c, now);
	for (int i = 0; i < LINKS; i++)
		if (c->link[i].number && c->link[i].until_ns && c->link[i].until_ns <= c->now)
			zs_attach_link_too_late(c, &c->link[i]);
	if (c->attempt_ns && c->attempt_ns <= c->now && !c->link[NEXT].number)
		zs_attach_link_attempt(c);
	zs_attach_stock_fill(c);
}

enum zs_attach_state zs_attach_client_state(const struct zs_attach_client *c)
{
	return zs_attach_link_view(c);
}

const struct zs_attach_session *zs_attach_client_session(const struct zs_attach_client *c)
{
	return c->link[SERVING].number ? &c->link[SERVING].session : NULL;
}

void zs_attach_client_check(const struct zs_attach_client *c)
{
	const struct link *s = &c->link[SERVING], *n = &c->link[NEXT];

	ZS_CHECK(!s->number || s->session.link == s->number);
	ZS_CHECK(!s->number || s->state == ZS_ATTACH_STATE_active ||
		 (s->state == ZS_ATTACH_STATE_disconnected && !s->hello && s->until_ns));
	ZS_CHECK(!n->number || (n->state >= ZS_ATTACH_STATE_discovering &&
				n->state <= ZS_ATTACH_STATE_authenticated && n->until_ns));
	ZS_CHECK(!n->number || (n->session.link != 0) == (n->state == ZS_ATTACH_STATE_authenticated));
	ZS_CHECK(!s->number || !n->number || s->session.own_receiver != n->session.own_receiver ||
		 !n->session.own_receiver);
	ZS_CHECK(s->number <= c->numbers && n->number <= c->numbers &&
		 (!n->number || n->number != s->number));
	/* Whoever is not detaching and has begun always has something to come. */
	ZS_CHECK(c->numbers == 0 || c->detaching || n->number || c->attempt_ns);
	ZS_CHECK(c->state == zs_attach_link_view(c));
}
