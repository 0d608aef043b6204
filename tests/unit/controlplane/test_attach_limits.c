/* Limits by command, tenants in the segment, bytes in all. */
#include <errno.h>
#include "attach_rig.h"

/* A change out of "KEY=VALUE KEY=VALUE"; the first refusal. */
static int parse(struct zs_attach_limits *l, const char *text, struct zs_error *err)
{
	char copy[256], *at = copy, *word;
	int rc = 0;

	*l = (struct zs_attach_limits){ 0 };
	snprintf(copy, sizeof(copy), "%s", text);
	while (!rc && (word = strsep(&at, " ")))
		rc = zs_attach_limit_parse(l, word, err);
	return rc;
}

static void test_words(void **state)
{
	static const struct {
		const char *text, *error;
		enum zs_attach_limit at;
		uint64_t value;
	} rows[] = {
		{ "bit_s=10M", NULL, ZS_ATTACH_LIMIT_bit_s, 10000000 },
		{ "bit_s=2500k", NULL, ZS_ATTACH_LIMIT_bit_s, 2500000 },
		{ "bytes=3G", NULL, ZS_ATTACH_LIMIT_bytes, 3000000000 },
		{ "bytes=18446744073709551615", NULL, ZS_ATTACH_LIMIT_bytes, UINT64_MAX },
		{ "pkt_s=0", NULL, ZS_ATTACH_LIMIT_pkt_s, 0 },
		{ "excess=drop", NULL, ZS_ATTACH_LIMIT_excess, 0 },
		{ "pkt_s=5 excess=mark", NULL, ZS_ATTACH_LIMIT_excess, 1 },
		{ "strangers=limited", NULL, ZS_ATTACH_LIMIT_strangers, 1 },
		{ "bytes=18446744073709551616", "is no number", 0, 0 },
		{ "bytes=18446744073709551615k", "is no number", 0, 0 },
		{ "pkt_s=4294967296", "is no number", 0, 0 },
		{ "pkt_s=-1", "is no number", 0, 0 },
		{ "pkt_s= 1", "is no number", 0, 0 },
		{ "pkt_s=1kk", "is no number", 0, 0 },
		{ "pkt_s=1x", "is no number", 0, 0 },
		{ "pkt_s=", "is no number", 0, 0 },
		{ "pkt_s", "is no number", 0, 0 },
		{ "excess=queue", "none of drop|mark", 0, 0 },
		{ "excess=", "none of drop|mark", 0, 0 },
		{ "speed=1", "'speed=1' is no limit", 0, 0 },
		{ "=1", "is no limit", 0, 0 },
		{ "pkt_s=1 pkt_s=default", "given twice", 0, 0 },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_attach_limits l;
		struct zs_error err = { 0 };
		int rc = parse(&l, rows[i].text, &err);

		if (!!rc != !!rows[i].error || (rc && !strstr(err.text, rows[i].error)))
			fail_msg("%s: %d %s", rows[i].text, rc, err.text);
		if (rc)
			continue;
		assert_true(l.set & 1u << rows[i].at);
		assert_int_equal(l.value[rows[i].at], rows[i].value);
	}
}

static void limit(struct world *w, uint8_t seed, const char *text)
{
	struct zs_peer_id peer = peer_of(seed);
	struct zs_attach_limits l;
	struct zs_error err = { 0 };

	assert_int_equal(parse(&l, text, &err), 0);
	if (zs_attach_limit(w->s, &peer, &l, w->now, &err))
		fail_msg("%s", err.text);
	walk(w);
}

/* A burst is 67 s of its rate at most: more is refused where both are set, and told as it holds beside a policy's rate. */
static void test_bursts(void **state)
{
	struct world *w = *state;
	struct zs_peer_id peer = peer_of(1);
	struct zs_attach_limits l;
	struct zs_error err = { 0 };
	struct edge e;
	zs_pb_Grant g;

	limit(w, 1, "bit_s=8k burst=67k");
	assert_int_equal(parse(&l, "burst=67001", &err), 0);
	assert_int_equal(zs_attach_limit(w->s, &peer, &l, w->now, &err), -EINVAL);
	assert_non_null(strstr(err.text, "67 s of bit_s (8000); take 67000 at most"));
	limit(w, 1, "bit_s=default burst=1M");
	world_conf(w, "{mode: open, policies: [{name: p, mbit_s: 1}], policy: p}");
	g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(g.policy.burst, 1000000);
	limit(w, 1, "burst=4G");
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.burst, 125000u * 67);
	edge_close(&e);
}

static struct zs_attachment entry(struct world *w, uint32_t id)
{
	struct zs_sessions r;
	struct zs_attachment a;

	assert_int_equal(zs_sessions_open_reader(&r, w->r.c.shm_dir, NULL), 0);
	assert_true(zs_sessions_attachment(&r, id, &a));
	zs_sessions_close(&r);
	return a;
}

static bool tenant_entry(struct world *w, uint32_t number, struct zs_tenant *out)
{
	struct zs_sessions r;
	bool there;

	assert_int_equal(zs_sessions_open_reader(&r, w->r.c.shm_dir, NULL), 0);
	there = zs_sessions_tenant(&r, number, out);
	zs_sessions_close(&r);
	return there;
}

/* Above the policy, told at once with a higher serial, kept over a restart, lifted one by one. */
static void test_by_command(void **state)
{
	struct world *w = *state;
	struct zs_attach_info info;
	struct edge e;
	zs_pb_Grant g;
	zs_pb_Policy p;

	world_conf(w, "{mode: open, policy: tin, policies: [{name: tin, mbit_s: 5, flows: 7}]}");
	limit(w, 1, "bit_s=3M excess=mark"); /* before it was ever there */
	g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(g.policy.bit_s, 3000000);
	assert_int_equal(g.policy.flows, 7);
	assert_int_equal(entry(w, g.attachment).mark, 1);
	limit(w, 1, "pkt_s=100 bit_s=2M");
	p = last(&e, ZS_ATTACH_POLICY)->policy;
	assert_int_equal(p.bit_s, 2000000);
	assert_int_equal(p.pkt_s, 100);
	assert_true(p.serial > g.policy.serial);
	assert_true(entry(w, g.attachment).police.packet_quantum > 0);
	limit(w, 2, "bit_s=1M"); /* another's */
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.serial, p.serial);
	edge_close(&e);
	world_restart(w);
	assert_true(zs_attach_next(w->s, 0, w->now, &info));
	assert_int_equal(info.limits->bit_s, 2000000);
	assert_int_equal(info.limited, 1u << ZS_ATTACH_LIMIT_bit_s | 1u << ZS_ATTACH_LIMIT_pkt_s |
					   1u << ZS_ATTACH_LIMIT_excess);
	attach(w, &e, 1, ZS_ATTACH_CONTINUITY_known);
	limit(w, 1, "bit_s=default excess=default");
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.bit_s, 5000000);
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.pkt_s, 100);
	assert_int_equal(entry(w, g.attachment).mark, 0);
	limit(w, 1, "pkt_s=default");
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.pkt_s, 0);
	edge_close(&e);
	world_restart(w); /* nothing is left of it */
	assert_true(zs_attach_next(w->s, 0, w->now, &info));
	assert_int_equal(info.limited, 0);
}

static void test_tenants(void **state)
{
	struct world *w = *state;
	struct zs_attach_rule rule = { .tenant = "lab" };
	struct zs_police own;
	struct zs_tenant t;
	struct edge e[3];
	zs_pb_Grant g;

	world_conf(w,
		   "{mode: open, tenants: [{name: lab, mbit_s: 30, excess: mark}, {name: more, pkt_s: 5}]}");
	assert_true(tenant_entry(w, 1, &t));
	assert_int_equal(t.members, 0);
	assert_int_equal(t.mark, 1);
	zs_police_of(&own, &(struct zs_police_limits){ .bit_s = 30000000 });
	assert_memory_equal(&t.police, &own, sizeof(own));
	for (uint8_t i = 0; i < 3; i++) {
		rule.peer = peer_of((uint8_t)(i + 1));
		assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
		g = attach(w, &e[i], (uint8_t)(i + 1), ZS_ATTACH_CONTINUITY_fresh);
		assert_int_equal(entry(w, g.attachment).tenant, 1);
	}
	assert_true(tenant_entry(w, 1, &t));
	assert_int_equal(t.members, 3);
	zs_police_of(&own, &(struct zs_police_limits){ .bit_s = 10000000 }); /* a third each */
	assert_int_equal(t.share_bytes.mult, own.bytes.mult);
	assert_int_equal(t.share_bytes.shift, own.bytes.shift);
	assert_int_equal(zs_attach_kick(w->s, g.attachment, w->now, NULL), 0);
	assert_true(tenant_entry(w, 1, &t));
	assert_int_equal(t.members, 2);
	strcpy(rule.tenant, "more");
	rule.peer = peer_of(1);
	assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
	assert_true(tenant_entry(w, 2, &t));
	assert_int_equal(t.members, 1);
	/* a reload: `more` keeps its number, `lab` is gone and so are its limits */
	world_conf(w, "{mode: open, tenants: [{name: more, pkt_s: 6}, {name: fresh}]}");
	assert_true(tenant_entry(w, 2, &t));
	assert_int_equal(t.members, 1);
	assert_true(tenant_entry(w, 1, &t)); /* its number is `fresh`'s */
	assert_int_equal(t.members, 0);
	for (uint8_t i = 0; i < 3; i++)
		edge_close(&e[i]);
	world_restart(w);
	assert_true(tenant_entry(w, 1, &t));
	assert_int_equal(t.members, 1); /* numbers are a life's own */
}

/* Nine tenths are told, all of it ends the sessions and is refused until the limit is higher. */
static void test_bytes(void **state)
{
	struct world *w = *state;
	struct zs_peer_id peer = peer_of(1);
	struct zs_session v;
	struct edge e;
	zs_pb_Grant g;

	limit(w, 1, "bytes=1000");
	g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(g.policy.bytes_left, 1000);
	zs_attach_used(w->s, g.attachment, &peer, 899);
	assert_int_equal(last(&e, ZS_ATTACH_GRANT)->kind, ZS_ATTACH_GRANT);
	zs_attach_used(w->s, g.attachment, &peer, 900);
	assert_int_equal(last(&e, ZS_ATTACH_NOTICE)->notice.code, ZS_ATTACH_NOTICE_quota);
	zs_attach_used(w->s, g.attachment, &peer, 950);
	assert_int_equal(e.got, 2); /* once */
	peer = peer_of(2);
	zs_attach_used(w->s, g.attachment, &peer, 5000); /* not its owner's */
	assert_false(e.gone);
	peer = peer_of(1);
	limit(w, 1, "bytes=2000");
	assert_int_equal(last(&e, ZS_ATTACH_POLICY)->policy.bytes_left, 1050);
	assert_true(session_of(w, g.receiver, &v));
	zs_attach_used(w->s, g.attachment, &peer, 2001);
	assert_int_equal(last(&e, ZS_ATTACH_NOTICE)->notice.code, ZS_ATTACH_NOTICE_quota);
	assert_true(e.gone);
	assert_false(session_of(w, g.receiver, &v));
	assert_int_equal(zs_attach_counts(w->s)->spent, 1);
	edge_close(&e);
}

/* A tenant's bytes in all: every member is ended when they are spent, and nobody by what was used under another's number. */
static void test_tenant_bytes(void **state)
{
	struct world *w = *state;
	struct zs_attach_rule rule = { .tenant = "lab" };
	struct zs_error err = { 0 };
	struct edge e[3];

	world_conf(w, "{mode: open, tenants: [{name: lab, total_mb: 1}]}");
	for (uint8_t i = 0; i < 3; i++) {
		rule.peer = peer_of(i + 1);
		if (i < 2)
			assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, &err), 0);
		attach(w, &e[i], i + 1, ZS_ATTACH_CONTINUITY_fresh);
	}
	zs_attach_tenant_used(w->s, 1, "other", 2 << 20);
	zs_attach_tenant_used(w->s, ZS_TENANTS, "lab", 2 << 20);
	zs_attach_tenant_used(w->s, 1, "lab", (1 << 20) - 1);
	assert_true(!e[0].gone && !e[1].gone);
	for (int again = 0; again < 2; again++) {
		zs_attach_tenant_used(w->s, 1, "lab", 1 << 20);
		assert_true(e[0].gone && e[1].gone && !e[2].gone);
		assert_int_equal(zs_attach_counts(w->s)->spent, 2);
	}
	for (uint8_t i = 0; i < 3; i++)
		edge_close(&e[i]);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { ROW(test_words), ROW(test_by_command), ROW(test_tenants),
					    ROW(test_bytes), ROW(test_bursts),	   ROW(test_tenant_bytes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
