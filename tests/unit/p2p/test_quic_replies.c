/* Answers without state: how many of each kind, to whom, and that a flood of one kind or from one network
 * silences no other. */
#include "unit/p2p/quic_pipe.h"

static struct zs_quic_stats stats_of(const struct node *n)
{
	struct zs_quic_stats stats;

	zs_quic_stats(n->q, &stats);
	return stats;
}

/* Short headers of no connection, `each` at once, `times` with `every` between: what the listener sent back. */
static uint64_t junk(struct pipe *p, const char *from, int times, int each, uint64_t every)
{
	uint8_t noise[60] = { 0x40 };
	struct zs_udp_datagram d = { .local = p->b.addr, .data = noise, .len = sizeof(noise) };
	uint64_t before = stats_of(&p->b).resets;

	assert_int_equal(zs_endpoint_parse(&d.peer, from), 0);
	for (int i = 0; i < times; i++) {
		for (int k = 0; k < each; k++) {
			memcpy(noise + 1, &(uint32_t){ (uint32_t)(i * each + k) }, 4);
			zs_quic_receive(p->b.q, &d, 1, p->now);
		}
		pipe_run(p, every);
	}
	return stats_of(&p->b).resets - before;
}

static void resets_are_limited_for_all(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.config.replies_per_s[ZS_REPLY_KIND_reset] = 50;
	p->b.config.resets_per_network_s = 100000;
	pipe_start(p);
	uint64_t sent = junk(p, "192.0.2.66:9", 1000, 1, MS);
	assert_in_range(sent, 50, 101);
	assert_int_equal(stats_of(&p->b).replies_held[ZS_REPLY_KIND_reset], 1000 - sent);
	pipe_free(p);
}

static void resets_are_limited_for_a_network(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.config.resets_per_network_s = 20;
	pipe_start(p);
	assert_int_equal(junk(p, "192.0.2.66:9", 1, 100, 0), 10); /* half for an address */
	assert_int_equal(junk(p, "192.0.2.67:9", 1, 100, 0), 10);
	assert_int_equal(junk(p, "192.0.2.68:9", 1, 100, 0), 0); /* the network has had its share */
	assert_int_equal(junk(p, "192.0.3.66:9", 1, 100, 0), 10);
	assert_int_equal(junk(p, "[2001:db8:1::1]:9", 1, 100, 0), 10);
	assert_int_equal(junk(p, "[2001:db8:1::2]:9", 1, 100, 0), 0);
	assert_int_equal(junk(p, "[2001:db8:1:100::2]:9", 1, 100, 0), 10);
	assert_int_equal(junk(p, "[2001:db8:1:200::2]:9", 1, 100, 0), 0);
	pipe_free(p);
}

static void answers_wait_in_bounded_room(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.config.resets_per_network_s = 100000;
	pipe_start(p);
	assert_int_equal(junk(p, "192.0.2.66:9", 1, 200, 0), 32);
	assert_int_equal(stats_of(&p->b).replies_held[ZS_REPLY_KIND_reset], 200 - 32);
	assert_int_equal(junk(p, "192.0.2.66:9", 1, 200, 0), 32); /* a pull made room */
	pipe_free(p);
}

static bool listener_is_mute(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	return from_a;
}

static void a_flood_does_not_keep_new_peers_out(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->filter = listener_is_mute;
	pipe_start(p);
	for (int i = 0; i < 200; i++)
		pipe_dial(p, NULL, false);
	pipe_run(p, 50 * MS);
	assert_int_equal(stats_of(&p->b).handshakes, p->b.config.retry_above);
	/* Another dialler: what goes to the first address is lost. */
	zs_quic_delete(p->a.q);
	assert_int_equal(zs_endpoint_parse(&p->a.addr, "10.0.7.2:5001"), 0);
	p->nat = p->a.addr;
	p->filter = NULL;
	node_start(&p->a);
	p->a.closed = 0;
	p->delay += MS / 32; /* between two waves: whatever a rate gave back with the last, the flood took */
	junk(p, "192.0.2.66:9", 500, 40, MS);
	uint64_t retries = stats_of(&p->b).retries;
	pipe_dial(p, &p->b.peer, false);
	junk(p, "192.0.2.66:9", 200, 40, MS);
	assert_int_equal(p->a.established, 1);
	assert_int_equal(p->b.established, 1);
	assert_true(p->b.validated);
	assert_int_equal(stats_of(&p->b).retries, retries + 1); /* the first one got through */
	assert_int_equal(stats_of(&p->b).replies_held[ZS_REPLY_KIND_retry], 0);
	assert_true(stats_of(&p->b).replies_held[ZS_REPLY_KIND_reset] > 20000);
	pipe_free(p);
}

static void a_flood_does_not_hold_resets_for_others(void **state)
{
	struct pipe *p = pipe_connected();

	zs_quic_delete(p->b.q);
	node_start(&p->b);
	junk(p, "192.0.2.66:9", 1000, 40, MS);
	app_open(&p->a, 1000, true);
	junk(p, "192.0.2.66:9", 15, 40, MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_RESET);
	pipe_free(p);
}

/* The secret outlives the machine's start; what its monotonic clock shows then means nothing. */
static void retry_tokens_age_by_the_wall_clock(void **state)
{
	static const int64_t ahead[] = { 0, 15, 16, 3600, -1 };

	for (size_t i = 0; i < sizeof(ahead) / sizeof(*ahead); i++) {
		struct pipe *p = pipe_new(NULL);
		p->b.verdict = ZS_QUIC_RETRY;
		pipe_start(p);
		pipe_dial(p, &p->b.peer, false);
		pipe_run(p, 12 * MS); /* the token is on its way back */
		assert_int_equal(stats_of(&p->b).retries, 1);
		zs_quic_delete(p->b.q);
		p->b.wall_ahead = ahead[i];
		node_start(&p->b);
		pipe_run(p, 200 * MS);
		assert_int_equal(p->b.established, ahead[i] >= 0 && ahead[i] <= 15);
		assert_int_equal(p->a.closed, ahead[i] < 0 || ahead[i] > 15);
		pipe_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resets_are_limited_for_all),
		cmocka_unit_test(resets_are_limited_for_a_network),
		cmocka_unit_test(answers_wait_in_bounded_room),
		cmocka_unit_test(a_flood_does_not_keep_new_peers_out),
		cmocka_unit_test(a_flood_does_not_hold_resets_for_others),
		cmocka_unit_test(retry_tokens_age_by_the_wall_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
