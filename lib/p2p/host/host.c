/* Life of a host, its turn of the loop, and what is done once in a while. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "p2p/host/internal.h"

#define TICK_NS	    (250 * ZS_NS_PER_MS) /* trimming, pushes, streams that wait for memory */
#define TICK_TRIMS  64			 /* connections trimmed at one tick */
#define TICK_EXPIRE 64			 /* peers of the store looked at */

void zs_host_defaults(struct zs_host_config *config)
{
	*config = (struct zs_host_config){
		.agent = "zerostate",
		.protocol_version = "zerostate/1.0.0",
#define ZS_HOST_NUMBER(name, value, text) .name = value,
#include "defs/p2p_host.def"
#undef ZS_HOST_NUMBER
	};
	zs_quic_config_default(&config->quic);
	zs_limits_defaults(&config->limits);
	/* The resource manager names what it refuses, and trimming needs room above its marks. */
	config->quic.max_connections = config->limits.limit[ZS_SCOPE_system].conns;
	config->quic.max_handshakes = config->limits.limit[ZS_SCOPE_transient].conns_in;
	zs_connmgr_defaults(&config->connmgr);
	zs_prefix_defaults(&config->prefix);
	zs_peerstore_defaults(&config->peerstore);
	zs_dial_defaults(&config->dial);
}

static void fill_keys(struct zs_host_config *c, const struct zs_random *random)
{
	uint64_t *keys[] = { c->limits.key, c->connmgr.key, c->prefix.key, c->peerstore.key, c->dial.key };

	for (size_t i = 0; i < ZS_ARRAY_LEN(keys); i++)
		random->fill(random->ctx, keys[i], 2 * sizeof(uint64_t));
	c->dial.random = *random;
}

static int make_rooms(struct zs_host *h)
{
	const struct zs_host_config *c = &h->config;
	uint32_t peers = c->quic.max_connections + c->dial.dials;

	h->limits = zs_limits_new(&c->limits);
	h->connmgr = zs_connmgr_new(&c->connmgr);
	h->peerstore = zs_peerstore_new(&c->peerstore);
	h->dialer = zs_dialer_new(&c->dial);
	h->peer = calloc(peers, sizeof(*h->peer));
	h->managed = calloc(c->connmgr.conns, sizeof(struct zs_host_conn *));
	if (!h->limits || !h->connmgr || !h->peerstore || !h->dialer || !h->peer || !h->managed ||
	    zs_peertable_new(&h->peers, peers, c->limits.key) < 0)
		return -ENOMEM;
	return zs_prefix_rates_new(&h->prefix, &c->prefix);
}

static int make_security(struct zs_host *h)
{
	int rc = zs_cert_new(&h->cert, &h->identity, h->ops.wall(h->ctx));

	if (rc == 0)
		rc = zs_tls_new(&h->tls, &h->cert, 1, (uint32_t)h->config.cert_cache);
	return rc < 0 ? rc : zs_quic_new(&h->quic, &h->config.quic, h->tls, h->random, &zs_link_ops, h);
}

int zs_host_new(struct zs_host **out, const struct zs_host_config *config, const struct zs_identity *identity,
		struct zs_random random, const struct zs_host_ops *ops, void *ctx)
{
	struct zs_host *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return -ENOMEM;
	if (!config->pushes_per_min || config->pushes_per_min > 60 ||
	    config->connmgr.conns < config->quic.max_connections) {
		free(h);
		return -EINVAL;
	}
	h->config = *config;
	h->ops = *ops;
	h->ctx = ctx;
	h->random = random;
	h->identity = *identity;
	h->key = zs_identity_public(identity);
	h->gater_own = config->gater.own_count;
	zs_peer_id_of(&h->id, &h->key);
	TAILQ_INIT(&h->conns);
	TAILQ_INIT(&h->surplus);
	TAILQ_INIT(&h->buffering);
	zs_gcra_init(&h->push_rate, 1, 60); /* a push costs its share of a minute */
	fill_keys(&h->config, &random);
	rc = make_rooms(h);
	if (rc == 0)
		rc = make_security(h);
	if (rc == 0)
		rc = zs_hidentify_register(h);
	if (rc == 0)
		rc = zs_hping_register(h);
	if (rc < 0) {
		zs_host_delete(h);
		return rc;
	}
	h->own_protocols = h->protocols;
	zs_own_changed(h);
	*out = h;
	return 0;
}

void zs_host_delete(struct zs_host *h)
{
	if (!h)
		return;
	h->down = true;
	zs_quic_delete(h->quic);
	zs_tls_delete(h->tls);
	zs_cert_free(&h->cert);
	zs_prefix_rates_delete(&h->prefix);
	zs_dialer_delete(h->dialer);
	zs_peerstore_delete(h->peerstore);
	zs_connmgr_delete(h->connmgr);
	zs_limits_delete(h->limits);
	zs_peertable_delete(&h->peers);
	zs_deadlines_free(&h->timers);
	zs_identity_wipe(&h->identity);
	free(h->managed);
	free(h->peer);
	free(h);
}

void zs_host_shutdown(struct zs_host *h)
{
	struct zs_host_conn *c;

	h->down = true;
	TAILQ_FOREACH(c, &h->conns, all)
	zs_host_close(c, ZS_HOST_SHUTDOWN, NULL);
}

void zs_host_tell_time(struct zs_host *h, uint64_t now)
{
	if (now > h->now)
		h->now = now;
}

/* --- a turn of the loop --------------------------------------------------------------------- */

void zs_host_receive(struct zs_host *h, const struct zs_udp_datagram *in, size_t count, uint64_t now)
{
	zs_host_tell_time(h, now);
	zs_quic_receive(h->quic, in, count, h->now);
}

uint64_t zs_host_deadline(const struct zs_host *h)
{
	uint64_t at[] = { zs_quic_deadline(h->quic), zs_hdial_deadline(h), zs_deadlines_next(&h->timers),
			  h->stats.conns || h->dirty ? h->tick_ns : UINT64_MAX, h->raws ? 0 : UINT64_MAX };
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < ZS_ARRAY_LEN(at); i++)
		least = at[i] < least ? at[i] : least;
	return least;
}

static void trim(struct zs_host *h)
{
	uint32_t number[TICK_TRIMS];
	uint32_t count = zs_connmgr_trim(h->connmgr, h->now, number, TICK_TRIMS);

	for (uint32_t i = 0; i < count; i++)
		zs_host_close(h->managed[number[i]], ZS_HOST_COLLECTED, NULL);
	h->stats.trimmed += count;
}

static void tick(struct zs_host *h)
{
	if (h->now < h->tick_ns)
		return;
	h->tick_ns = h->now + TICK_NS;
	trim(h);
	zs_hsurplus_drop(h);
	zs_peerstore_expire(h->peerstore, h->now, TICK_EXPIRE);
	zs_own_expire(h);
	zs_hidentify_push(h);
	zs_hstream_recount(h);
}

static struct zs_host_stream *stream_of(struct zs_deadline *d)
{
	return (struct zs_host_stream *)((char *)d - offsetof(struct zs_host_stream, timer));
}

static void expire_streams(struct zs_host *h)
{
	struct zs_deadline *d;

	while ((d = zs_deadlines_due(&h->timers, h->now)))
		zs_hstream_fail(stream_of(d), ZS_STREAM_TIMEOUT, 0, NULL);
}

void zs_host_advance(struct zs_host *h, uint64_t now)
{
	zs_host_tell_time(h, now);
	zs_quic_advance(h->quic, h->now);
	expire_streams(h);
	zs_hdial_run(h);
	tick(h);
}

static size_t pull_raw(struct zs_host *h, struct zs_udp_datagram *out, size_t max, uint8_t *buf,
		       size_t capacity)
{
	size_t n = 0;

	for (; n < h->raws && n < max && capacity >= ZS_HOST_RAW; n++, capacity -= ZS_HOST_RAW) {
		out[n] = h->raw[n].d;
		out[n].data = memcpy(buf + n * ZS_HOST_RAW, h->raw[n].bytes, out[n].len);
	}
	h->raws -= (uint32_t)n;
	memmove(h->raw, h->raw + n, h->raws * sizeof(h->raw[0]));
	return n;
}

size_t zs_host_pull(struct zs_host *h, struct zs_udp_datagram *out, size_t max, void *buf, size_t capacity,
		    uint64_t now)
{
	zs_host_tell_time(h, now);
	zs_hdial_run(h);
	if (h->raws)
		return pull_raw(h, out, max, buf, capacity);
	return zs_quic_pull(h->quic, out, max, buf, capacity, h->now);
}

int zs_host_send_raw(struct zs_host *h, const struct zs_udp_datagram *d)
{
	enum zs_special class;
	struct zs_raw *raw = &h->raw[h->raws];

	if (d->len > ZS_HOST_RAW)
		return -EMSGSIZE;
	if (zs_gater_judge(&h->config.gater, &d->peer, ZS_GATER_LEARNT, &class) != ZS_GATE_OPEN)
		return -EPERM;
	if (h->raws == ZS_HOST_RAWS)
		return -ENOBUFS;
	raw->d = *d;
	memcpy(raw->bytes, d->data, d->len);
	h->raws++;
	return 0;
}

/* --- refusals ------------------------------------------------------------------------------- */

void zs_host_refused_by(struct zs_host *h, struct zs_host_conn *c, const struct zs_refusal *why)
{
	char text[ZS_HOST_TEXT];
	uint64_t since;

	h->stats.refusals++;
	if (c)
		c->refusals++;
	if (h->ops.refused && zs_limits_tell(h->limits, why, h->now, &since))
		h->ops.refused(h->ctx, why, zs_refusal_text(why, text), since);
}

const char *zs_host_refusal_brief(const struct zs_refusal *why, char buf[ZS_HOST_TEXT])
{
	struct zs_refusal brief = *why;

	brief.peer.len = 0;
	return zs_refusal_text(&brief, buf);
}

/* --- peers ---------------------------------------------------------------------------------- */

uint32_t zs_host_peer_get(struct zs_host *h, const struct zs_peer_id *id)
{
	uint32_t slot = zs_peertable_find(&h->peers, id);

	if (slot != ZS_PEER_NONE)
		return slot;
	slot = zs_peertable_add(&h->peers, id);
	if (slot == ZS_PEER_NONE)
		return slot;
	h->peer[slot] = (struct zs_host_peer){ 0 };
	TAILQ_INIT(&h->peer[slot].conns);
	TAILQ_INIT(&h->peer[slot].waiting);
	h->stats.peers++;
	return slot;
}

void zs_host_peer_put(struct zs_host *h, uint32_t slot)
{
	struct zs_host_peer *p = &h->peer[slot];

	if (!TAILQ_EMPTY(&p->conns) || !TAILQ_EMPTY(&p->waiting) || p->dialling)
		return;
	zs_peertable_remove(&h->peers, slot);
	h->stats.peers--;
}

const struct zs_peer_id *zs_host_id(const struct zs_host *h)
{
	return &h->id;
}

struct zs_peerstore *zs_host_peerstore(struct zs_host *h)
{
	return h->peerstore;
}
