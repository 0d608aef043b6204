/* The attach server: Grant and keys, resume and take-over, leases, restarts, lost stores and states. */
#include <errno.h>
#include "attach_rig.h"

static void test_keys_agree(void **state)
{
	struct world *w = *state;
	struct zs_session v;
	struct edge e;
	uint8_t root[32];
	zs_pb_Grant g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);

	assert_int_not_equal(g.attachment, 0);
	assert_int_equal(g.lease_s, 300);
	assert_int_equal(g.tunnel_addrs_count, 1);
	assert_int_equal(g.tunnel_addrs[0].bytes[16] << 8 | g.tunnel_addrs[0].bytes[17], 4434);
	assert_true(session_of(w, g.receiver, &v));
	assert_int_equal(v.attachment, g.attachment);
	assert_int_equal(v.generation, g.generation);
	assert_int_equal(v.peer, 0x1234);
	assert_int_equal(v.incarnation, INCARNATION);
	edge_root(&e, NULL, root);
	assert_memory_equal(v.root, root, sizeof(root));
	e.hello[0] ^= 1; /* any byte of Hello changes them */
	edge_root(&e, NULL, root);
	assert_memory_not_equal(v.root, root, sizeof(root));
	edge_close(&e);
	assert_true(session_of(w, g.receiver, &v)); /* outlives its connection */
}

/* The same Hello on another connection of the same owner: another session, other keys. */
static void test_replayed_hello(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_session v1, v2;
	struct edge e1, e2;
	zs_pb_Grant g1 = attach(w, &e1, 1, ZS_ATTACH_CONTINUITY_fresh), g2;

	assert_true(session_of(w, g1.receiver, &v1));
	edge_open(w, &e2, 1);
	edge_send(&e2, &f);
	assert_memory_equal(e1.hello, e2.hello, e1.hello_len);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_known);
	assert_true(session_of(w, g2.receiver, &v2));
	assert_memory_not_equal(v1.root, v2.root, sizeof(v1.root));
	edge_close(&e1);
	edge_close(&e2);
}

/* Make before break: both sessions live until the new one is proven, then the old connection ends. */
static void test_resume(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_session v;
	struct edge e1, e2, e3;
	zs_pb_Grant g1 = attach(w, &e1, 1, ZS_ATTACH_CONTINUITY_fresh), g2, g3;

	alive(&e1);
	add_resume(&f, &g1, e1.grant_hash);
	edge_open(w, &e2, 1);
	edge_send(&e2, &f);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_resumed);
	assert_int_equal(g2.attachment, g1.attachment);
	assert_int_equal(g2.generation, g1.generation);
	assert_int_not_equal(g2.receiver, g1.receiver);
	assert_true(session_of(w, g1.receiver, &v) && session_of(w, g2.receiver, &v));
	assert_int_equal(e2.probes, 1);
	assert_false(e1.gone);
	alive(&e2);
	assert_false(session_of(w, g1.receiver, &v));
	assert_true(e1.gone);
	edge_close(&e1);
	/* The Grant before the last is known too; an unproven session gives way at once. */
	edge_open(w, &e3, 1);
	edge_send(&e3, &f);
	g3 = granted(&e3, ZS_ATTACH_CONTINUITY_resumed);
	assert_true(session_of(w, g2.receiver, &v));
	pass(w, 59 * ZS_NS_PER_S);
	assert_true(session_of(w, g2.receiver, &v) && session_of(w, g3.receiver, &v));
	pass(w, 2 * ZS_NS_PER_S); /* nothing proved it: both end, the attachment stays */
	assert_false(session_of(w, g2.receiver, &v) || session_of(w, g3.receiver, &v));
	assert_true(e3.gone);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1);
	edge_close(&e2);
	edge_close(&e3);
	/* Three Grants ago: known, but not to be resumed. */
	edge_open(w, &e1, 1);
	edge_send(&e1, &f);
	granted(&e1, ZS_ATTACH_CONTINUITY_known);
	edge_close(&e1);
}

/* The new connection goes before it was proven, the old one is open still: it serves on, and no lease runs. */
static void test_fall_back(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1), other = a_hello(2);
	struct zs_session v;
	struct edge e1, e2, e3;
	zs_pb_Grant g1 = attach(w, &e1, 1, ZS_ATTACH_CONTINUITY_fresh), g2;
	unsigned probes;

	alive(&e1);
	add_resume(&f, &g1, e1.grant_hash);
	edge_open(w, &e2, 1);
	edge_send(&e2, &f);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_resumed);
	edge_open(w, &e3, 1); /* one that waits whether the newest lives now waits for the old one */
	edge_send(&e3, &other);
	probes = e1.probes;
	edge_close(&e2);
	assert_int_equal(e1.probes, probes + 1);
	assert_false(session_of(w, g2.receiver, &v));
	alive(&e1);
	refused(&e3, ZS_ATTACH_ERROR_instance_limit);
	edge_close(&e3);
	pass(w, 400 * ZS_NS_PER_S);
	assert_false(e1.gone);
	assert_true(session_of(w, g1.receiver, &v));
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1);
	/* Another instance takes over from both. */
	edge_open(w, &e2, 1);
	edge_send(&e2, &f);
	granted(&e2, ZS_ATTACH_CONTINUITY_resumed);
	edge_open(w, &e3, 1);
	edge_send(&e3, &other);
	pass(w, ZS_NS_PER_S);
	assert_true(e1.gone && e2.gone);
	granted(&e3, ZS_ATTACH_CONTINUITY_known);
	edge_close(&e1);
	edge_close(&e2);
	edge_close(&e3);
}

/* Each session has its own minute, though the timer still stands at the end of the minute before. */
static void test_two_proofs(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_session v;
	struct edge e1, e2;
	zs_pb_Grant g1 = attach(w, &e1, 1, ZS_ATTACH_CONTINUITY_fresh), g2;

	pass(w, ZS_ATTACH_PROOF_NS / 2);
	alive(&e1);
	add_resume(&f, &g1, e1.grant_hash);
	edge_open(w, &e2, 1);
	edge_send(&e2, &f);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_resumed);
	pass(w, ZS_ATTACH_PROOF_NS - ZS_NS_PER_S);
	assert_true(session_of(w, g1.receiver, &v) && session_of(w, g2.receiver, &v));
	pass(w, 2 * ZS_NS_PER_S);
	assert_false(session_of(w, g1.receiver, &v) || session_of(w, g2.receiver, &v));
	assert_true(e1.gone && e2.gone);
	edge_close(&e1);
	edge_close(&e2);
}

static void test_instances(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame other = a_hello(2);
	struct edge e1, e2, e3;
	zs_pb_Grant g1 = attach(w, &e1, 1, ZS_ATTACH_CONTINUITY_fresh), g2;

	alive(&e1);
	edge_open(w, &e2, 1);
	edge_send(&e2, &other);
	assert_int_equal(e1.probes, 2);
	assert_int_equal(e2.got, 0);
	edge_open(w, &e3, 1); /* while that is open nobody else may ask */
	edge_send(&e3, &other);
	refused(&e3, ZS_ATTACH_ERROR_busy);
	pass(w, 900 * ZS_NS_PER_MS);
	alive(&e1);
	assert_true(refused(&e2, ZS_ATTACH_ERROR_instance_limit)->retry_ms > 0);
	assert_false(e1.gone);
	edge_send(&e2, &other); /* now the old one stays silent */
	pass(w, ZS_NS_PER_S);
	assert_int_equal(last(&e1, ZS_ATTACH_NOTICE)->notice.code, ZS_ATTACH_NOTICE_superseded);
	assert_true(e1.gone);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_known);
	assert_int_equal(g2.attachment, g1.attachment);
	edge_close(&e1);
	/* The old connection goes while it is asked. */
	edge_send(&e3,
		  &(struct zs_attach_frame){ .id = 9, .kind = ZS_ATTACH_HELLO, .hello = a_hello(3).hello });
	edge_close(&e2);
	pass(w, ZS_NS_PER_MS);
	granted(&e3, ZS_ATTACH_CONTINUITY_known);
	edge_close(&e3);
}

/* What a connection waited for is nothing to it once it is closed; the walker knows who still waits. */
static void test_closed_before_its_time(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame other = a_hello(2), bad = { .kind = ZS_ATTACH_DETACH };
	struct edge e, rival;
	zs_pb_Grant g;

	edge_open(w, &e, 1); /* it waits for its Hello */
	for (int i = 0; i < ZS_ATTACH_FAULTS; i++)
		edge_send(&e, &bad);
	assert_true(e.gone);
	pass(w, ZS_ATTACH_HELLO_NS + ZS_NS_PER_S);
	edge_close(&e);
	g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	edge_open(w, &rival, 1); /* it waits for a sign of the old one */
	edge_send(&rival, &other);
	assert_int_equal(zs_attach_kick(w->s, g.attachment, w->now, NULL), 0);
	walk(w);
	assert_true(rival.gone);
	pass(w, ZS_ATTACH_PROBE_NS + ZS_NS_PER_S);
	assert_int_equal(rival.got, 0);
	edge_close(&rival);
	edge_close(&e);
}

static void test_lease(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_session v;
	struct edge e, e2;
	zs_pb_Grant g, g2;
	uint16_t port;

	add_publish(&f, "web", 0);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	g = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	port = (uint16_t)g.ports[0].port;
	assert_int_equal(holder(w, port), g.attachment);
	alive(&e);
	pass(w, 1000 * ZS_NS_PER_S); /* attached: no lease runs */
	edge_close(&e);
	pass(w, 299 * ZS_NS_PER_S);
	assert_int_equal(holder(w, port), g.attachment);
	assert_true(session_of(w, g.receiver, &v));
	pass(w, 2 * ZS_NS_PER_S);
	assert_int_equal(holder(w, port), 0);
	assert_false(session_of(w, g.receiver, &v));
	assert_int_equal(zs_attach_counts(w->s)->expired, 1);
	g2 = attach(w, &e2, 2, ZS_ATTACH_CONTINUITY_fresh); /* the id again, for another owner */
	assert_int_equal(g2.attachment, g.attachment);
	assert_int_equal(g2.generation, g.generation + 1);
	edge_close(&e2);
}

static void test_generation_wraps(void **state)
{
	struct world *w = *state;
	struct edge e1, e2, e3;
	zs_pb_Grant g1, g2;

	w->highest = true;
	g1 = attach(w, &e1, 1, ZS_ATTACH_CONTINUITY_fresh);
	w->highest = false;
	assert_int_equal(g1.generation, 65535);
	assert_int_equal(zs_attach_kick(w->s, g1.attachment, w->now, NULL), 0);
	assert_true(e1.gone);
	edge_close(&e1);
	g2 = attach(w, &e2, 2, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_not_equal(g2.attachment, g1.attachment);
	w->wall_s += 72 * 3600;
	zs_attach_advance(w->s, w->now, w->wall_s);
	world_restart(w); /* the order of free slots survives */
	edge_free(&e2);
	g2 = attach(w, &e3, 3, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(g2.attachment, g1.attachment);
	assert_int_equal(g2.generation, 1);
	edge_close(&e3);
}

static void test_restart(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1), again = a_hello(1);
	struct zs_session v;
	struct edge e, e2;
	zs_pb_Grant g, g2;

	add_publish(&f, "web", 0);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	g = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	world_restart(w);
	assert_true(session_of(w, g.receiver, &v)); /* the dataplane goes on with it */
	assert_int_equal(holder(w, (uint16_t)g.ports[0].port), g.attachment);
	pass(w, 309 * ZS_NS_PER_S); /* lease and spread */
	add_resume(&again, &g, e.grant_hash);
	edge_free(&e);
	edge_open(w, &e2, 1);
	edge_send(&e2, &again);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_resumed);
	assert_int_equal(g2.attachment, g.attachment);
	assert_int_equal(g2.generation, g.generation);
	assert_int_equal(g2.ports_count, 1);
	assert_int_equal(g2.ports[0].port, g.ports[0].port);
	edge_free(&e2);
	world_restart(w);
	pass(w, 309 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1);
	pass(w, 2 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 0);
	assert_int_equal(holder(w, (uint16_t)g.ports[0].port), 0);
}

static void test_store_wiped(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1), old = a_hello(1);
	struct zs_session v;
	struct edge e, e2;
	zs_pb_Grant g, g2;

	add_publish(&f, "web", 0);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	g = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	world_close(w);
	world_wipe_store(w);
	world_open(w);
	assert_false(session_of(w, g.receiver, &v));
	assert_int_equal(holder(w, (uint16_t)g.ports[0].port), 0);
	add_resume(&old, &g, e.grant_hash);
	edge_free(&e);
	edge_open(w, &e2, 1);
	edge_send(&e2, &old);
	refused(&e2, ZS_ATTACH_ERROR_not_owner);
	edge_send(&e2, &f); /* the same connection may ask anew */
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_not_equal(g2.generation, g.generation);
	edge_close(&e2);
}

static void test_state_wiped(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1), again = a_hello(1);
	struct zs_session v;
	struct edge e, e2;
	zs_pb_Grant g, g2;

	add_publish(&f, "web", 0);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	g = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	add_resume(&again, &g, e.grant_hash);
	w->incarnation = 0; /* no dataplane for a while: nothing is known to be lost */
	zs_attach_state(w->s, 0, w->now);
	walk(w);
	assert_true(session_of(w, g.receiver, &v));
	assert_false(e.gone);
	edge_open(w, &e2, 1);
	edge_send(&e2, &again);
	refused(&e2, ZS_ATTACH_ERROR_busy);
	zs_attach_state(w->s, INCARNATION, w->now);
	assert_false(e.gone);
	w->incarnation = INCARNATION + 1;
	zs_attach_state(w->s, w->incarnation, w->now);
	walk(w);
	assert_true(e.gone);
	assert_false(session_of(w, g.receiver, &v));
	edge_close(&e);
	edge_send(&e2, &again);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_known);
	assert_int_equal(g2.attachment, g.attachment);
	assert_int_equal(g2.generation, g.generation);
	assert_int_equal(g2.ports[0].port, g.ports[0].port);
	assert_true(session_of(w, g2.receiver, &v));
	assert_int_equal(v.incarnation, INCARNATION + 1);
	edge_close(&e2);
}

/* Keys that can be read no more cost sessions, not attachments. */
static void test_segment_damaged(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1), again = a_hello(1);
	struct edge e, e2;
	zs_pb_Grant g, g2;
	char path[160];
	FILE *file;

	add_publish(&f, "web", 0);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	g = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	add_resume(&again, &g, e.grant_hash);
	edge_free(&e);
	world_close(w);
	snprintf(path, sizeof(path), "%s/sessions", w->r.c.shm_dir);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fwrite("nonsense nonsense", 1, 17, file), 17);
	fclose(file);
	world_open(w);
	assert_true(rig_raised(&w->r, ZS_HEALTH_segment_lost));
	edge_open(w, &e2, 1);
	edge_send(&e2, &again);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_known);
	assert_int_equal(g2.attachment, g.attachment);
	assert_int_equal(g2.generation, g.generation);
	assert_int_equal(g2.ports[0].port, g.ports[0].port);
	edge_close(&e2);
}

/* Keys are with the workers before the edge may use them. */
static void test_grace(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_state segment;
	struct zs_state_shape shape = { .flow_capacity = 64, .event_capacity = 64, .partitions = 1 };
	struct edge e, e2;
	bool fresh;

	if (zs_state_open_writer(&segment, w->r.c.shm_dir, &shape, &fresh, &w->r.err))
		fail_msg("%s", w->r.err.text);
	w->r.c.state = &segment;
	zs_qsbr_online(&segment.worker[3].qsbr, zs_program_tables(w->r.c.program)->epoch);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	assert_int_equal(e.got, 0);
	pass(w, 5 * ZS_NS_PER_MS);
	assert_int_equal(e.got, 0);
	zs_qsbr_quiescent(&segment.worker[3].qsbr, zs_program_tables(w->r.c.program)->epoch);
	pass(w, ZS_NS_PER_MS);
	granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	edge_open(w, &e2, 2); /* a worker that is stuck holds nobody up for long */
	edge_send(&e2, &f);
	pass(w, 99 * ZS_NS_PER_MS);
	assert_int_equal(e2.got, 0);
	pass(w, 2 * ZS_NS_PER_MS);
	granted(&e2, ZS_ATTACH_CONTINUITY_fresh);
	edge_close(&e);
	edge_close(&e2);
	w->r.c.state = NULL;
	zs_state_close(&segment);
}

static void test_socket_mode(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct edge e1, e2;
	zs_pb_Grant g1, g2;

	f.hello.mode = ZS_ATTACH_MODE_socket;
	f.hello.receiver = 0;
	edge_open(w, &e1, 1);
	edge_send(&e1, &f);
	g1 = granted(&e1, ZS_ATTACH_CONTINUITY_fresh);
	assert_in_range(g1.bind_id, 1, 255);
	assert_int_equal(g1.service_addrs_count, 1);
	assert_true(zs_attach_grant_fits(&g1, ZS_ATTACH_MODE_socket));
	add_resume(&f, &g1, e1.grant_hash);
	edge_open(w, &e2, 1);
	edge_send(&e2, &f);
	g2 = granted(&e2, ZS_ATTACH_CONTINUITY_resumed);
	assert_int_not_equal(g2.bind_id, g1.bind_id); /* both live */
	edge_send(&e2, &(struct zs_attach_frame){
			   .id = 5, .kind = ZS_ATTACH_PUBLISH, .publish = { .name = "web" } });
	refused(&e2, ZS_ATTACH_ERROR_denied);
	edge_close(&e1);
	edge_close(&e2);
}

#define THOUSAND (CONFIG_ATTACHMENTS > 1000 ? 1000 : CONFIG_ATTACHMENTS - 1)

/* A thousand owners come, are lost with the control plane, and come back as whom they were. */
static void test_thousand(void **state)
{
	struct world *w = *state;
	static struct {
		uint32_t attachment, generation;
		uint8_t hash[32];
	} was[THOUSAND];

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < ZS_ARRAY_LEN(was); i++) {
			struct zs_attach_frame f = a_hello(1);
			struct zs_peer_id id = { .len = 34,
						 .bytes = { 0x12, 0x20, (uint8_t)i, (uint8_t)(i >> 8) } };
			struct edge e;
			zs_pb_Grant g;

			edge_open_as(w, &e, id, 0x0b000000u + (i << 8), true);
			if (round) {
				g.attachment = was[i].attachment, g.generation = was[i].generation;
				add_resume(&f, &g, was[i].hash);
			}
			edge_send(&e, &f);
			g = granted(&e, round ? ZS_ATTACH_CONTINUITY_resumed : ZS_ATTACH_CONTINUITY_fresh);
			assert_true(!round ||
				    (g.attachment == was[i].attachment && g.generation == was[i].generation));
			was[i].attachment = g.attachment, was[i].generation = g.generation;
			memcpy(was[i].hash, e.grant_hash, sizeof(was[i].hash));
			edge_close(&e);
		}
		assert_int_equal(zs_attach_counts(w->s)->attachments, ZS_ARRAY_LEN(was));
		if (!round)
			world_restart(w);
	}
	pass(w, 400 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 0);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_keys_agree),  ROW(test_replayed_hello),
		ROW(test_resume),      ROW(test_instances),
		ROW(test_lease),       ROW(test_generation_wraps),
		ROW(test_restart),     ROW(test_store_wiped),
		ROW(test_state_wiped), ROW(test_segment_damaged),
		ROW(test_grace),       ROW(test_socket_mode),
		ROW(test_thousand),    ROW(test_fall_back),
		ROW(test_two_proofs),  ROW(test_closed_before_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
