/* Samples where packets end: no byte of a payload unless asked, filters, one in n, the rate, what was opened. */
#include "tunnel_rig.h"

#define SERIAL	41
#define SECRET	"a user's own words, and many of them"
#define SERVICE 4433

struct bench {
	struct rig *r;
	struct zs_worker *w;
	struct zs_trace reader;
	struct zs_trace_record rec;
	uint8_t bytes[ZS_TRACE_SNAP];
};

static const struct zs_trace_want everything = { .serial = SERIAL,
						 .every = 1,
						 .rate = 20000,
						 .snap = ZS_TRACE_SNAP,
						 .class = ZS_TRACE_ANY,
						 .drop = ZS_TRACE_ANY };

static void ask(struct bench *b, struct zs_trace_want want)
{
	static uint32_t next;

	want.serial = SERIAL + ++next;
	want.until_ns = b->w->now_ns + ZS_NS_PER_S;
	zs_trace_set(&b->reader, &want);
	zs_tracer_look(b->w);
	assert_ptr_equal(b->w->trace, &b->w->tracer);
}

static void begin(struct bench *b, struct rig *r)
{
	rig_state(r, 1, 64);
	*b = (struct bench){ .r = r, .w = &r->worker[0] };
	r->dp.service_port = SERVICE;
	r->dp.tunnel_port = TUNNEL_PORT;
	assert_int_equal(zs_trace_open_producer(&r->dp.trace, r->dp.shm_dir, NULL), 0);
	assert_int_equal(zs_trace_open_consumer(&b->reader, r->dp.shm_dir, NULL), 0);
	zs_tracer_look(b->w);
	assert_null(b->w->trace); /* not linked yet */
	assert_int_equal(zs_trace_link(&r->dp.trace, r->dp.shm_dir), 0);
	zs_tracer_look(b->w);
	assert_null(b->w->trace);
}

static void end(struct bench *b)
{
	zs_trace_close(&b->reader);
	zs_trace_close(&b->r->dp.trace);
}

static struct rte_mbuf *packet(struct bench *b, uint16_t port, const void *payload, uint16_t len)
{
	struct zs_endpoint src = { rig_addr("10.1.0.7"), 5000 }, dst = { rig_addr("10.1.0.1"), port };

	return rig_packet(b->r, 0, &src, &dst, 0, payload, len);
}

static bool next(struct bench *b)
{
	return zs_trace_pop(&b->reader, 0, b->w->tracer.want.serial, &b->rec, b->bytes);
}

static bool leaks(const struct bench *b)
{
	return memmem(b->bytes, b->rec.captured, SECRET, 4) != NULL;
}

/* A packet outside of a burst, as a port that is full gives one back. */
static void drop(struct bench *b, uint16_t port, const void *payload, uint16_t len, uint8_t reason)
{
	struct rte_mbuf *m = packet(b, port, payload, len);

	zs_trace_end(b->w, m, ZS_TRACE_DROPPED, reason);
	fake_free(m);
}

static void headers_alone(void **state)
{
	static const uint8_t longs[40] = { 0xc0, 0, 0, 0, 1, 17 }, shorts[40] = { 0x40 };
	uint8_t broken[60];
	struct rte_mbuf *m;
	struct bench b;

	begin(&b, *state);
	ask(&b, everything);
	drop(&b, RIG_CLIENT_PORT, SECRET, sizeof(SECRET), ZS_DROP_ttl);
	assert_true(next(&b));
	assert_int_equal(b.rec.captured, 42);
	assert_int_equal(b.rec.length, 42 + sizeof(SECRET));
	assert_true(b.rec.class == ZS_TRACE_CLASS_flow && b.rec.reason == ZS_DROP_ttl &&
		    b.rec.port == RIG_CLIENT_PORT);
	assert_int_equal(b.rec.client.port, 5000);
	drop(&b, SERVICE, longs, sizeof(longs), ZS_DROP_cid_config);
	assert_true(next(&b) && b.rec.captured == 42 + 23 && b.rec.class == ZS_TRACE_CLASS_cid);
	drop(&b, SERVICE, shorts, sizeof(shorts), ZS_DROP_cid_config);
	assert_true(next(&b) && b.rec.captured == 42 + 18);
	drop(&b, SERVICE, "", 0, ZS_DROP_cid_short);
	assert_true(next(&b) && b.rec.captured == 42);
	drop(&b, TUNNEL_PORT, SECRET, sizeof(SECRET), ZS_DROP_tunnel_receiver);
	assert_true(next(&b) && b.rec.captured == 42 + ZS_TUNNEL_HEADER &&
		    b.rec.class == ZS_TRACE_CLASS_tunnel);

	m = packet(&b, RIG_CLIENT_PORT, SECRET, sizeof(SECRET));
	memcpy(broken, rte_pktmbuf_mtod(m, void *), sizeof(broken));
	rte_pktmbuf_mtod(m, uint8_t *)[14] = 0x41; /* a header of 4 bytes: nobody knows where it ends */
	zs_trace_end(b.w, m, ZS_TRACE_DROPPED, ZS_DROP_ip_header_length);
	fake_free(m);
	assert_true(next(&b) && b.rec.captured <= 42 && b.rec.class == ZS_TRACE_CLASS_other && !leaks(&b));
	end(&b);
}

static void payload_when_asked(void **state)
{
	struct zs_trace_want want = everything;
	struct bench b;

	begin(&b, *state);
	want.payload = 1;
	ask(&b, want);
	drop(&b, RIG_CLIENT_PORT, SECRET, sizeof(SECRET), ZS_DROP_ttl);
	assert_true(next(&b) && b.rec.captured == b.rec.length && leaks(&b));
	want.snap = 50;
	ask(&b, want);
	drop(&b, RIG_CLIENT_PORT, SECRET, sizeof(SECRET), ZS_DROP_ttl);
	assert_true(next(&b) && b.rec.captured == 50);
	end(&b);
}

/* What came out of a tunnel: its own headers while they are there, nothing when it was left for another worker; and
 * on its way out to a plain target the headers that it left with. */
static void what_was_opened(void **state)
{
	struct bench b;
	struct zs_burst burst = { 0 };
	struct zs_item *it = &burst.item[0], *at[1] = { it };

	begin(&b, *state);
	ask(&b, everything);
	it->m = packet(&b, TUNNEL_PORT, "0123456789abcdef" SECRET, 16 + sizeof(SECRET));
	it->iface = 0;
	zs_trace_burst(b.w, &burst, 1);
	it->inner = ZS_TUNNEL_DATA;
	it->p.src.addr = zs_attached_addr(&(struct zs_attached){ 9, 1, 1 });
	it->payload = rte_pktmbuf_mtod(it->m, uint8_t *) + 42 + 16;
	it->payload_len = sizeof(SECRET);
	zs_trace_end(b.w, it->m, ZS_TRACE_DROPPED, ZS_DROP_no_flow);
	assert_true(next(&b) && b.rec.captured == 58 && b.rec.class == ZS_TRACE_CLASS_tunnel &&
		    b.rec.from == 9);
	assert_false(leaks(&b));
	it->m->data_off = (uint16_t)(it->payload - (uint8_t *)it->m->buf_addr);
	zs_trace_end(b.w, it->m, ZS_TRACE_DROPPED, ZS_DROP_hand_over);
	assert_true(next(&b) && b.rec.captured == 0 && b.rec.from == 9);
	fake_free(it->m);

	it->m = packet(&b, 443, SECRET, sizeof(SECRET)); /* as rewrite leaves it */
	zs_trace_sent(b.w, at, 1);
	assert_true(next(&b) && b.rec.captured == 42 && b.rec.verdict == ZS_TRACE_SENT && !leaks(&b));
	zs_trace_burst(b.w, NULL, 0);
	zs_trace_end(b.w, it->m, ZS_TRACE_DROPPED, ZS_DROP_tx_full); /* the item is not asked any more */
	assert_true(next(&b) && b.rec.class == ZS_TRACE_CLASS_flow && b.rec.from == 0);
	fake_free(it->m);
	end(&b);
}

static void filters(void **state)
{
	static const struct {
		struct zs_trace_want want;
		uint32_t fit; /* of the three below */
	} rows[] = {
		{ { .class = ZS_TRACE_ANY, .drop = ZS_TRACE_ANY }, 3 },
		{ { .class = ZS_TRACE_CLASS_cid, .drop = ZS_TRACE_ANY }, 1 },
		{ { .class = ZS_TRACE_ANY, .drop = ZS_TRACE_ANY_DROP }, 2 },
		{ { .class = ZS_TRACE_ANY, .drop = ZS_DROP_ttl }, 1 },
		{ { .class = ZS_TRACE_CLASS_cid, .drop = ZS_DROP_ttl }, 0 },
		{ { .class = ZS_TRACE_ANY, .drop = ZS_TRACE_ANY, .port = RIG_CLIENT_PORT }, 2 },
		{ { .class = ZS_TRACE_ANY, .drop = ZS_TRACE_ANY, .attachment = 9 }, 0 },
	};
	struct bench b;

	begin(&b, *state);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_trace_want want = rows[i].want;
		struct rte_mbuf *m = packet(&b, RIG_CLIENT_PORT, "x", 1);
		uint32_t n = 0;

		want.every = 1;
		want.rate = 1000;
		want.snap = 100;
		ask(&b, want);
		drop(&b, RIG_CLIENT_PORT, "x", 1, ZS_DROP_ttl);
		drop(&b, SERVICE, "x", 1, ZS_DROP_cid_short);
		zs_trace_end(b.w, m, ZS_TRACE_CONSUMED, 0);
		fake_free(m);
		while (next(&b))
			n++;
		if (n != rows[i].fit)
			fail_msg("row %zu: %u, wanted %u", i, n, rows[i].fit);
	}
	ask(&b, (struct zs_trace_want){ .class = ZS_TRACE_ANY,
					.drop = ZS_TRACE_ANY,
					.has_client = 1,
					.snap = 100,
					.every = 1,
					.rate = 1000,
					.client = rig_addr("10.1.0.7") });
	drop(&b, SERVICE, "x", 1, ZS_DROP_cid_short);
	assert_true(next(&b));
	ask(&b, (struct zs_trace_want){ .class = ZS_TRACE_ANY,
					.drop = ZS_TRACE_ANY,
					.has_client = 1,
					.snap = 100,
					.every = 1,
					.rate = 1000,
					.client = rig_addr("10.1.0.8") });
	drop(&b, SERVICE, "x", 1, ZS_DROP_cid_short);
	assert_false(next(&b));
	end(&b);
}

/* Every sample that fits is there or counted as lost. */
static void bounds(void **state)
{
	struct zs_trace_want want = everything;
	struct zs_trace_count n = { 0 };
	uint32_t got = 0;
	struct bench b;

	begin(&b, *state);
	want.rate = 1000;
	ask(&b, want);
	for (int i = 0; i < 5000; i++) {
		drop(&b, RIG_CLIENT_PORT, "x", 1, ZS_DROP_ttl);
		if (i % ZS_TRACE_LOOKS == 0)
			zs_tracer_look(b.w);
	}
	for (int i = 0; i < 1000; i++) /* a flood between two housekeepings */
		drop(&b, RIG_CLIENT_PORT, "x", 1, ZS_DROP_ttl);
	while (next(&b))
		got++;
	zs_trace_count(&b.reader, 0, b.w->tracer.want.serial, 0, &n);
	assert_in_range(got, 100, 103); /* 100 ms of the rate */
	assert_int_equal(n.matched + n.unseen, 6000);
	assert_true(n.unseen >= 800 && n.unseen <= 1000);
	assert_true(n.over_rate == n.matched - got && n.ring_full == 0);

	want.rate = 1u << 31; /* more than a worker gives */
	ask(&b, want);
	for (int i = 0; i < 50; i++) {
		for (int k = 0; k < 400; k++) {
			if (k % ZS_TRACE_LOOKS == 0)
				zs_tracer_look(b.w);
			drop(&b, RIG_CLIENT_PORT, "x", 1, ZS_DROP_ttl);
		}
		b.w->now_ns += 10 * ZS_NS_PER_MS;
	}
	for (got = 0; next(&b); got++)
		;
	n = (struct zs_trace_count){ 0 };
	zs_trace_count(&b.reader, 0, b.w->tracer.want.serial, 0, &n);
	assert_int_equal(got, ZS_TRACE_LINES / 2);
	assert_true(n.matched == 20000 && got + n.over_rate + n.ring_full == 20000 && n.ring_full > 0);

	want.every = 7;
	ask(&b, want);
	for (int i = 0; i < 70; i++)
		drop(&b, RIG_CLIENT_PORT, "x", 1, ZS_DROP_ttl);
	for (got = 0; next(&b); got++)
		;
	assert_int_equal(got, 10);
	b.w->now_ns += 2 * ZS_NS_PER_S; /* its time is over, whoever is dead */
	zs_tracer_look(b.w);
	assert_null(b.w->trace);
	end(&b);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(headers_alone), T(payload_when_asked), T(what_was_opened),
					    T(filters), T(bounds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
