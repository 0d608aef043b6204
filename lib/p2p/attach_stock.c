/* Connection IDs over the control connection: the pool is refilled on the serving session's connection, one request at a
 * time; those for dials are asked for by whoever dials. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "p2p/attach_client_internal.h"

#define PAUSE_NS (10 * ZS_NS_PER_S) /* after a refusal that says no time, and at most for an answer */

static bool can_ask(const struct zs_attach_client *c)
{
	const struct link *l = &c->link[SERVING];

	return l->number && zs_attach_link_connected(l) && !c->detaching;
}

static int64_t ask(struct zs_attach_client *c, const struct zs_peer_id *peer, uint32_t count)
{
	struct link *l = &c->link[SERVING];
	struct zs_attach_frame f = { .kind = ZS_ATTACH_CID_ASK, .cid_ask = { .count = count } };

	f.id = ++l->last_id;
	if (peer) {
		f.cid_ask.peer.size = peer->len;
		memcpy(f.cid_ask.peer.bytes, peer->bytes, peer->len);
	}
	zs_attach_link_send(c, l, &f);
	return (int64_t)f.id;
}

/* Is the pool that link's? Another attachment may have been granted that is not proven yet. */
static bool owns(const struct zs_attach_client *c, const struct link *l)
{
	const struct zs_attach_cids *pool = &c->stock.pool;

	return pool->attachment == l->session.attachment && pool->generation == l->session.generation &&
	       zs_peer_id_eq(&pool->relay, &l->relay);
}

/* Of this attachment, still without an answer that may come. */
static bool waits(const struct zs_attach_client *c)
{
	return c->stock.asked && c->stock.link == c->link[SERVING].number && c->now < c->stock.until_ns;
}

static bool wants(const struct zs_attach_client *c)
{
	return c->config.cids && can_ask(c) && owns(c, &c->link[SERVING]) &&
	       zs_attach_cids_want(&c->stock.pool);
}

void zs_attach_stock_fill(struct zs_attach_client *c)
{
	if (!wants(c) || waits(c) || (!c->stock.asked && c->now < c->stock.until_ns))
		return;
	c->stock.link = c->link[SERVING].number;
	c->stock.until_ns = c->now + PAUSE_NS;
	c->stock.asked = (uint64_t)ask(c, NULL, zs_attach_cids_want(&c->stock.pool));
}

uint64_t zs_attach_stock_due(const struct zs_attach_client *c)
{
	return wants(c) ? c->stock.until_ns : UINT64_MAX;
}

void zs_attach_stock_owner(struct zs_attach_client *c, const struct link *l)
{
	zs_attach_cids_owner(&c->stock.pool, &l->relay, l->session.attachment, l->session.generation);
}

void zs_attach_stock_came(struct zs_attach_client *c, const struct link *l, uint64_t id,
			  const zs_pb_Cids *cids)
{
	if (cids->peer.size == 0 && owns(c, l))
		zs_attach_cids_add(&c->stock.pool, cids);
	if (c->stock.asked && id == c->stock.asked && l->number == c->stock.link) {
		c->stock.asked = 0;
		c->stock.until_ns = wants(c) ? c->now + PAUSE_NS
					     : 0; /* too few of them: a relay that has none */
	}
	zs_attach_stock_fill(c);
}

void zs_attach_stock_refused(struct zs_attach_client *c, const struct link *l, uint64_t id, uint32_t retry_ms)
{
	if (!c->stock.asked || id != c->stock.asked || l->number != c->stock.link)
		return;
	c->stock.asked = 0;
	c->stock.until_ns = c->now + (retry_ms ? retry_ms * ZS_NS_PER_MS : PAUSE_NS);
}

bool zs_attach_client_take_cid(struct zs_attach_client *c, uint8_t cid[ZS_ATTACH_CID], uint64_t *expires_s,
			       uint64_t now, uint64_t wall_s)
{
	bool found = zs_attach_cids_take(&c->stock.pool, wall_s, cid, expires_s);

	if (now > c->now)
		c->now = now;
	zs_attach_stock_fill(c);
	return found;
}

int64_t zs_attach_client_ask_cids(struct zs_attach_client *c, const struct zs_peer_id *callee, uint32_t count,
				  uint64_t now)
{
	if (now > c->now)
		c->now = now;
	if (!count || count > ZS_ATTACH_CIDS || !callee->len)
		return -EINVAL;
	return can_ask(c) ? ask(c, callee, count) : -ENOTCONN;
}
