/* What a tunnel must never do, whatever comes and however the dataplane ends: use a nonce again, take a datagram twice, or
 * believe one that its key does not vouch for. */
#include "tunnel_rig.h"

struct used {
	uint64_t counter[RIG_FRAMES];
	uint32_t count;
};

/* Every datagram that left has a counter of its own on its lane. */
static void no_nonce_twice(struct tunnel_rig *t)
{
	static struct used lane[ZS_TUNNEL_LANES];
	struct zs_tunnel_head head;
	struct zs_packet p;

	memset(lane, 0, sizeof(lane));
	for (uint32_t i = 0; i < t->sights; i++) {
		const struct frame *f = &t->seen[i];

		assert_int_equal(zs_packet_parse(f->bytes, f->len, &p), ZS_PARSE_OK);
		assert_int_equal(zs_tunnel_read(&head, f->bytes + p.payload_off, p.payload_len), ZS_DROPS);
		for (uint32_t k = 0; k < lane[head.lane].count; k++)
			assert_int_not_equal(lane[head.lane].counter[k], head.counter);
		lane[head.lane].counter[lane[head.lane].count++] = head.counter;
	}
}

static void replay_all(struct tunnel_rig *t, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct frame f = t->said[i];
		uint64_t replays = rig_drops(t, ZS_DROP_tunnel_replay);

		rig_datagram(t, &t->at, 0, f.bytes, (uint16_t)f.len);
		rig_settle(t);
		assert_int_equal(rig_drops(t, ZS_DROP_tunnel_replay), replays + 1);
	}
}

static void a_restart(void **state)
{
	struct tunnel_rig *t = *state;
	uint32_t clients;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	rig_edge_says(t, &t->heard.flow, "answer", 6);
	rig_client(t, 1, 0, "again", 5);
	for (int i = 0; i < 4; i++) {
		uint32_t said = t->sayings, sights = t->sights;

		rig_restart(t, 1);
		replay_all(t, said);
		assert_int_equal(t->sights, sights); /* nothing that was replayed got an answer */
		rig_client(t, 1, 0, "after", 5);
		assert_memory_equal(t->heard.payload, "after", 5);
		clients = t->clients;
		assert_int_equal(rig_edge_says(t, &t->heard.flow, "still there", 11), ZS_DROPS);
		assert_int_equal(t->clients, clients + 1);
		rig_advance(t, 20);
	}
	assert_int_equal(t->heard.ended, 0);
	no_nonce_twice(t);
	rig_conserved(t);
}

/* Restarted with more workers, and with fewer: a claim of who does not run is free. */
static void other_workers(void **state)
{
	struct tunnel_rig *t = *state;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	rig_edge_says(t, &t->heard.flow, "answer", 6);
	for (uint32_t workers = 2; workers > 0; workers--) {
		uint32_t clients = t->clients, said = t->sayings;

		rig_restart(t, workers);
		t->worker = workers - 1;
		replay_all(t, said);
		rig_client(t, 1, 0, "after", 5);
		assert_memory_equal(t->heard.payload, "after", 5);
		assert_int_equal(rig_edge_says(t, &t->heard.flow, "still there", 11), ZS_DROPS);
		assert_int_equal(t->clients, clients + 1);
	}
	no_nonce_twice(t);
}

static void another_state_segment(void **state)
{
	struct tunnel_rig *t = *state;
	uint64_t before;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	rig_close(t->r);
	assert_int_equal(zs_segment_delete(t->r->dp.shm_dir, &zs_state_kind), 0);
	t->arrived = 0;
	rig_open(t, 1);
	before = t->sights;
	rig_edge_says(t, &t->heard.flow, "answer", 6);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_receiver), 1);
	rig_client(t, 1, 0, "after", 5);
	assert_int_equal(rig_drops(t, ZS_DROP_no_endpoint), 1);
	assert_int_equal(t->sights, before);
	rig_conserved(t);
}

/* The last datagram that the edge made, not delivered. */
static struct frame last_of_edge(struct tunnel_rig *t, const char *text)
{
	uint8_t bytes[256];

	memcpy(bytes + ZS_EDGE_HEADROOM, text, strlen(text));
	assert_int_equal(zs_edge_tunnel_data(t->edge, &t->heard.flow, 0, bytes + ZS_EDGE_HEADROOM,
					     strlen(text), rig_now(t)),
			 ZS_DROPS);
	t->ups--;
	return t->up[t->ups];
}

static uint64_t all_drops(struct tunnel_rig *t)
{
	uint64_t sum = 0;

	for (int d = 0; d < ZS_DROPS; d++)
		sum += rig_drops(t, (enum zs_drop)d);
	return sum;
}

/* Every bit of the datagram, alone: a counted drop each, no effect, and the untouched one is taken after all. */
static void each_bit(void **state)
{
	struct tunnel_rig *t = *state;
	uint32_t clients, sights, left;
	struct frame f;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	f = last_of_edge(t, "the payload");
	clients = t->clients;
	sights = t->sights;
	left = atomic_load(&t->r->dp.windows.left);
	for (uint32_t bit = 0; bit < f.len * 8; bit++) {
		struct frame bad = f;
		uint64_t drops = all_drops(t);

		bad.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		rig_datagram(t, &t->at, 0, bad.bytes, (uint16_t)bad.len);
		rig_settle(t);
		if (all_drops(t) != drops + 1)
			fail_msg("bit %u is not a drop", bit);
	}
	assert_int_equal(t->clients, clients);
	assert_int_equal(t->sights, sights);
	assert_int_equal(atomic_load(&t->r->dp.windows.left), left); /* lanes that nobody has */
	for (uint32_t len = 0; len < f.len; len++) {
		uint64_t drops = all_drops(t);

		rig_datagram(t, &t->at, 0, f.bytes, (uint16_t)len);
		assert_int_equal(all_drops(t), drops + 1);
	}
	rig_datagram(t, &t->at, 0, f.bytes, (uint16_t)f.len);
	rig_settle(t);
	assert_int_equal(t->clients, clients + 1);
	rig_conserved(t);
}

static void reflected(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_packet p;
	uint64_t drops;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	for (uint32_t i = 0; i < t->sights; i++) {
		struct frame f = t->seen[i];

		assert_int_equal(zs_packet_parse(f.bytes, f.len, &p), ZS_PARSE_OK);
		drops = rig_drops(t, ZS_DROP_tunnel_receiver);
		rig_datagram(t, &t->at, 0, f.bytes + p.payload_off, p.payload_len);
		assert_int_equal(rig_drops(t, ZS_DROP_tunnel_receiver), drops + 1);
		/* … and with the receiver id that we listen to */
		memcpy(f.bytes + p.payload_off + 4, t->said[0].bytes + 4, 4);
		drops = all_drops(t);
		rig_datagram(t, &t->at, 0, f.bytes + p.payload_off, p.payload_len);
		assert_int_equal(all_drops(t), drops + 1);
	}
	rig_conserved(t);
}

/* A counter far ahead moves the window: what is out of it is refused, what is in it is not. */
static void too_old(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_window *window;
	struct frame f;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	f = last_of_edge(t, "late");
	window = &t->r->dp.state.tunnel_window[t->r->dp.state.tunnel_session[5].window[0] - 1];
	window->highest += ZS_WINDOW_BITS + 1;
	rig_datagram(t, &t->at, 0, f.bytes, (uint16_t)f.len);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_replay), 1);
	rig_conserved(t);
}

static void ratchet(void **state)
{
	struct tunnel_rig *t = *state;
	struct zs_tunnel_way *way;
	uint32_t data;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	way = &t->r->worker[0].tunnels->way[t->r->worker[0].tunnels->known[5].way - 1];
	for (uint32_t epoch = 1; epoch < 12; epoch++) {
		way->lane.turn = way->lane.next; /* as after 2^26 packets */
		data = t->heard.data;
		rig_client(t, 1, 0, "hello", 5);
		assert_int_equal(t->heard.data, data + 1);
		assert_int_equal(way->lane.epoch, epoch);
		rig_advance(t, 6000); /* the next key is made, the one before is forgotten */
		if (epoch % 3 == 0) {
			rig_restart(t, 1);
			rig_client(t, 1, 0, "hello", 5);
			assert_int_equal(t->heard.data, data + 2);
			way = &t->r->worker[0].tunnels->way[t->r->worker[0].tunnels->known[5].way - 1];
		}
	}
	no_nonce_twice(t);
	rig_conserved(t);
}

/* The edge ends its session: nothing of it is taken any more, until another one stands in its slot. */
static void closed(void **state)
{
	struct tunnel_rig *t = *state;
	struct frame f;

	rig_up(t, 1);
	rig_client(t, 1, 0, "hello", 5);
	f = last_of_edge(t, "too late");
	zs_edge_tunnel_shutdown(t->edge, 5, rig_now(t));
	rig_settle(t);
	rig_datagram(t, &t->at, 0, f.bytes, (uint16_t)f.len);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_receiver), 1);
	rig_client(t, 1, 0, "hello", 5);
	assert_int_equal(rig_drops(t, ZS_DROP_no_endpoint), 1);
	rig_conserved(t);
}

/* More senders than windows: the ones that have theirs go on. */
static void windows_run_out(void **state)
{
	struct tunnel_rig *t = *state;
	struct frame f;
	uint64_t head;

	rig_open(t, 1);
	head = atomic_exchange(&t->r->dp.windows.head, 0);
	struct zs_session v = rig_session(t);
	rig_attach(t, &v, ZS_SESSION_NONE);
	rig_advance(t, 1);
	assert_int_equal(rig_drops(t, ZS_DROP_tunnel_lanes), 1);
	assert_int_equal(t->sights, 0);
	f = t->said[0];
	zs_windows_put(&t->r->dp.windows, (uint32_t)head - 1);
	rig_datagram(t, &t->at, 0, f.bytes, (uint16_t)f.len);
	rig_settle(t);
	assert_true(t->sights > 0);
	/* The session goes: its window is free again. */
	assert_int_equal((uint32_t)atomic_load(&t->r->dp.windows.head), 0);
	assert_int_equal(zs_sessions_set_session(&t->sessions, 5, NULL), 0);
	rig_advance(t, 10);
	assert_int_equal((uint32_t)atomic_load(&t->r->dp.windows.head), (uint32_t)head);
	assert_int_equal(t->r->dp.state.tunnel_session[5].owner, 0);
	rig_conserved(t);
}

/* The session is worker 1's; its datagrams come to worker 0, and the flows are either's. */
static void two_workers(void **state)
{
	struct tunnel_rig *t = *state;
	uint32_t handed;

	rig_open(t, 2);
	t->worker = 1;
	struct zs_session v = rig_session(t);
	rig_attach(t, &v, ZS_SESSION_NONE);
	rig_advance(t, 1);
	assert_int_equal(t->r->dp.state.tunnel_session[5].owner, 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct zs_tunnel_flow flow;
		uint32_t clients = t->clients;

		t->worker = i;
		rig_client(t, (uint8_t)i, 0, "hello", 5); /* the flow is worker i's, on its own lane */
		assert_int_equal(t->heard.flow.number / (ZS_FLOW_RANGES / 2 * ZS_FLOW_NUMBERS), i);
		flow = t->heard.flow;
		t->worker = 0;
		handed = (uint32_t)t->r->worker[0].count[ZS_COUNTER_handed_over];
		rig_edge_says(t, &flow, "answer", 6);
		assert_int_equal(t->r->worker[0].count[ZS_COUNTER_handed_over], handed + 1);
		assert_int_equal(t->clients, clients + 1);
		assert_true(rig_sum_ok(t->client[clients].bytes, t->client[clients].len));
	}
	assert_true(t->r->worker[1].count[ZS_COUNTER_handed_over] >=
		    1); /* opened there, for worker 0's flow */
	no_nonce_twice(t);
	/* Handed over and counted once. */
	struct zs_worker_counters c;
	zs_state_sum(&t->r->dp.state, &c);
	rig_conserved(t);
	/* The owner is gone after a restart with one worker. */
	rig_restart(t, 1);
	t->worker = 0;
	rig_client(t, 0, 0, "after", 5);
	rig_edge_says(t, &t->heard.flow, "answer", 6);
	assert_int_equal(t->r->dp.state.tunnel_session[5].owner, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, tunnel_setup, tunnel_teardown)
	const struct CMUnitTest tests[] = { T(a_restart),  T(other_workers), T(another_state_segment),
					    T(each_bit),   T(reflected),     T(too_old),
					    T(ratchet),	   T(closed),	     T(windows_run_out),
					    T(two_workers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
