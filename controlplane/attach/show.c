/* What verbs, metrics and tests ask. */
#include <errno.h>
#include <sodium.h>
#include "attach/internal.h"

const struct zs_attach_counts *zs_attach_counts(const struct zs_attach *s)
{
	return &s->counts;
}

struct zs_segment *zs_attach_segment(struct zs_attach *s)
{
	return &s->shm.seg;
}

uint32_t zs_attach_capacity(const struct zs_attach *s)
{
	return s->shm.attachments;
}

uint32_t zs_attach_find(const struct zs_attach *s, const struct zs_peer_id *owner)
{
	const struct slot *slot = zs_attach_slot_of(s, owner);

	return slot ? slot->id : 0;
}

static void describe(const struct zs_attach *s, const struct slot *slot, uint64_t now,
		     struct zs_attach_info *out)
{
	*out = (struct zs_attach_info){
		.id = slot->id,
		.generation = slot->kept.generation,
		.owner = slot->kept.owner,
		.connected = slot->conn != NULL,
		.mode = slot->now.at != ZS_SESSION_NONE ? slot->now.mode : 0,
		.sessions = (uint8_t)((slot->now.at != ZS_SESSION_NONE) +
				      (slot->before.at != ZS_SESSION_NONE)),
		.name = slot->name,
		.policy = slot->policy_name,
		.tenant = s->tenant[slot->tenant].name,
		.limits = &slot->policy,
		.mark = slot->mark,
		.limited = zs_attach_limited(s, &slot->kept.owner),
		.used = slot->used,
		.ports = slot->kept.ports.count,
		.port = slot->kept.ports.at,
	};
	if (slot->conn) {
		out->remote = slot->conn->peer.remote;
		out->group = slot->conn->group;
	} else if (slot->lease_ns > now) {
		out->lease_ns = slot->lease_ns - now;
	}
}

bool zs_attach_next(const struct zs_attach *s, uint32_t after, uint64_t now, struct zs_attach_info *out)
{
	for (uint32_t id = after + 1; id < s->high; id++) {
		if (!s->slot[id]->kept.owner.len)
			continue;
		describe(s, s->slot[id], now, out);
		return true;
	}
	return false;
}

bool zs_attach_session(const struct zs_attach *s, uint32_t id, bool newest, struct zs_session *out)
{
	const struct slot *slot = id < s->high ? s->slot[id] : NULL;
	uint32_t at = !slot ? ZS_SESSION_NONE : newest ? slot->now.at : slot->before.at;
	bool there = at != ZS_SESSION_NONE && zs_sessions_slot(&s->shm, at, out);

	sodium_memzero(out->root, sizeof(out->root));
	return there;
}

/* --- the walker --- */

static const char *walk_live(const struct zs_attach *s, const struct slot *slot, const struct live *live)
{
	struct zs_session v;

	if (live->at == ZS_SESSION_NONE)
		return live->conn ? "a connection of no session" : NULL;
	if (!zs_sessions_slot(&s->shm, live->at, &v))
		return "a session that is not in the segment";
	if (v.attachment != slot->id || v.generation != slot->kept.generation || v.mode != live->mode)
		return "a session of another attachment";
	return NULL;
}

/* What has an end is looked at by then. */
static const char *walk_timer(const struct slot *slot)
{
	const struct live *now = &slot->now;
	bool unproven = now->at != ZS_SESSION_NONE && (!now->proven || slot->before.at != ZS_SESSION_NONE);
	uint64_t at = slot->timer.place ? slot->timer.at : NEVER;

	if (at > slot_round(slot->lease_ns))
		return "a lease that nobody ends";
	return unproven && at > slot_round(now->granted_ns + ZS_ATTACH_PROOF_NS)
		   ? "an unproven session that nobody ends"
		   : NULL;
}

static const char *walk_slot(const struct zs_attach *s, const struct slot *slot)
{
	struct zs_attachment a;
	const char *bad = walk_live(s, slot, &slot->now);

	if (!slot->kept.generation)
		return "generation 0";
	if (!slot->kept.owner.len)
		return slot->kept.ports.count || slot->conn || slot->now.at != ZS_SESSION_NONE ||
			       !slot->kept.freed_s || (slot->timer.place != 0) != slot->unstored
			   ? "a free slot in use"
			   : NULL;
	if (zs_attach_slot_of(s, &slot->kept.owner) != slot)
		return "an owner that does not lead to its slot";
	if (bad || (bad = walk_live(s, slot, &slot->before)) || (bad = walk_timer(slot)))
		return bad;
	if ((slot->conn == NULL) == (slot->lease_ns == NEVER))
		return "a lease that runs beside a connection, or none that does without";
	if (slot->conn && slot->conn->slot != slot)
		return "a connection of another slot";
	if (zs_sessions_attachment(&s->shm, slot->id, &a) &&
	    (a.session != slot->now.at || a.previous != slot->before.at ||
	     a.generation != slot->kept.generation))
		return "an attachment's entry that says otherwise";
	return NULL;
}

int zs_attach_walk(const struct zs_attach *s, const char **where)
{
	uint32_t owned = 0, sessions = 0, ports = 0, free_slots = 0, listed = 0, conns = 0, written = 0,
		 placed = 0, idle = 0; /* connections that wait for nothing */

	for (uint32_t id = 1; id < s->high; id++) {
		const struct slot *slot = s->slot[id];

		if ((*where = walk_slot(s, slot)))
			return -EUCLEAN;
		owned += slot->kept.owner.len != 0;
		free_slots += slot->kept.owner.len == 0;
		ports += slot->kept.ports.count;
		sessions += (slot->now.at != ZS_SESSION_NONE) + (slot->before.at != ZS_SESSION_NONE);
	}
	for (uint32_t id = s->free_head; id && listed <= free_slots; id = s->slot[id]->next_free)
		listed++;
	for (const struct zs_attach_conn *c = s->conns; c; c = c->next) {
		conns++;
		idle += c->state == CONN_ATTACHED || c->state == CONN_CLOSING;
	}
	for (uint32_t i = 0; i < BUCKETS; i++)
		for (const struct slot *at = s->bucket[i]; at && placed <= owned; at = at->near)
			placed++;
	for (uint32_t at = 0; at < s->shm.sessions; at++)
		written += s->shm.session[at].used;
	*where = owned != s->counts.attachments		? "count of attachments"
		 : sessions != s->counts.sessions	? "count of sessions"
		 : sessions != written			? "sessions in the segment"
		 : ports != s->counts.ports		? "count of ports"
		 : conns != s->counts.connections	? "count of connections"
		 : conns != s->conn_timers.count + idle ? "timers of connections"
		 : listed != free_slots			? "queue of free slots"
		 : placed != owned			? "slots by prefix"
		 : !zs_attach_tenants_right(s)		? "members of a tenant"
							: NULL;
	return *where ? -EUCLEAN : 0;
}
