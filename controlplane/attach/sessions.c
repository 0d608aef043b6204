/* Sessions: keys in the segment. An attachment has one, and while that is unproven the one before. The order
 * of writing is for readers that may stop anywhere: a session stands before an attachment names it, and
 * goes after nobody does. */
#include "attach/internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include "relay/binding.h"

#define LOOK_NS                                                                                              \
	(200 * ZS_NS_PER_MS) /* between two looks whether the dataplane has seen a session carry packets */

static uint64_t soonest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

bool zs_attach_session_lives(const struct zs_attach *s, const struct live *live)
{
	return live->at != ZS_SESSION_NONE && s->incarnation && live->incarnation == s->incarnation;
}

void zs_attach_slot_show(struct zs_attach *s, const struct slot *slot)
{
	const zs_pb_Policy *p = &slot->policy;
	struct zs_police_limits limits = { p->bit_s, p->pkt_s, p->burst, p->flows, p->new_flows_s };
	struct zs_attachment a = { .used = 1,
				   .strangers = (uint8_t)p->strangers,
				   .generation = slot->kept.generation,
				   .session = slot->now.at,
				   .previous = slot->before.at,
				   .tenant = (uint16_t)slot->tenant,
				   .mark = slot->mark,
				   .serial = slot->serial };

	zs_police_of(&a.police, &limits);
	ZS_CHECK(!zs_sessions_set_attachment(&s->shm, slot->id, &a), "attachment %u", slot->id);
}

uint32_t zs_attach_session_receiver(struct zs_attach *s)
{
	uint32_t mask = s->shm.sessions - 1, id = (uint32_t)zs_random_u64(&s->random);

	for (uint32_t i = 0; i <= mask; i++) {
		uint32_t at = (id + i) & mask, receiver = (id & ~mask) | at;

		if (!s->shm.session[at].used && receiver)
			return receiver;
	}
	return 0;
}

uint8_t zs_attach_session_bind_id(const struct slot *slot)
{
	uint8_t id = slot->last_bind_id;

	do
		id++;
	while (!id || (slot->now.at != ZS_SESSION_NONE && slot->now.bind_id == id) ||
	       (slot->before.at != ZS_SESSION_NONE && slot->before.bind_id == id));
	return id;
}

void zs_attach_session_end(struct zs_attach *s, struct slot *slot, struct live *live)
{
	struct zs_attach_conn *conn = live->conn;
	uint32_t at = live->at;

	if (at == ZS_SESSION_NONE)
		return;
	*live = (struct live){ .at = ZS_SESSION_NONE };
	zs_attach_slot_show(s, slot);
	zs_sessions_set_session(&s->shm, at, NULL);
	s->counts.sessions--;
	if (conn && conn != slot->conn)
		zs_attach_conn_close(s, conn, "a newer session took over");
}

void zs_attach_sessions_end(struct zs_attach *s, struct slot *slot)
{
	zs_attach_session_end(s, slot, &slot->before);
	zs_attach_session_end(s, slot, &slot->now);
}

void zs_attach_session_put(struct zs_attach *s, struct slot *slot, const struct zs_session *v,
			   struct zs_attach_conn *conn, bool keep)
{
	uint32_t at = v->receiver & (s->shm.sessions - 1);

	ZS_CHECK(!zs_sessions_set_session(&s->shm, at, v), "session %u", at);
	s->counts.sessions++;
	zs_attach_session_end(s, slot, &slot->before);
	if (keep) {
		slot->before = slot->now;
		slot->now.at = ZS_SESSION_NONE;
	}
	zs_attach_session_end(s, slot, &slot->now);
	slot->now = (struct live){ .at = at,
				   .mode = v->mode,
				   .bind_id = v->bind_id,
				   .granted_ns = s->now_ns,
				   .incarnation = v->incarnation,
				   .conn = conn };
	slot->last_bind_id = v->bind_id ? v->bind_id : slot->last_bind_id;
	zs_attach_slot_show(s, slot);
	zs_attach_wake_slot(s, slot, s->now_ns + LOOK_NS);
}

/* A socket that was asked to prove its address has shown life. It has taken over from the session before when it holds the
 * binding: that ends with the session which holds it. */
static bool carries(const struct zs_state *state, const struct zs_session *v, bool over)
{
	struct zs_binding b;

	if (v->mode == ZS_SESSION_TUNNEL)
		return zs_state_tunnel_proven(state, v);
	return v->attachment < state->attachments &&
	       zs_seqlock_get(&state->binding[v->attachment], &b, sizeof(b)) &&
	       b.generation == v->generation &&
	       (over ? zs_binding_held : zs_binding_heard)(&b, v->receiver, v->bind_id);
}

/* Does the dataplane carry packets of the newest one each way? */
static bool newest_carries(const struct zs_attach *s, const struct slot *slot)
{
	const struct live *live = &slot->now;
	const struct zs_state *state = s->c->state;
	struct zs_session v;
	bool yes;

	if (!state || !zs_attach_session_lives(s, live) || !zs_sessions_slot(&s->shm, live->at, &v))
		return false;
	yes = carries(state, &v, slot->before.at != ZS_SESSION_NONE);
	sodium_memzero(&v, sizeof(v));
	return yes;
}

static void prove(struct zs_attach *s, struct slot *slot)
{
	if (slot->now.at == ZS_SESSION_NONE || slot->now.proven)
		return;
	slot->now.proven = true;
	zs_attach_session_end(s, slot, &slot->before);
}

/* What proves a session is its packets. Only while there is no dataplane to carry any, a ping answered on its connection
 * does: else all edges would attach again each minute until it is back. */
void zs_attach_session_pinged(struct zs_attach *s, struct slot *slot)
{
	if (!s->c->state || zs_control_raised(s->c, ZS_HEALTH_dataplane_missing))
		prove(s, slot);
}

void zs_attach_session_tick(struct zs_attach *s, struct slot *slot)
{
	uint64_t until = slot->now.granted_ns + ZS_ATTACH_PROOF_NS;

	if (slot->now.at == ZS_SESSION_NONE || (slot->now.proven && slot->before.at == ZS_SESSION_NONE))
		return;
	if (newest_carries(s, slot)) {
		prove(s, slot);
		return;
	}
	if (s->now_ns < until) {
		zs_attach_wake_slot(s, slot, soonest(s->now_ns + LOOK_NS, until));
		return;
	}
	zs_attach_session_end(s, slot, &slot->before);
	if (newest_carries(s, slot))
		slot->now.proven = true;
	if (slot->now.proven)
		return;
	zs_attach_session_end(s, slot, &slot->now);
	if (slot->conn)
		zs_attach_conn_close(s, slot->conn, "no sign of life after the Grant");
}

/* What the segment says of a session of before, if it is that attachment's. */
static void adopt(struct zs_attach *s, const struct slot *slot, uint32_t at, struct live *live)
{
	struct zs_session v;

	if (!zs_sessions_slot(&s->shm, at, &v) || v.attachment != slot->id ||
	    v.generation != slot->kept.generation)
		return;
	*live = (struct live){ .at = at,
			       .mode = v.mode,
			       .bind_id = v.bind_id,
			       .proven = true,
			       .granted_ns = s->now_ns,
			       .incarnation = v.incarnation };
	s->counts.sessions++;
	sodium_memzero(&v, sizeof(v));
}

static void adopt_slot(struct zs_attach *s, uint32_t id)
{
	struct slot *slot = id < s->high ? s->slot[id] : NULL;
	struct zs_attachment a;
	bool there = zs_sessions_attachment(&s->shm, id, &a);

	if (!slot || !slot->kept.owner.len) {
		if (s->shm.attachment[id].used)
			zs_sessions_set_attachment(&s->shm, id, NULL);
		return;
	}
	if (there && a.generation == slot->kept.generation) {
		adopt(s, slot, a.session, &slot->now);
		if (a.previous != a.session)
			adopt(s, slot, a.previous, &slot->before);
		slot->serial = a.serial;
	}
	if (slot->before.at != ZS_SESSION_NONE)
		zs_attach_wake_slot(s, slot, s->now_ns + ZS_ATTACH_PROOF_NS);
}

int zs_attach_sessions_load(struct zs_attach *s, struct zs_error *err)
{
	uint8_t *named = calloc(1, s->shm.sessions);

	if (!named)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	for (uint32_t id = 0; id < s->shm.attachments; id++)
		adopt_slot(s, id);
	for (uint32_t id = 1; id < s->high; id++) {
		if (s->slot[id]->now.at != ZS_SESSION_NONE)
			named[s->slot[id]->now.at] = 1;
		if (s->slot[id]->before.at != ZS_SESSION_NONE)
			named[s->slot[id]->before.at] = 1;
	}
	for (uint32_t at = 0; at < s->shm.sessions; at++)
		if (!named[at] && s->shm.session[at].used)
			zs_sessions_set_session(&s->shm, at, NULL);
	free(named);
	return 0;
}
