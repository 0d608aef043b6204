/* How much: quotas of attachments, sessions and networks, the rate of frames, leases while the disk is full, and what is forgotten by
 * command. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include "attach_rig.h"

static void test_quotas(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct edge e[4];
	zs_pb_Error *why;

	world_conf(w, "{mode: open, attachments: 2, per_prefix: 1}");
	edge_open(w, &e[0], 1);
	edge_send(&e[0], &f);
	edge_open(w, &e[1], 2); /* the same /24 */
	edge_send(&e[1], &f);
	why = refused(&e[1], ZS_ATTACH_ERROR_quota);
	assert_string_equal(why->scope, "prefix");
	assert_int_equal(why->current, 1);
	assert_int_equal(why->limit, 1);
	edge_open_as(w, &e[2], peer_of(2), 0x0b000001, false);
	edge_send(&e[2], &f);
	granted(&e[2], ZS_ATTACH_CONTINUITY_fresh);
	edge_open_as(w, &e[3], peer_of(3), 0x0c000001, false);
	edge_send(&e[3], &f);
	why = refused(&e[3], ZS_ATTACH_ERROR_quota);
	assert_string_equal(why->scope, "attachments");
	world_conf(w, "{mode: open, sessions: 2}");
	edge_send(&e[3], &f);
	assert_string_equal(refused(&e[3], ZS_ATTACH_ERROR_quota)->scope, "sessions");
	for (int i = 0; i < 4; i++)
		edge_close(&e[i]);
	assert_int_equal(outcome(w, 1, &f, false), 0); /* who has a session may make the next */
	world_conf(w, "{mode: open}");
	for (int i = 0; i < 8; i++) /* a burst of Hellos, then one a second */
		outcome(w, 1, &f, false);
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_busy);
	pass(w, 2 * ZS_NS_PER_S);
	assert_int_equal(outcome(w, 1, &f, false), 0);
}

static void outcome_from(struct world *w, uint8_t seed, uint32_t address, uint32_t continuity)
{
	struct zs_attach_frame f = a_hello(1);
	struct edge e;

	edge_open_as(w, &e, peer_of(seed), address, false);
	edge_send(&e, &f);
	granted(&e, continuity);
	edge_close(&e);
}

/* Attach, go, come as somebody else: what came from one prefix counts for it for as long as it lasts, wherever it went. */
static void test_prefix_of_leases(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct edge e;
	zs_pb_Error *why;

	world_conf(w, "{mode: open, per_prefix: 2}");
	assert_int_equal(outcome(w, 1, &f, false), 0);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	edge_open(w, &e, 3);
	edge_send(&e, &f);
	why = refused(&e, ZS_ATTACH_ERROR_quota);
	assert_string_equal(why->scope, "prefix");
	assert_int_equal(why->current, 2);
	edge_close(&e);
	assert_int_equal(outcome(w, 1, &f, false), 0); /* who has one is not shut out */
	outcome_from(w, 2, 0x0b000001, ZS_ATTACH_CONTINUITY_known);
	assert_int_equal(outcome(w, 3, &f, false), ZS_ATTACH_ERROR_quota); /* no room where it was … */
	outcome_from(w, 4, 0x0b000001, ZS_ATTACH_CONTINUITY_fresh); /* … and none taken where it is */
	outcome_from(w, 5, 0x0b000001, ZS_ATTACH_CONTINUITY_fresh);
	world_restart(w);
	assert_int_equal(outcome(w, 3, &f, false), ZS_ATTACH_ERROR_quota);
	pass(w, 400 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 0);
	assert_int_equal(outcome(w, 4, &f, false), 0);
	assert_int_equal(outcome(w, 5, &f, false), 0);
	assert_int_equal(outcome(w, 6, &f, false), ZS_ATTACH_ERROR_quota);
}

/* Newcomers from one prefix, each gone on to another: the first prefix had two and no more. */
static void test_two_prefixes(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct edge e;

	world_conf(w, "{mode: open, per_prefix: 2}");
	for (uint8_t n = 1; n <= 2; n++) {
		outcome_from(w, n, 0x0a000001, ZS_ATTACH_CONTINUITY_fresh);
		outcome_from(w, n, 0x0b000001, ZS_ATTACH_CONTINUITY_known);
	}
	for (uint8_t n = 3; n <= 8; n++) {
		edge_open_as(w, &e, peer_of(n), 0x0a000001, false);
		edge_send(&e, &f);
		assert_string_equal(refused(&e, ZS_ATTACH_ERROR_quota)->scope, "prefix");
		edge_close(&e);
	}
	assert_int_equal(zs_attach_counts(w->s)->attachments, 2);
}

/* Strangers of its prefix take no owner's place: not after a restart, not when the quota was lowered; nor is there a second quota for
 * them. */
static void test_prefix_spares_owners(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_peer_id first = peer_of(1), second = peer_of(2);

	world_conf(w, "{mode: open, per_prefix: 2}");
	assert_int_equal(outcome(w, 1, &f, false), 0);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	outcome_from(w, 4, 0x0b000001, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(outcome(w, 4, &f, false), 0); /* it moved to where the first are, who are two */
	world_restart(w);
	assert_int_equal(outcome(w, 3, &f, false), ZS_ATTACH_ERROR_quota);
	assert_int_equal(outcome(w, 1, &f, false), 0);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	assert_int_equal(outcome(w, 4, &f, false), 0);
	world_conf(w, "{mode: open, per_prefix: 1}");
	assert_int_equal(outcome(w, 1, &f, false), 0); /* a fresh session, as each hour */
	assert_int_equal(zs_attach_kick(w->s, zs_attach_find(w->s, &first), w->now, NULL), 0);
	assert_int_equal(outcome(w, 3, &f, false), ZS_ATTACH_ERROR_quota);
	assert_int_equal(zs_attach_kick(w->s, zs_attach_find(w->s, &second), w->now, NULL), 0);
	world_restart(w);
	assert_int_equal(outcome(w, 3, &f, false), 0); /* both went, and the store knows */
}

/* A newcomer beyond the module's memory is refused; who has an attachment comes back, over a restart too. */
static void test_memory_budget(void **state)
{
	struct world *w = *state;
	struct zs_budget *budget = &w->r.c.memory[ZS_MEMORY_attach];
	struct zs_attach_frame f = a_hello(1);

	assert_int_equal(outcome(w, 1, &f, false), 0);
	budget->limit = budget->used + 600; /* two connections, no attachment */
	assert_int_equal(outcome(w, 2, &f, false), ZS_ATTACH_ERROR_quota);
	assert_true(budget->refused > 0);
	assert_false(rig_raised(&w->r, ZS_HEALTH_table_full)); /* that has another cure */
	assert_int_equal(outcome(w, 1, &f, false), 0);
	budget->limit = 1;
	world_restart(w); /* what is there is adopted, whatever the budget says */
	budget->limit = budget->used + 600;
	assert_int_equal(outcome(w, 1, &f, false), 0);
	assert_int_equal(outcome(w, 2, &f, false), ZS_ATTACH_ERROR_quota);
	budget->limit = 0;
	assert_int_equal(outcome(w, 3, &f, false), 0);
}

/* Who cannot come back because our disk is full loses nothing by it. */
static void test_leases_wait_for_the_disk(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct rlimit was, none = { 0, RLIM_INFINITY };

	assert_int_equal(outcome(w, 1, &f, false), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_internal);
	assert_true(rig_raised(&w->r, ZS_HEALTH_store_failed));
	pass(w, 1000 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(outcome(w, 2, &f, false), 0); /* it writes again */
	assert_false(rig_raised(&w->r, ZS_HEALTH_store_failed));
	pass(w, 299 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1); /* the lease of the second, from then on */
	pass(w, 2 * ZS_NS_PER_S);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 0);
}

/* Ended by command while the disk is full: ended, said not to be stored yet, and stored when there is room. */
static void test_ended_but_not_stored(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_peer_id peer[2] = { peer_of(1), peer_of(2) };
	struct rlimit was, none = { 0, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none.rlim_max = was.rlim_max;
	for (int later = 0; later < 2; later++) {
		struct zs_error err = { 0 };

		assert_int_equal(outcome(w, 1, &f, false), 0);
		assert_int_equal(outcome(w, 2, &f, false), 0);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
		assert_int_not_equal(zs_attach_forget(w->s, &peer[0], w->now, &err), 0);
		assert_non_null(strstr(err.text, "has ended, but that is not stored yet"));
		err = (struct zs_error){ 0 };
		assert_int_not_equal(zs_attach_kick(w->s, zs_attach_find(w->s, &peer[1]), w->now, &err), 0);
		assert_non_null(strstr(err.text, "has ended, but that is not stored yet"));
		assert_int_equal(zs_attach_counts(w->s)->attachments, 0);
		assert_int_equal(outcome(w, 3, &f, false),
				 ZS_ATTACH_ERROR_internal); /* its slot is unstored too */
		pass(w, 20 * ZS_NS_PER_S);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		if (later)
			pass(w, 6 * ZS_NS_PER_S);
		world_restart(w);
		assert_int_equal(zs_attach_counts(w->s)->attachments, later ? 0 : 2);
	}
}

/* Frames that cost little or nothing are counted all the same; a new connection brings no new patience. */
static void test_floods(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame hello = a_hello(1), quiet = { .kind = ZS_ATTACH_ERROR };
	struct edge e;

	attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	for (int i = 0; i < 2048; i++)
		edge_send(&e, &quiet);
	assert_false(e.gone);
	edge_send(&e, &quiet);
	assert_string_equal(refused(&e, ZS_ATTACH_ERROR_busy)->scope, "frames");
	assert_true(e.gone);
	assert_string_equal(e.why, "too many frames");
	edge_close(&e);
	edge_open(w, &e, 1);
	edge_send(&e, &hello);
	edge_send(&e, &quiet);
	assert_true(e.gone);
	edge_close(&e);
	edge_open(w, &e, 1);
	edge_send(&e, &hello);
	pass(w, ZS_NS_PER_S);
	for (int i = 0; i < 128; i++)
		edge_send(&e, &quiet);
	assert_false(e.gone);
	edge_close(&e);
}

static void test_forget(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_peer_id peer = peer_of(1);
	struct zs_attach_rule rule = { .peer = peer };
	struct zs_attach_limits limits = { .set = 1 };
	struct edge e;

	assert_int_equal(zs_attach_forget(w->s, &peer, w->now, &w->r.err), -ENOENT);
	assert_int_equal(outcome(w, 1, &f, false), 0);
	assert_int_equal(zs_attach_forget(w->s, &peer, w->now, NULL), 0); /* whom no rule names */
	assert_int_equal(zs_attach_find(w->s, &peer), 0);
	world_conf(w, "{mode: allow}");
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
	assert_int_equal(zs_attach_limit(w->s, &peer, &limits, w->now, NULL), 0);
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(zs_attach_forget(w->s, &peer, w->now, NULL), 0);
	walk(w);
	assert_true(e.gone);
	edge_close(&e);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(zs_attach_find(w->s, &peer), 0);
		assert_int_equal(zs_attach_limited(w->s, &peer), 0);
		assert_int_equal(outcome(w, 1, &f, false), ZS_ATTACH_ERROR_denied);
		assert_int_equal(zs_attach_forget(w->s, &peer, w->now, &w->r.err), -ENOENT);
		world_restart(w);
	}
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_quotas),
		ROW(test_prefix_of_leases),
		ROW(test_two_prefixes),
		ROW(test_prefix_spares_owners),
		ROW(test_memory_budget),
		ROW(test_leases_wait_for_the_disk),
		ROW(test_ended_but_not_stored),
		ROW(test_floods),
		ROW(test_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
