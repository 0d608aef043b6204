/* BIND at the worker: what the decision of relay/binding.h does to bindings, senders and other workers, and that nothing else
 * moves them. */
#include "bind_rig.h"

#define G CID_GENERATION

static void test_bound_and_rebound(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.2.0.2", 2000),
			   z = cid_peer("10.2.0.2", 2001);
	uint8_t bytes[ZS_BIND_BYTES];
	struct asker a, b;

	bind_both(c, &a, &b, x, y);
	assert_int_equal(c->consumed, 4);
	assert_int_equal(c->originated, 4);
	assert_true(bind_reaches(c, x, 0, 2, 2000));
	assert_true(bind_reaches(c, y, 1, 1, 1000));
	/* Asked from elsewhere: a challenge goes there, data does not. */
	bind_ask(c, &b, z, 1);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_challenge);
	assert_true(bind_reaches(c, x, 0, 2, 2000));
	bind_from(c, &b, z, 1);
	assert_true(bind_reaches(c, x, 0, 2, 2001));
	assert_true(bind_reaches(c, z, 1, 1, 1000));
	assert_false(bind_reaches(c, y, 1, 1, 1000)); /* the address it left is a stranger's */
	assert_int_equal(c->drop, ZS_DROP_cid_stranger);
	/* Kept alive from where it is bound: no challenge. */
	bind_ask(c, &b, z, 1);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_bound);
	bind_write(c, &b, ZS_BIND_KIND_unbind, 0, NULL, bytes);
	bind_put(c, 0, bytes, sizeof(bytes), y, 1);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_bound);
	assert_int_equal(bind_sent(c).lifetime_s, 0);
	assert_false(bind_reaches(c, x, 0, 2, 2001));
	assert_int_equal(c->drop, ZS_DROP_cid_unbound);
	assert_false(bind_reaches(c, z, 1, 1, 1000));
	assert_int_equal(c->drop, ZS_DROP_cid_stranger);
}

/* Every bit of an honest request, changed: no answer, no change. And the same once more. */
static void test_flipped_and_replayed(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), thief = cid_peer("10.1.0.2", 6666);
	uint8_t bytes[ZS_BIND_BYTES];
	struct zs_binding before;
	struct asker a;

	asker_attach(c, &a, 1);
	bind_from(c, &a, x, 0);
	bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes);
	before = zs_binds_get(&c->r->worker[0], 1);
	for (uint32_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		uint32_t originated = c->originated;

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bind_put(c, 0, bytes, sizeof(bytes), thief, 0);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* In its first 5 bytes it may cease to be a BIND and be a packet, whose sender is asked to bind. */
		if (c->originated != originated && c->sent_len != ZS_BIND_NUDGE)
			fail_msg("bit %u is answered", bit);
		assert_memory_equal(&before, &c->r->dp.state.binding[1], sizeof(before));
	}
	bind_put(c, 0, bytes, sizeof(bytes), x, 0);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_bound);
	bind_put(c, 0, bytes, sizeof(bytes), x, 0);
	assert_int_equal(c->drop, ZS_DROP_bind_counter);
	assert_int_equal(c->sent_len, 0);
	bind_put(c, 0, bytes, sizeof(bytes) - 1, x, 0);
	assert_int_equal(c->drop, ZS_DROP_bind_form);
}

static void test_refused(void **state)
{
	static const char *const denied[] = { "127.0.0.1", "10.1.0.1", "192.168.1.1", "198.51.100.9" };
	struct cid_rig *c = *state;
	struct asker a;

	c->r->conf.attach.announces = 1;
	c->r->conf.attach.announce[0] = rig_addr("198.51.100.9");
	asker_attach(c, &a, 1);
	for (size_t i = 0; i < ZS_ARRAY_LEN(denied); i++) {
		bind_ask(c, &a, cid_peer(denied[i], 5), 0);
		assert_int_equal(bind_sent(c).status, ZS_BIND_STATUS_denied);
	}
	/* No room for its sender: said so, and nothing is bound. */
	for (uint32_t i = 0; i <= c->r->dp.senders.mask; i++)
		for (int k = 0; k < ZS_SENDER_WORDS; k++)
			atomic_store(&c->r->dp.senders.bucket[i].word[k], 1ull << 63 | 1ull << 20);
	bind_ask(c, &a, cid_peer("10.1.0.2", 5), 0);
	assert_int_equal(bind_sent(c).status, ZS_BIND_STATUS_limit);
	assert_int_equal(c->r->dp.state.binding[1].port, 0);
	/* A session made for another state segment: nothing under its keys. */
	cid_attach(c, 1, G, ZS_STRANGERS_NOTHING);
	c->shm.session[1].incarnation++;
	bind_ask(c, &a, cid_peer("10.1.0.2", 5), 0);
	assert_int_equal(c->drop, ZS_DROP_bind_owner);
	/* The generation of whoever had the slot before. */
	cid_attach(c, 1, G + 1, ZS_STRANGERS_NOTHING);
	bind_ask(c, &a, cid_peer("10.1.0.2", 5), 0);
	assert_int_equal(c->drop, ZS_DROP_bind_owner);
}

static void test_other_workers_hand_over(void **state)
{
	struct cid_rig *c = *state;
	uint8_t bytes[ZS_BIND_BYTES];
	struct asker a;

	asker_attach(c, &a, 1);
	bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes);
	bind_put(c, 1, bytes, sizeof(bytes), cid_peer("10.1.0.2", 5), 0);
	assert_int_equal(c->handed, 1);
	assert_int_equal(c->originated, 0);
}

/* Ends by itself: kept alive by nobody, or its attachment went. The sender is free then. */
static void test_swept(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[ZS_BINDER];
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.2.0.2", 2000);
	struct asker a, b;

	bind_both(c, &a, &b, x, y);
	zs_binds_sweep(w);
	assert_true(bind_reaches(c, x, 0, 2, 2000));
	cid_attach(c, 2, G + 1, ZS_STRANGERS_NOTHING); /* another one has its place */
	zs_binds_sweep(w);
	cid_refresh(c);
	assert_int_equal(w->count[ZS_COUNTER_bindings_ended], 1);
	assert_false(bind_reaches(c, y, 1, 1, 1000));
	assert_int_equal(c->drop, ZS_DROP_cid_stranger);
	cid_attach(c, 2, G, ZS_STRANGERS_NOTHING);
	bind_from(c, &b, y, 1);
	assert_int_equal(zs_sessions_set_attachment(&c->shm, 2, NULL), 0);
	zs_binds_sweep(w);
	assert_int_equal(w->count[ZS_COUNTER_bindings_ended], 2);
	w->now_ns += 75 * ZS_NS_PER_S;
	zs_binds_sweep(w);
	assert_int_equal(w->count[ZS_COUNTER_bindings_ended], 3);
	assert_int_equal(c->r->dp.state.binding[1].port, 0);
	assert_true(c->r->dp.state.binding[1].counter[0] > 0); /* counters stay */
}

/* Another session of that attachment, in the slot `at`; the bind id is 2. */
static void replace(struct cid_rig *c, uint32_t id, uint32_t at, enum zs_session_mode mode, uint32_t previous)
{
	struct zs_session v;
	struct zs_attachment a;

	assert_true(zs_sessions_slot(&c->shm, id, &v) && zs_sessions_attachment(&c->shm, id, &a));
	v.receiver = at;
	v.mode = (uint8_t)mode;
	v.bind_id = 2;
	a.session = at;
	a.previous = previous;
	assert_int_equal(zs_sessions_set_session(&c->shm, at, &v), 0);
	assert_int_equal(zs_sessions_set_attachment(&c->shm, id, &a), 0);
	cid_refresh(c);
}

static void show(struct cid_rig *c, uint32_t id, uint32_t session)
{
	struct zs_attachment a;

	assert_true(zs_sessions_attachment(&c->shm, id, &a));
	a.session = session;
	a.previous = ZS_SESSION_NONE;
	assert_int_equal(zs_sessions_set_attachment(&c->shm, id, &a), 0);
	for (uint32_t i = 0; i < c->r->dp.workers; i++)
		zs_hot_refresh(&c->r->worker[i]); /* one housekeeping, no sweep */
}

/* Its session is over, by quota, drain, Detach or another instance: nothing is sent there or taken from there any more, at
 * once, though the attachment and its generation are what they were. */
static void test_ends_with_its_session(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.2.0.2", 2000);
	struct asker a, b;

	asker_attach(c, &a, 1);
	asker_attach(c, &b, 2);
	bind_from(c, &a, x, 0);
	for (int by = 0; by < 2; by++) { /* none is left; a new one, which has not bound */
		bind_from(c, &b, y, 1);
		if (by)
			replace(c, 2, 40, ZS_SESSION_SOCKET, ZS_SESSION_NONE);
		else
			show(c, 2, ZS_SESSION_NONE);
		assert_false(bind_reaches(c, x, 0, 2, 2000));
		assert_int_equal(c->drop, ZS_DROP_cid_unbound);
		assert_false(bind_reaches(c, y, 1, 1, 1000));
		assert_int_equal(c->drop, ZS_DROP_cid_stranger);
		assert_int_equal(c->r->worker[ZS_BINDER].count[ZS_COUNTER_bindings_ended], by + 1);
		show(c, 2, 2);
	}
}

/* A fresh session each hour: the one before serves until the new one has bound, which an address that is bound needs no
 * challenge for. A session in a tunnel takes the binding's place when the socket's is over. */
static void test_make_before_break(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.2.0.2", 2000);
	uint8_t bytes[ZS_BIND_BYTES];
	struct zs_bind m = { .kind = ZS_BIND_KIND_bind, .bind_id = 2, .lifetime_s = 75, .counter = 1 };
	struct asker a, b;

	bind_both(c, &a, &b, x, y);
	replace(c, 2, 40, ZS_SESSION_SOCKET, 2);
	assert_true(bind_reaches(c, x, 0, 2, 2000) && bind_reaches(c, y, 1, 1, 1000));
	cid_mint(c, CID_POP, 2, G, m.cid);
	zs_bind_write(&c->r->dp.binds->engine, &m, &b.keys.request, bytes);
	bind_put(c, 0, bytes, sizeof(bytes), y, 1);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_bound);
	show(c, 2, 40);
	assert_true(bind_reaches(c, x, 0, 2, 2000) && bind_reaches(c, y, 1, 1, 1000));
	replace(c, 2, 41, ZS_SESSION_TUNNEL, 40);
	assert_true(bind_reaches(c, x, 0, 2, 2000));
	show(c, 2, 41);
	assert_false(bind_reaches(c, y, 1, 1, 1000));
	assert_int_equal(c->drop, ZS_DROP_cid_stranger);
}

/* A restarted dataplane, with another number of workers: bindings, counters and sessions go on. */
static void test_restart(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.2.0.2", 2000);
	uint8_t bytes[ZS_BIND_BYTES];
	struct asker a, b;

	asker_attach(c, &a, 1);
	asker_attach(c, &b, 2);
	/* The rig's time stands still, a restart looks at the clock. */
	c->r->worker[0].now_ns = zs_clock_ns();
	bind_from(c, &a, x, 0);
	bind_from(c, &b, y, 1);
	bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes);
	bind_put(c, 0, bytes, sizeof(bytes), x, 0);
	zs_seqlock_write_begin(&c->r->dp.state.binding[2].seq); /* killed inside */
	cid_workers(c, 3 - 1);
	c->r->worker[0].now_ns = zs_clock_ns();
	cid_refresh(c);
	bind_put(c, 0, bytes, sizeof(bytes), x, 0);
	assert_int_equal(c->drop, ZS_DROP_bind_counter); /* no replay is believed */
	assert_true(bind_reaches(c, x, 0, 1, 0) == false &&
		    c->drop == ZS_DROP_self); /* its sender is known */
	assert_int_equal(c->r->dp.state.binding[2].port, 0);
	assert_true(c->r->dp.state.binding[2].counter[0] > 0);
	bind_from(c, &b, y, 1);
	assert_true(bind_reaches(c, y, 1, 1, 1000));
}

/* The lists forbid to send there. */
static void test_denied_by_list(void **state)
{
	struct cid_rig *c = *state;
	struct zs_acl_rule out = { .prefix = { rig_addr("10.1.0.2"), 128 }, .deny = ZS_ACL_OUT };
	struct asker a;
	uint64_t epoch;

	asker_attach(c, &a, 1);
	assert_int_equal(zs_tables_put_rules(&c->r->writer, &out, 1, &epoch), 0);
	c->r->worker[0].acl = zs_acl_look(&c->r->writer.acl);
	bind_ask(c, &a, cid_peer("10.1.0.2", 5), 0);
	assert_int_equal(bind_sent(c).status, ZS_BIND_STATUS_denied);
	bind_from(c, &a, cid_peer("10.1.0.3", 5), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cid_setup, cid_teardown)
	const struct CMUnitTest tests[] = { T(test_bound_and_rebound),
					    T(test_flipped_and_replayed),
					    T(test_refused),
					    T(test_other_workers_hand_over),
					    T(test_swept),
					    T(test_ends_with_its_session),
					    T(test_make_before_break),
					    T(test_restart),
					    T(test_denied_by_list) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
