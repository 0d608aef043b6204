/* Two hosts that dial each other at once have two connections. Both ends drop the same one: the smaller
 * peer id's dial is kept. Marked when the second comes up; new streams go to the other from then on, and it is
 * closed by whichever end first finds it at rest: both identified, no streams but the host's own.
 *
 * A later connection is no accident and stays, so does one of our zs_host_dial(). */
#include "base/clock.h"
#include "p2p/host/internal.h"

#define AT_ONCE_NS                                                                                           \
	(10 * ZS_NS_PER_S)    /* a dial's time on a bad network: how far apart the two come up at most */
#define SETTLE_NS ZS_NS_PER_S /* for what the peer began before it saw the second */

static int compare(const struct zs_peer_id *a, const struct zs_peer_id *b)
{
	return a->len != b->len ? a->len - b->len : memcmp(a->bytes, b->bytes, a->len);
}

static bool is_good(const struct zs_host_conn *c)
{
	return c->announced && !c->leaving && !c->limited && !c->direct;
}

/* The newest of those that the other side dialled, or we if it dialled this one. */
static struct zs_host_conn *counterpart(const struct zs_host_conn *c)
{
	struct zs_host_conn *other;

	TAILQ_FOREACH(other, &c->host->peer[c->peer].conns, same)
	if (other->dialled != c->dialled && !other->surplus && is_good(other))
		return other;
	return NULL;
}

void zs_hsurplus_mark(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	struct zs_host_conn *other = counterpart(c);
	bool keep_ours = compare(&h->id, &c->id) < 0;

	if (!other || !is_good(c) || c->since_ns - other->since_ns > AT_ONCE_NS)
		return;
	if (c->dialled == keep_ours)
		c = other;
	c->surplus = true;
	TAILQ_INSERT_TAIL(&h->surplus, c, surplus_link);
}

void zs_hsurplus_forget(struct zs_host_conn *c)
{
	if (c->surplus)
		TAILQ_REMOVE(&c->host->surplus, c, surplus_link);
	c->surplus = false;
}

/* Identify, its push and ping were registered by the host itself. */
static bool has_users(const struct zs_host_conn *c)
{
	const struct zs_host_stream *s;

	TAILQ_FOREACH(s, &c->streams, link)
	if (!s->protocol || s->protocol >= c->host->protocol + c->host->own_protocols)
		return true;
	return !TAILQ_EMPTY(&c->waiting);
}

void zs_hsurplus_drop(struct zs_host *h)
{
	struct zs_host_conn *c, *next, *other;

	for (c = TAILQ_FIRST(&h->surplus); c; c = next) {
		next = TAILQ_NEXT(c, surplus_link);
		other = counterpart(c);
		if (!other || !is_good(c)) {
			zs_hsurplus_forget(c);
		} else if (c->identified && other->identified && !has_users(c) &&
			   h->now - c->since_ns >= SETTLE_NS && h->now - other->since_ns >= SETTLE_NS) {
			zs_hsurplus_forget(c);
			zs_host_close(c, ZS_HOST_SUPPLANTED, NULL);
		}
	}
}
