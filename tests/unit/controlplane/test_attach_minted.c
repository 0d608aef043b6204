/* Connection IDs that edges are given: with a Grant, by CidAsk for themselves and for a dial, and what is withdrawn. */
#include "attach_rig.h"

#include "cid/cid.h"

static struct zs_attach_frame an_ask(uint64_t id, uint32_t count, const struct zs_peer_id *callee)
{
	struct zs_attach_frame f = { .id = id, .kind = ZS_ATTACH_CID_ASK, .cid_ask = { .count = count } };

	if (callee) {
		f.cid_ask.peer.size = callee->len;
		memcpy(f.cid_ask.peer.bytes, callee->bytes, callee->len);
	}
	return f;
}

static void ask(struct edge *e, uint32_t count, const struct zs_peer_id *callee)
{
	struct zs_attach_frame f = an_ask(9, count, callee);

	edge_send(e, &f);
}

static struct zs_cid decoded(struct world *w, const uint8_t cid[ZS_CID])
{
	struct zs_cid out;

	zs_cids_decode(zs_attach_cids(w->s), cid, &out);
	assert_int_equal(out.verdict, ZS_CID_OK);
	return out;
}

static void test_own_ones(void **state)
{
	struct world *w = *state;
	struct edge e;
	zs_pb_Grant g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	const zs_pb_Cids *c;

	assert_false(g.has_cids); /* a tunnel asks when it wants some */
	ask(&e, 64, NULL);
	c = &last(&e, ZS_ATTACH_CIDS_SENT)->cids;
	assert_int_equal(last(&e, ZS_ATTACH_CIDS_SENT)->id, 9);
	assert_true(c->cid_count == 64 && !c->peer.size && !c->retire_mask &&
		    c->expires == w->wall_s + 86400);
	for (pb_size_t i = 0; i < c->cid_count; i++) {
		struct zs_cid cid = decoded(w, c->cid[i].bytes);

		assert_true(cid.rotation == c->rotation && cid.pop == g.pop &&
			    cid.attachment == g.attachment && cid.generation == g.generation &&
			    cid.nonce == i);
	}
	edge_close(&e);
}

static void test_a_socket_gets_some_with_its_grant(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct edge e;
	zs_pb_Grant g;

	f.hello.mode = ZS_ATTACH_MODE_socket, f.hello.receiver = 0;
	edge_open(w, &e, 1);
	edge_send(&e, &f);
	g = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	assert_true(g.has_cids && g.cids.cid_count == 32);
	assert_int_equal(decoded(w, g.cids.cid[31].bytes).attachment, g.attachment);
	ask(&e, 1, NULL);
	assert_int_equal(decoded(w, last(&e, ZS_ATTACH_CIDS_SENT)->cids.cid[0].bytes).nonce, 32);
	edge_close(&e);
}

static void test_none_is_no_number(void **state)
{
	struct world *w = *state;
	struct edge e;

	attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	ask(&e, 0, NULL);
	refused(&e, ZS_ATTACH_ERROR_malformed);
	edge_close(&e);
}

/* Each dial has its own, and they are the callee's. */
static void test_dials(void **state)
{
	struct world *w = *state;
	struct zs_peer_id callee = peer_of(2);
	struct edge a, b;
	zs_pb_Grant g;
	zs_pb_Cids first;

	attach(w, &a, 1, ZS_ATTACH_CONTINUITY_fresh);
	ask(&a, 1, &callee);
	refused(&a, ZS_ATTACH_ERROR_no_cid); /* nobody of that name is attached */
	g = attach(w, &b, 2, ZS_ATTACH_CONTINUITY_fresh);
	ask(&a, 1, &callee);
	first = last(&a, ZS_ATTACH_CIDS_SENT)->cids;
	assert_int_equal(decoded(w, first.cid[0].bytes).attachment, g.attachment);
	assert_int_equal(first.peer.size, callee.len);
	assert_memory_equal(first.peer.bytes, callee.bytes, callee.len);
	ask(&a, 1, &callee);
	assert_memory_not_equal(last(&a, ZS_ATTACH_CIDS_SENT)->cids.cid[0].bytes, first.cid[0].bytes, ZS_CID);
	edge_close(&b); /* leased: it comes back, and its connection IDs lead to it */
	ask(&a, 1, &callee);
	last(&a, ZS_ATTACH_CIDS_SENT);
	assert_int_equal(zs_attach_kick(w->s, g.attachment, w->now, &w->r.err), 0);
	ask(&a, 1, &callee);
	refused(&a, ZS_ATTACH_ERROR_no_cid);
	edge_close(&a);
}

/* The callee's policy says who gets any; its own are another matter. */
static void test_callers(void **state)
{
	static const struct {
		const char *callers, *tenant;
		bool admitted;
	} rows[] = { { "anyone", "", true },
		     { "tenant", "", false },
		     { "tenant", "red", true },
		     { "tenant", "blue", false },
		     { "nobody", "red", false } };
	struct world *w = *state;
	struct zs_peer_id caller = peer_of(1), callee = peer_of(2);

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		char text[1024], id[2][ZS_PEER_ID_TEXT];
		struct edge a, b;

		snprintf(text, sizeof(text),
			 "{mode: allow, tenants: [{name: red}, {name: blue}], policies: [{name: p, callers: "
			 "%s}], allow: [{peer: %s, tenant: '%s'}, "
			 "{peer: %s, policy: p, tenant: '%s'}]}",
			 rows[i].callers, zs_peer_id_format(&caller, id[0]), rows[i].tenant,
			 zs_peer_id_format(&callee, id[1]), rows[i].tenant[0] ? "red" : "");
		world_conf(w, text);
		attach(w, &a, 1, i ? ZS_ATTACH_CONTINUITY_known : ZS_ATTACH_CONTINUITY_fresh);
		attach(w, &b, 2, i ? ZS_ATTACH_CONTINUITY_known : ZS_ATTACH_CONTINUITY_fresh);
		ask(&a, 1, &callee);
		if (rows[i].admitted)
			last(&a, ZS_ATTACH_CIDS_SENT);
		else
			refused(&a, ZS_ATTACH_ERROR_no_cid);
		ask(&b, 1, &callee);
		assert_int_equal(last(&b, ZS_ATTACH_CIDS_SENT)->cids.peer.size, callee.len);
		edge_close(&a);
		edge_close(&b);
	}
}

/* 1,024 at once, 64 a second after that; of one callee half of it at once for whoever comes first. */
static void test_rates(void **state)
{
	struct world *w = *state;
	struct zs_peer_id callee = peer_of(3);
	struct edge a, b, c;

	attach(w, &a, 1, ZS_ATTACH_CONTINUITY_fresh);
	attach(w, &b, 2, ZS_ATTACH_CONTINUITY_fresh);
	attach(w, &c, 3, ZS_ATTACH_CONTINUITY_fresh);
	for (int i = 0; i < 8; i++) {
		ask(&a, 64, &callee);
		last(&a, ZS_ATTACH_CIDS_SENT);
	}
	ask(&a, 64, &callee);
	refused(&a, ZS_ATTACH_ERROR_no_cid);
	for (int i = 0; i < 7; i++)
		ask(&a, 64, NULL);
	last(&a, ZS_ATTACH_CIDS_SENT);
	ask(&a, 1, NULL);
	assert_int_equal(refused(&a, ZS_ATTACH_ERROR_busy)->retry_ms, 1000);
	ask(&b, 17, &callee);
	refused(&b, ZS_ATTACH_ERROR_no_cid);
	ask(&b, 1, NULL);
	last(&b, ZS_ATTACH_CIDS_SENT);
	ask(&c, 1, NULL);
	last(&c, ZS_ATTACH_CIDS_SENT);
	pass(w, ZS_NS_PER_S);
	ask(&a, 64, NULL);
	last(&a, ZS_ATTACH_CIDS_SENT);
	ask(&b, 1, &callee);
	last(&b, ZS_ATTACH_CIDS_SENT);
	edge_close(&a);
	edge_close(&b);
	edge_close(&c);
}

/* 0, or the error's code. What was said is forgotten. */
static uint32_t answered(struct edge *e, uint32_t count, const struct zs_peer_id *callee)
{
	uint32_t code;

	alive(e); /* no dataplane proves its session */
	ask(e, count, callee);
	assert_true(e->got);
	code = e->frame[e->got - 1]->kind == ZS_ATTACH_ERROR ? e->frame[e->got - 1]->error.code : 0;
	edge_free(e);
	return code;
}

/* From another network than those of edge_open. */
static void attach_far(struct world *w, struct edge *e, uint8_t seed)
{
	struct zs_attach_frame f = a_hello(1);

	edge_open_as(w, e, peer_of(seed), 0xc6336400u + seed, true);
	e->seed = seed;
	edge_send(e, &f);
	granted(e, ZS_ATTACH_CONTINUITY_fresh);
}

/* Six callers that ask without end, then so many that they use up what is sure for their network: who dials now and then gets
 * what it asks for, from another network in any case. And the callee gives no less than it did. */
static void test_a_fair_share(void **state)
{
	struct world *w = *state;
	struct zs_peer_id callee = peer_of(1);
	struct edge to, greedy[20], near, far;
	uint32_t got = 0;

	attach(w, &to, 1, ZS_ATTACH_CONTINUITY_fresh);
	attach(w, &near, 2, ZS_ATTACH_CONTINUITY_fresh);
	attach_far(w, &far, 3);
	for (uint8_t i = 0; i < ZS_ARRAY_LEN(greedy); i++)
		attach(w, &greedy[i], (uint8_t)(10 + i), ZS_ATTACH_CONTINUITY_fresh);
	for (uint32_t second = 0; second < 80; second++) {
		uint32_t many = second < 40 ? 6 : ZS_ARRAY_LEN(greedy);

		for (uint32_t i = 0; i < 32; i++)
			got += answered(&greedy[i % many], 4, &callee) ? 0 : 4;
		if (second % 4 == 3) {
			assert_int_equal(answered(&far, 1, &callee), 0);
			assert_true(many > 6 || !answered(&near, 1, &callee));
		}
		pass(w, ZS_NS_PER_S);
	}
	assert_in_range(got, 60 * 80, 64 * 80 + 1024);
	edge_close(&to);
	edge_close(&near);
	edge_close(&far);
	for (uint32_t i = 0; i < ZS_ARRAY_LEN(greedy); i++)
		edge_close(&greedy[i]);
}

/* A successor of a detached peer is another one to whom its connection IDs do not lead. */
static void test_an_owner_before(void **state)
{
	struct world *w = *state;
	struct edge a, b;
	zs_pb_Grant old = attach(w, &a, 1, ZS_ATTACH_CONTINUITY_fresh), next;
	struct zs_cid cid;

	ask(&a, 1, NULL);
	cid = decoded(w, last(&a, ZS_ATTACH_CIDS_SENT)->cids.cid[0].bytes);
	assert_int_equal(zs_attach_kick(w->s, old.attachment, w->now, &w->r.err), 0);
	edge_close(&a);
	next = attach(w, &b, 2, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(next.attachment, old.attachment);
	assert_int_not_equal(next.generation, cid.generation);
	ask(&b, 1, NULL);
	assert_int_not_equal(decoded(w, last(&b, ZS_ATTACH_CIDS_SENT)->cids.cid[0].bytes).nonce, cid.nonce);
	edge_close(&b);
}

/* What is withdrawn is told to everybody, and again to whoever asks while the number rests. */
static void test_withdrawn(void **state)
{
	struct world *w = *state;
	struct zs_error err = { 0 };
	struct edge a, b;
	uint32_t old;
	uint8_t next;

	w->r.c.conf->cids.stage_s = 5;
	w->r.c.conf->cids.live_s = 40;
	w->r.c.conf->cids.rest_s = 10;
	attach(w, &a, 1, ZS_ATTACH_CONTINUITY_fresh);
	ask(&a, 1, NULL);
	old = last(&a, ZS_ATTACH_CIDS_SENT)->cids.rotation;
	assert_int_equal(zs_cids_rotate(zs_attach_cids(w->s), &next, &err), 0);
	pass(w, 44 * ZS_NS_PER_S);
	ask(&a, 1, NULL);
	assert_true(last(&a, ZS_ATTACH_CIDS_SENT)->cids.rotation == next &&
		    !last(&a, ZS_ATTACH_CIDS_SENT)->cids.retire_mask);
	pass(w, 2 * ZS_NS_PER_S);
	assert_int_equal(last(&a, ZS_ATTACH_CIDS_SENT)->id, 0);
	assert_int_equal(last(&a, ZS_ATTACH_CIDS_SENT)->cids.cid_count, 0);
	assert_int_equal(last(&a, ZS_ATTACH_CIDS_SENT)->cids.retire_mask, 1u << old);
	attach(w, &b, 2, ZS_ATTACH_CONTINUITY_fresh);
	ask(&b, 1, NULL);
	assert_int_equal(last(&b, ZS_ATTACH_CIDS_SENT)->cids.retire_mask, 1u << old);
	pass(w, 11 * ZS_NS_PER_S);
	ask(&b, 1, NULL);
	assert_int_equal(last(&b, ZS_ATTACH_CIDS_SENT)->cids.retire_mask, 0);
	edge_close(&a);
	edge_close(&b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_own_ones),	      TEST(test_a_socket_gets_some_with_its_grant),
		TEST(test_none_is_no_number), TEST(test_dials),
		TEST(test_callers),	      TEST(test_rates),
		TEST(test_a_fair_share),      TEST(test_an_owner_before),
		TEST(test_withdrawn),
	};

	ZS_CHECK(sodium_init() >= 0, "libsodium");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
