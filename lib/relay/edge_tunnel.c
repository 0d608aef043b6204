/* Sessions: `next` looks for its way, `now` carries what we send, `old` is only heard. The first PROBE on `next`, which
 * we answer, makes it `now`: that is a packet each way, so the relay moves too. Whoever is late on either side finds the
 * session before still heard. All timers are fields that zs_edge_tunnel_deadline takes the least of. */
#include "relay/edge_tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "relay/codes.h"
#include "relay/edge_session.h"
#include "relay/own_flows.h"

struct zs_edge_tunnel {
	struct zs_gcm_engine engine;
	struct zs_edge_tunnel_config config;
	const struct zs_edge_tunnel_ops *ops;
	void *ctx;
	const struct zs_random *random;
	struct zs_edge_end *now, *next, *old;
	struct zs_tunnel_grants grants;
	struct zs_own_flows own;
	uint8_t scratch[UINT16_MAX]; /* what we say by ourselves: a padded PROBE is the longest */
};

struct zs_edge_tunnel *zs_edge_tunnel_new(const struct zs_edge_tunnel_config *config,
					  const struct zs_edge_tunnel_ops *ops, void *ctx,
					  const struct zs_random *random)
{
	struct zs_edge_tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	if (zs_own_flows_init(&t->own, config->flows, config->idle_ns, random)) {
		free(t);
		return NULL;
	}
	t->config = *config;
	t->ops = ops;
	t->ctx = ctx;
	t->random = random;
	zs_gcm_engine_best(&t->engine);
	return t;
}

static void drop(struct zs_edge_end **slot)
{
	zs_edge_end_delete(*slot);
	*slot = NULL;
}

static void drop_all(struct zs_edge_tunnel *t)
{
	drop(&t->now);
	drop(&t->next);
	drop(&t->old);
}

void zs_edge_tunnel_delete(struct zs_edge_tunnel *t)
{
	if (!t)
		return;
	drop_all(t);
	zs_gcm_engine_fini(&t->engine);
	zs_own_flows_fini(&t->own);
	free(t);
}

int zs_edge_tunnel_session(struct zs_edge_tunnel *t, const struct zs_edge_session *s, uint64_t now_ns)
{
	struct zs_edge_end *made;

	if (!s->relays || s->relays > ZS_EDGE_RELAYS)
		return -EINVAL;
	if (!(made = zs_edge_end_new(&t->engine, s, t->config.ratchet, now_ns)))
		return -ENOMEM;
	if (!s->continues)
		drop_all(t);
	drop(&t->next);
	t->next = made;
	return 0;
}

void zs_edge_tunnel_grant(struct zs_edge_tunnel *t, uint8_t service)
{
	zs_tunnel_grant(&t->grants, service);
}

static void over(struct zs_edge_tunnel *t, uint16_t reason)
{
	drop_all(t);
	t->ops->ended(t->ctx, reason);
}

/* `datagram` is sealed in place; `to` NULL: where the session's relay is. */
static enum zs_drop send(struct zs_edge_tunnel *t, struct zs_edge_end *s, struct zs_tunnel_head *head,
			 uint8_t *datagram, size_t len, const struct zs_endpoint *to, uint64_t now_ns)
{
	enum zs_drop why = zs_edge_end_seal(s, &t->engine, head, datagram, len);

	if (why == ZS_DROPS) {
		zs_keepalive_sent(&s->keepalive, now_ns);
		t->ops->send(t->ctx, to ? to : &s->remote, head->ecn, datagram, len);
	}
	return why;
}

/* A datagram of our own making with `payload`, zeros behind it up to `size` bytes in all. */
static enum zs_drop say(struct zs_edge_tunnel *t, struct zs_edge_end *s, enum zs_tunnel_type type,
			const struct zs_tunnel_flow *flow, const void *payload, size_t len, size_t size,
			const struct zs_endpoint *to, uint64_t now_ns)
{
	struct zs_tunnel_head head = { .type = type };

	if (flow)
		head.flow = *flow;
	memset(t->scratch, 0, size);
	memcpy(t->scratch + ZS_TUNNEL_HEADER, payload, len);
	return send(t, s, &head, t->scratch, size, to, now_ns);
}

static void say_close(struct zs_edge_tunnel *t, const struct zs_tunnel_flow *flow, uint16_t reason,
		      uint64_t now_ns)
{
	uint8_t payload[ZS_TUNNEL_CLOSE];

	zs_tunnel_write_close(payload, reason);
	if (t->now)
		say(t, t->now, ZS_TUNNEL_TYPE_CLOSE, flow, payload, sizeof(payload),
		    sizeof(payload) + ZS_TUNNEL_OVERHEAD, NULL, now_ns);
}

/* --- what comes ---------------------------------------------------------------------------- */

static void promote(struct zs_edge_tunnel *t, uint64_t now_ns)
{
	drop(&t->old);
	t->old = t->now;
	if (t->old)
		t->old->until_ns = now_ns + ZS_EDGE_OLD_NS;
	t->now = t->next;
	t->next = NULL;
	t->now->until_ns = UINT64_MAX;
	zs_pmtu_start(&t->now->pmtu, t->now->is.most, now_ns);
	t->ops->path(t->ctx, ZS_EDGE_PATH_UP, zs_edge_tunnel_payload(t));
}

static void on_probe(struct zs_edge_tunnel *t, struct zs_edge_end *s, const struct zs_endpoint *from,
		     const uint8_t *nonce, uint64_t now_ns)
{
	for (uint32_t n = 0; n < s->is.relays && !s->keepalive.found; n++)
		if (zs_endpoint_eq(&s->is.relay[n], from))
			s->remote = *from;
	zs_keepalive_probed(&s->keepalive, now_ns);
	say(t, s, ZS_TUNNEL_ECHO, NULL, nonce, ZS_TUNNEL_PROBE, ZS_TUNNEL_OVERHEAD + ZS_TUNNEL_PROBE, from,
	    now_ns);
	if (s == t->next)
		promote(t, now_ns);
}

static void on_echo(struct zs_edge_tunnel *t, struct zs_edge_end *s, const uint8_t *nonce, uint64_t now_ns)
{
	uint32_t before = s->pmtu.size;

	if (!zs_pmtu_echo(&s->pmtu, nonce, now_ns))
		return;
	if (s == t->now && (s->pmtu.size != before || s->small || s->silent))
		t->ops->path(t->ctx, ZS_EDGE_PATH_MTU, zs_edge_tunnel_payload(t));
	s->small = s->silent = false;
}

static enum zs_drop on_data(struct zs_edge_tunnel *t, const struct zs_tunnel_head *head, uint8_t outer,
			    const uint8_t *payload, size_t len)
{
	struct zs_own_flow *o = zs_own_flows_find(&t->own, &head->flow);
	uint8_t ecn;

	if (head->flow.opener == ZS_TUNNEL_EDGE && !o)
		return ZS_DROP_no_flow;
	if (zs_tunnel_ecn(head->ecn, outer, &ecn) != ZS_DROPS)
		return ZS_DROP_tunnel_ecn;
	if (o)
		o->opening.answered = true;
	t->ops->data(t->ctx, &head->flow, ecn, payload, len);
	return ZS_DROPS;
}

static enum zs_drop on_close(struct zs_edge_tunnel *t, struct zs_edge_end *s,
			     const struct zs_tunnel_head *head, uint16_t reason, uint64_t now_ns)
{
	if (zs_tunnel_flow_id(&head->flow)) {
		if (head->flow.opener == ZS_TUNNEL_EDGE && !zs_own_flows_find(&t->own, &head->flow))
			return ZS_DROP_no_flow;
		zs_own_flows_forget(&t->own, &head->flow, now_ns);
		t->ops->closed(t->ctx, &head->flow, reason);
		return ZS_DROPS;
	}
	if (s == t->old)
		drop(&t->old);
	else if (s == t->next && t->now)
		drop(&t->next);
	else if (t->next && s == t->now)
		drop(&t->now); /* the next one may still find its way */
	else
		over(t, reason);
	return ZS_DROPS;
}

static struct zs_edge_end *session_of(struct zs_edge_tunnel *t, uint32_t receiver)
{
	struct zs_edge_end *all[] = { t->now, t->next, t->old };

	for (size_t n = 0; n < ZS_ARRAY_LEN(all); n++)
		if (all[n] && all[n]->is.receiver == receiver)
			return all[n];
	return NULL;
}

static enum zs_drop act(struct zs_edge_tunnel *t, struct zs_edge_end *s, const struct zs_tunnel_head *head,
			const struct zs_endpoint *from, uint8_t outer, const uint8_t *payload, size_t len,
			uint64_t now_ns)
{
	struct zs_endpoint client;
	uint16_t port;

	switch ((enum zs_tunnel_type)head->type) {
	case ZS_TUNNEL_DATA:
		return on_data(t, head, outer, payload, len);
	case ZS_TUNNEL_TYPE_OPEN:
		client = zs_tunnel_read_open(payload, &port);
		t->ops->opened(t->ctx, &head->flow, &client, port);
		break;
	case ZS_TUNNEL_TYPE_PROBE:
		on_probe(t, s, from, payload, now_ns);
		break;
	case ZS_TUNNEL_ECHO:
		on_echo(t, s, payload, now_ns);
		break;
	case ZS_TUNNEL_TYPE_CLOSE:
		return on_close(t, s, head, zs_tunnel_read_close(payload), now_ns);
	case ZS_TUNNEL_KEEPALIVE: /* an edge's alone: refused by its form */
		break;
	}
	return ZS_DROPS;
}

enum zs_drop zs_edge_tunnel_receive(struct zs_edge_tunnel *t, const struct zs_endpoint *from, uint8_t ecn,
				    uint8_t *datagram, size_t len, uint64_t now_ns)
{
	struct zs_tunnel_head head;
	struct zs_edge_end *s;
	bool spent = false;
	enum zs_drop why = zs_tunnel_read(&head, datagram, len);

	if (why != ZS_DROPS)
		return why;
	if (!(s = session_of(t, head.receiver)))
		return ZS_DROP_tunnel_receiver;
	if ((why = zs_tunnel_granted(&t->grants, &head)) != ZS_DROPS)
		return why;
	why = zs_edge_end_open(s, &t->engine, &head, datagram, len, now_ns, &spent);
	if (spent)
		over(t, ZS_ATTACH_CLOSE_shutdown);
	if (why != ZS_DROPS)
		return why;
	return act(t, s, &head, from, ecn, datagram + ZS_TUNNEL_HEADER, len - ZS_TUNNEL_OVERHEAD, now_ns);
}

/* --- what goes ------------------------------------------------------------------------------- */

int zs_edge_tunnel_open(struct zs_edge_tunnel *t, const struct zs_endpoint *target, uint64_t now_ns,
			struct zs_tunnel_flow *flow)
{
	return zs_own_flows_open(&t->own, target, now_ns, flow);
}

void zs_edge_tunnel_close(struct zs_edge_tunnel *t, const struct zs_tunnel_flow *flow, uint16_t reason,
			  uint64_t now_ns)
{
	if (flow->opener == ZS_TUNNEL_EDGE && !zs_own_flows_find(&t->own, flow))
		return;
	zs_own_flows_forget(&t->own, flow, now_ns);
	say_close(t, flow, reason, now_ns);
}

enum zs_drop zs_edge_tunnel_data(struct zs_edge_tunnel *t, const struct zs_tunnel_flow *flow, uint8_t ecn,
				 uint8_t *payload, size_t len, uint64_t now_ns)
{
	struct zs_tunnel_head head = { .type = ZS_TUNNEL_DATA, .flow = *flow, .ecn = ecn };
	struct zs_own_flow *o = zs_own_flows_find(&t->own, flow);
	uint8_t open[ZS_TUNNEL_OPEN];

	if (flow->opener == ZS_TUNNEL_EDGE && !o)
		return ZS_DROP_no_flow;
	if (!t->now)
		return ZS_DROP_no_endpoint;
	if (len > zs_edge_tunnel_payload(t))
		return ZS_DROP_tunnel_mtu;
	if (o && zs_opening_due(&o->opening, now_ns)) {
		zs_tunnel_write_open(open, &o->target, 0);
		say(t, t->now, ZS_TUNNEL_TYPE_OPEN, flow, open, sizeof(open),
		    sizeof(open) + ZS_TUNNEL_OVERHEAD, NULL, now_ns);
	}
	head.auth = flow->service && (t->grants.service[flow->service >> 6 & 1] >> (flow->service & 63) & 1);
	return send(t, t->now, &head, payload - ZS_TUNNEL_HEADER, len + ZS_TUNNEL_OVERHEAD, NULL, now_ns);
}

void zs_edge_tunnel_shutdown(struct zs_edge_tunnel *t, uint16_t reason, uint64_t now_ns)
{
	say_close(t, NULL, reason, now_ns);
	drop_all(t);
}

uint32_t zs_edge_tunnel_payload(const struct zs_edge_tunnel *t)
{
	return t->now ? t->now->pmtu.size - ZS_TUNNEL_OVERHEAD : 0;
}

bool zs_edge_tunnel_way(const struct zs_edge_tunnel *t, struct zs_edge_way *out)
{
	if (t->now)
		*out = (struct zs_edge_way){ .relay = t->now->remote,
					     .heard_ns = t->now->heard_ns,
					     .receiver = t->now->is.receiver,
					     .size = t->now->pmtu.size,
					     .measured = t->now->pmtu.state == ZS_PMTU_DONE };
	return t->now;
}

void zs_edge_tunnel_moved(struct zs_edge_tunnel *t, uint32_t most, uint64_t now_ns)
{
	if (t->next)
		t->next->is.most = most;
	if (!t->now)
		return;
	t->now->is.most = most; /* the first PROBE tells the relay too */
	zs_pmtu_start(&t->now->pmtu, most, now_ns);
	t->ops->path(t->ctx, ZS_EDGE_PATH_MTU, zs_edge_tunnel_payload(t));
}

/* --- time ------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t zs_edge_tunnel_deadline(const struct zs_edge_tunnel *t)
{
	uint64_t at = UINT64_MAX;

	if (t->now)
		at = least(t->now->keepalive.due_ns, least(t->now->pmtu.due_ns, t->now->until_ns));
	if (t->next)
		at = least(at, least(t->next->keepalive.due_ns, t->next->until_ns));
	if (t->old)
		at = least(at, t->old->until_ns);
	return at;
}

static void keep_alive(struct zs_edge_tunnel *t, struct zs_edge_end *s, uint64_t now_ns)
{
	static const uint8_t zero[ZS_TUNNEL_PROBE];

	if (!zs_keepalive_due(&s->keepalive, now_ns))
		return;
	if (!s->keepalive.found)
		s->remote = s->is.relay[s->asked++ % s->is.relays];
	say(t, s, ZS_TUNNEL_KEEPALIVE, NULL, zero, sizeof(zero), sizeof(zero) + ZS_TUNNEL_OVERHEAD, NULL,
	    now_ns);
}

static void probe_path(struct zs_edge_tunnel *t, struct zs_edge_end *s, uint64_t now_ns)
{
	uint32_t before = s->pmtu.size, size = zs_pmtu_due(&s->pmtu, now_ns, t->random);

	if (size)
		say(t, s, ZS_TUNNEL_TYPE_PROBE, NULL, s->pmtu.nonce, ZS_TUNNEL_PROBE, size, NULL, now_ns);
	if (s->pmtu.size != before)
		t->ops->path(t->ctx, ZS_EDGE_PATH_MTU, zs_edge_tunnel_payload(t));
	/* Three PROBEs of the base are lost: is it their size, or the path? */
	if (s->pmtu.state != ZS_PMTU_SMALL)
		return;
	bool heard = s->heard_ns + ZS_PMTU_TRIES * ZS_PMTU_TIMEOUT_NS >= now_ns,
	     *told = heard ? &s->small : &s->silent;
	if (!*told) {
		*told = true;
		t->ops->path(t->ctx, heard ? ZS_EDGE_PATH_SMALL : ZS_EDGE_PATH_SILENT, 0);
	}
}

void zs_edge_tunnel_due(struct zs_edge_tunnel *t, uint64_t now_ns)
{
	if (t->old && now_ns >= t->old->until_ns)
		drop(&t->old);
	if (t->next && now_ns >= t->next->until_ns) {
		over(t, ZS_ATTACH_CLOSE_idle); /* the relay has ended it, and the one before, by now */
		return;
	}
	if (t->next)
		keep_alive(t, t->next, now_ns);
	if (t->now)
		keep_alive(t, t->now, now_ns);
	if (t->now)
		probe_path(t, t->now, now_ns);
}
