/* identify and identify/push. On each new connection we ask; the answer goes into the peerstore by way of the
 * gater, and nothing of it is believed that the connection or a signature does not prove. Changes of ours are
 * pushed to those who speak push, at most one round in push_ns. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "p2p/frame.h"
#include "p2p/host/internal.h"

#define ID_PROTOCOL   "/ipfs/id/1.0.0"
#define PUSH_PROTOCOL "/ipfs/id/push/1.0.0"
#define PUSH_BATCH    64 /* connections told in one tick */

static const char *const id_protocols[] = { ID_PROTOCOL }, *const push_protocols[] = { PUSH_PROTOCOL };

/* --- our side ------------------------------------------------------------------------------- */

static uint16_t own_protocols(const struct zs_host *h, const char *out[ZS_HOST_PROTOCOLS])
{
	uint16_t n = 0;

	for (uint32_t i = 0; i < h->protocols; i++)
		if (h->protocol[i].on && h->protocol[i].ops)
			out[n++] = h->protocol[i].id;
	return n;
}

static void say(struct zs_host_stream *s)
{
	struct zs_host_conn *c = zs_host_stream_conn(s);
	struct zs_host *h = c->host;
	struct zs_endpoint remote = zs_host_conn_remote(c);
	uint8_t message[ZS_IDENTIFY_OWN], framed[ZS_IDENTIFY_OWN + ZS_VARINT];
	struct zs_writer w = zs_writer_of(framed, sizeof(framed));
	const char *protocols[ZS_HOST_PROTOCOLS];
	struct zs_multiaddr observed;
	struct zs_identify_own own = { .key = &h->key,
				       .addrs = h->own,
				       .addrs_n = h->owns,
				       .protocols = protocols,
				       .protocols_n = own_protocols(h, protocols),
				       .observed = &observed,
				       .protocol_version = h->config.protocol_version,
				       .agent = h->config.agent,
				       .record = { h->record, h->record_len } };

	if (!h->record_len)
		own.record.bytes = NULL;
	zs_multiaddr_quic(&observed, &remote, NULL);
	zs_frame_write(&w, message, zs_identify_encode(&own, message, sizeof(message)));
	zs_host_stream_write(s, framed, zs_writer_len(&w));
	zs_host_stream_fin(s);
	if (!c->told) /* asking again does not spare the push of a change */
		c->told = h->version;
}

static void ignore_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	zs_host_stream_consume(s, len);
}

static void ignore_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why) {}

static void answer_ready(void *user, struct zs_host_stream *s)
{
	zs_host_stream_deadline(s, s->host->now + s->host->config.identify_ns);
	say(s);
}
/* Who asks, and whom we push to, get the same. */
static const struct zs_stream_ops say_ops = { .ready = answer_ready,
					      .data = ignore_data,
					      .closed = ignore_closed };

void zs_hidentify_push(struct zs_host *h)
{
	struct zs_host_conn *c;
	struct zs_host_stream *s;
	uint32_t left = PUSH_BATCH;

	if (!h->dirty || h->now < h->push_ns)
		return;
	TAILQ_FOREACH(c, &h->conns, all)
	{
		if (!c->announced || c->leaving || !c->pushes || c->told == h->version)
			continue;
		if (!left--)
			return;
		const struct zs_host_open ask = { .peer = c->id,
						  .conn = c,
						  .protocols = push_protocols,
						  .count = 1,
						  .timeout_ns = h->config.identify_ns,
						  .ops = &say_ops };
		c->told = h->version; /* once, whether or not it works */
		if (zs_host_open(h, &ask, h->now, &s, NULL) == 0)
			h->stats.pushes_out++;
	}
	h->dirty = false;
	h->push_ns = h->now + h->config.push_ns;
}

/* --- theirs --------------------------------------------------------------------------------- */

struct reading {
	struct zs_frame frame;
	struct zs_identify id;
	bool push;
};

/* Is the key, if it says one, that of the connection? */
static bool key_fits(const struct zs_host_conn *c, const struct zs_identify *id)
{
	struct zs_span span = zs_identify_span(id, id->key);
	struct zs_public_key key;
	struct zs_peer_id peer;

	if (!span.bytes)
		return true;
	if (zs_public_key_decode(&key, span.bytes, span.len) < 0)
		return false;
	zs_peer_id_of(&peer, &key);
	return zs_peer_id_eq(&peer, &c->id);
}

static bool usable(struct zs_host_conn *c, struct zs_span span, struct zs_multiaddr *plain)
{
	struct zs_host *h = c->host;
	struct zs_multiaddr addr;
	struct zs_endpoint at;
	enum zs_special class;

	if (zs_multiaddr_decode(&addr, span.bytes, span.len) != 0 ||
	    zs_host_address(&addr, &c->id, &at, plain) != 0)
		return false;
	if (zs_gater_judge(&h->config.gater, &at, ZS_GATER_LEARNT, &class) == ZS_GATE_OPEN)
		return true;
	h->stats.gated++;
	return false;
}

/* The addresses of a verified record; false: there is none. */
static bool take_record(struct zs_host_conn *c, const struct zs_identify *id)
{
	struct zs_multiaddr plain[ZS_PEERSTORE_ADDRESSES];
	struct zs_span bytes[ZS_PEERSTORE_ADDRESSES];
	struct zs_span span = zs_identify_span(id, id->record);
	struct zs_peer_record record;
	uint32_t n = 0;

	if (!span.bytes || zs_peer_record_open(&record, span.bytes, span.len) < 0 ||
	    !zs_peer_id_eq(&record.peer, &c->id))
		return false;
	for (uint32_t i = 0; i < record.addrs && n < ZS_PEERSTORE_ADDRESSES; i++)
		if (usable(c, record.addr[i], &plain[n])) {
			bytes[n] = (struct zs_span){ plain[n].bytes, plain[n].len };
			n++;
		}
	zs_peerstore_certify(c->host->peerstore, &c->id, record.seq, (struct zs_span){ span.bytes, span.len },
			     bytes, n, c->host->now);
	return true;
}

static void take_addresses(struct zs_host_conn *c, const struct zs_identify *id)
{
	struct zs_multiaddr plain;

	for (uint16_t i = 0; i < id->addrs; i++)
		if (usable(c, zs_identify_span(id, id->addr[i]), &plain))
			zs_peerstore_learn(c->host->peerstore, &c->id,
					   (struct zs_span){ plain.bytes, plain.len }, ZS_KNOWN_LEARNT,
					   c->host->now);
}

static bool printable(struct zs_span span)
{
	for (size_t i = 0; i < span.len; i++)
		if (span.bytes[i] < 0x20 || span.bytes[i] > 0x7e)
			return false;
	return span.len;
}

static void take_description(struct zs_host_conn *c, const struct zs_identify *id)
{
	struct zs_span span = zs_identify_span(id, id->agent);
	char list[ZS_PEERSTORE_PROTOCOLS], agent[ZS_PEERSTORE_AGENT] = "";
	size_t len = 0;

	if (printable(span))
		snprintf(agent, sizeof(agent), "%.*s", (int)span.len, (const char *)span.bytes);
	c->pushes = false;
	c->protocols = 0;
	for (uint16_t i = 0; i < id->protocols; i++) {
		span = zs_identify_span(id, id->protocol[i]);
		if (!printable(span) || span.len >= sizeof(list) - len)
			continue;
		memcpy(list + len, span.bytes, span.len);
		list[len + span.len] = '\0';
		c->pushes |= !strcmp(list + len, PUSH_PROTOCOL);
		len += span.len + 1;
		c->protocols++;
	}
	zs_peerstore_describe(c->host->peerstore, &c->id, list, len, agent);
}

static void take(struct zs_host_conn *c, const struct reading *r)
{
	struct zs_host *h = c->host;
	struct zs_span observed = zs_identify_span(&r->id, r->id.observed);

	if (!r->id.messages || !key_fits(c, &r->id))
		return;
	if (!take_record(c, &r->id))
		take_addresses(c, &r->id);
	take_description(c, &r->id);
	if (observed.bytes)
		zs_own_observe(c, observed.bytes, observed.len);
	if (!c->identified && c->told != h->version)
		h->dirty = true;
	c->identified = true;
	zs_host_tag(h, &c->id, "identified", ZS_HSCORE_IDENTIFIED);
	h->stats.identified++;
	h->stats.pushes_in += r->push;
	if (h->ops.identified)
		h->ops.identified(h->ctx, c, &r->id, r->push);
}

static void free_reading(struct reading *r)
{
	zs_frame_free(&r->frame);
	zs_identify_free(&r->id);
	free(r);
}

static void read_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct zs_reader in = zs_reader_of(bytes, len);
	struct reading *r = user;
	const uint8_t *message;
	size_t size;
	int rc;

	zs_host_stream_consume(s, len);
	while ((rc = zs_frame_read(&r->frame, &in, &message, &size)) == 1)
		if ((rc = zs_identify_merge(&r->id, message, size)) < 0)
			break;
	if (rc == 0 && !fin)
		return;
	if (rc == 0 && !zs_frame_is_partial(&r->frame)) {
		take(zs_host_stream_conn(s), r);
		zs_host_stream_set_user(s, NULL);
	} else {
		zs_host_stream_reset(s, ZS_HOST_VIOLATION + 1);
	}
	free_reading(r);
}

static void read_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	if (user)
		free_reading(user);
}

static struct reading *new_reading(bool push)
{
	struct reading *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	zs_frame_init(&r->frame, ZS_IDENTIFY_MESSAGE);
	zs_identify_init(&r->id);
	r->push = push;
	return r;
}

static void ask_ready(void *user, struct zs_host_stream *s)
{
	zs_host_stream_deadline(s, s->host->now + s->host->config.identify_ns);
	zs_host_stream_fin(s);
}
static const struct zs_stream_ops ask_ops = { .ready = ask_ready, .data = read_data, .closed = read_closed };

static void push_ready(void *user, struct zs_host_stream *s)
{
	struct zs_host_conn *c = zs_host_stream_conn(s);
	struct reading *r = NULL;

	if (zs_gcra_allow(&c->push_bucket, &c->host->push_rate, c->host->now,
			  60 / c->host->config.pushes_per_min))
		r = new_reading(true);
	zs_host_stream_set_user(s, r);
	if (r)
		ask_ready(r, s);
	else
		zs_host_stream_reset(s, ZS_HOST_RATE + 1);
}
static const struct zs_stream_ops push_ops = { .ready = push_ready,
					       .data = read_data,
					       .closed = read_closed };

void zs_hidentify_ask(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	struct reading *r = new_reading(false);
	const struct zs_host_open ask = { .peer = c->id,
					  .conn = c,
					  .protocols = id_protocols,
					  .count = 1,
					  .timeout_ns = h->config.identify_ns,
					  .ops = &ask_ops,
					  .user = r };
	struct zs_host_stream *s;

	if (r && zs_host_open(h, &ask, h->now, &s, NULL) < 0)
		free_reading(r);
}

int zs_hidentify_register(struct zs_host *h)
{
	int rc = zs_host_register(h, &(struct zs_host_protocol){ .id = ID_PROTOCOL,
								 .service = "identify",
								 .limited_ok = true,
								 .priority = ZS_PRIORITY_HIGH,
								 .ops = &say_ops });
	return rc < 0 ? rc
		      : zs_host_register(h, &(struct zs_host_protocol){ .id = PUSH_PROTOCOL,
									.service = "identify",
									.limited_ok = true,
									.priority = ZS_PRIORITY_HIGH,
									.ops = &push_ops });
}
