/* Frames of a link: Hello, its answer, what comes later. The transcript is over the bytes of Hello and Grant as they
 * were on the wire, so Hello is kept until its Grant is here. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/attach_client_internal.h"

#define HELLO_ID 1
#define GIVEN	 16 /* names in a Hello; the others follow as Publish */

static void send_frame(struct zs_attach_client *c, struct link *l, const struct zs_attach_frame *frame,
		       struct zs_span *raw, uint8_t buf[ZS_ATTACH_FRAME])
{
	uint8_t out[ZS_ATTACH_FRAME + ZS_VARINT];
	struct zs_writer w = zs_writer_of(out, sizeof(out));
	size_t len = zs_attach_encode(frame, buf, ZS_ATTACH_FRAME, raw);

	ZS_CHECK(len > 0, "a frame of kind %d", frame->kind);
	zs_frame_write(&w, buf, len);
	ZS_CHECK(!w.failed);
	c->ops.send(c->ctx, l->number, out, zs_writer_len(&w));
	sodium_memzero(out, sizeof(out));
}

void zs_attach_link_send(struct zs_attach_client *c, struct link *l, const struct zs_attach_frame *frame)
{
	uint8_t buf[ZS_ATTACH_FRAME];
	struct zs_span raw;

	send_frame(c, l, frame, &raw, buf);
}

static void fill_publish(zs_pb_Publish *out, const struct zs_attach_publish *p)
{
	memcpy(out->name, p->name, sizeof(p->name));
	out->port = p->port;
	out->protection = p->protection;
}

static uint32_t draw_receiver(const struct zs_attach_client *c)
{
	uint32_t r;

	do
		r = (uint32_t)zs_random_u64(&c->config.random);
	while (r == 0 || r == c->link[SERVING].session.own_receiver);
	return r;
}

static void fill_resume(struct zs_attach_client *c, struct link *l, zs_pb_Hello *h)
{
	const struct zs_attach_known *known = zs_attach_memory_find(&c->memory, &l->relay);

	if (!known)
		return;
	l->told = *known;
	h->has_resume = true;
	h->resume.attachment = known->attachment;
	h->resume.generation = known->generation;
	h->resume.grant_hash.size = ZS_ATTACH_HASH;
	memcpy(h->resume.grant_hash.bytes, known->grant_hash, ZS_ATTACH_HASH);
}

static void fill_hello(struct zs_attach_client *c, struct link *l, zs_pb_Hello *h)
{
	const struct zs_attach_client_config *config = &c->config;

	h->version = ZS_ATTACH_VERSION;
	h->instance.size = ZS_ATTACH_INSTANCE;
	memcpy(h->instance.bytes, config->instance, ZS_ATTACH_INSTANCE);
	fill_resume(c, l, h);
	h->mode = config->mode;
	if (config->mode == ZS_ATTACH_MODE_tunnel)
		h->receiver = l->session.own_receiver = draw_receiver(c);
	h->token.size = (pb_size_t)config->token_len;
	if (config->token_len)
		memcpy(h->token.bytes, config->token, config->token_len);
	h->psk_id.size = (pb_size_t)config->psk_id_len;
	if (config->psk_id_len)
		memcpy(h->psk_id.bytes, config->psk_id, config->psk_id_len);
	for (uint32_t i = 0; i < config->publishes && i < GIVEN; i++)
		fill_publish(&h->publish[h->publish_count++], &config->publish[i]);
	h->max_payload = config->max_payload;
}

void zs_attach_link_hello(struct zs_attach_client *c, struct link *l)
{
	struct zs_attach_frame f = { .id = HELLO_ID, .kind = ZS_ATTACH_HELLO };
	uint8_t buf[ZS_ATTACH_FRAME];
	struct zs_span raw;

	l->last_id = HELLO_ID;
	fill_hello(c, l, &f.hello);
	l->hello = malloc(ZS_ATTACH_FRAME);
	if (!l->hello) {
		zs_attach_link_give_up(c, l, ZS_ATTACH_STATE_error, 0, "out of memory");
		return;
	}
	send_frame(c, l, &f, &raw, buf);
	memcpy(l->hello, raw.bytes, raw.len);
	l->hello_len = raw.len;
	sodium_memzero(buf, sizeof(buf));
	sodium_memzero(&f, sizeof(f));
}

void zs_attach_link_detach(struct zs_attach_client *c, struct link *l)
{
	struct zs_attach_frame f = { .id = ++l->last_id, .kind = ZS_ATTACH_DETACH };

	f.detach.reason = ZS_ATTACH_CLOSE_shutdown;
	zs_attach_link_send(c, l, &f);
}

/* --- Grant ------------------------------------------------------------------------------------ */

static struct zs_endpoint endpoint_of(const uint8_t *bytes)
{
	struct zs_reader r = zs_reader_of(bytes, 18);
	struct zs_endpoint ep;

	zs_read_bytes(&r, ep.addr.ip, sizeof(ep.addr.ip));
	ep.port = zs_read_u16(&r);
	return ep;
}

/* What the Grant breaks, NULL: nothing. */
static const char *judge(const struct zs_attach_client *c, const struct link *l,
			 const struct zs_attach_frame *f)
{
	const zs_pb_Grant *g = &f->grant;

	if (!l->hello || f->id != HELLO_ID)
		return "a Grant that nobody asked for";
	if (!zs_attach_grant_fits(g, c->config.mode))
		return "a Grant of another mode";
	if (g->continuity == ZS_ATTACH_CONTINUITY_resumed &&
	    (!l->told.relay.len || g->attachment != l->told.attachment ||
	     g->generation != l->told.generation))
		return "another attachment than the one to resume";
	return NULL;
}

static void fill_session(struct zs_attach_client *c, struct link *l, const zs_pb_Grant *g,
			 const uint8_t grant_hash[ZS_ATTACH_HASH])
{
	struct zs_attach_session *s = &l->session;
	uint8_t h[ZS_ATTACH_HASH], secret[ZS_ATTACH_SECRET];

	zs_attach_transcript(l->hello, l->hello_len, grant_hash, h);
	c->ops.export(c->ctx, l->number, ZS_ATTACH_EXPORTER, h, sizeof(h), secret, sizeof(secret));
	ZS_CHECK(!zs_attach_root(secret, c->config.psk, s->root), "the key was judged by new");
	sodium_memzero(secret, sizeof(secret));
	s->link = l->number;
	s->receiver = g->receiver;
	s->bind_id = g->bind_id;
	s->pop = g->pop;
	s->attachment = g->attachment;
	s->generation = g->generation;
	s->continuity = g->continuity;
	s->lease_ns = g->lease_s * ZS_NS_PER_S;
	s->spread_ns = g->spread_ms * ZS_NS_PER_MS;
	s->relay = l->relay;
	for (; s->tunnels < g->tunnel_addrs_count; s->tunnels++)
		s->tunnel[s->tunnels] = endpoint_of(g->tunnel_addrs[s->tunnels].bytes);
	for (; s->services < g->service_addrs_count; s->services++)
		s->service[s->services] = endpoint_of(g->service_addrs[s->services].bytes);
}

/* `quiet`: bit n, its port n is nothing to tell. */
static void tell_grant(struct zs_attach_client *c, uint32_t number, const zs_pb_Grant *g, uint64_t quiet,
		       const struct zs_attach_session *session)
{
	struct zs_attach_event e = { .link = number };

	e.kind = ZS_ATTACH_EVENT_GRANTED;
	e.session = session;
	c->ops.event(c->ctx, &e);
	e.kind = ZS_ATTACH_EVENT_PORT;
	for (pb_size_t i = 0; i < g->ports_count; i++) {
		e.port = &g->ports[i];
		if (!(quiet >> i & 1))
			c->ops.event(c->ctx, &e);
	}
	e.kind = ZS_ATTACH_EVENT_POLICY;
	e.policy = &g->policy;
	if (g->has_policy)
		c->ops.event(c->ctx, &e);
	e.kind = ZS_ATTACH_EVENT_CIDS;
	e.cids = &g->cids;
	if (g->has_cids)
		c->ops.event(c->ctx, &e);
}

static void granted(struct zs_attach_client *c, struct link *l, const struct zs_attach_frame *f,
		    const struct zs_span *raw)
{
	struct zs_attach_known known = { .relay = l->relay,
					 .attachment = f->grant.attachment,
					 .generation = f->grant.generation };
	struct zs_attach_session copy;
	uint32_t number = l->number;
	uint64_t quiet;

	zs_attach_grant_hash(raw->bytes, raw->len, known.grant_hash);
	fill_session(c, l, &f->grant, known.grant_hash);
	sodium_memzero(l->hello, l->hello_len);
	free(l->hello);
	l->hello = NULL;
	zs_attach_stock_owner(c, l);
	if (f->grant.has_cids)
		zs_attach_stock_came(c, l, 0, &f->grant.cids);
	copy = l->session; /* what is told may move or end the link */
	zs_attach_memory_keep(&c->memory, &known);
	c->ops.keep_alive(c->ctx, number, zs_attach_retry_silence(copy.spread_ns));
	quiet = zs_attach_ports_came(c, l, HELLO_ID, f->grant.ports, f->grant.ports_count);
	zs_attach_ports_publish(c, l, GIVEN);
	if (f->grant.continuity != ZS_ATTACH_CONTINUITY_resumed)
		zs_attach_link_replace(c, l);
	zs_attach_link_reach(c, l, ZS_ATTACH_STATE_authenticated);
	zs_attach_link_saved(c);
	tell_grant(c, number, &f->grant, quiet, &copy);
	sodium_memzero(&copy, sizeof(copy));
}

/* --- the other frames ------------------------------------------------------------------------- */

static void broken(struct zs_attach_client *c, struct link *l, const char *what)
{
	char why[ZS_ATTACH_WHY];

	snprintf(why, sizeof(why), "the relay broke the attach protocol (%s): upgrade the older of the two",
		 what);
	zs_attach_link_give_up(c, l, l == &c->link[SERVING] ? ZS_ATTACH_STATE_lost : ZS_ATTACH_STATE_error, 0,
			       why);
}

static void refused(struct zs_attach_client *c, struct link *l, const zs_pb_Error *e)
{
	const struct zs_attach_refusal *r = zs_attach_refusal(e->code);
	char why[ZS_ATTACH_WHY];

	zs_attach_refusal_line(e, why, sizeof(why));
	if (!r->keep) {
		zs_attach_memory_forget(&c->memory, &l->relay);
		zs_attach_link_saved(c);
	}
	c->refusal = e->code;
	zs_attach_link_give_up(c, l, r->state, e->retry_ms, why);
	c->refusal = 0;
}

static void on_error(struct zs_attach_client *c, struct link *l, uint64_t id, const zs_pb_Error *e)
{
	if (!l->session.link) {
		refused(c, l, e);
		return;
	}
	zs_attach_stock_refused(c, l, id, e->retry_ms);
	c->ops.event(c->ctx, &(struct zs_attach_event){
				 .kind = ZS_ATTACH_EVENT_REFUSED, .link = l->number, .id = id, .error = e });
}

static void on_notice(struct zs_attach_client *c, struct link *l, const zs_pb_Notice *n)
{
	uint32_t number = l->number;

	c->ops.event(
	    c->ctx, &(struct zs_attach_event){ .kind = ZS_ATTACH_EVENT_NOTICE, .link = number, .notice = n });
	l = zs_attach_link_find(c, number);
	if (!l)
		return;
	if (n->code == ZS_ATTACH_NOTICE_drain) {
		zs_attach_link_move(c, l, n);
	} else if (n->code == ZS_ATTACH_NOTICE_superseded) {
		zs_attach_link_end_session(c, l);
		zs_attach_link_give_up(
		    c, l, ZS_ATTACH_STATE_failed, 0,
		    "another instance of this identity took the attachment over; stop one of "
		    "them");
	}
}

static void on_detach(struct zs_attach_client *c, struct link *l, const zs_pb_Detach *d)
{
	char why[ZS_ATTACH_WHY];

	snprintf(why, sizeof(why), "the relay ended the attachment: %s",
		 zs_attach_text(ZS_ATTACH_TABLE_CLOSE, d->reason));
	zs_attach_link_end_session(c, l);
	zs_attach_link_give_up(c, l, ZS_ATTACH_STATE_lost, 0, why);
}

static void on_frame(struct zs_attach_client *c, struct link *l, const struct zs_attach_frame *f,
		     const struct zs_span *raw)
{
	struct zs_attach_event e = { .link = l->number };
	const char *bad;

	/* Before Grant only its refusal and the end. */
	if (!l->session.link && f->kind != ZS_ATTACH_GRANT && f->kind != ZS_ATTACH_ERROR &&
	    f->kind != ZS_ATTACH_DETACH) {
		broken(c, l, "a frame before Grant");
		return;
	}
	switch (f->kind) {
	case ZS_ATTACH_GRANT:
		bad = judge(c, l, f);
		if (bad)
			broken(c, l, bad);
		else
			granted(c, l, f, raw);
		return;
	case ZS_ATTACH_ERROR:
		on_error(c, l, f->id, &f->error);
		return;
	case ZS_ATTACH_NOTICE:
		on_notice(c, l, &f->notice);
		return;
	case ZS_ATTACH_DETACH:
		on_detach(c, l, &f->detach);
		return;
	case ZS_ATTACH_PORT:
		e.kind = ZS_ATTACH_EVENT_PORT;
		e.port = &f->port;
		if (zs_attach_ports_came(c, l, f->id, &f->port, 1))
			return;
		break;
	case ZS_ATTACH_POLICY:
		e.kind = ZS_ATTACH_EVENT_POLICY;
		e.policy = &f->policy;
		break;
	case ZS_ATTACH_CIDS_SENT:
		zs_attach_stock_came(c, l, f->id, &f->cids);
		e.kind = ZS_ATTACH_EVENT_CIDS;
		e.id = f->id;
		e.cids = &f->cids;
		break;
	case ZS_ATTACH_HELLO:
	case ZS_ATTACH_PUBLISH:
	case ZS_ATTACH_CID_ASK:
		broken(c, l, "a frame that only an edge sends");
		return;
	}
	c->ops.event(c->ctx, &e);
}

void zs_attach_link_read(struct zs_attach_client *c, uint32_t number, const void *bytes, size_t len)
{
	struct zs_reader in = zs_reader_of(bytes, len);

	for (;;) {
		struct link *l = zs_attach_link_find(c, number);
		struct zs_attach_frame f;
		struct zs_span raw;
		const uint8_t *msg;
		size_t msg_len;
		int ret;

		if (!l || !zs_attach_link_connected(l))
			return;
		ret = zs_frame_read(&l->frame, &in, &msg, &msg_len);
		if (ret == 0)
			return;
		if (ret == 1)
			ret = zs_attach_decode(&f, msg, msg_len, &raw);
		if (ret == -EPROTONOSUPPORT)
			continue; /* of a newer version; what matters is asked for by features */
		if (ret < 0) {
			broken(c, l, "a malformed frame");
			return;
		}
		on_frame(c, l, &f, &raw);
	}
}
