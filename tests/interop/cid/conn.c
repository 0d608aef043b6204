/* Connections: every connection ID of ours is minted, 17 bytes, from the stock: source IDs, those of NEW_CONNECTION_ID, a
 * Retry's; the first destination ID of a dial is one that was minted for it alone. The path that ngtcp2 sees is always the same,
 * whatever our socket does: behind the relay there is but one. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "interop/cid/cidpeer.h"
#include "net/quic.h"

#define ACTIVE_CIDS 4
#define IDLE_NS	    (30 * ZS_NS_PER_S)
#define PIECES	    8

struct path {
	struct sockaddr_in6 local, remote;
	ngtcp2_path path;
};

static void path_of(struct path *p, const struct zs_endpoint *remote)
{
	*p = (struct path){ .local = { .sin6_family = AF_INET6, .sin6_port = 1 },
			    .remote = { .sin6_family = AF_INET6, .sin6_port = htons(remote->port) } };
	memcpy(&p->remote.sin6_addr, remote->addr.ip, 16);
	p->path = (ngtcp2_path){ .local = { (struct sockaddr *)&p->local, sizeof(p->local) },
				 .remote = { (struct sockaddr *)&p->remote, sizeof(p->remote) } };
}

void conn_fail(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	if (c->dead)
		return;
	c->dead = true;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
}

/* --- connection IDs --------------------------------------------------------------------------- */

static bool route_add(struct conn *c, const uint8_t *cid)
{
	struct program *p = c->p;

	if (p->routes == ROUTES)
		return false;
	p->route[p->routes].conn = c;
	memcpy(p->route[p->routes++].cid, cid, ZS_BIND_CID);
	return true;
}

static struct conn *route_find(const struct program *p, const uint8_t *cid)
{
	for (uint32_t i = 0; i < p->routes; i++)
		if (!memcmp(p->route[i].cid, cid, ZS_BIND_CID))
			return p->route[i].conn;
	return NULL;
}

/* cid NULL: all of the connection's. */
static void route_remove(struct conn *c, const uint8_t *cid)
{
	struct program *p = c->p;

	for (uint32_t i = p->routes; i-- > 0;)
		if (p->route[i].conn == c && (!cid || !memcmp(p->route[i].cid, cid, ZS_BIND_CID)))
			p->route[i] = p->route[--p->routes];
}

static bool new_cid(struct conn *c, ngtcp2_cid *out)
{
	uint8_t cid[ZS_BIND_CID];

	if (!draw_own(c->p, cid) || !route_add(c, cid))
		return false;
	ngtcp2_cid_init(out, cid, sizeof(cid));
	return true;
}

static int get_new_connection_id(ngtcp2_conn *ng, ngtcp2_cid *cid, uint8_t *token, size_t len, void *user)
{
	struct conn *c = user;

	c->p->random.fill(c->p->random.ctx, token, NGTCP2_STATELESS_RESET_TOKENLEN);
	return len == ZS_BIND_CID && new_cid(c, cid) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int remove_connection_id(ngtcp2_conn *ng, const ngtcp2_cid *cid, void *user)
{
	route_remove(user, cid->data);
	return 0;
}

/* --- small callbacks -------------------------------------------------------------------------- */

static void rand_bytes(uint8_t *dest, size_t len, const ngtcp2_rand_ctx *ctx)
{
	const struct zs_random *random = ctx->native_handle;

	random->fill(random->ctx, dest, len);
}

static int path_challenge_data(ngtcp2_conn *ng, uint8_t *data, void *user)
{
	struct conn *c = user;

	c->p->random.fill(c->p->random.ctx, data, NGTCP2_PATH_CHALLENGE_DATALEN);
	return 0;
}

static int handshake_completed(ngtcp2_conn *ng, void *user)
{
	struct conn *c = user;

	c->ready = true;
	c->p->accepted += !c->client;
	return 0;
}

static void free_aead(ngtcp2_conn *ng, ngtcp2_crypto_aead_ctx *ctx, void *user)
{
	const struct conn *c = user;

	if (ctx->native_handle != c->p->retry_key)
		EVP_AEAD_CTX_free(ctx->native_handle);
	ctx->native_handle = NULL;
}

static const ngtcp2_callbacks callbacks = {
	.client_initial = tls_client_initial,
	.recv_client_initial = tls_recv_client_initial,
	.recv_crypto_data = tls_recv_crypto,
	.recv_retry = tls_recv_retry,
	.handshake_completed = handshake_completed,
	.encrypt = zs_quic_seal,
	.decrypt = zs_quic_unseal,
	.hp_mask = zs_quic_mask,
	.update_key = zs_quic_update_key,
	.delete_crypto_aead_ctx = free_aead,
	.delete_crypto_cipher_ctx = zs_quic_free_hp,
	.rand = rand_bytes,
	.get_path_challenge_data = path_challenge_data,
	.get_new_connection_id = get_new_connection_id,
	.remove_connection_id = remove_connection_id,
	.stream_open = stream_on_open,
	.recv_stream_data = stream_on_data,
	.acked_stream_data_offset = stream_on_acked,
	.stream_close = stream_on_close,
};

/* --- birth and death -------------------------------------------------------------------------- */

static void settle(struct program *p, ngtcp2_settings *s, ngtcp2_transport_params *t)
{
	ngtcp2_settings_default(s);
	s->initial_ts = zs_loop_now(p->loop);
	s->max_tx_udp_payload_size = DATAGRAM;
	s->rand_ctx.native_handle = &p->random;
	ngtcp2_transport_params_default(t);
	t->initial_max_data = 8 << 20;
	t->initial_max_stream_data_bidi_local = t->initial_max_stream_data_bidi_remote = 1 << 20;
	t->initial_max_streams_bidi = 16;
	t->max_idle_timeout = IDLE_NS;
	t->active_connection_id_limit = ACTIVE_CIDS;
}

static struct conn *conn_new(struct program *p, const struct zs_endpoint *remote, bool client)
{
	struct conn *c = p->conns < CONNS ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	*c = (struct conn){ .p = p, .remote = *remote, .client = client };
	p->conn[p->conns++] = c;
	return c;
}

void conn_delete(struct conn *c)
{
	struct program *p = c->p;

	route_remove(c, NULL);
	streams_free(c);
	ngtcp2_conn_del(c->ng);
	SSL_free(c->ssl);
	for (uint32_t i = 0; i < p->conns; i++)
		if (p->conn[i] == c)
			p->conn[i] = NULL;
	while (p->conns && !p->conn[p->conns - 1])
		p->conns--;
	free(c);
}

struct conn *conn_dial(struct program *p, const struct zs_endpoint *to, const uint8_t first[ZS_BIND_CID])
{
	struct conn *c = conn_new(p, to, true);
	ngtcp2_transport_params t;
	ngtcp2_settings s;
	ngtcp2_cid scid, dcid;
	struct path path;

	if (!c)
		return NULL;
	settle(p, &s, &t);
	path_of(&path, to);
	ngtcp2_cid_init(&dcid, first, ZS_BIND_CID);
	if (new_cid(c, &scid) &&
	    ngtcp2_conn_client_new(&c->ng, &dcid, &scid, &path.path, NGTCP2_PROTO_VER_V1, &callbacks, &s, &t,
				   NULL, c) == 0 &&
	    tls_begin(c)) {
		ngtcp2_conn_set_keep_alive_timeout(c->ng, 5 * ZS_NS_PER_S);
		return c;
	}
	conn_delete(c);
	return NULL;
}

static struct conn *conn_accept(struct program *p, const struct zs_udp_datagram *d, const ngtcp2_pkt_hd *hd,
				const ngtcp2_cid *odcid)
{
	struct conn *c = conn_new(p, &d->peer, false);
	ngtcp2_transport_params t;
	ngtcp2_settings s;
	ngtcp2_cid scid;
	struct path path;

	if (!c)
		return NULL;
	settle(p, &s, &t);
	path_of(&path, &d->peer);
	t.original_dcid = odcid ? *odcid : hd->dcid;
	t.original_dcid_present = 1;
	t.retry_scid = hd->dcid;
	t.retry_scid_present = odcid != NULL;
	if (odcid) {
		s.token = hd->token;
		s.tokenlen = hd->tokenlen;
		s.token_type = NGTCP2_TOKEN_TYPE_RETRY;
	}
	if (new_cid(c, &scid) && route_add(c, hd->dcid.data) &&
	    ngtcp2_conn_server_new(&c->ng, &hd->scid, &scid, &path.path, hd->version, &callbacks, &s, &t,
				   NULL, c) == 0 &&
	    tls_begin(c))
		return c;
	conn_delete(c);
	return NULL;
}

static void send_retry(struct program *p, const struct zs_udp_datagram *d, const ngtcp2_pkt_hd *hd)
{
	const ngtcp2_crypto_aead_ctx key = { .native_handle = p->retry_key };
	uint8_t token[ZS_RETRY_TOKEN], bytes[256], cid[ZS_BIND_CID];
	ngtcp2_crypto_ctx ctx;
	ngtcp2_cid scid;
	ngtcp2_ssize n;
	size_t len;

	if (!draw_own(p, cid))
		return;
	ngtcp2_cid_init(&scid, cid, sizeof(cid));
	zs_quic_initial_ctx(&ctx);
	len = zs_quic_retry_make(&p->tokens, &p->random, &d->peer, &scid, &hd->dcid,
				 zs_clock_wall_ns() / ZS_NS_PER_S, token);
	n = ngtcp2_pkt_write_retry(bytes, sizeof(bytes), hd->version, &hd->scid, &scid, &hd->dcid, token, len,
				   zs_quic_seal, &ctx.aead, &key);
	if (n > 0) {
		p->retries++;
		wire_send(p, bytes, (size_t)n, &d->peer);
	}
}

/* A first Initial; anything else of nobody's is counted. */
static struct conn *stray(struct program *p, const struct zs_udp_datagram *d)
{
	ngtcp2_cid odcid;
	ngtcp2_pkt_hd hd;

	if (ngtcp2_accept(&hd, d->data, d->len) != 0 || hd.dcid.datalen != ZS_BIND_CID) {
		p->strays++;
		return NULL;
	}
	if (!p->retry)
		return conn_accept(p, d, &hd, NULL);
	if (!hd.tokenlen) {
		send_retry(p, d, &hd);
		return NULL;
	}
	if (zs_quic_retry_check(&p->tokens, hd.token, hd.tokenlen, &d->peer, &hd.dcid,
				zs_clock_wall_ns() / ZS_NS_PER_S, 10, &odcid)) {
		p->strays++;
		return NULL;
	}
	return conn_accept(p, d, &hd, &odcid);
}

/* --- packets ---------------------------------------------------------------------------------- */

static void judge(struct conn *c, int rv)
{
	if (rv == NGTCP2_ERR_DRAINING || rv == NGTCP2_ERR_CLOSING)
		conn_fail(c, "closed by the peer");
	else if (rv == NGTCP2_ERR_CRYPTO)
		conn_fail(c, "TLS alert %u", ngtcp2_conn_get_tls_alert(c->ng));
	else if (rv)
		conn_fail(c, "%s", ngtcp2_strerror(rv));
}

void conn_datagram(struct program *p, const struct zs_udp_datagram *d)
{
	struct zs_quic_head head;
	struct conn *c = NULL;
	struct path path;

	if (!zs_quic_read(d->data, d->len, ZS_BIND_CID, &head))
		return;
	if (head.dcid_len == ZS_BIND_CID)
		c = route_find(p, head.dcid);
	if (!c)
		c = stray(p, d);
	if (!c || c->dead)
		return;
	path_of(&path, &c->remote);
	judge(c, ngtcp2_conn_read_pkt(c->ng, &path.path, NULL, d->data, d->len, zs_loop_now(p->loop)));
}

void conn_expire(struct conn *c, uint64_t now)
{
	if (!c->dead && ngtcp2_conn_get_expiry(c->ng) <= now)
		judge(c, ngtcp2_conn_handle_expiry(c->ng, now));
}

static struct stream *with_something(const struct conn *c, const struct stream *stuck)
{
	for (struct stream *s = c->streams; s; s = s->next)
		if (s != stuck && (s->out.sent < s->out.written || (s->fin && !s->fin_sent)))
			return s;
	return NULL;
}

/* One datagram, of one stream's frames at most; negative: an error, 0: nothing to send. */
static ngtcp2_ssize write_one(struct conn *c, uint8_t *buf, size_t capacity, uint64_t now)
{
	const struct stream *stuck = NULL;

	for (;;) {
		struct stream *s = c->ready ? with_something(c, stuck) : NULL;
		ngtcp2_vec piece[PIECES];
		ngtcp2_ssize taken = -1, n;
		size_t len = 0, pieces = s ? zs_sendbuf_peek(&s->out, piece, PIECES, &len) : 0;
		bool fin = s && s->fin && s->out.sent + len == s->out.written;

		n = ngtcp2_conn_writev_stream(c->ng, NULL, NULL, buf, capacity, &taken,
					      fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0, s ? s->id : -1, piece,
					      pieces, now);
		if (s && taken >= 0) {
			zs_sendbuf_sent(&s->out, (size_t)taken);
			s->fin_sent |= fin && (size_t)taken == len;
		}
		if (n != NGTCP2_ERR_STREAM_DATA_BLOCKED || stuck)
			return n == NGTCP2_ERR_STREAM_DATA_BLOCKED ? 0 : n;
		stuck = s;
	}
}

void conn_write(struct conn *c)
{
	uint64_t now = zs_loop_now(c->p->loop);
	uint8_t buf[DATAGRAM];
	ngtcp2_ssize n;

	while (!c->dead && (n = write_one(c, buf, sizeof(buf), now)) != 0) {
		if (n < 0)
			judge(c, (int)n);
		else
			wire_send(c->p, buf, (size_t)n, &c->remote);
	}
	if (!c->dead)
		ngtcp2_conn_update_pkt_tx_time(c->ng, now);
}

void conn_close(struct conn *c)
{
	uint8_t buf[DATAGRAM];
	ngtcp2_ccerr err;
	ngtcp2_ssize n;

	if (!c->dead) {
		ngtcp2_ccerr_default(&err);
		n = ngtcp2_conn_write_connection_close(c->ng, NULL, NULL, buf, sizeof(buf), &err,
						       zs_loop_now(c->p->loop));
		if (n > 0)
			wire_send(c->p, buf, (size_t)n, &c->remote);
	}
	conn_delete(c);
}
