/* Datagrams of no connection: first Initials, and what is answered without state. An answer is never
 * larger than what it answers (stateless resets are smaller, so that two endpoints cannot play
 * ping-pong), and each kind has its own rate (reply.h). */
#include <errno.h>
#include "base/clock.h"
#include "p2p/quic/internal.h"

#define RESET_MIN 22 /* one less is the smallest reset that looks like a packet */
#define RESET_MAX 43

static uint8_t *room_for(struct zs_quic *q, enum zs_reply_kind kind, const struct zs_udp_datagram *d)
{
	return zs_reply_room(&q->replies, kind, &d->peer.addr, q->now);
}

static void commit(struct zs_quic *q, const struct zs_udp_datagram *to, size_t len, uint64_t *count)
{
	zs_reply_commit(&q->replies, to, len);
	(*count)++;
}

/* Retry's secret outlives the machine's start, the monotonic clock does not. */
static uint64_t wall(struct zs_quic *q)
{
	int64_t s = q->ops.wall(q->ctx);

	return s > 0 ? (uint64_t)s : 0;
}

static void negotiate_version(struct zs_quic *q, const struct zs_udp_datagram *d,
			      const struct zs_quic_head *head)
{
	static const uint32_t versions[] = { ZS_QUIC_VERSION };
	uint8_t unused, *room;
	ngtcp2_ssize n;

	if (d->len < ZS_QUIC_INITIAL || !(room = room_for(q, ZS_REPLY_KIND_version, d)))
		return;
	q->random.fill(q->random.ctx, &unused, 1);
	n = ngtcp2_pkt_write_version_negotiation(room, ZS_REPLY, unused, head->scid, head->scid_len,
						 head->dcid, head->dcid_len, versions, 1);
	if (n > 0)
		commit(q, d, (size_t)n, &q->stats.versions);
}

static void reset(struct zs_quic *q, const struct zs_udp_datagram *d, const struct zs_quic_head *head)
{
	uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], noise[RESET_MAX], *room;
	size_t len = d->len - 1 < RESET_MAX ? d->len - 1 : RESET_MAX;
	ngtcp2_ssize n;
	ngtcp2_cid cid;

	if (d->len < RESET_MIN || !(room = room_for(q, ZS_REPLY_KIND_reset, d)))
		return;
	ngtcp2_cid_init(&cid, head->dcid, ZS_QUIC_CID);
	zs_quic_reset_token(&q->tokens, &cid, token);
	q->random.fill(q->random.ctx, noise, sizeof(noise));
	n = ngtcp2_pkt_write_stateless_reset(room, ZS_REPLY, token, noise, len - sizeof(token));
	if (n > 0)
		commit(q, d, (size_t)n, &q->stats.resets);
}

void zs_quic_retry(struct zs_quic *q, const struct zs_udp_datagram *d, const ngtcp2_pkt_hd *hd)
{
	const ngtcp2_crypto_aead_ctx key = { .native_handle = q->retry_key };
	uint8_t token[ZS_RETRY_TOKEN], *room = room_for(q, ZS_REPLY_KIND_retry, d);
	ngtcp2_crypto_ctx ctx;
	ngtcp2_ssize n;
	ngtcp2_cid scid;

	if (!room)
		return;
	zs_quic_initial_ctx(&ctx);
	zs_quic_new_cid(q, &scid);
	size_t len = zs_quic_retry_make(&q->tokens, &q->random, &d->peer, &scid, &hd->dcid, wall(q), token);
	n = ngtcp2_pkt_write_retry(room, ZS_REPLY, hd->version, &hd->scid, &scid, &hd->dcid, token, len,
				   zs_quic_seal, &ctx.aead, &key);
	if (len && n > 0)
		commit(q, d, (size_t)n, &q->stats.retries);
}

/* CONNECTION_CLOSE in an Initial of its own. */
static void refuse(struct zs_quic *q, const struct zs_udp_datagram *d, const ngtcp2_pkt_hd *hd, uint64_t code,
		   const char *reason)
{
	struct zs_quic_keys rx, tx;
	ngtcp2_crypto_ctx ctx;
	ngtcp2_ssize n;
	uint8_t *room = room_for(q, ZS_REPLY_KIND_close, d);

	q->stats.refused++;
	if (!room || !zs_quic_initial_keys(&hd->dcid, true, &rx, &tx))
		return;
	zs_quic_initial_ctx(&ctx);
	n = ngtcp2_pkt_write_connection_close(room, ZS_REPLY, hd->version, &hd->scid, &hd->dcid, code,
					      (const uint8_t *)reason, strlen(reason), zs_quic_seal,
					      &ctx.aead, &tx.aead, tx.iv, zs_quic_mask, &ctx.hp, &tx.hp);
	zs_quic_keys_free(&rx);
	zs_quic_keys_free(&tx);
	if (n > 0)
		commit(q, d, (size_t)n, &q->stats.closes);
}

static enum zs_quic_verdict judge(struct zs_quic *q, const struct zs_udp_datagram *d, bool validated)
{
	const struct zs_quic_config *c = &q->config;
	const struct zs_quic_incoming in = { &d->peer, &d->local, validated, q->stats.handshakes,
					     q->stats.connections };
	enum zs_quic_verdict verdict;

	if (in.connections >= c->max_connections || in.handshakes >= c->max_handshakes)
		return validated || in.handshakes < c->max_handshakes ? ZS_QUIC_REFUSE : ZS_QUIC_DROP;
	if (!validated && in.handshakes >= c->retry_above)
		return ZS_QUIC_RETRY;
	verdict = q->ops.incoming(q->ctx, &in);
	return verdict == ZS_QUIC_RETRY && validated ? ZS_QUIC_ACCEPT : verdict;
}

static struct zs_quic_conn *admit(struct zs_quic *q, const struct zs_udp_datagram *d, const ngtcp2_pkt_hd *hd,
				  const ngtcp2_cid *retried)
{
	const struct zs_conn_start start = { .first = d, .initial = hd, .retried = retried };
	struct zs_quic_conn *conn;

	if (zs_conn_new(q, &start, &conn) < 0) {
		q->stats.dropped++;
		return NULL;
	}
	q->stats.accepted++;
	if (q->ops.accepted)
		q->ops.accepted(q->ctx, conn);
	return conn;
}

static struct zs_quic_conn *first_initial(struct zs_quic *q, const struct zs_udp_datagram *d)
{
	struct zs_quic_conn *conn = NULL;
	ngtcp2_cid odcid;
	ngtcp2_pkt_hd hd;
	int token;

	if (ngtcp2_accept(&hd, d->data, d->len) != 0) {
		q->stats.rx_unknown++;
		return NULL;
	}
	token = hd.tokenlen ? zs_quic_retry_check(&q->tokens, hd.token, hd.tokenlen, &d->peer, &hd.dcid,
						  wall(q), q->config.retry_ns / ZS_NS_PER_S, &odcid)
			    : -1;
	/* A token that is not one of ours (a NEW_TOKEN of another life) counts as none, RFC 9000 §8.1.3. */
	if (hd.tokenlen && token == -EACCES) {
		refuse(q, d, &hd, NGTCP2_INVALID_TOKEN, "Retry token is not valid here or has expired");
		return NULL;
	}
	switch (judge(q, d, token == 0)) {
	case ZS_QUIC_RETRY:
		zs_quic_retry(q, d, &hd);
		break;
	case ZS_QUIC_REFUSE:
		refuse(q, d, &hd, NGTCP2_CONNECTION_REFUSED, "connection refused: limit reached, try later");
		break;
	case ZS_QUIC_DROP:
		q->stats.dropped++;
		break;
	case ZS_QUIC_ACCEPT:
		conn = admit(q, d, &hd, token == 0 ? &odcid : NULL);
	}
	return conn;
}

struct zs_quic_conn *zs_quic_stray(struct zs_quic *q, const struct zs_udp_datagram *d,
				   const struct zs_quic_head *head)
{
	const uint8_t *bytes = d->data;

	if (head->is_long && head->version == ZS_QUIC_VERSION)
		return first_initial(q, d);
	q->stats.rx_unknown++;
	if (head->is_long && head->version)
		negotiate_version(q, d, head);
	else if (!head->is_long && d->len > NGTCP2_STATELESS_RESET_TOKENLEN) {
		const struct zs_cid_entry *e = zs_cids_find(&q->cids, true,
							    bytes + d->len - NGTCP2_STATELESS_RESET_TOKENLEN,
							    NGTCP2_STATELESS_RESET_TOKENLEN);
		if (e)
			zs_conn_reset(e->owner);
		else
			reset(q, d, head);
	}
	return NULL;
}
