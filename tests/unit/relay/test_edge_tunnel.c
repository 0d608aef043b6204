/* Both ends of a tunnel over a simulated net: loss, duplicates, reordering, NAT rebindings, restarts of the relay and
 * new sessions in random order, with tiny ratchets. When the net is quiet again everything arrives. */
#include "unit/relay/tunnel_world.h"

static void random_life(void **state)
{
	struct world *w = *state;
	uint32_t rebinds = 0, restarts = 0, renewals = 0, deepest = 0;
	uint64_t last = 0;

	links(w, 50000, 30000, 80000, 0);
	attach(w, false);
	run(w, 10 * S);
	assert_int_equal(w->ups, 1);
	for (int n = 0; n < 6000; n++) {
		talk(w, 3);
		run(w, random_below(&w->rnd, 25) * MS);
		if (w->relay.session[0]->window[0].epoch > deepest)
			deepest = w->relay.session[0]->window[0].epoch;
		if (!random_below(&w->rnd, 300)) {
			zs_sim_rebind(w->sim, w->nat);
			rebinds++;
		}
		/* A restart skips a block of counters and with it most of a key's life (RELAY_RATCHET). Two of them while
		 * nothing arrives would leave the edge two keys behind, which no receiver follows. */
		if (!random_below(&w->rnd, 200) && now(w) > last + 5 * S) {
			relay_restart(&w->relay);
			restarts++;
			last = now(w);
		}
		if (!random_below(&w->rnd, 600)) {
			attach(w, true);
			renewals++;
		}
	}
	links(w, 0, 0, 0, 0);
	for (int n = 0; n < 60; n++) { /* whatever was lost last is found again while the edge speaks */
		talk(w, 1);
		run(w, S);
	}
	all_arrive(w);
	nothing_wrong(w);
	printf("%u rebindings, %u restarts, %u new sessions; %llu moves; letters %u of %u up, %u of %u down; "
	       "replays %llu\n",
	       rebinds, restarts, renewals, (unsigned long long)w->relay.moves, w->came[UP], w->letters[UP],
	       w->came[DOWN], w->letters[DOWN], (unsigned long long)w->relay.drop[ZS_DROP_tunnel_replay]);
	assert_true(w->relay.drop[ZS_DROP_tunnel_replay] > 50 && w->drop[ZS_DROP_tunnel_replay] > 50);
	assert_int_equal(w->ended, 0);
	assert_true(w->came[UP] > w->letters[UP] / 10 * 8); /* the edge's part heals without a move */
	assert_true(w->opened > 100);
	assert_true(deepest > 8); /* more than its 3 bits count */
}

/* The dead address is tried in turn; an upright path is found and its length searched, in both directions. */
static void starts_and_measures(void **state)
{
	struct world *w = *state;

	links(w, 0, 0, 0, 1300);
	attach(w, false);
	assert_int_equal(zs_edge_tunnel_payload(w->edge), 0);
	const struct zs_tunnel_flow f = { 1, SERVICE, ZS_TUNNEL_RELAY };
	assert_int_equal(edge_letter(w, &f), ZS_DROP_no_endpoint);
	run(w, 200 * MS);
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->payload, 1200);
	run(w, 30 * S);
	assert_int_equal(w->payload, zs_edge_tunnel_payload(w->edge));
	assert_true(w->payload + ZS_TUNNEL_OVERHEAD <= 1300 && w->payload + ZS_TUNNEL_OVERHEAD > 1290);
	assert_true(w->relay.session[0]->pmtu.size <= 1300 && w->relay.session[0]->pmtu.size > 1290);
	all_arrive(w);
	uint8_t big[ZS_EDGE_HEADROOM + 1300 + ZS_EDGE_TAILROOM] = { 0 };
	assert_int_equal(zs_edge_tunnel_data(w->edge, &f, 0, big + ZS_EDGE_HEADROOM, w->payload + 1, now(w)),
			 ZS_DROP_tunnel_mtu);
	/* Shrinks to what carries no QUIC: told once, while the relay is heard. */
	links(w, 0, 0, 0, 1231);
	for (int n = 0; n < 60; n++) {
		relay_send(&w->relay, ZS_TUNNEL_TYPE_OPEN, &f, 0,
			   (uint8_t[20]){ [17] = 1, [18] = 27, [19] = 91 }, 20);
		run(w, S);
	}
	assert_int_equal(w->smalls, 1);
	nothing_wrong(w);
}

static void sessions_end(void **state)
{
	struct world *w = *state;
	struct zs_edge_session s;
	uint8_t reason[2];

	/* Nobody answers: over after a minute, however many KEEPALIVEs. */
	zs_sim_partition(w->sim, w->relay_node, 1);
	attach(w, false);
	run(w, 59 * S);
	assert_int_equal(w->ended, 0);
	run(w, 2 * S);
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_idle);
	assert_int_equal(zs_edge_tunnel_deadline(w->edge), UINT64_MAX);
	zs_sim_partition(w->sim, w->relay_node, 0);
	/* The relay closes the session. */
	attach(w, false);
	run(w, S);
	assert_int_equal(w->ups, 1);
	zs_tunnel_write_close(reason, ZS_ATTACH_CLOSE_drain);
	assert_int_equal(
	    relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &(struct zs_tunnel_flow){ 0 }, 0, reason, 2),
	    ZS_DROPS);
	run(w, S);
	assert_int_equal(w->ended, 2);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_drain);
	/* One that does not continue the session before ends it at once; the edge closes the last. */
	attach(w, false);
	run(w, S);
	assert_int_equal(w->ups, 2);
	assert_true(zs_edge_tunnel_payload(w->edge) > 0);
	attach(w, false);
	assert_int_equal(zs_edge_tunnel_payload(w->edge), 0);
	run(w, S);
	assert_int_equal(w->ups, 3);
	zs_edge_tunnel_shutdown(w->edge, ZS_ATTACH_CLOSE_shutdown, now(w));
	run(w, S);
	assert_int_equal(w->relay.session_closed, ZS_ATTACH_CLOSE_shutdown);
	assert_int_equal(w->ended, 2);
	s.relays = 0;
	assert_int_equal(zs_edge_tunnel_session(w->edge, &s, now(w)), -EINVAL);
}

/* A relay that falls silent: told once, the session stays, and serves when the relay is back. */
static void silence(void **state)
{
	struct world *w = *state;

	links(w, 0, 0, 0, 0);
	attach(w, false);
	run(w, 30 * S);
	uint32_t mtus = w->mtus;
	zs_sim_partition(w->sim, w->relay_node, 1);
	run(w, 120 * S);
	assert_int_equal(w->silents, 1);
	assert_int_equal(w->smalls, 0);
	assert_int_equal(w->ended, 0);
	zs_sim_partition(w->sim, w->relay_node, 0);
	run(w, 90 * S);
	assert_true(w->mtus > mtus);
	assert_int_equal(w->silents, 1);
	all_arrive(w);
	nothing_wrong(w);
}

/* Our own address changed: the relay follows within a round trip or two, though there is nothing to send. */
static void moves(void **state)
{
	struct zs_edge_way way;
	struct world *w = *state;

	links(w, 0, 0, 0, 0);
	assert_false(zs_edge_tunnel_way(w->edge, &way));
	struct zs_edge_session s = attach(w, false);
	run(w, 15 * S);
	assert_true(zs_edge_tunnel_way(w->edge, &way));
	assert_true(way.measured && zs_endpoint_eq(&way.relay, &w->relay_at));
	assert_int_equal(way.receiver, s.receiver);
	assert_int_equal(way.size, zs_edge_tunnel_payload(w->edge) + ZS_TUNNEL_OVERHEAD);
	assert_true(way.heard_ns <= now(w) && way.size > 1400);
	zs_sim_rebind(w->sim, w->nat);
	zs_edge_tunnel_moved(w->edge, 1300, now(w));
	assert_int_equal(w->payload, 1200);
	wind(w);
	run(w, 200 * MS);
	assert_int_equal(w->relay.moves, 2);
	run(w, 15 * S);
	assert_true(zs_edge_tunnel_way(w->edge, &way) && way.size <= 1300 && way.size > 1290);
	all_arrive(w);
	nothing_wrong(w);
}

/* Make before break: while the new session finds no way, the one before carries; nothing is lost in the change. */
static void make_before_break(void **state)
{
	struct world *w = *state;

	links(w, 0, 0, 0, 0);
	attach(w, false);
	run(w, 2 * S);
	for (int round = 0; round < 5; round++) {
		struct zs_edge_session s = attach(w, true);
		for (int n = 0; n < 100; n++) {
			const struct zs_tunnel_flow f = relays_flow(w);
			assert_int_equal(edge_letter(w, &f), ZS_DROPS);
			assert_int_equal(relay_letter(w, &f), ZS_DROPS);
			run(w, 5 * MS);
		}
		run(w, S);
		assert_int_equal(w->ups, 2 + round);
		assert_int_equal(relay_in_use(&w->relay)->receiver, s.peer);
		assert_null(w->relay.session[1]);
		all_arrive(w);
		run(w, 10 * S);
	}
	/* What was under way on the old session when the relay ended it may be lost, nothing else. */
	assert_true(w->letters[UP] - w->came[UP] <= 5 * 12);
	assert_int_equal(w->letters[DOWN], w->came[DOWN]);
	nothing_wrong(w);
}

static uint64_t empty(struct world *w, const struct zs_tunnel_flow *f)
{
	uint8_t b[ZS_EDGE_HEADROOM + 8 + ZS_EDGE_TAILROOM] = { 0 };

	return zs_edge_tunnel_data(w->edge, f, 2, b + ZS_EDGE_HEADROOM, 0, now(w));
}

static void flows_of_our_own(void **state)
{
	struct world *w = *state;
	struct zs_tunnel_flow more;
	uint8_t reason[2];

	links(w, 0, 0, 0, 0);
	attach(w, false);
	run(w, 2 * S);
	for (int n = 0; n < 16; n++) {
		own_flow(w, &w->own[n]);
		assert_int_equal(w->own[n].target, n + 1);
		assert_true(w->own[n].flow.opener == ZS_TUNNEL_EDGE && w->own[n].flow.service == 0);
		for (int k = 0; k < n; k++)
			assert_int_not_equal(w->own[n].flow.number, w->own[k].flow.number);
	}
	assert_int_equal(zs_edge_tunnel_open(w->edge, &w->relay_at, now(w), &more), -EAGAIN);
	/* OPEN goes before the data, again after 100 ms, and no more when DATA has come back. */
	const struct zs_tunnel_flow f = w->own[3].flow;
	for (int n = 0; n < 21; n++) {
		edge_letter(w, &f);
		run(w, 10 * MS);
	}
	run(w, 50 * MS);
	assert_int_equal(w->relay.opens, 3);
	assert_int_equal(w->came[UP], 21);
	relay_letter(w, &f);
	run(w, 100 * MS);
	assert_int_equal(w->came[DOWN], 1);
	for (int n = 0; n < 50; n++) {
		edge_letter(w, &f);
		run(w, 10 * MS);
	}
	assert_int_equal(w->relay.opens, 3);
	/* The relay closes it: nothing goes or comes any more, and its number rests. */
	zs_tunnel_write_close(reason, ZS_ATTACH_CLOSE_not_published);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &f, 0, reason, 2);
	run(w, 100 * MS);
	assert_int_equal(w->closed, 1);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_not_published);
	assert_int_equal(empty(w, &f), ZS_DROP_no_flow);
	relay_letter(w, &f);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &f, 0, reason, 2);
	run(w, 100 * MS);
	assert_int_equal(w->drop[ZS_DROP_no_flow], 2);
	assert_int_equal(w->closed, 1);
	assert_int_equal(zs_edge_tunnel_open(w->edge, &w->relay_at, now(w), &more), -EAGAIN);
	run(w, 20 * S);
	assert_int_equal(zs_edge_tunnel_open(w->edge, &w->relay_at, now(w), &more), 0);
	assert_int_equal(more.number, f.number);
	/* The edge closes one of the relay's: the relay hears why. */
	const struct zs_tunnel_flow theirs = { 7, SERVICE, ZS_TUNNEL_RELAY };
	zs_edge_tunnel_close(w->edge, &theirs, ZS_ATTACH_CLOSE_refused, now(w));
	run(w, 100 * MS);
	assert_int_equal(w->closed, 2);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_refused);
	assert_int_equal(w->relay.opens, 3);
	nothing_wrong(w);
}

/* What was recorded on the way comes again: as it was, from elsewhere, with each bit of its header and tag changed. */
static void replays(void **state)
{
	struct world *w = *state;
	uint64_t replay, accepted;

	links(w, 0, 0, 0, 0);
	attach(w, false);
	run(w, 2 * S);
	w->records = 0;
	for (int n = 0; n < 40; n++) {
		const struct zs_tunnel_flow f = { 1, SERVICE, ZS_TUNNEL_RELAY };
		uint8_t payload[16] = { 0 };
		memcpy(payload, &w->letters[DOWN], 4);
		memcpy(payload + 4, &(uint32_t){ zs_tunnel_flow_id(&f) }, 4);
		memset(payload + 8, (int)(w->letters[DOWN]++ * 7), 8);
		relay_send(&w->relay, ZS_TUNNEL_DATA, &f, 1, payload, sizeof(payload));
	}
	run(w, S);
	assert_true(w->records >= 40);
	accepted = w->drop[ZS_DROPS];
	replay = w->drop[ZS_DROP_tunnel_replay];
	for (uint32_t n = 0; n < 40; n++) {
		uint8_t d[128];
		memcpy(d, w->record[n], w->record_len[n]);
		assert_int_equal(
		    zs_edge_tunnel_receive(w->edge, &w->relay_at, 1, d, w->record_len[n], now(w)),
		    ZS_DROP_tunnel_replay);
		assert_int_equal(zs_edge_tunnel_receive(w->edge, &w->dead, 1, d, w->record_len[n], now(w)),
				 ZS_DROP_tunnel_replay);
		for (size_t bit = 0; bit < w->record_len[n] * 8; bit++) {
			memcpy(d, w->record[n], w->record_len[n]);
			d[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(
			    zs_edge_tunnel_receive(w->edge, &w->relay_at, 1, d, w->record_len[n], now(w)),
			    ZS_DROPS);
		}
		/* And to its sender. */
		memcpy(d, w->record[n], w->record_len[n]);
		assert_int_equal(relay_take(&w->relay, &w->relay_at, d, w->record_len[n], now(w)),
				 ZS_DROP_tunnel_receiver);
	}
	assert_int_equal(w->came[DOWN], 40);
	assert_int_equal(w->drop[ZS_DROPS], accepted);
	assert_int_equal(w->drop[ZS_DROP_tunnel_replay], replay);
	all_arrive(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_life, setup, teardown),
		cmocka_unit_test_setup_teardown(starts_and_measures, setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_end, setup, teardown),
		cmocka_unit_test_setup_teardown(silence, setup, teardown),
		cmocka_unit_test_setup_teardown(moves, setup, teardown),
		cmocka_unit_test_setup_teardown(make_before_break, setup, teardown),
		cmocka_unit_test_setup_teardown(flows_of_our_own, setup, teardown),
		cmocka_unit_test_setup_teardown(replays, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
