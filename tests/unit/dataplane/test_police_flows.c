/* Limits of an attachment at a flow's end: what goes through its tunnel either way, and how many flows it may have. */
#include "tunnel_rig.h"

#include "held.h"

#define EDGE   9 /* the rig's attachment */
#define TENANT 3
#define BYTES  100

static void limit(struct tunnel_rig *t, struct zs_police_limits limits, uint16_t tenant, bool mark)
{
	struct zs_attachment a;

	assert_true(zs_sessions_attachment(&t->sessions, EDGE, &a));
	zs_police_of(&a.police, &limits);
	a.mark = mark;
	a.tenant = tenant;
	assert_int_equal(zs_sessions_set_attachment(&t->sessions, EDGE, &a), 0);
	rig_advance(t, 1);
}

static void limit_tenant(struct tunnel_rig *t, struct zs_police_limits limits)
{
	struct zs_tenant v = { .used = 1, .members = 2 };

	zs_police_of(&v.police, &limits);
	zs_police_share(&v.share_bytes, &v.share_packets, &limits, 2);
	assert_int_equal(zs_sessions_set_tenant(&t->sessions, TENANT, &v), 0);
}

static uint64_t held(const struct tunnel_rig *t, uint32_t worker)
{
	return zs_state_account(&t->r->dp.state, worker)[EDGE].flows;
}

static uint32_t of_tenant(const struct tunnel_rig *t, uint32_t tenant)
{
	return atomic_load(&t->r->limits.tenant_flows[tenant]);
}

/* A packet a millisecond, ten at once; inner bytes, whatever the tunnel adds. */
static void rates(void **state)
{
	static const uint8_t bytes[BYTES];
	struct tunnel_rig *t = *state;

	rig_up(t, 1);
	rig_client(t, 1, 0, bytes, BYTES);
	limit(t, (struct zs_police_limits){ .bit_s = 8 * BYTES * 1000, .burst = 10 * BYTES }, 0, false);
	t->heard.data = 0;
	for (int i = 0; i < 30; i++)
		rig_client(t, 1, 0, bytes, BYTES);
	assert_int_equal(t->heard.data, 10);
	assert_int_equal(rig_drops(t, ZS_DROP_policed), 20);
	for (int i = 0; i < 30; i++)
		rig_edge_says(t, &t->heard.flow, bytes, BYTES);
	assert_int_equal(t->clients, 10);
	assert_int_equal(rig_drops(t, ZS_DROP_policed), 40);
	rig_advance(t, 3);
	for (int i = 0; i < 30; i++)
		rig_client(t, 1, 0, bytes, BYTES);
	assert_int_equal(t->heard.data, 13);
	rig_conserved(t);
}

/* What is not payload: 60 bytes a datagram with IPv4, and all of what the relay is told itself. */
static void overhead(void **state)
{
	static const uint8_t bytes[BYTES];
	struct tunnel_rig *t = *state;
	uint64_t *count, control;

	rig_up(t, 1);
	count = t->r->worker[0].count;
	control = count[ZS_COUNTER_control_in_bytes];
	assert_int_equal(count[ZS_COUNTER_tunnel_probe], 0);
	assert_int_equal(control, (count[ZS_COUNTER_tunnel_keepalive] + count[ZS_COUNTER_tunnel_echo]) * 68);
	rig_client(t, 1, 0, bytes, BYTES);
	for (int i = 0; i < 5; i++)
		rig_edge_says(t, &t->heard.flow, bytes, BYTES);
	assert_int_equal(count[ZS_COUNTER_overhead_in_bytes], 5 * 60);
	assert_int_equal(count[ZS_COUNTER_control_in_bytes], control);
	zs_edge_tunnel_close(t->edge, &t->heard.flow, 1, rig_now(t));
	rig_settle(t);
	assert_int_equal(count[ZS_COUNTER_control_in_bytes], control + 62);
}

/* Toward the edge the mark is the outer header's and the inner packet's; from it, the client's, checksums right. */
static void marks(void **state)
{
	static const uint8_t bytes[BYTES];
	struct tunnel_rig *t = *state;
	struct zs_packet p;

	rig_up(t, 1);
	rig_client(t, 1, 0, bytes, BYTES);
	limit(t, (struct zs_police_limits){ .bit_s = 8 * BYTES * 1000, .burst = 2 * BYTES }, 0, true);
	for (uint32_t i = 1; i <= 5; i++) {
		uint32_t data = t->heard.data;

		rig_client(t, 1, 2, bytes, BYTES);
		assert_int_equal(t->heard.data, data + (i <= 4));
		assert_int_equal(t->heard.ecn, i <= 2 ? 2 : 3);
	}
	assert_int_equal(zs_packet_parse(t->seen[t->sights - 1].bytes, t->seen[t->sights - 1].len, &p),
			 ZS_PARSE_OK);
	assert_int_equal(p.ecn, 3);
	for (uint32_t i = 1; i <= 5; i++) {
		uint8_t room[ZS_EDGE_HEADROOM + BYTES + ZS_EDGE_TAILROOM] = { 0 };

		zs_edge_tunnel_data(t->edge, &t->heard.flow, 1, room + ZS_EDGE_HEADROOM, BYTES, rig_now(t));
		rig_settle(t);
		assert_int_equal(t->clients, i <= 4 ? i : 4);
		assert_int_equal(
		    zs_packet_parse(t->client[t->clients - 1].bytes, t->client[t->clients - 1].len, &p),
		    ZS_PARSE_OK);
		assert_int_equal(p.ecn, i <= 2 ? 1 : 3);
		assert_true(rig_sum_ok(t->client[t->clients - 1].bytes, t->client[t->clients - 1].len));
	}
	rig_conserved(t);
}

/* Flows that the edge opened are charged to it, both ways. */
static void of_the_edge(void **state)
{
	struct zs_published p = {
		.used = 1, .target = rig_addr("10.2.0.2"), .target_port = 443, .generation = 1
	};
	static const uint8_t bytes[BYTES];
	struct tunnel_rig *t = *state;
	struct zs_endpoint target = { rig_addr("10.1.0.1"), 4500 };
	struct zs_tunnel_flow flow, more;
	struct zs_packet q;

	assert_int_equal(zs_tables_set_published(&t->r->writer, 4500, &p), 0);
	rig_up(t, 1);
	limit(t, (struct zs_police_limits){ .bit_s = 8 * BYTES * 1000, .burst = 10 * BYTES, .flows = 1 }, 0,
	      false);
	assert_int_equal(zs_edge_tunnel_open(t->edge, &target, rig_now(t), &flow), 0);
	for (int i = 0; i < 30; i++)
		rig_edge_says(t, &flow, bytes, BYTES);
	assert_int_equal(t->clients, 10);
	assert_int_equal(rig_drops(t, ZS_DROP_policed), 20);
	assert_int_equal(held(t, 0), 1);
	assert_int_equal(zs_packet_parse(t->client[0].bytes, t->client[0].len, &q), ZS_PARSE_OK);
	for (int i = 0; i < 30; i++) {
		struct rte_mbuf *m = rig_packet(t->r, 1, &q.dst, &q.src, 0, bytes, BYTES);

		t->arrived++;
		rig_stages(&t->r->worker[0], &m, 1, false);
		rig_settle(t);
	}
	assert_int_equal(t->heard.data, 10);
	/* It has the one that it may have. */
	assert_int_equal(zs_edge_tunnel_open(t->edge, &target, rig_now(t), &more), 0);
	rig_edge_says(t, &more, bytes, BYTES);
	assert_int_equal(rig_drops(t, ZS_DROP_flow_limit_attachment), 1);
	assert_int_equal(rig_drops(t, ZS_DROP_no_flow), 1);
	zs_edge_tunnel_close(t->edge, &flow, 1, rig_now(t));
	rig_settle(t);
	assert_int_equal(held(t, 0), 0);
	rig_conserved(t);
}

/* As many as it may have, on both workers together; one that nobody answered makes room for another, one that somebody did
 * does not. */
static void flows(void **state)
{
	struct tunnel_rig *t = *state;

	rig_up(t, 2);
	limit(t, (struct zs_police_limits){ .flows = 3 }, 0, false);
	for (uint8_t i = 0; i < 3; i++) {
		t->worker = i % 2;
		rig_client(t, i, 0, "hello", 5);
		rig_edge_says(t, &t->heard.flow, "answer", 6);
		rig_client(t, i, 0, "again", 5); /* confirmed */
	}
	assert_int_equal(held(t, 0), 2);
	assert_int_equal(held(t, 1), 1);
	rig_client(t, 3, 0, "hello", 5);
	assert_int_equal(rig_drops(t, ZS_DROP_flow_limit_attachment), 1);
	limit(t, (struct zs_police_limits){ .flows = 4 }, 0, false);
	t->worker = 1;
	rig_client(t, 3, 0, "hello", 5); /* unanswered … */
	assert_int_equal(held(t, 0) + held(t, 1), 4);
	for (uint8_t i = 4; i < 8; i++) {
		t->worker = i % 2;
		rig_client(t, i, 0, "hello", 5); /* … it makes room, wherever it is */
		assert_int_equal(held(t, 0) + held(t, 1), 4);
	}
	assert_int_equal(rig_drops(t, ZS_DROP_flow_limit_attachment), 1);
	assert_int_equal(of_tenant(t, 0), 4);
	rig_conserved(t);
}

static void new_flows(void **state)
{
	struct tunnel_rig *t = *state;

	rig_up(t, 1);
	limit(t, (struct zs_police_limits){ .new_flows_s = 5 }, 0, false);
	for (uint8_t i = 0; i < 20; i++)
		rig_client(t, i, 0, "hello", 5);
	assert_int_equal(held(t, 0), 5);
	assert_int_equal(rig_drops(t, ZS_DROP_flow_rate_attachment), 15);
	rig_advance(t, 400);
	for (uint8_t i = 20; i < 40; i++)
		rig_client(t, i, 0, "hello", 5);
	assert_int_equal(held(t, 0), 7);
	rig_conserved(t);
}

/* A tenant's count follows its attachments' flows: when one comes to it, goes, and when the dataplane comes back. */
static void tenants(void **state)
{
	struct tunnel_rig *t = *state;

	rig_up(t, 2);
	for (uint8_t i = 0; i < 4; i++) {
		t->worker = i % 2;
		rig_client(t, i, 0, "hello", 5);
	}
	assert_int_equal(of_tenant(t, 0), 4);
	limit_tenant(t, (struct zs_police_limits){ .flows = 6 });
	limit(t, (struct zs_police_limits){ 0 }, TENANT, false);
	assert_int_equal(of_tenant(t, 0), 0);
	assert_int_equal(of_tenant(t, TENANT), 4);
	rig_restart(t, 1);
	assert_int_equal(of_tenant(t, TENANT), 4);
	assert_int_equal(held(t, 0), 4);
	atomic_fetch_add(&t->r->limits.tenant_flows[TENANT], 1); /* of another attachment */
	t->worker = 0;
	for (uint8_t i = 4; i < 8; i++) {
		rig_client(t, i, 0, "hello", 5);
		rig_edge_says(t, &t->heard.flow, "answer", 6);
		rig_client(t, i, 0, "again", 5);
	}
	assert_int_equal(of_tenant(t, TENANT), 6);
	for (uint32_t i = 0; i < t->r->dp.partitions; i++)
		for (uint32_t id = 0; id < t->r->dp.partition[i].capacity; id++)
			if (t->r->dp.partition[i].flow[id].used == ZS_FLOW_LIVE)
				zs_flow_end(&t->r->worker[0], &t->r->dp.partition[i], id, ZS_FLOW_END_IDLE);
	assert_int_equal(held(t, 0), 0);
	assert_int_equal(of_tenant(t, TENANT), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, tunnel_setup, tunnel_teardown)
	const struct CMUnitTest tests[] = { T(rates), T(overhead),  T(marks),  T(of_the_edge),
					    T(flows), T(new_flows), T(tenants) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
