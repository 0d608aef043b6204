/* The Grant. What it says is durable before anybody hears of it, and its keys are with the workers before the
 * edge may use them. */
#include "attach/internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include "program.h"
#include "shm/qsbr.h"
#include "usage/usage.h"

#define POLL_NS	     ZS_NS_PER_MS
#define PORT_ANSWERS (ZS_ATTACH_PORTS + ZS_ARRAY_LEN(((zs_pb_Hello *)0)->publish))

/* A Hello that is being granted. */
struct offer {
	struct zs_attach_conn *conn;
	struct slot *slot;
	const zs_pb_Hello *hello;
	const struct zs_span *raw;
	uint64_t id;
	struct zs_attach_frame grant;
	zs_pb_Port answer[PORT_ANSWERS];
	uint32_t answers;
	uint8_t bytes[ZS_ATTACH_FRAME];
	size_t len;
	uint8_t hash[ZS_ATTACH_HASH];
	struct zs_session session;
};

static bool knows(const struct slot *slot, const zs_pb_Hello *h)
{
	for (uint32_t i = 0; h->has_resume && i < slot->kept.hashes; i++)
		if (!memcmp(slot->kept.hash[i], h->resume.grant_hash.bytes, ZS_ATTACH_HASH))
			return true;
	return false;
}

static void put_addresses(struct zs_attach *s, struct offer *o)
{
	zs_pb_Grant *g = &o->grant.grant;
	bool tunnel = o->hello->mode == ZS_ATTACH_MODE_tunnel;
	uint8_t addr[ZS_ARRAY_LEN(g->tunnel_addrs)][18];
	uint32_t n = zs_attach_announce(s, tunnel ? conf_of(s)->tunnel_port : conf_of(s)->service_port, addr,
					ZS_ARRAY_LEN(addr));

	for (uint32_t i = 0; i < n; i++) {
		typeof(&g->tunnel_addrs[0]) t = &g->tunnel_addrs[i];
		typeof(&g->service_addrs[0]) v = &g->service_addrs[i];

		memcpy(tunnel ? t->bytes : v->bytes, addr[i], sizeof(addr[i]));
		*(tunnel ? &t->size : &v->size) = sizeof(addr[i]);
	}
	*(tunnel ? &g->tunnel_addrs_count : &g->service_addrs_count) = (pb_size_t)n;
}

static void fill(struct zs_attach *s, struct offer *o)
{
	const zs_pb_Hello *h = o->hello;
	zs_pb_Grant *g = &o->grant.grant;

	o->grant.id = o->id;
	o->grant.kind = ZS_ATTACH_GRANT;
	g->pop = conf_of(s)->pop;
	g->attachment = o->slot->id;
	g->generation = o->slot->kept.generation;
	g->lease_s = conf_of(s)->lease_s;
	g->spread_ms = conf_of(s)->spread_ms;
	g->has_policy = true;
	g->policy = zs_attach_policy_told(o->slot);
	g->nonce.size = sizeof(g->nonce.bytes);
	s->random.fill(s->random.ctx, g->nonce.bytes, sizeof(g->nonce.bytes));
	if (h->mode == ZS_ATTACH_MODE_tunnel) {
		g->receiver = o->session.receiver;
	} else {
		g->bind_id = o->session.bind_id;
		g->has_cids = zs_attach_cids_first(s, o->slot, &g->cids);
	}
	put_addresses(s, o);
}

/* Every port there is, then what was refused: so an edge that meets names of an earlier run of its own knows what stood in the way. */
static void answer_ports(struct zs_attach *s, struct offer *o)
{
	zs_pb_Port refused[ZS_ARRAY_LEN(o->hello->publish)];
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->hello->publish_count; i++) {
		zs_attach_port_publish(s, o->slot, &o->hello->publish[i], &refused[n]);
		n += refused[n].has_error;
	}
	for (uint32_t i = 0; o->hello->mode == ZS_ATTACH_MODE_tunnel && i < o->slot->kept.ports.count; i++)
		zs_attach_port_tell(s, &o->slot->kept.ports.at[i], &o->answer[o->answers++]);
	memcpy(&o->answer[o->answers], refused, n * sizeof(refused[0]));
	o->answers += n;
}

/* As many ports as fit; the rest follows in frames of its own. */
static bool encode(struct offer *o)
{
	zs_pb_Grant *g = &o->grant.grant;
	uint32_t n = o->answers < ZS_ARRAY_LEN(g->ports) ? o->answers : ZS_ARRAY_LEN(g->ports);
	struct zs_span raw;

	memcpy(g->ports, o->answer, n * sizeof(g->ports[0]));
	g->ports_count = (pb_size_t)n;
	while (!(o->len = zs_attach_encode(&o->grant, o->bytes, sizeof(o->bytes), &raw)) && g->ports_count)
		g->ports_count--;
	if (!o->len || !zs_attach_grant_fits(g, o->hello->mode))
		return false;
	zs_attach_grant_hash(raw.bytes, raw.len, o->hash);
	return true;
}

static int derive(struct zs_attach *s, struct offer *o)
{
	const zs_pb_Hello *h = o->hello;
	uint8_t context[ZS_ATTACH_HASH], secret[ZS_ATTACH_SECRET];
	const uint8_t *psk = h->psk_id.size ? zs_secrets_psk(&s->secrets, h->psk_id.bytes, h->psk_id.size)
					    : NULL;
	int rc;

	zs_attach_transcript(o->raw->bytes, o->raw->len, o->hash, context);
	rc = s->ops->export(s->shell, o->conn->peer.link, context, sizeof(context), secret);
	if (!rc)
		rc = zs_attach_root(secret, psk, o->session.root);
	sodium_memzero(secret, sizeof(secret));
	return rc;
}

static void describe(struct zs_attach *s, struct offer *o)
{
	const zs_pb_Hello *h = o->hello;

	o->session = (struct zs_session){
		.used = 1,
		.mode = (uint8_t)h->mode,
		.bind_id = h->mode == ZS_ATTACH_MODE_socket ? zs_attach_session_bind_id(o->slot) : 0,
		.attachment = o->slot->id,
		.generation = o->slot->kept.generation,
		.max_payload = (uint16_t)(h->max_payload > UINT16_MAX ? UINT16_MAX : h->max_payload),
		.receiver = zs_attach_session_receiver(s),
		.peer = h->receiver,
		.incarnation = s->incarnation,
		.created_s = s->wall_s,
	};
}

/* Durable with the new Grant's hash, or as before. */
static int store(struct zs_attach *s, struct offer *o)
{
	struct kept *k = &o->slot->kept, was = *k;
	int rc;

	memcpy(k->hash[1], k->hash[0], ZS_ATTACH_HASH);
	memcpy(k->hash[0], o->hash, ZS_ATTACH_HASH);
	k->hashes = was.hashes ? 2 : 1;
	rc = zs_attach_record_slot(s, o->slot, NULL);
	if (rc)
		*k = was;
	return rc;
}

static void hold_offer(struct offer *o)
{
	struct zs_attach_frame f = { .kind = ZS_ATTACH_PORT };
	uint8_t bytes[ZS_ATTACH_FRAME];
	struct zs_span raw;
	size_t len;

	zs_attach_conn_hold(o->conn, o->bytes, o->len);
	for (uint32_t i = o->grant.grant.ports_count; i < o->answers; i++) {
		f.port = o->answer[i];
		len = zs_attach_encode(&f, bytes, sizeof(bytes), &raw);
		ZS_CHECK(len, "a port of ours keeps the protocol's bounds");
		zs_attach_conn_hold(o->conn, bytes, len);
	}
}

static void commit(struct zs_attach *s, struct offer *o)
{
	struct zs_attach_conn *conn = o->conn, *old = o->slot->conn;
	uint32_t continuity = o->grant.grant.continuity;
	char peer[ZS_PEER_ID_TEXT];

	conn->slot = o->slot;
	o->slot->conn = conn;
	o->slot->lease_ns = NEVER;
	conn->state = CONN_GRANTED;
	conn->grace_ns = s->now_ns + ZS_ATTACH_GRACE_NS;
	zs_attach_session_put(s, o->slot, &o->session, conn, continuity == ZS_ATTACH_CONTINUITY_resumed);
	if (old && o->slot->before.conn != old)
		zs_attach_conn_close(s, old, "a newer session took over");
	conn->epoch = zs_qsbr_start(zs_program_tables(s->c->program)->epoch);
	hold_offer(o);
	s->counts.granted[continuity]++;
	ZS_LOG(&s->c->log, ATTACHED, "attachment=%u generation=%u peer=%s continuity=%s ports=%u group=%s",
	       o->slot->id, o->slot->kept.generation, zs_peer_id_format(&conn->peer.id, peer),
	       zs_attach_name(ZS_ATTACH_TABLE_CONTINUITY, continuity), o->slot->kept.ports.count,
	       conn->group);
	zs_attach_grant_send(s, conn);
}

static uint32_t continuity_of(const struct zs_attach *s, const struct offer *o, bool fresh)
{
	if (fresh)
		return ZS_ATTACH_CONTINUITY_fresh;
	return knows(o->slot, o->hello) && zs_attach_session_lives(s, &o->slot->now)
		   ? ZS_ATTACH_CONTINUITY_resumed
		   : ZS_ATTACH_CONTINUITY_known;
}

/* Zero, or an error code. Nothing is changed then, but for a generation that is spent. */
static uint32_t offer(struct zs_attach *s, struct offer *o, const struct admission *who)
{
	bool fresh = !o->slot, room = s->counts.sessions < s->shm.sessions;
	struct ports before;
	int rc = -EPROTO;

	if (fresh && room)
		o->slot = zs_attach_slot_take(s, &o->conn->peer.id, &o->conn->prefix);
	if (!o->slot || !room) {
		if (!room ||
		    s->high == s->shm.attachments) /* else memory.attach_mb is used up: memory_budget */
			zs_control_raise(s->c, ZS_HEALTH_table_full, "attachments: %u, sessions: %u",
					 s->counts.attachments, s->counts.sessions);
		return ZS_ATTACH_ERROR_quota;
	}
	before = o->slot->kept.ports;
	o->slot->used = zs_attach_quota_used(s, &o->slot->kept.owner);
	zs_attach_policy_set(s, o->slot, who);
	describe(s, o);
	o->grant.grant.continuity = continuity_of(s, o, fresh);
	answer_ports(s, o);
	fill(s, o);
	if (o->session.receiver && encode(o) && !(rc = derive(s, o)))
		rc = store(s, o);
	if (!rc) {
		zs_attach_ports_keep(s, o->slot, &before);
		commit(s, o);
		return 0;
	}
	zs_attach_ports_undo(s, o->slot, &before);
	if (fresh)
		zs_attach_slot_untake(s, o->slot);
	else
		zs_attach_slot_show(s, o->slot);
	return ZS_ATTACH_ERROR_internal;
}

uint32_t zs_attach_grant(struct zs_attach *s, struct zs_attach_conn *conn, struct slot *slot,
			 const struct zs_attach_frame *f, const struct zs_span *raw,
			 const struct admission *who)
{
	struct offer *o = calloc(1, sizeof(*o));
	uint32_t code = ZS_ATTACH_ERROR_internal;

	if (!o)
		return code;
	o->conn = conn;
	o->slot = slot;
	o->hello = &f->hello;
	o->raw = raw;
	o->id = f->id;
	code = offer(s, o, who);
	sodium_memzero(&o->session, sizeof(o->session));
	free(o);
	return code;
}

/* The cells of the attachment count for this owner from here on. */
static bool metered(struct zs_attach *s, const struct slot *slot)
{
	return !s->c->usage ||
	       !zs_usage_own(s->c->usage, slot->id, slot->kept.generation, &slot->kept.owner, s->wall_s);
}

void zs_attach_grant_send(struct zs_attach *s, struct zs_attach_conn *conn)
{
	struct held *h;

	if (s->now_ns < conn->grace_ns && !zs_state_graced(s->c->state, conn->epoch)) {
		zs_attach_wake_conn(s, conn, s->now_ns + POLL_NS);
		return;
	}
	if (!metered(s, conn->slot)) {
		zs_attach_conn_close(s, conn, "the store failed");
		return;
	}
	conn->state = CONN_ATTACHED;
	zs_attach_wake_conn(s, conn, NEVER);
	while (conn->state == CONN_ATTACHED && (h = conn->held)) {
		conn->held = h->next;
		if (s->ops->send(s->shell, conn->peer.link, h->bytes, h->len))
			zs_attach_conn_close(s, conn, "it does not take our frames");
		free(h);
	}
	if (conn->state == CONN_ATTACHED)
		zs_attach_drain_tell(s, conn);
	if (conn->state == CONN_ATTACHED)
		s->ops->probe(s->shell, conn->peer.link);
}
