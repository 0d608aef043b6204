/* What proves a session: packets of its own, not its connection. */
#include "attach_rig.h"
#include "relay/binding.h"

/* What the dataplane would write of a session whose edge answered its PROBE. */
static void carry(struct zs_state *state, const struct zs_session *v)
{
	struct zs_tunnel_session *t = &state->tunnel_session[v->receiver & (state->sessions - 1)];
	struct zs_tunnel_path path = { .to = { zs_addr_from4(0x0100000a), 4711 }, .size = 1232 };

	zs_seqlock_put(&t->path, &path, sizeof(path));
	t->tag = zs_tunnel_tag(v);
}

/* What the binder would write of a session whose BIND it answered: by a CHALLENGE, or by BOUND. */
static void has_asked(struct zs_state *state, const struct zs_session *v, bool holds)
{
	struct zs_binding b = { .generation = v->generation,
				.counter = { 1 },
				.receiver = { v->receiver },
				.bind_id = { v->bind_id },
				.holder = holds };

	zs_seqlock_put(&state->binding[v->attachment], &b, sizeof(b));
}

static void newest_of(struct world *w, uint32_t attachment, struct zs_session *out)
{
	struct zs_sessions r;
	struct zs_attachment a;

	assert_int_equal(zs_sessions_open_reader(&r, w->r.c.shm_dir, &w->r.err), 0);
	assert_true(zs_sessions_attachment(&r, attachment, &a));
	assert_true(zs_sessions_slot(&r, a.session, out));
	zs_sessions_close(&r);
}

/* Of two sessions with a socket the one that sent a BIND lives on, though both answer pings. */
static void sockets_prove(struct world *w, struct zs_state *dp)
{
	struct edge e[2];
	struct zs_session v[2];
	zs_pb_Grant g;

	for (uint8_t i = 0; i < 2; i++) {
		struct zs_attach_frame f = a_hello(1);

		f.hello.mode = ZS_ATTACH_MODE_socket;
		f.hello.receiver = 0;
		edge_open(w, &e[i], (uint8_t)(20 + i));
		edge_send(&e[i], &f);
		g = granted(&e[i], ZS_ATTACH_CONTINUITY_fresh);
		alive(&e[i]);
		newest_of(w, g.attachment, &v[i]);
	}
	has_asked(dp, &v[1], false);
	pass(w, ZS_ATTACH_PROOF_NS + ZS_NS_PER_S);
	assert_true(e[0].gone);
	assert_false(e[1].gone);
	edge_close(&e[0]);
	edge_close(&e[1]);
}

/* A session of a socket lives on beside a new one that was merely challenged: what is bound under it is in use. It goes when
 * the new one has bound, or when its time is up. */
static void sockets_take_over(struct world *w, struct zs_state *dp)
{
	struct zs_attach_frame f = a_hello(1);
	struct zs_sessions r;
	struct zs_attachment a;
	struct zs_session v;
	struct edge e[3];
	zs_pb_Grant g;

	assert_int_equal(zs_sessions_open_reader(&r, w->r.c.shm_dir, &w->r.err), 0);
	f.hello.mode = ZS_ATTACH_MODE_socket;
	f.hello.receiver = 0;
	for (int i = 0; i < 3; i++) {
		edge_open(w, &e[i], 30);
		edge_send(&e[i], &f);
		g = granted(&e[i], i ? ZS_ATTACH_CONTINUITY_resumed : ZS_ATTACH_CONTINUITY_fresh);
		add_resume(&f, &g, e[i].grant_hash);
		newest_of(w, g.attachment, &v);
		has_asked(dp, &v, false);
		pass(w, ZS_NS_PER_S);
		assert_true(zs_sessions_attachment(&r, g.attachment, &a));
		assert_int_equal(a.previous != ZS_SESSION_NONE, i > 0);
		if (i == 2)
			break;
		has_asked(dp, &v, true);
		pass(w, ZS_NS_PER_S);
		assert_true(zs_sessions_attachment(&r, g.attachment, &a));
		assert_int_equal(a.previous, ZS_SESSION_NONE);
	}
	pass(w, ZS_ATTACH_PROOF_NS);
	assert_true(zs_sessions_attachment(&r, g.attachment, &a));
	assert_int_equal(a.previous, ZS_SESSION_NONE);
	assert_true(a.session != ZS_SESSION_NONE && !e[2].gone); /* it was heard: it stays */
	for (int i = 0; i < 3; i++)
		edge_close(&e[i]);
	zs_sessions_close(&r);
}

/* A ping proves no session: its own packets do. */
static void test_packets_prove(void **state)
{
	struct world *w = *state;
	struct zs_state_shape shape = {
		.flow_capacity = 64, .partitions = 1, .attachments = 64, .windows = 64
	};
	struct zs_attach_frame f = a_hello(1);
	struct zs_session v1, v2;
	struct zs_state dp;
	struct edge e1, e2;
	zs_pb_Grant g1, g2;
	bool fresh;

	assert_int_equal(zs_state_open_writer(&dp, w->r.c.shm_dir, &shape, &fresh, &w->r.err), 0);
	w->incarnation = dp.seg.base->incarnation;
	w->r.c.state = &dp;
	zs_attach_state(w->s, w->incarnation, w->now);
	g1 = attach(w, &e1, 1, ZS_ATTACH_CONTINUITY_fresh);
	alive(&e1);
	assert_true(session_of(w, g1.receiver, &v1));
	carry(&dp, &v1);
	add_resume(&f, &g1, e1.grant_hash);
	edge_open(w, &e2, 1);
	edge_send(&e2, &f);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_resumed);
	alive(&e2);
	pass(w, ZS_NS_PER_S);
	assert_true(session_of(w, g1.receiver, &v1) && session_of(w, g2.receiver, &v2));
	carry(&dp, &v2);
	pass(w, ZS_NS_PER_S);
	assert_false(session_of(w, g1.receiver, &v1));
	assert_true(session_of(w, g2.receiver, &v2));
	assert_true(e1.gone);
	edge_close(&e1);
	edge_close(&e2);
	attach(w, &e1, 2, ZS_ATTACH_CONTINUITY_fresh);
	alive(&e1);
	pass(w, ZS_ATTACH_PROOF_NS + ZS_NS_PER_S);
	assert_true(e1.gone); /* no word came through its tunnel */
	edge_close(&e1);
	attach(w, &e1, 3, ZS_ATTACH_CONTINUITY_fresh);
	zs_control_raise(&w->r.c, ZS_HEALTH_dataplane_missing, "gone");
	alive(&e1);
	pass(w, ZS_ATTACH_PROOF_NS + ZS_NS_PER_S);
	assert_false(e1.gone); /* none can */
	edge_close(&e1);
	zs_control_clear(&w->r.c, ZS_HEALTH_dataplane_missing);
	sockets_prove(w, &dp);
	sockets_take_over(w, &dp);
	w->r.c.state = NULL;
	zs_state_close(&dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_packets_prove, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
