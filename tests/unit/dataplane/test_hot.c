/* A worker's lines of attachments against what they are made from: through logs, overruns, another segment. */
#include "cid_rig.h"

/* Is the session in that slot the one that was told BOUND? */
static bool holds(const struct cid_rig *c, uint32_t slot, const struct zs_binding *b)
{
	const struct zs_session *s = slot == ZS_SESSION_NONE ? NULL : &c->shm.session[slot];

	return s && s->used && s->mode == ZS_SESSION_SOCKET && s->receiver == b->receiver[b->holder - 1] &&
	       s->bind_id == b->bind_id[b->holder - 1] &&
	       s->incarnation == c->r->dp.state.seg.base->incarnation;
}

static struct zs_hot naive(const struct cid_rig *c, uint32_t id, uint64_t now)
{
	const struct zs_attachment *a = &c->shm.attachment[id];
	const struct zs_binding *b = &c->r->dp.state.binding[id];
	struct zs_hot h = { .generation = a->used ? a->generation : 0 };

	if (h.generation && a->strangers)
		h.flags = ZS_HOT_STRANGERS;
	if (h.generation && b->port && b->generation == a->generation && b->expires_ns > now &&
	    (holds(c, a->session, b) || holds(c, a->previous, b))) {
		h.port = b->port;
		h.addr = b->addr;
		h.local = b->local;
		h.expires = zs_hot_tick(b->expires_ns);
	}
	return h;
}

static void check(const struct cid_rig *c, uint32_t worker)
{
	const struct zs_worker *w = &c->r->worker[worker];

	for (uint32_t id = 0; id < CID_ATTACHMENTS; id++) {
		struct zs_hot want = naive(c, id, w->now_ns);
		const struct zs_hot *have = &w->hot[id];

		if (have->generation != want.generation || have->port != want.port ||
		    have->flags != want.flags || have->local != want.local || have->expires != want.expires ||
		    !zs_addr_eq(&have->addr, &want.addr))
			fail_msg("worker %u, attachment %u", worker, id);
	}
}

/* One change that the control plane or the binder may make, without telling the rig's workers. */
static void change(struct cid_rig *c, uint64_t *rng)
{
	uint32_t id = (uint32_t)(draw(rng) % CID_ATTACHMENTS);
	struct zs_attachment a = { .used = 1,
				   .generation = (uint16_t)(1 + draw(rng) % 3),
				   .strangers = (uint8_t)(draw(rng) % 2),
				   .session = id,
				   .previous = ZS_SESSION_NONE };
	struct zs_worker *w = &c->r->worker[ZS_BINDER];
	struct zs_binding before = zs_binds_get(w, id), after = before;

	struct zs_session v = { .used = 1,
				.mode = (uint8_t)(draw(rng) % 8 ? ZS_SESSION_SOCKET : ZS_SESSION_TUNNEL),
				.bind_id = (uint8_t)(1 + draw(rng) % 2),
				.attachment = id,
				.generation = 1,
				.receiver = id + CID_ATTACHMENTS * (uint32_t)(draw(rng) % 2),
				.incarnation = c->r->dp.state.seg.base->incarnation - !(draw(rng) % 8) };

	switch (draw(rng) % 5) {
	case 0:
		if (draw(rng) % 4 == 0) {
			a.previous = id;
			a.session = draw(rng) % 2 ? ZS_SESSION_NONE : (id + 1) % CID_ATTACHMENTS;
		}
		assert_int_equal(zs_sessions_set_attachment(&c->shm, id, draw(rng) % 4 ? &a : NULL), 0);
		return;
	case 4:
		assert_int_equal(zs_sessions_set_session(&c->shm, id, draw(rng) % 8 ? &v : NULL), 0);
		return;
	case 1:
		zs_binding_drop(&after);
		break;
	default:
		after.holder = (uint8_t)(1 + draw(rng) % 2);
		for (int i = 0; i < 2; i++) {
			after.receiver[i] = id + CID_ATTACHMENTS * (uint32_t)(draw(rng) % 2);
			after.bind_id[i] = (uint8_t)(1 + draw(rng) % 2);
			after.counter[i] = 1;
		}
		after.generation = (uint16_t)(1 + draw(rng) % 3);
		after.addr = rig_addr("10.1.0.2");
		after.port = (uint16_t)(1 + draw(rng) % 60000);
		after.local = (uint8_t)(draw(rng) % 2);
		after.expires_ns = w->now_ns + draw(rng) % 3 * ZS_NS_PER_S;
	}
	zs_binds_put(w, id, &before, &after);
}

static void test_model(void **state)
{
	struct cid_rig *c = *state;
	uint64_t *rng = &c->r->scratch->rng;

	for (uint32_t round = 0; round < ROUNDS(3000); round++) {
		for (uint64_t n = draw(rng) % 8; n; n--)
			change(c, rng);
		cid_refresh(c);
		check(c, 0);
		check(c, 1);
	}
}

/* One worker is away while more changes than a log holds go by, in either. */
static void test_overrun(void **state)
{
	struct cid_rig *c = *state;
	uint64_t *rng = &c->r->scratch->rng;
	struct zs_worker *away = &c->r->worker[1];

	for (int log = 0; log < 2; log++) {
		uint32_t capacity = log ? c->r->dp.state.bindings.capacity : c->shm.changes.capacity;

		for (int i = 0; i < 200; i++)
			change(c, rng);
		for (uint32_t i = 0; i < capacity; i++)
			if (log)
				zs_binds_put(&c->r->worker[0], 5, &c->r->dp.state.binding[5],
					     &c->r->dp.state.binding[5]);
			else
				zs_sessions_set_attachment(&c->shm, 5, NULL);
		assert_true(away->hot_view.scan >= CID_ATTACHMENTS); /* none is under way */
		zs_hot_refresh(away);
		zs_hot_refresh(away);
		check(c, 1);
	}
}

/* What changes behind a look at all is told by the log, what changes before it is met by it. */
static void test_change_during_a_look_at_all(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[1];

	for (uint32_t at = 0; at <= CID_ATTACHMENTS; at += 8) {
		uint64_t *rng = &c->r->scratch->rng;

		zs_changelog_lose(&c->shm.changes);
		zs_hot_refresh(w);
		w->hot_view.scan = at; /* as if the slice had ended here */
		for (int i = 0; i < 20; i++)
			change(c, rng);
		zs_hot_refresh(w);
		check(c, 1);
	}
}

/* Sessions made anew, smaller: who is beyond is gone. Without any, the lines stay: forwarding goes on. */
static void test_another_segment(void **state)
{
	static const struct zs_sessions_shape shape = { CID_ATTACHMENTS / 2, CID_ATTACHMENTS };
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	bool fresh;

	cid_attach(c, 3, 9, ZS_STRANGERS_NOTHING);
	cid_attach(c, CID_ATTACHMENTS - 1, 9, ZS_STRANGERS_NOTHING);
	w->sessions = NULL;
	zs_hot_refresh(w);
	assert_int_equal(w->hot[3].generation, 9);
	zs_sessions_close(&c->shm);
	assert_int_equal(zs_sessions_open_writer(&c->shm, c->r->dp.shm_dir, &shape, &fresh, NULL), 0);
	assert_true(fresh);
	w->sessions = &c->shm; /* at the same place in memory: known by its incarnation */
	zs_hot_refresh(w);
	assert_int_equal(w->hot[3].generation, 0);
	assert_int_equal(w->hot[CID_ATTACHMENTS - 1].generation, 0);
	assert_int_equal(zs_hot_attachments(w), CID_ATTACHMENTS / 2);
}

/* A writer that was killed inside an entry: the line stays what it was. */
static void test_half_written(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];

	cid_attach(c, 1, 9, ZS_STRANGERS_NOTHING);
	cid_bind(c, 1, cid_peer("10.1.0.2", 1), 0);
	zs_seqlock_write_begin(&c->shm.attachment[1].seq);
	zs_changelog_lose(&c->shm.changes);
	cid_refresh(c);
	assert_int_equal(w->hot[1].generation, 9);
	zs_seqlock_write_end(&c->shm.attachment[1].seq);
	zs_seqlock_write_begin(&c->r->dp.state.binding[1].seq);
	zs_changelog_lose(&c->shm.changes);
	cid_refresh(c);
	assert_int_equal(w->hot[1].port, 1);
}

/* A line that says the same keeps its next hop; another address does not. */
static void test_next_hop_is_kept(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];

	cid_attach(c, 1, 9, ZS_STRANGERS_NOTHING);
	cid_bind(c, 1, cid_peer("10.1.0.2", 1), 0);
	assert_int_equal(w->hot[1].stamp, w->stamp); /* found before any packet asks */
	assert_true(w->hot[1].nexthop < ZS_HOT_KEPT);
	w->hot[1].nexthop = 77;
	cid_bind(c, 1, cid_peer("10.1.0.2", 2), 0);
	assert_int_equal(w->hot[1].port, 2);
	assert_int_equal(w->hot[1].nexthop, 77);
	cid_bind(c, 1, cid_peer("10.1.0.3", 2), 0);
	assert_int_equal(w->hot[1].nexthop, UINT16_MAX); /* nobody knows that neighbour */
}

/* Keys follow the segment: a new one decodes, a withdrawn one does not, not even by its time alone. */
static void test_configurations(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	struct zs_cid_config v;

	assert_int_equal(w->cids.set.live, 1 << 2);
	assert_true(zs_sessions_cid_config(&c->shm, 2, &v));
	v.key[0] ^= 1;
	assert_int_equal(zs_sessions_set_cid_config(&c->shm, 5, &v), 0);
	v.server_id_len = 10; /* not our layout */
	assert_int_equal(zs_sessions_set_cid_config(&c->shm, 6, &v), 0);
	cid_refresh(c);
	assert_int_equal(w->cids.set.live, 1 << 2 | 1 << 5);
	v.server_id_len = 12;
	v.withdrawn_s = w->unix_s + 10;
	assert_int_equal(zs_sessions_set_cid_config(&c->shm, 5, &v), 0);
	cid_refresh(c);
	assert_int_equal(w->cids.set.live, 1 << 2 | 1 << 5);
	w->unix_s += 10;
	cid_refresh(c);
	assert_int_equal(w->cids.set.live, 1 << 2);
	assert_int_equal(zs_sessions_set_cid_config(&c->shm, 2, NULL), 0);
	cid_refresh(c);
	assert_int_equal(w->cids.set.live, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cid_setup, cid_teardown)
	const struct CMUnitTest tests[] = {
		T(test_model),		 T(test_overrun),      T(test_change_during_a_look_at_all),
		T(test_another_segment), T(test_half_written), T(test_next_hop_is_kept),
		T(test_configurations)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
