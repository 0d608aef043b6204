/* The table of an edge's flows against a naive one: a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "flow_table.h"
#include "unit/random.h"

#define MOST  24
#define IDLE  (120 * ZS_NS_PER_S)
#define STEPS 200000

struct naive {
	struct zs_edge_flow flow[MOST];
	uint32_t count;
};

static struct zs_edge_flow *naive_find(struct naive *n, const struct zs_tunnel_flow *id)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (zs_tunnel_flow_id(&n->flow[i].id) == zs_tunnel_flow_id(id))
			return &n->flow[i];
	return NULL;
}

static struct zs_edge_flow *naive_client(struct naive *n, uint32_t of, const struct zs_endpoint *client)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (n->flow[i].id.opener == ZS_TUNNEL_EDGE && n->flow[i].of == of &&
		    zs_endpoint_eq(&n->flow[i].client, client))
			return &n->flow[i];
	return NULL;
}

static struct zs_edge_flow *naive_cid(struct naive *n, uint32_t of, uint8_t cid)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (n->flow[i].cid_len && n->flow[i].of == of && n->flow[i].cid[0] == cid)
			return &n->flow[i];
	return NULL;
}

/* Lengths go with IDs: 8 to 20 bytes, all alike. */
static void cid_is(struct random *rnd, struct zs_edge_flows *t, struct zs_edge_flow *got, struct naive *n,
		   struct zs_edge_flow *want)
{
	uint8_t bytes[ZS_EDGE_CID], cid = (uint8_t)random_below(rnd, 13);
	struct zs_edge_flow *other = naive_cid(n, want->of, cid);

	memset(bytes, cid, sizeof(bytes));
	zs_edge_flows_cid_is(t, got, bytes, 8 + cid);
	if (other)
		other->cid_len = 0;
	want->cid_len = 8 + cid;
	want->cid[0] = cid;
}

static uint64_t naive_ends(const struct zs_edge_flow *f)
{
	return f->used_ns + (f->answered ? IDLE : IDLE / 12);
}

static uint64_t naive_deadline(const struct naive *n)
{
	uint64_t at = UINT64_MAX;

	for (uint32_t i = 0; i < n->count; i++)
		at = naive_ends(&n->flow[i]) < at ? naive_ends(&n->flow[i]) : at;
	return at;
}

static void naive_remove(struct naive *n, struct zs_edge_flow *f)
{
	*f = n->flow[--n->count];
}

static struct zs_edge_flow draw(struct random *rnd, uint64_t now)
{
	bool ours = random_below(rnd, 2);
	struct zs_edge_flow f = { .id = { .number = (uint16_t)random_below(rnd, 40),
					  .service = ours ? 0 : (uint8_t)(1 + random_below(rnd, 2)),
					  .opener = ours ? ZS_TUNNEL_EDGE : ZS_TUNNEL_RELAY },
				  .client = { .port = (uint16_t)(1 + random_below(rnd, 30)) },
				  .of = random_below(rnd, 2),
				  .used_ns = now };
	return f;
}

static void same(struct zs_edge_flow *got, struct zs_edge_flow *want)
{
	assert_int_equal(got != NULL, want != NULL);
	if (!got)
		return;
	assert_int_equal(zs_tunnel_flow_id(&got->id), zs_tunnel_flow_id(&want->id));
	assert_int_equal(got->used_ns, want->used_ns);
	assert_int_equal(got->answered, want->answered);
	assert_true(zs_endpoint_eq(&got->client, &want->client));
}

static void add(struct zs_edge_flows *t, struct naive *n, const struct zs_edge_flow *f)
{
	struct zs_edge_flow *spare;

	if (naive_find(n, &f->id) || naive_client(n, f->of, &f->client))
		return;
	if (n->count == MOST) {
		assert_null(zs_edge_flows_add(t, f));
		spare = zs_edge_flows_spare(t);
		for (uint32_t i = 0; i < n->count; i++) /* none unanswered is older */
			assert_true(n->flow[i].answered || (spare && n->flow[i].used_ns >= spare->used_ns));
		assert_true(!spare || !spare->answered);
		if (!spare)
			return;
		naive_remove(n, naive_find(n, &spare->id));
		zs_edge_flows_remove(t, spare);
	}
	assert_non_null(zs_edge_flows_add(t, f));
	n->flow[n->count++] = *f;
}

static void fill(void *ctx, void *out, size_t len)
{
	random_bytes(ctx, out, len);
}

static void as_a_naive_one(void **state)
{
	struct random rnd = random_new("edge flows");
	const struct zs_random source = { fill, &rnd };
	struct naive n = { .count = 0 };
	struct zs_edge_flows *t;
	struct zs_edge_flow *got, *want;
	uint64_t now = 1;
	uint32_t idle = 0, full = 0, named = 0;

	assert_int_equal(zs_edge_flows_new(&t, MOST, IDLE, &source), 0);
	for (int step = 0; step < STEPS; step++) {
		struct zs_edge_flow f = draw(&rnd, now);

		got = zs_edge_flows_find(t, &f.id);
		want = naive_find(&n, &f.id);
		same(got, want);
		same(zs_edge_flows_client(t, f.of, &f.client), naive_client(&n, f.of, &f.client));
		uint8_t cid = (uint8_t)random_below(&rnd, 13), bytes[ZS_EDGE_CID];
		memset(bytes, cid, sizeof(bytes));
		same(zs_edge_flows_cid(t, f.of, bytes, 8 + cid), naive_cid(&n, f.of, cid));
		named += naive_cid(&n, f.of, cid) != NULL;
		switch (random_below(&rnd, 10)) {
		case 0 ... 3:
			full += n.count == MOST;
			add(t, &n, &f);
			break;
		case 4 ... 5:
			if (got) {
				bool answered = random_below(&rnd, 2);
				zs_edge_flows_used(t, got, answered, now);
				want->used_ns = now;
				want->answered |= answered;
			}
			break;
		case 6:
			if (got && !random_below(&rnd, 4)) {
				zs_edge_flows_remove(t, got);
				naive_remove(&n, want);
			}
			break;
		case 7 ... 8:
			if (got && got->id.opener == ZS_TUNNEL_RELAY)
				cid_is(&rnd, t, got, &n, want);
			break;
		default:
			now += random_below(&rnd, 4) * ZS_NS_PER_S;
		}
		assert_int_equal(zs_edge_flows_deadline(t), naive_deadline(&n));
		while ((got = zs_edge_flows_idle(t, now))) {
			want = naive_find(&n, &got->id);
			assert_true(naive_ends(want) <= now);
			zs_edge_flows_remove(t, got);
			naive_remove(&n, want);
			idle++;
		}
		assert_true(naive_deadline(&n) > now);
		assert_int_equal(zs_edge_flows_count(t), n.count);
		if (step % 64 == 0)
			zs_edge_flows_check(t);
	}
	assert_true(idle > 100 && full > 100 && named > 100);
	while ((got = zs_edge_flows_any(t)))
		zs_edge_flows_remove(t, got);
	assert_int_equal(zs_edge_flows_count(t), 0);
	assert_int_equal(zs_edge_flows_deadline(t), UINT64_MAX);
	zs_edge_flows_delete(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_a_naive_one) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
