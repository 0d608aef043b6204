/* The server: its life, its time, and what happens around it. */
#include "attach/internal.h"

#include <errno.h>
#include <stdlib.h>

#define BEAT_NS (1 * ZS_NS_PER_S)

/* --- time --- */

void zs_attach_wake_conn(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t at)
{
	zs_deadlines_set(&s->conn_timers, &conn->timer, at);
}

void zs_attach_wake_slot(struct zs_attach *s, struct slot *slot, uint64_t at)
{
	uint64_t round = slot_round(at);

	if (!slot->timer.place || round < slot->timer.at)
		zs_deadlines_set(&s->slot_timers, &slot->timer, round);
}

/* A step back counts as standing still. */
void zs_attach_set_now(struct zs_attach *s, uint64_t now)
{
	if (now > s->now_ns)
		s->now_ns = now;
}

uint64_t zs_attach_deadline(const struct zs_attach *s)
{
	uint64_t at[] = { zs_deadlines_next(&s->conn_timers), zs_deadlines_next(&s->slot_timers),
			  s->now_ns + BEAT_NS };
	uint64_t least = NEVER;

	for (size_t i = 0; i < ZS_ARRAY_LEN(at); i++)
		least = at[i] < least ? at[i] : least;
	return least;
}

static struct zs_attach_conn *conn_of(struct zs_deadline *d)
{
	return (struct zs_attach_conn *)((char *)d - offsetof(struct zs_attach_conn, timer));
}

static struct slot *slot_of(struct zs_deadline *d)
{
	return (struct slot *)((char *)d - offsetof(struct slot, timer));
}

static void tick_conn(struct zs_attach *s, struct zs_attach_conn *conn)
{
	if (conn->state == CONN_GRANTED)
		zs_attach_grant_send(s, conn);
	else if (conn->state == CONN_PROBING)
		zs_attach_hello_judged(s, conn, false);
	else
		zs_attach_conn_close(s, conn, "no Hello");
}

static void tick_slot(struct zs_attach *s, struct slot *slot)
{
	if (!slot->kept.owner.len) {
		zs_attach_slot_store(s, slot);
		return;
	}
	zs_attach_session_tick(s, slot);
	if (slot->lease_ns == NEVER)
		return;
	/* Its owner may be refused for want of a disk that writes: nobody's fault but ours. */
	if (s->now_ns >= slot->lease_ns && zs_control_raised(s->c, ZS_HEALTH_store_failed))
		zs_attach_slot_lease(s, slot);
	if (s->now_ns < slot->lease_ns) {
		zs_attach_wake_slot(s, slot, slot->lease_ns);
		return;
	}
	s->counts.expired++;
	zs_attach_slot_free(s, slot, NULL);
}

void zs_attach_advance(struct zs_attach *s, uint64_t now, uint64_t wall_s)
{
	struct zs_deadline *d;

	zs_attach_set_now(s, now);
	s->wall_s = wall_s;
	zs_segment_beat(&s->shm.seg, s->now_ns);
	if (zs_cids_advance(s->cids, wall_s))
		zs_attach_cids_retire(s);
	zs_attach_cookies_draw(s);
	while ((d = zs_deadlines_due(&s->conn_timers, s->now_ns)))
		tick_conn(s, conn_of(d));
	while ((d = zs_deadlines_due(&s->slot_timers, s->now_ns)))
		tick_slot(s, slot_of(d));
}

/* --- the world around --- */

void zs_attach_state(struct zs_attach *s, uint64_t incarnation, uint64_t now)
{
	zs_attach_set_now(s, now);
	if (incarnation == s->incarnation)
		return;
	s->incarnation = incarnation;
	for (uint32_t id = 1; incarnation && id < s->high; id++) {
		struct slot *slot = s->slot[id];
		bool dead = slot->now.at != ZS_SESSION_NONE && !zs_attach_session_lives(s, &slot->now);

		if (slot->before.at != ZS_SESSION_NONE && !zs_attach_session_lives(s, &slot->before))
			zs_attach_session_end(s, slot, &slot->before);
		if (!dead)
			continue;
		s->counts.wiped++;
		zs_attach_session_end(s, slot, &slot->now);
		if (slot->conn)
			zs_attach_conn_close(s, slot->conn, "the dataplane's state was lost; attach again");
	}
}

static void tell_policy(struct zs_attach *s, const struct slot *slot)
{
	struct zs_attach_frame f = { .kind = ZS_ATTACH_POLICY, .policy = zs_attach_policy_told(slot) };

	zs_attach_slot_show(s, slot);
	if (slot->conn && slot->conn->state == CONN_ATTACHED)
		zs_attach_send(s, slot->conn, &f);
	else if (slot->conn) { /* behind the Grant */
		uint8_t bytes[ZS_ATTACH_FRAME];
		struct zs_span raw;

		zs_attach_conn_hold(slot->conn, bytes, zs_attach_encode(&f, bytes, sizeof(bytes), &raw));
	}
}

void zs_attach_judge(struct zs_attach *s, uint64_t now)
{
	static const struct refusal denied = { .code = ZS_ATTACH_ERROR_denied, .scope = "peer" };

	zs_attach_set_now(s, now);
	for (uint32_t id = 1; id < s->high; id++) {
		struct slot *slot = s->slot[id];
		struct admission who;

		if (!slot->kept.owner.len)
			continue;
		if (zs_attach_policy_keeps(s, slot, &who)) {
			if (zs_attach_policy_set(s, slot, &who))
				tell_policy(s, slot);
			zs_attach_quota_judge(s, slot);
			continue;
		}
		if (slot->conn)
			zs_attach_send_error(s, slot->conn, 0, &denied);
		zs_attach_slot_free(s, slot, NULL);
	}
}

void zs_attach_apply(struct zs_attach *s, uint64_t now)
{
	if (zs_attach_policy_load(s))
		zs_control_raise(s->c, ZS_HEALTH_attach_secrets, "out of memory");
	zs_attach_judge(s, now);
	/* One that went back may have taken ports; another lets go of them. */
	for (uint32_t id = 1; id < s->high; id++)
		if (s->slot[id]->kept.owner.len)
			zs_attach_ports_reserve(s, s->slot[id]);
}

int zs_attach_kick(struct zs_attach *s, uint32_t id, uint64_t now, struct zs_error *err)
{
	zs_attach_set_now(s, now);
	if (!id || id >= s->high || !s->slot[id]->kept.owner.len)
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
				    "there is no attachment %u; zsctl attach list names them", id);
	s->counts.kicked++;
	return zs_attach_slot_free(s, s->slot[id], err);
}

/* --- life --- */

static int open_segment(struct zs_attach *s, struct zs_error *err)
{
	uint32_t capacity = s->c->conf->attach.capacity;
	struct zs_sessions_shape shape = { .attachments = capacity, .sessions = zs_sessions_slots(capacity) };
	struct zs_error why = { 0 };
	bool fresh;
	int rc = zs_sessions_open_writer(&s->shm, s->c->shm_dir, &shape, &fresh, &why);

	if (rc) {
		if (err)
			*err = why;
		return rc;
	}
	if (fresh && why.code == -EUCLEAN) {
		ZS_LOG(&s->c->log, SEGMENT_REFUSED, "segment=sessions error=\"%s\"", why.text);
		zs_control_raise(s->c, ZS_HEALTH_segment_lost, "sessions: the edges attach again");
	}
	if (fresh)
		ZS_LOG(&s->c->log, SEGMENT_NEW, "segment=sessions path=%s", s->shm.seg.path);
	else
		ZS_LOG(&s->c->log, SEGMENT_ADOPTED, "segment=sessions path=%s", s->shm.seg.path);
	return 0;
}

int zs_attach_new(struct zs_attach **out, struct zs_control *c, struct zs_random random, uint64_t now,
		  uint64_t wall_s, struct zs_error *err)
{
	struct zs_attach *s = calloc(1, sizeof(*s));
	int rc;

	if (!s || !(s->listed_at = calloc(ZS_CONF_ALLOWED, sizeof(*s->listed_at)))) {
		free(s);
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	}
	s->c = c;
	s->random = random;
	s->now_ns = now;
	s->wall_s = wall_s;
	s->bucket_key[0] = zs_random_u64(&random);
	s->bucket_key[1] = zs_random_u64(&random);
	rc = open_segment(s, err);
	if (!rc)
		rc = zs_cids_new(&s->cids, c, random, &s->shm, wall_s, err);
	if (!rc)
		rc = zs_attach_rules_load(s, err);
	if (!rc)
		rc = zs_attach_limits_load(s, err);
	if (!rc && zs_attach_policy_load(s))
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	if (!rc)
		rc = zs_slots_load(s, err);
	if (!rc)
		rc = zs_attach_sessions_load(s, err);
	if (rc) {
		zs_attach_delete(s);
		return rc;
	}
	zs_attach_cookies_draw(s);
	zs_attach_judge(s, now);
	for (uint32_t id = 1; id < s->high; id++)
		if (s->slot[id]->kept.owner.len)
			zs_attach_slot_show(s, s->slot[id]);
	*out = s;
	return 0;
}

void zs_attach_delete(struct zs_attach *s)
{
	if (!s)
		return;
	while (s->conns) {
		zs_attach_conn_drop_held(s->conns);
		zs_attach_conn_forget(s, s->conns);
	}
	for (uint32_t id = 1; s->slot && id < s->high; id++)
		zs_budget_free(&s->c->memory[ZS_MEMORY_attach], s->slot[id]);
	zs_deadlines_free(&s->conn_timers);
	zs_deadlines_free(&s->slot_timers);
	zs_budget_free(&s->c->memory[ZS_MEMORY_attach], s->slot);
	zs_budget_free(&s->c->memory[ZS_MEMORY_attach], s->owned);
	zs_peertable_delete(&s->owners);
	zs_peertable_delete(&s->listed);
	zs_peertable_delete(&s->ruled);
	zs_peertable_delete(&s->limited);
	free(s->limits);
	free(s->listed_at);
	free(s->rule);
	zs_secrets_free(&s->secrets);
	zs_cids_delete(s->cids);
	zs_sessions_close(&s->shm);
	free(s);
}

void zs_attach_serve(struct zs_attach *s, const struct zs_attach_ops *ops, void *ctx)
{
	s->ops = ops;
	s->shell = ctx;
	for (uint32_t id = 1; ops && id < s->high; id++)
		if (s->slot[id]->kept.owner.len)
			ops->own(ctx, &s->slot[id]->kept.owner, true);
}
