/* Random operations on the resource manager against sums of a naive model. */
#include "unit/p2p/limits_rig.h"

#define CONNS	40
#define STREAMS 120

struct model {
	struct zs_limits_conn conn[CONNS];
	struct zs_limits_stream stream[STREAMS];
	bool conn_used[CONNS], stream_used[STREAMS];
	uint64_t conn_memory[CONNS], stream_memory[STREAMS];
	uint32_t network[CONNS]; /* 0: none */
};

static struct zs_addr network_addr(uint32_t network, uint32_t host)
{
	return zs_addr_from4(htobe32(0xc0000000 | network << 8 | host));
}

/* Of a network, 0: of all. */
static struct zs_usage model_sum(const struct model *t, uint32_t network)
{
	struct zs_usage u = { 0 };

	for (int i = 0; i < CONNS; i++)
		if (t->conn_used[i] && (!network || t->network[i] == network)) {
			u.conns[t->conn[i].direction]++;
			u.memory_bytes += t->conn_memory[i];
		}
	for (int i = 0; i < STREAMS; i++)
		if (t->stream_used[i] && (!network || t->network[t->stream[i].conn - t->conn] == network)) {
			u.streams[t->stream[i].direction]++;
			u.memory_bytes += t->stream_memory[i];
		}
	return u;
}

static void conn_step(struct zs_limits *m, struct model *t, struct random *r, uint64_t now)
{
	uint32_t i = random_below(r, CONNS);
	struct zs_limits_conn *c = &t->conn[i];
	struct zs_peer_id peer = peer_id(random_below(r, 20));
	uint64_t bytes = random_below(r, 3000);
	struct zs_refusal why;

	if (!t->conn_used[i]) {
		t->conn_used[i] = !zs_limits_conn_open(m, c, random_below(r, 2), now, &why);
		t->conn_memory[i] = 0;
		t->network[i] = 0;
	} else if (c->peer != ZS_PEER_NONE && random_below(r, 4) == 0) {
		uint32_t network = 1 + random_below(r, 5);
		struct zs_addr addr = network_addr(network, random_below(r, 256));

		if (t->network[i]) {
			zs_limits_conn_spare(m, c);
			t->network[i] = 0;
		} else if (!zs_limits_conn_network(m, c, &addr, &why)) {
			t->network[i] = network;
		}
	} else if (c->peer == ZS_PEER_NONE && random_below(r, 2)) {
		zs_limits_conn_peer(m, c, &peer, now, &why);
	} else if (random_below(r, 3) == 0 && c->usage.streams[0] + c->usage.streams[1] == 0) {
		zs_limits_conn_close(m, c);
		t->conn_used[i] = false;
	} else if (random_below(r, 2) && bytes <= t->conn_memory[i]) {
		zs_limits_conn_memory_give(m, c, bytes);
		t->conn_memory[i] -= bytes;
	} else if (!zs_limits_conn_memory(m, c, bytes, ZS_PRIORITY_MEDIUM, &why)) {
		t->conn_memory[i] += bytes;
	}
}

static void stream_step(struct zs_limits *m, struct model *t, struct random *r, uint64_t now)
{
	uint32_t i = random_below(r, STREAMS), ci = random_below(r, CONNS);
	struct zs_limits_stream *s = &t->stream[i];
	uint64_t bytes = random_below(r, 3000);
	struct zs_refusal why;

	if (!t->stream_used[i]) {
		if (!t->conn_used[ci] || t->conn[ci].peer == ZS_PEER_NONE)
			return;
		t->stream_used[i] = !zs_limits_stream_open(m, s, &t->conn[ci], random_below(r, 2), now, &why);
		t->stream_memory[i] = 0;
	} else if (s->protocol == ZS_LIMITS_NO_GROUP && random_below(r, 2)) {
		zs_limits_stream_protocol(m, s, 1 + random_below(r, 2), &why);
	} else if (random_below(r, 3) == 0) {
		zs_limits_stream_close(m, s);
		t->stream_used[i] = false;
	} else if (random_below(r, 2) && bytes <= t->stream_memory[i]) {
		zs_limits_stream_memory_give(m, s, bytes);
		t->stream_memory[i] -= bytes;
	} else if (!zs_limits_stream_memory(m, s, bytes, ZS_PRIORITY_LOW, &why)) {
		t->stream_memory[i] += bytes;
	}
}

static void random_operations_add_up(void **state)
{
	struct random r = random_new("limits");
	struct zs_limits_config config = { .peers = 8, .key = { 3, 4 } };
	struct model t = { 0 };
	struct zs_limits *m;
	uint64_t now = S;

	for (int s = 0; s < ZS_SCOPES; s++)
		config.limit[s] = (struct zs_limit){ 12, 12, 20, 30, 30, 50, 60000, 50, 50, 100, 100 };
	m = zs_limits_new(&config);
	zs_limits_service(m, "svc", NULL, NULL);
	zs_limits_protocol(m, "/a", 0, NULL, NULL);
	zs_limits_protocol(m, "/b", ZS_LIMITS_NO_GROUP, NULL, NULL);
	for (int n = 0; n < 30000; n++) {
		struct zs_usage want, got;
		now += random_below(&r, 20000000);
		random_below(&r, 2) ? conn_step(m, &t, &r, now) : stream_step(m, &t, &r, now);
		want = model_sum(&t, 0);
		got = zs_limits_usage(m, ZS_SCOPE_system);
		assert_memory_equal(&want, &got, sizeof(want));
		for (uint32_t k = 1; k <= 5; k++) {
			struct zs_addr addr = network_addr(k, 0);
			want = model_sum(&t, k);
			got = zs_limits_network_usage(m, &addr);
			assert_memory_equal(&want, &got, sizeof(want));
			assert_true(got.conns[ZS_IN] <= 12);
		}
		if (n % 16 == 0)
			assert_true(zs_limits_check(m));
	}
	for (int i = 0; i < STREAMS; i++)
		if (t.stream_used[i])
			zs_limits_stream_close(m, &t.stream[i]);
	for (int i = 0; i < CONNS; i++)
		if (t.conn_used[i])
			zs_limits_conn_close(m, &t.conn[i]);
	assert_true(zs_limits_check(m));
	assert_usage(zs_limits_usage(m, ZS_SCOPE_system), 0, 0, 0, 0, 0);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 0, 0, 0, 0, 0);
	for (uint32_t g = 0; g < 3; g++)
		assert_usage(zs_limits_group_usage(m, g), 0, 0, 0, 0, 0);
	zs_limits_delete(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
