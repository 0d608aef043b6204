/* Dials: which addresses of a peer may be tried, the planner's attempts, and what becomes of them. An
 * attempt still in flight when its dial was settled otherwise may yet succeed: it is a connection as any. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "p2p/host/internal.h"

int zs_host_address(const struct zs_multiaddr *addr, const struct zs_peer_id *peer, struct zs_endpoint *out,
		    struct zs_multiaddr *plain)
{
	struct zs_dial_target target;
	int rc = zs_multiaddr_dial(addr, &target);

	if (rc < 0)
		return rc;
	if (target.host != ZS_DIAL_IP)
		return -EPROTONOSUPPORT;
	if (target.peer.len && !zs_peer_id_eq(&target.peer, peer))
		return -EINVAL;
	*out = (struct zs_endpoint){ .addr = target.addr, .port = target.port };
	if (plain)
		zs_multiaddr_quic(plain, out, NULL);
	return 0;
}

int zs_host_learn(struct zs_host *h, const struct zs_peer_id *peer, const struct zs_multiaddr *addr,
		  enum zs_gater_origin origin, uint64_t now, struct zs_error *err)
{
	char text[ZS_GATER_TEXT];
	struct zs_multiaddr plain;
	struct zs_endpoint at;
	enum zs_special class;
	enum zs_gate gate;
	int rc = zs_host_address(addr, peer, &at, &plain);

	zs_host_tell_time(h, now);
	if (rc < 0)
		return zs_error_set(
		    err, rc, ZS_EXIT_USAGE,
		    rc == -EINVAL ? "not an address of this peer: name it as /ip4/…/udp/…/quic-v1/p2p/…"
				  : "not an address to dial: only /ip4 and /ip6 with /udp/…/quic-v1 are");
	gate = zs_gater_judge(&h->config.gater, &at, origin, &class);
	if (gate != ZS_GATE_OPEN) {
		h->stats.gated++;
		return zs_error_set(err, -EPERM, ZS_EXIT_USAGE, "%s", zs_gate_text(gate, class, &at, text));
	}
	rc = zs_peerstore_learn(h->peerstore, peer, (struct zs_span){ plain.bytes, plain.len },
				origin == ZS_GATER_CONFIGURED ? ZS_KNOWN_PERMANENT : ZS_KNOWN_LEARNT, h->now);
	return rc < 0 ? zs_error_set(err, rc, ZS_EXIT_FAILED, "the peerstore has no room for the address")
		      : 0;
}

static uint32_t candidates(struct zs_host *h, const struct zs_peer_id *peer,
			   struct zs_dial_candidate out[ZS_DIAL_CANDIDATES])
{
	const struct zs_peer_info *info = zs_peerstore_get(h->peerstore, peer, h->now);
	struct zs_multiaddr addr;
	enum zs_special class;
	uint32_t n = 0;

	for (uint32_t i = 0; info && i < info->addresses && n < ZS_DIAL_CANDIDATES; i++) {
		const struct zs_peer_address *a = &info->address[i];
		enum zs_gater_origin origin = a->known == ZS_KNOWN_PERMANENT ? ZS_GATER_CONFIGURED
									     : ZS_GATER_LEARNT;
		out[n] = (struct zs_dial_candidate){ .succeeded_ns = a->succeeded_ns };
		/* Judged again: the policy may be another than when it was learnt. */
		if (zs_multiaddr_decode(&addr, a->bytes, a->len) == 0 &&
		    zs_host_address(&addr, peer, &out[n].endpoint, NULL) == 0 &&
		    zs_gater_judge(&h->config.gater, &out[n].endpoint, origin, &class) == ZS_GATE_OPEN)
			n++;
	}
	return n;
}

static int explain(int rc, uint64_t wait_ns, struct zs_error *err)
{
	switch (rc) {
	case -EADDRNOTAVAIL:
		return zs_error_set(err, rc, ZS_EXIT_FAILED,
				    "no address of the peer is known that may be dialled; name one");
	case -EAGAIN:
		return zs_error_set(err, rc, ZS_EXIT_FAILED,
				    "the peer did not answer lately: next try in %llu s",
				    (unsigned long long)(wait_ns / 1000000000u + 1));
	default:
		return zs_error_set(err, rc, ZS_EXIT_FAILED,
				    "too many peers are being dialled; raise dial.dials or wait");
	}
}

int zs_hdial_begin(struct zs_host *h, const struct zs_peer_id *peer, bool insist, struct zs_error *err)
{
	struct zs_dial_candidate candidate[ZS_DIAL_CANDIDATES];
	uint64_t retry_ns = 0;
	uint32_t dial, slot;
	int rc;

	if (h->down)
		return zs_error_set(err, -ESHUTDOWN, ZS_EXIT_FAILED, "shutting down: nothing is dialled");
	slot = zs_host_peer_get(h, peer);
	if (slot == ZS_PEER_NONE)
		return explain(-EBUSY, 0, err);
	if (h->peer[slot].dialling)
		return 0;
	rc = zs_dial_start(h->dialer, peer, candidate, candidates(h, peer, candidate), insist, h->now, &dial,
			   &retry_ns);
	if (rc < 0) {
		zs_host_peer_put(h, slot);
		return explain(rc, retry_ns > h->now ? retry_ns - h->now : 0, err);
	}
	h->peer[slot].dialling = true;
	h->peer[slot].dial = dial;
	h->stats.dials++;
	return 0;
}

int zs_host_connect(struct zs_host *h, const struct zs_peer_id *peer, bool insist, uint64_t now,
		    struct zs_error *err)
{
	zs_host_tell_time(h, now);
	return zs_host_conn_to(h, peer) ? 0 : zs_hdial_begin(h, peer, insist, err);
}

/* The dial is over; without a connection those who waited learn why. Their upcalls may ask again, which makes
 * a new dial and a place behind them. */
static void finish(struct zs_host *h, const struct zs_peer_id *peer, const char *text)
{
	uint32_t slot = zs_peertable_find(&h->peers, peer), count = 0;
	struct zs_peer_id id = *peer;
	struct zs_host_stream *s;

	if (slot == ZS_PEER_NONE)
		return;
	h->peer[slot].dialling = false;
	TAILQ_FOREACH(s, &h->peer[slot].waiting, link)
	count++;
	zs_host_peer_put(h, slot);
	if (!text)
		return;
	for (; count; count--) {
		slot = zs_peertable_find(&h->peers, &id);
		if (slot == ZS_PEER_NONE || TAILQ_EMPTY(&h->peer[slot].waiting))
			break;
		zs_hstream_fail(TAILQ_FIRST(&h->peer[slot].waiting), ZS_STREAM_UNREACHED, 0, text);
	}
	h->stats.unreached++;
	if (h->ops.unreached)
		h->ops.unreached(h->ctx, &id, text);
}

static void close_others(struct zs_host_conn *winner, uint32_t others)
{
	struct zs_host_conn *c;

	if (!others)
		return;
	TAILQ_FOREACH(c, &winner->host->conns, all)
	if (c != winner && c->dialled && !c->direct && c->state == ZS_HCONN_SHAKING &&
	    c->dial == winner->dial)
		zs_link_close(c, ZS_HOST_SUPPLANTED, zs_host_code_text(ZS_HOST_SUPPLANTED));
}

void zs_hdial_result(struct zs_host_conn *c, bool succeeded, const char *text)
{
	struct zs_host *h = c->host;
	struct zs_multiaddr addr;
	uint32_t others;

	zs_multiaddr_quic(&addr, &c->target, NULL);
	struct zs_span bytes = { addr.bytes, addr.len };
	if (succeeded)
		zs_peerstore_learn(h->peerstore, &c->id, bytes, ZS_KNOWN_CONNECTED, h->now);
	zs_peerstore_dialled(h->peerstore, &c->id, bytes, succeeded, h->now);
	switch (zs_dial_result(h->dialer, c->dial, c->attempt, succeeded, h->now, &others)) {
	case ZS_DIAL_WON:
		close_others(c, others);
		finish(h, &c->id, NULL);
		break;
	case ZS_DIAL_LOST:
		finish(h, &c->id, text);
		break;
	case ZS_DIAL_GOING:
	case ZS_DIAL_STALE:
		break;
	}
}

/* Into the limits and out of the door. */
static int leave(struct zs_host_conn *c, char text[ZS_HOST_TEXT])
{
	struct zs_host *h = c->host;
	struct zs_refusal why;

	c->counted = zs_limits_conn_open(h->limits, &c->limits, ZS_OUT, h->now, &why) == 0;
	if (c->counted && zs_link_dial(c) == 0)
		return 0;
	if (c->counted) {
		strcpy(text, "the endpoint has no room for a connection: raise max_connections");
		return -EBUSY;
	}
	zs_refusal_text(&why, text);
	zs_host_refused_by(h, NULL, &why);
	return -EDQUOT;
}

int zs_host_dial(struct zs_host *h, const struct zs_endpoint *at, const struct zs_peer_id *peer, void *user,
		 uint64_t now, struct zs_host_conn **out, struct zs_error *err)
{
	struct zs_host_conn *c;
	char text[ZS_HOST_TEXT];
	int rc;

	zs_host_tell_time(h, now);
	if (h->down)
		return zs_error_set(err, -ESHUTDOWN, ZS_EXIT_FAILED, "shutting down: nothing is dialled");
	c = zs_hconn_new(h, true);
	if (!c)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	c->direct = true;
	c->target = *at;
	c->user = user;
	if (peer)
		c->id = *peer;
	rc = leave(c, text);
	if (rc < 0) {
		zs_hconn_free(c);
		return zs_error_set(err, rc, ZS_EXIT_FAILED, "%s", text);
	}
	*out = c;
	return 0;
}

static void attempt(struct zs_host *h, const struct zs_dial_attempt *a)
{
	struct zs_host_conn *c = zs_hconn_new(h, true);
	char text[ZS_HOST_TEXT];
	uint32_t others;

	if (!c) {
		if (zs_dial_result(h->dialer, a->dial, a->attempt, false, h->now, &others) == ZS_DIAL_LOST)
			finish(h, &a->peer, "out of memory");
		return;
	}
	c->id = a->peer;
	c->dial = a->dial;
	c->attempt = a->attempt;
	c->target = a->candidate.endpoint;
	if (leave(c, text) == 0)
		return;
	zs_hdial_result(c, false, text);
	zs_hconn_free(c);
}

uint64_t zs_hdial_deadline(const struct zs_host *h)
{
	return zs_dial_count(h->dialer) && !h->down ? zs_dial_deadline(h->dialer, h->now) : UINT64_MAX;
}

void zs_hdial_run(struct zs_host *h)
{
	struct zs_dial_attempt a;

	while (zs_hdial_deadline(h) <= h->now && zs_dial_next(h->dialer, h->now, &a))
		attempt(h, &a);
}
