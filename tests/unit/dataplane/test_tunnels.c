/* A worker's stages with an edge at the other end: the way is found, data go both ways, and nothing else gets in. */
#include "age.h"
#include "relay/codes.h"
#include "tunnel_rig.h"

static void the_way_is_found(void **state)
{
	struct tunnel_rig *t = *state;
	const struct zs_tunnel_session *s;

	rig_up(t, 1);
	s = &t->r->dp.state.tunnel_session[5];
	assert_int_equal(s->path.to.port, EDGE_PORT);
	assert_true(zs_addr_eq(&s->path.to.addr, &t->at.addr));
	for (int i = 0; i < 10; i++)
		rig_advance(t, 100);
	assert_int_equal(s->path.size, 1472); /* both sides found what the interface carries */
	assert_int_equal(zs_edge_tunnel_payload(t->edge), 1440);
	assert_int_equal(t->r->worker[0].count[ZS_COUNTER_tunnel_keepalive], 1);
	assert_true(t->r->worker[0].count[ZS_COUNTER_made_probe] >= 2);
	rig_conserved(t);
}

static void data_both_ways(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_packet p;

	rig_up(t, 1);
	rig_client(t, 1, 1, "hello", 5);
	assert_int_equal(t->heard.opened, 1);
	assert_int_equal(t->heard.port, RIG_CLIENT_PORT);
	assert_int_equal(t->heard.client.port, 5001);
	assert_int_equal(t->heard.data, 1);
	assert_int_equal(t->heard.ecn, 1);
	assert_int_equal(t->heard.flow.service, EDGE_SERVICE);
	assert_int_equal(t->heard.flow.opener, ZS_TUNNEL_RELAY);
	assert_int_equal(t->heard.len, 5);
	assert_memory_equal(t->heard.payload, "hello", 5);
	rig_client(t, 1, 0, "again", 5); /* within 100 ms: no other OPEN */
	assert_int_equal(t->heard.opened, 1);
	rig_advance(t, 101);
	rig_client(t, 1, 0, "again", 5);
	assert_int_equal(t->heard.opened, 2);
	assert_int_equal(rig_edge_says(t, &t->heard.flow, "answer!", 7), ZS_DROPS);
	assert_int_equal(t->clients, 1);
	assert_int_equal(zs_packet_parse(t->client[0].bytes, t->client[0].len, &p), ZS_PARSE_OK);
	assert_int_equal(p.src.port, RIG_CLIENT_PORT);
	assert_int_equal(p.dst.port, 5001);
	assert_int_equal(p.payload_len, 7);
	assert_memory_equal(t->client[0].bytes + p.payload_off, "answer!", 7);
	assert_true(rig_sum_ok(t->client[0].bytes, t->client[0].len));
	rig_advance(t, 101);
	rig_client(t, 1, 0, "more", 4); /* data came back: nobody asks who it is any more */
	assert_int_equal(t->heard.opened, 2);
	assert_int_equal(t->heard.data, 4);
	rig_conserved(t);
}

/* When an edge was last heard is told to about a second. */
static void heard_lately(void **state)
{
	struct tunnel_rig *t = *state;
	const struct zs_tunnel_session *s;

	rig_up(t, 1);
	s = &t->r->dp.state.tunnel_session[5];
	rig_client(t, 1, 1, "hello", 5);
	for (int i = 0; i < 5; i++) {
		rig_advance(t, 1700);
		assert_int_equal(rig_edge_says(t, &t->heard.flow, "answer!", 7), ZS_DROPS);
		assert_int_equal(s->heard, 1);
		assert_in_range(rig_now(t) / ZS_NS_PER_MS - s->heard_ms, 0, 999);
	}
	rig_conserved(t);
}

/* In clear, the sender's checksum is the only witness: what was damaged on either side stays damaged. */
static void clear_payloads(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_tunnel_flow flow;
	struct zs_packet p;

	rig_publish_edge(t, 1);
	rig_up(t, 1);
	zs_edge_tunnel_grant(t->edge, EDGE_SERVICE);
	for (uint16_t len = 1; len < 64; len++) {
		uint32_t data = t->heard.data, clients = t->clients;
		uint8_t bytes[64];

		memset(bytes, (int)len, sizeof(bytes));
		rig_client(t, 1, 0, bytes, len);
		assert_int_equal(t->heard.data, data + 1);
		assert_memory_equal(t->heard.payload, bytes, len);
		flow = t->heard.flow;
		assert_int_equal(rig_edge_says(t, &flow, bytes, len), ZS_DROPS);
		assert_int_equal(t->clients, clients + 1);
		assert_true(rig_sum_ok(t->client[clients].bytes, t->client[clients].len));
	}
	/* A byte of the payload changes on its way up: only the client can tell. */
	uint8_t bytes[64] = "payload";
	zs_edge_tunnel_data(t->edge, &flow, 0, bytes + ZS_EDGE_HEADROOM, 9, rig_now(t));
	struct zs_endpoint relay = { rig_addr("10.1.0.1"), TUNNEL_PORT };
	struct rte_mbuf *m = rig_packet(t->r, 0, &t->at, &relay, 0, t->up[0].bytes, (uint16_t)t->up[0].len);
	t->ups = 0;
	((uint8_t *)m->buf_addr)[200 + ZS_TUNNEL_HEADER + 3] ^= 4;
	t->arrived++;
	uint32_t clients = t->clients;
	rig_stages(&t->r->worker[0], &m, 1, false);
	rig_settle(t);
	assert_int_equal(t->clients, clients + 1);
	assert_false(rig_sum_ok(t->client[clients].bytes, t->client[clients].len));
	assert_int_equal(zs_packet_parse(t->client[clients].bytes, t->client[clients].len, &p), ZS_PARSE_OK);
	assert_int_equal(p.payload_len, 9);
	rig_conserved(t);
	/* Granted no longer: the flow is there, its clear payload does not pass. */
	struct zs_published port;
	assert_true(zs_tables_published(&t->r->writer, RIG_CLIENT_PORT, &port));
	port.protection = 0;
	assert_int_equal(zs_tables_set_published(&t->r->writer, RIG_CLIENT_PORT, &port), 0);
	rig_edge_says(t, &flow, "clear", 5);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_auth), 1);
}

/* A client's packet that was damaged before it came here does not become an authentic one. */
static void damaged_before(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_endpoint src = { rig_addr("10.2.0.2"), 5001 },
			   dst = { rig_addr("10.2.0.1"), RIG_CLIENT_PORT };
	struct rte_mbuf *m;

	rig_up(t, 1);
	m = rig_packet(t->r, 1, &src, &dst, 0, "12345678", 8);
	((uint8_t *)m->buf_addr)[200] ^= 1;
	t->arrived++;
	rig_stages(&t->r->worker[0], &m, 1, false);
	rig_settle(t);
	assert_int_equal(t->heard.data, 0);
	assert_int_equal(rig_drops(t, ZS_DROP_udp_checksum), 1);
	rig_conserved(t);
}

/* No endpoint: no flow, no state. */
static void nobody_there(void **state)
{
	struct tunnel_rig *t = *state;

	rig_open(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	assert_int_equal(rig_drops(t, ZS_DROP_no_endpoint), 1);
	assert_int_equal(atomic_load(&t->r->dp.partition[0].head->used), 0);
	rig_conserved(t);
}

static void flows_of_the_edge(void **state)
{
	struct zs_published p = {
		.used = 1, .target = rig_addr("10.2.0.2"), .target_port = 443, .generation = 1
	};
	struct tunnel_rig *t = *state;
	struct zs_endpoint target = { rig_addr("10.1.0.1"), 4500 };
	struct zs_endpoint nowhere = { rig_addr("10.1.0.1"), 4501 }, exit = { rig_addr("9.9.9.9"), 4500 };
	struct zs_tunnel_flow flow;
	struct zs_packet q;

	assert_int_equal(zs_tables_set_published(&t->r->writer, 4500, &p), 0);
	rig_up(t, 1);
	assert_int_equal(zs_edge_tunnel_open(t->edge, &target, rig_now(t), &flow), 0);
	rig_edge_says(t, &flow, "out", 3); /* OPEN goes first */
	assert_int_equal(t->r->worker[0].count[ZS_COUNTER_flows_new], 1);
	assert_int_equal(t->clients, 1);
	assert_int_equal(zs_packet_parse(t->client[0].bytes, t->client[0].len, &q), ZS_PARSE_OK);
	assert_int_equal(q.dst.port, 443);
	assert_in_range(q.src.port, 20000, 29999);
	assert_true(rig_sum_ok(t->client[0].bytes, t->client[0].len));
	/* … and back. */
	struct rte_mbuf *m = rig_packet(t->r, 1, &q.dst, &q.src, 0, "back", 4);
	t->arrived++;
	rig_stages(&t->r->worker[0], &m, 1, false);
	rig_settle(t);
	assert_int_equal(t->heard.data, 1);
	assert_int_equal(t->heard.flow.opener, ZS_TUNNEL_EDGE);
	assert_int_equal(t->heard.flow.number, flow.number);
	assert_memory_equal(t->heard.payload, "back", 4);
	/* The edge ends it; its data find nothing any more. */
	zs_edge_tunnel_close(t->edge, &flow, 1, rig_now(t));
	rig_settle(t);
	assert_int_equal(t->r->worker[0].count[ZS_COUNTER_flows_closed], 1);
	assert_int_equal(atomic_load(&t->r->dp.partition[0].head->used), 0);
	/* The relay is no exit. */
	assert_int_equal(zs_edge_tunnel_open(t->edge, &nowhere, rig_now(t), &flow), 0);
	rig_edge_says(t, &flow, "out", 3);
	assert_int_equal(t->heard.closed, 1);
	assert_int_equal(t->heard.reason, 2);
	assert_int_equal(zs_edge_tunnel_open(t->edge, &exit, rig_now(t), &flow), 0);
	rig_edge_says(t, &flow, "out", 3);
	assert_int_equal(t->heard.closed, 2);
	assert_int_equal(t->r->worker[0].count[ZS_COUNTER_flows_new], 1);
	assert_int_equal(rig_drops(t, ZS_DROP_no_flow), 2);
	rig_conserved(t);
}

/* A port that is withdrawn, or leads elsewhere, ends its flows: both edges hear of it. */
static void a_port_goes(void **state)
{
	struct zs_published p = {
		.used = 1, .target = rig_addr("10.2.0.2"), .target_port = 443, .generation = 1
	};
	struct tunnel_rig *t = *state;
	struct zs_endpoint target = { rig_addr("10.1.0.1"), 4500 };
	struct zs_tunnel_flow theirs, ours;

	assert_int_equal(zs_tables_set_published(&t->r->writer, 4500, &p), 0);
	rig_up(t, 1);
	t->r->worker[0].settings.flow_idle_answered_ms = 60000;
	t->r->worker[0].settings.flow_idle_unanswered_ms = 60000;
	rig_client(t, 1, 0, "hello", 5);
	theirs = t->heard.flow;
	assert_int_equal(zs_edge_tunnel_open(t->edge, &target, rig_now(t), &ours), 0);
	rig_edge_says(t, &ours, "out", 3);
	for (int i = 0; i < 4; i++)
		zs_flows_age(&t->r->worker[0]);
	rig_settle(t);
	assert_int_equal(t->heard.closed, 0);
	assert_int_equal(zs_tables_set_published(&t->r->writer, RIG_CLIENT_PORT, NULL), 0);
	for (int i = 0; i < 4; i++)
		zs_flows_age(&t->r->worker[0]);
	rig_settle(t);
	assert_int_equal(t->heard.closed, 1);
	assert_int_equal(t->heard.reason, ZS_ATTACH_CLOSE_not_published);
	assert_int_equal(t->heard.flow.number, theirs.number);
	assert_int_equal(t->heard.flow.opener, ZS_TUNNEL_RELAY);
	p.generation++; /* another target: at the next packet */
	assert_int_equal(zs_tables_set_published(&t->r->writer, 4500, &p), 0);
	rig_edge_says(t, &ours, "out", 3);
	assert_int_equal(t->heard.closed, 2);
	assert_int_equal(t->heard.flow.number, ours.number);
	assert_int_equal(t->heard.flow.opener, ZS_TUNNEL_EDGE);
	assert_int_equal(rig_drops(t, ZS_DROP_no_flow), 1);
	assert_int_equal(t->r->worker[0].count[ZS_COUNTER_made_close], 2);
	rig_conserved(t);
}

static void ecn(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_tunnel_flow flow;
	struct zs_packet p;
	uint8_t bytes[64] = { 0 };

	rig_up(t, 1);
	rig_client(t, 1, 2, "hello", 5);
	assert_int_equal(zs_packet_parse(t->seen[t->sights - 1].bytes, t->seen[t->sights - 1].len, &p),
			 ZS_PARSE_OK);
	assert_int_equal(p.ecn, 2);
	flow = t->heard.flow;
	for (uint8_t inner = 0; inner < 4; inner++) {
		static const int want[4] = { -1, 3, 3, 3 }; /* outer CE */
		uint32_t clients = t->clients;

		zs_edge_tunnel_data(t->edge, &flow, inner, bytes + ZS_EDGE_HEADROOM, 8, rig_now(t));
		t->up[0].bytes[RIG_FRAME - 1] = 3;
		rig_settle(t);
		assert_int_equal(t->clients, clients + (want[inner] >= 0));
		if (want[inner] < 0)
			continue;
		assert_int_equal(zs_packet_parse(t->client[clients].bytes, t->client[clients].len, &p),
				 ZS_PARSE_OK);
		assert_int_equal(p.ecn, want[inner]);
	}
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_ecn), 1);
	rig_conserved(t);
}

/* A path of 1,280 carries QUIC's 1,200 bytes; what is longer is dropped, and its IPv4 sender told. */
static void a_narrow_path(void **state)
{
	static const uint8_t bytes[1400];
	struct tunnel_rig *t = *state;
	uint32_t clients;

	t->cap = 1280;
	rig_up(t, 1);
	for (int i = 0; i < 40; i++)
		rig_advance(t, 1000);
	assert_in_range(t->r->dp.state.tunnel_session[5].path.size, 1232, 1252);
	rig_client(t, 1, 0, bytes, 1200);
	assert_int_equal(t->heard.len, 1200);
	clients = t->clients;
	rig_client(t, 1, 0, bytes, 1300);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_mtu), 1);
	assert_int_equal(t->clients, clients + 1);
	const uint8_t *f = t->client[clients].bytes;
	assert_int_equal(f[14 + 9], ZS_PROTO_ICMP);
	assert_int_equal(f[34], 3);
	assert_int_equal(f[35], 4);
	assert_in_range(f[40] << 8 | f[41], 1228, 1248);
	assert_int_equal(zs_csum_fold(zs_csum_add(0, f + 34, t->client[clients].len - 34)), 0xffff);
	rig_conserved(t);
}

/* The same over IPv6: a path of 1,280 carries QUIC's 1,200 bytes exactly, and its headers are right. */
static void over_ipv6(void **state)
{
	static const uint8_t bytes[1400];
	struct tunnel_rig *t = *state;
	struct zs_packet p;

	rig_six(t);
	t->cap = 1280;
	rig_up(t, 1);
	for (int i = 0; i < 40; i++)
		rig_advance(t, 1000);
	assert_int_equal(t->r->dp.state.tunnel_session[5].path.size, 1232);
	rig_client(t, 1, 1, bytes, 1200);
	assert_int_equal(t->heard.len, 1200);
	assert_int_equal(zs_packet_parse(t->seen[t->sights - 1].bytes, t->seen[t->sights - 1].len, &p),
			 ZS_PARSE_OK);
	assert_false(p.is4);
	assert_int_equal(p.ip_len, 1280);
	assert_int_equal(p.ecn, 1);
	assert_int_equal(rig_edge_says(t, &t->heard.flow, bytes, 1200), ZS_DROPS);
	assert_int_equal(t->clients, 1); /* to an IPv4 client */
	assert_true(rig_sum_ok(t->client[0].bytes, t->client[0].len));
	assert_int_equal(zs_packet_parse(t->client[0].bytes, t->client[0].len, &p), ZS_PARSE_OK);
	assert_true(p.is4);
	rig_client(t, 1, 0, bytes, 1201);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_mtu), 1);
	rig_conserved(t);
}

static void roaming(void **state)
{
	struct zs_endpoint victim = { rig_addr("10.1.0.77"), 9 }, moved = { rig_addr("10.1.0.2"), 9999 };
	struct zs_nexthop hop = { .used = 1, .valid = 1, .mtu = 1500, .addr = victim.addr };
	struct tunnel_rig *t = *state;
	const struct zs_tunnel_session *s;
	uint64_t probes;

	assert_int_equal(zs_tables_put_nexthop(&t->r->writer, &hop), 0);
	rig_up(t, 1);
	rig_advance(t, 1000);
	s = &t->r->dp.state.tunnel_session[5];
	rig_client(t, 1, 0, "hello", 5);
	/* Its datagrams come from a victim's address for a while: one PROBE a second goes there, no data. */
	t->at = victim;
	t->cut = true;
	probes = t->r->worker[0].count[ZS_COUNTER_made_probe];
	for (int i = 0; i < 50; i++) {
		uint8_t bytes[64] = { 0 };
		zs_edge_tunnel_data(t->edge, &t->heard.flow, 0, bytes + ZS_EDGE_HEADROOM, 30, rig_now(t));
		rig_advance(t, 100);
	}
	assert_in_range(t->r->worker[0].count[ZS_COUNTER_made_probe] - probes, 4, 7);
	assert_int_equal(s->path.to.port, EDGE_PORT);
	/* An address that may be no target gets nothing at all. */
	t->at.addr = rig_addr("192.168.9.9");
	probes = t->r->worker[0].count[ZS_COUNTER_made_probe];
	for (int i = 0; i < 30; i++) {
		uint8_t bytes[64] = { 0 };
		zs_edge_tunnel_data(t->edge, &t->heard.flow, 0, bytes + ZS_EDGE_HEADROOM, 30, rig_now(t));
		rig_advance(t, 100);
	}
	assert_int_equal(t->r->worker[0].count[ZS_COUNTER_made_probe], probes);
	/* It really moved: one round trip. */
	t->at = moved;
	t->cut = false;
	rig_advance(t, 1000);
	rig_edge_says(t, &t->heard.flow, "here I am, and this is long enough", 34);
	rig_advance(t, 10);
	assert_int_equal(s->path.to.port, 9999);
	rig_conserved(t);
}

/* A datagram of the edge from some address, its tag wrong or right. */
static void say_from(struct tunnel_rig *t, const struct zs_endpoint *from, bool wrong)
{
	uint8_t bytes[64] = { 0 };

	zs_edge_tunnel_data(t->edge, &t->heard.flow, 0, bytes + ZS_EDGE_HEADROOM, 8, rig_now(t));
	t->up[0].bytes[t->up[0].len - 1] ^= wrong;
	t->ups = 0;
	rig_datagram(t, from, 0, t->up[0].bytes, (uint16_t)t->up[0].len);
	rig_settle(t);
}

/* A datagram of the edge, kept, and how long its payload is. */
static struct frame said(struct tunnel_rig *t, size_t len)
{
	uint8_t bytes[64] = { 0 };

	zs_edge_tunnel_data(t->edge, &t->heard.flow, 0, bytes + ZS_EDGE_HEADROOM, len, rig_now(t));
	t->ups = 0;
	return t->up[0];
}

/* A PROBE of the edge on a lane of its own. */
static void probe(struct tunnel_rig *t, struct zs_lane *lane, const struct zs_gcm_engine *engine)
{
	uint8_t bytes[ZS_TUNNEL_OVERHEAD + ZS_TUNNEL_PROBE] = { 0 }, aad[ZS_TUNNEL_AAD];
	struct zs_tunnel_head head = { .receiver = RIG_RECEIVER,
				       .type = ZS_TUNNEL_TYPE_PROBE,
				       .lane = lane->number };
	struct zs_lane_stamp stamp;
	struct zs_gcm_job job;

	assert_int_equal(zs_lane_next(lane, sizeof(bytes), &stamp), ZS_DROPS);
	head.counter = stamp.counter;
	head.epoch = stamp.epoch;
	zs_tunnel_write(&head, bytes);
	zs_tunnel_job(&job, &head, bytes, sizeof(bytes), stamp.key, aad);
	zs_gcm_seal(engine, &job);
	rig_datagram(t, &t->at, 0, bytes, sizeof(bytes));
	rig_settle(t);
}

/* An edge that asks without end is answered so often a second; what it carries goes on. */
static void answers_have_a_rate(void **state)
{
	struct zs_endpoint nowhere = { rig_addr("10.1.0.1"), 4501 };
	struct tunnel_rig *t = *state;
	struct zs_lane_store store = { 0 };
	struct zs_gcm_engine engine;
	struct zs_tunnel_flow flow;
	struct zs_lane lane;
	uint64_t *count;
	uint8_t root[ZS_SESSION_ROOT];
	uint32_t clients;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	t->r->conf.attach.answers_s = 5;
	count = t->r->worker[0].count;
	memset(root, 0x5a, sizeof(root));
	zs_gcm_engine_best(&engine);
	assert_int_equal(zs_lane_init(&lane, &engine, &store, root, ZS_ATTACH_DIR_EDGE, 3, 0), 0);
	for (int second = 0; second < 2; second++) {
		uint64_t echoes = count[ZS_COUNTER_made_echo], drops = rig_drops(t, ZS_DROP_tunnel_answers);

		for (int i = 0; i < 12; i++)
			probe(t, &lane, &engine);
		assert_int_equal(count[ZS_COUNTER_made_echo] - echoes, 5);
		assert_int_equal(rig_drops(t, ZS_DROP_tunnel_answers) - drops, 7);
		clients = t->clients;
		rig_edge_says(t, &t->heard.flow, "on", 2);
		assert_int_equal(t->clients, clients + 1);
		t->r->worker[0].now_ns += ZS_NS_PER_S;
	}
	for (int i = 0; i < 8; i++) { /* the same of OPENs that are refused */
		assert_int_equal(zs_edge_tunnel_open(t->edge, &nowhere, rig_now(t), &flow), 0);
		rig_edge_says(t, &flow, "out", 3);
	}
	assert_int_equal(t->heard.closed, 5);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_answers), 2 * 7 + 3);
	zs_lane_wipe(&lane);
	zs_gcm_engine_fini(&engine);
	rig_conserved(t);
}

/* Who comes from where nobody has proven to be is heard behind the others of the burst. */
static void unproven_addresses_come_last(void **state)
{
	struct zs_endpoint thief = { rig_addr("10.1.0.66"), 9 };
	struct tunnel_rig *t = *state;
	struct rte_mbuf *m[3];
	struct frame f;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	t->clients = 0;
	for (int i = 0; i < 3; i++) {
		f = said(t, 10 + (size_t)i);
		m[i] = rig_packet(t->r, 0, i < 2 ? &thief : &t->at, &t->relay, 0, f.bytes, (uint16_t)f.len);
	}
	t->arrived += 3;
	rig_stages(&t->r->worker[0], m, 3, false);
	rig_settle(t);
	assert_int_equal(t->clients, 3);
	assert_int_equal(t->client[0].len, t->client[1].len + 2);
	assert_int_equal(t->client[2].len, t->client[1].len + 1);
	rig_conserved(t);
}

/* Wrong tags cost their prefix its further checks, and a flood all but a few; the edge's own address is checked always. */
static void tags_under_attack(void **state)
{
	struct zs_endpoint thief = { rig_addr("10.1.0.66"), 9 };
	struct tunnel_rig *t = *state;
	uint32_t clients;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	t->r->conf.flood.failed_tags_s = 5;
	for (int i = 0; i < 8; i++)
		say_from(t, &thief, true);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_tag), 5);
	assert_int_equal(rig_drops(t, ZS_DROP_tag_rate), 3);
	clients = t->clients;
	say_from(t, &thief, false);
	assert_int_equal(t->clients, clients);
	say_from(t, &t->at, false);
	assert_int_equal(t->clients, clients + 1);
	say_from(t, &t->at, true);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_tag), 6);
	t->r->conf.flood.failed_tags_s = 0;
	t->r->worker[0].flood.on = true;
	t->r->worker[0].flood.dear = 1;
	say_from(t, &thief, true);
	say_from(t, &thief, true);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_tag), 7);
	assert_int_equal(rig_drops(t, ZS_DROP_flood), 1);
	say_from(t, &t->at, false);
	assert_int_equal(t->clients, clients + 2);
	rig_conserved(t);
}

/* The new session serves from its first ECHO on; until then the one before does. */
static void make_before_break(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_session v;

	rig_up(t, 1);
	rig_client(t, 1, 0, "one", 3);
	assert_int_equal(t->heard.data, 1);
	v = rig_session(t);
	v.receiver = 0x7000000 | 6;
	v.peer = 0x99;
	v.root[0] ^= 1;
	v.created_s++;
	t->cut = true;
	rig_attach(t, &v, 5);
	rig_advance(t, 100);
	uint32_t before = t->sights;
	rig_client(t, 1, 0, "two", 3);
	assert_int_equal(t->sights, before + 2);		   /* OPEN again, and data */
	assert_int_equal(t->seen[before + 1].bytes[42 + 4], 0x11); /* the old session's receiver id */
	t->cut = false;
	rig_advance(t, 2000);
	before = t->sights;
	rig_client(t, 1, 0, "three", 5);
	assert_int_equal(t->heard.len, 5);
	assert_int_equal(t->seen[before].bytes[42 + 7], 0x99);
	rig_conserved(t);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, tunnel_setup, tunnel_teardown)
	const struct CMUnitTest tests[] = {
		T(the_way_is_found),   T(data_both_ways),    T(heard_lately),
		T(clear_payloads),     T(damaged_before),    T(nobody_there),
		T(flows_of_the_edge),  T(a_port_goes),	     T(ecn),
		T(a_narrow_path),      T(roaming),	     T(unproven_addresses_come_last),
		T(over_ipv6),	       T(make_before_break), T(tags_under_attack),
		T(answers_have_a_rate)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
