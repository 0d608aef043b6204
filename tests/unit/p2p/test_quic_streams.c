/* Data: every byte arrives, windows and buffers bound what is in flight, and nothing leaks: neither
 * credit nor streams. */
#include <errno.h>
#include "unit/p2p/quic_pipe.h"

static uint64_t alive(const struct node *n)
{
	struct zs_quic_conn_stats stats;

	zs_quic_conn_stats(n->conn, &stats);
	return stats.streams + stats.buffered + stats.unconsumed;
}

static struct zs_quic_conn_stats stats_of(const struct node *n)
{
	struct zs_quic_conn_stats stats;

	zs_quic_conn_stats(n->conn, &stats);
	return stats;
}

static void ten_megabytes_each_way(void **state)
{
	struct pipe *p = pipe_connected();

	p->b.answer = 10 << 20;
	assert_non_null(app_open(&p->a, 10 << 20, true));
	pipe_run(p, 25000 * MS);
	assert_int_equal(p->b.rx, 10 << 20);
	assert_int_equal(p->a.rx, 10 << 20);
	assert_int_equal(p->a.finished + p->b.finished, 2);
	assert_int_equal(alive(&p->a) + alive(&p->b), 0);
	assert_int_equal(p->largest, ZS_QUIC_DATAGRAM); /* the path MTU was found */
	assert_int_equal(stats_of(&p->a).datagram, ZS_QUIC_DATAGRAM);
	assert_true(p->ecn_seen == 2); /* ECT(0) */
	pipe_free(p);
}

/* What GSO needs: a train to one peer has one length, but for its last. */
static void trains_have_one_length(void **state)
{
	struct pipe *p = pipe_connected();
	struct zs_udp_datagram out[8];
	static uint8_t buf[8 * ZS_QUIC_DATAGRAM];
	size_t n;

	app_open(&p->a, 1 << 20, true);
	pipe_run(p, 1000 * MS); /* the path MTU is known, the congestion window open */
	app_open(&p->a, 1 << 20, true);
	n = zs_quic_pull(p->a.q, out, 8, buf, sizeof(buf), p->now);
	assert_int_equal(n, 8);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(out[i].len, ZS_QUIC_DATAGRAM);
		assert_ptr_equal(out[i].data, buf + i * ZS_QUIC_DATAGRAM);
		assert_memory_equal(&out[i].peer, &p->b.addr, sizeof(out[i].peer));
	}
	pipe_free(p);
}

static void loss_and_reordering(void **state)
{
	struct pipe *p = pipe_connected();

	p->loss_percent = 3;
	p->jitter = 4 * MS;
	p->b.answer = 1 << 20;
	for (int i = 0; i < 3; i++)
		assert_non_null(app_open(&p->a, 1 << 20, true));
	pipe_run(p, 25000 * MS);
	assert_int_equal(p->b.rx, 3 << 20);
	assert_int_equal(p->a.rx, 3 << 20);
	assert_int_equal(alive(&p->a) + alive(&p->b), 0);
	pipe_free(p);
}

/* A reader that does not consume stops the writer: at its window, then at the writer's buffer. */
static void back_pressure(void **state)
{
	struct pipe *p = pipe_connected();
	struct app_stream *s;

	p->b.hold_every = 1;
	s = app_open(&p->a, 64 << 20, true);
	pipe_run(p, 5000 * MS);
	uint64_t window = p->b.config.stream_window, buffer = p->a.config.send_buffer;
	assert_int_equal(p->b.rx, window);
	assert_int_equal(s->tx, buffer); /* `writable` comes when half of it is free */
	assert_int_equal(zs_quic_stream_room(s->s), window);
	assert_int_equal(stats_of(&p->a).buffered, buffer - window);
	assert_int_equal(stats_of(&p->b).unconsumed, window);

	struct app_stream *r = TAILQ_FIRST(&p->b.streams);
	r->hold = false;
	zs_quic_consume(r->s, (size_t)window);
	pipe_run(p, 25000 * MS);
	assert_int_equal(p->b.rx, 64 << 20);
	assert_int_equal(p->b.finished, 1);
	pipe_free(p);
}

/* One stream that is stuck leaves the others their share of the connection. */
static void a_stuck_stream_does_not_stop_others(void **state)
{
	struct pipe *p = pipe_connected();

	p->b.hold_every = 2; /* the first, not the second */
	app_open(&p->a, 1 << 20, true);
	pipe_run(p, 1000 * MS);
	app_open(&p->a, 4 << 20, true);
	pipe_run(p, 25000 * MS);
	assert_int_equal(p->b.finished, 1);
	assert_int_equal(p->b.rx, p->b.config.stream_window + (4 << 20));
	pipe_free(p);
}

static void reset_and_stop(void **state)
{
	struct pipe *p = pipe_connected();
	struct app_stream *s = app_open(&p->a, 1000, false), *t;

	pipe_run(p, 100 * MS);
	zs_quic_reset(s->s, 0x1003);
	assert_int_equal(zs_quic_write(s->s, "x", 1), -EPIPE);
	pipe_run(p, 500 * MS);
	assert_int_equal(p->b.resets, 1);
	assert_int_equal(p->b.streams_closed, 1); /* it answered with a reset of its own side */
	assert_int_equal(p->a.streams_closed, 1);

	t = app_open(&p->a, 1 << 20, true);
	pipe_run(p, 20 * MS);
	zs_quic_stop(TAILQ_FIRST(&p->b.streams)->s, 0x1001);
	uint64_t heard = p->b.rx;
	pipe_run(p, 500 * MS);
	assert_int_equal(p->a.stops, 1);
	assert_int_equal(zs_quic_write(t->s, "x", 1), -EPIPE);
	assert_int_equal(p->b.rx, heard); /* nothing is told of a stream that was stopped */
	pipe_free(p);
}

/* Of many that wait for their windows, the one that is given credit goes on. */
static void credit_wakes_its_own_stream(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.config.stream_window = 16384;
	pipe_connect(p);
	p->b.hold_every = 1;
	for (int i = 0; i < 5; i++)
		app_open(&p->a, 100000, true);
	pipe_run(p, 1000 * MS);
	struct app_stream *last = TAILQ_LAST(&p->b.streams, app_streams);
	assert_int_equal(last->rx, 16384);
	zs_quic_consume(last->s, 16384);
	pipe_run(p, 1000 * MS);
	assert_int_equal(last->rx, 2 * 16384);
	assert_int_equal(p->b.rx, 6 * 16384);
	pipe_free(p);
}

/* A writer that waits for the window learns of STOP_SENDING too. */
static void a_stuck_writer_is_told(void **state)
{
	struct pipe *p = pipe_connected();

	p->b.hold_every = 1;
	app_open(&p->a, 4 << 20, true);
	pipe_run(p, 1000 * MS);
	zs_quic_stop(TAILQ_FIRST(&p->b.streams)->s, 0x1001);
	pipe_run(p, 1000 * MS);
	assert_int_equal(p->a.stops, 1);
	assert_int_equal(stats_of(&p->b).unconsumed, 0);
	pipe_free(p);
}

/* go and rust close with FIN and STOP_SENDING(0): what we still send is for nobody, and no error. */
static void fin_then_stop_is_a_clean_close(void **state)
{
	struct pipe *p = pipe_connected();
	struct app_stream *s;

	p->b.answer = 0;
	s = app_open(&p->a, 100, true);
	zs_quic_stop(s->s, 0);
	pipe_run(p, 500 * MS);
	assert_int_equal(p->b.finished, 1);
	assert_int_equal(p->a.streams_closed, 1);
	assert_int_equal(p->b.streams_closed, 1);
	assert_int_equal(p->b.closed + p->a.closed, 0);
	pipe_free(p);
}

static void streams_come_back(void **state)
{
	struct pipe *p = pipe_connected();
	uint32_t opened = 0;

	while (app_open(&p->a, 10, true))
		opened++;
	assert_int_equal(opened, 256);
	assert_int_equal(p->a.streams_left, 0);
	pipe_run(p, 500 * MS);
	assert_true(p->a.streams_left >= 1);
	assert_int_equal(p->a.streams_closed, 256);
	assert_true(stats_of(&p->a).streams_left >= 128);
	pipe_free(p);
}

/* 10,000 streams, every tenth reset with data that was never consumed, or never delivered; what was
 * withheld in total is many times the window. */
static void churn(struct pipe *p, struct node *from, struct node *to, uint32_t total)
{
	uint32_t opened = 0;
	struct app_stream *victims[16];
	size_t count = 0;

	to->hold_every = 10;
	to->opened = 0;
	while (opened < total) {
		uint32_t wave = 0;
		for (; wave < 100 && opened < total; wave++, opened++) {
			bool victim = opened % 10 == 0;
			struct app_stream *s = app_open(from, victim ? 20000 : 300, !victim);
			assert_non_null(s);
			if (victim)
				victims[count++] = s;
		}
		/* Half of a wave's victims end with all delivered, half with packets lost on the way. */
		pipe_run(p, 20 * MS);
		p->loss_percent = 30;
		for (size_t i = 0; i < count; i++)
			zs_quic_reset(victims[i]->s, 9);
		count = 0;
		pipe_run(p, 30 * MS);
		p->loss_percent = 0;
		pipe_run(p, 150 * MS);
	}
	pipe_run(p, 5000 * MS);
}

static void credit_is_back_after(struct node *from, struct node *to)
{
	struct zs_quic_conn_stats s = stats_of(from);

	assert_int_equal(alive(from) + alive(to), 0);
	assert_true(TAILQ_EMPTY(&from->streams) && TAILQ_EMPTY(&to->streams));
	/* Updates are sent when half of it is used up: no less than half is ever seen at rest. */
	assert_true(s.streams_left >= to->config.streams_bidi / 2);
	assert_true(s.connection_credit >= to->config.connection_window / 2);
}

static void ten_thousand_streams(void **state)
{
	struct pipe *p = pipe_connected();
	struct zs_quic_stats before, after;

	zs_quic_stats(p->b.q, &before);
	churn(p, &p->a, &p->b, 10000);
	assert_int_equal(p->b.resets, 1000);
	assert_int_equal(p->b.opened, 10000);
	assert_int_equal(p->b.streams_closed, 10000);
	assert_int_equal(p->a.streams_closed, 10000);
	credit_is_back_after(&p->a, &p->b);

	/* The same with the roles turned round: credit is returned by the dialler too. */
	churn(p, &p->b, &p->a, 2000);
	assert_int_equal(p->a.opened, 2000);
	credit_is_back_after(&p->b, &p->a);
	zs_quic_stats(p->b.q, &after);
	assert_int_equal(after.connections, 1);
	assert_in_range(after.cids, before.cids, before.cids + 1);
	assert_int_equal(p->a.closed + p->b.closed, 0);
	pipe_free(p);
}

/* What is alive when the connection dies is closed stream by stream, then the connection. */
static void streams_end_with_their_connection(void **state)
{
	struct pipe *p = pipe_connected();

	for (int i = 0; i < 5; i++)
		app_open(&p->a, 1 << 20, true);
	pipe_run(p, 15 * MS);
	zs_quic_close(p->a.conn, 0, NULL);
	pipe_run(p, 100 * MS);
	assert_int_equal(p->a.streams_closed, 5);
	assert_int_equal(p->b.streams_closed, p->b.opened);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->b.closed, 1);
	assert_int_equal(p->b.why.application, true);
	pipe_free(p);
}

/* Says something, and leaves off when it has arrived and before anybody answers. */
static void say(struct pipe *p, struct app_stream *s, uint32_t bytes)
{
	s->tx_total += bytes;
	app_send(s);
	pipe_run(p, p->delay - 1);
	p->now++;
	while (p->count && p->queue[earliest(p)].at <= p->now)
		deliver(p);
}

/* Where a round trip takes 100 us an acknowledgement is due 12 us after its packet: it leaves with what is said next, not
 * alone by a timer of its own. A millisecond later it does. */
static void an_acknowledgement_waits_for_an_answer(void **state)
{
	struct pipe *p = pipe_new(NULL);
	struct app_stream *there, *back;

	p->delay = MS / 20;
	pipe_connect(p);
	there = app_open(&p->a, 32, false);
	pipe_run(p, 50 * MS);
	back = TAILQ_FIRST(&p->b.streams);
	uint64_t before = p->sent[0] + p->sent[1];
	for (int i = 0; i < 200; i++) {
		say(p, there, 32);
		say(p, back, 32);
	}
	assert_int_equal(p->b.rx, 201 * 32);
	assert_int_equal(p->a.rx, 200 * 32);
	assert_in_range(p->sent[0] + p->sent[1] - before, 400, 440);
	pipe_run(p, 2 * MS);
	assert_int_equal(alive(&p->a) + alive(&p->b), 2); /* the streams: all bytes are acknowledged */
	pipe_free(p);
}

/* The window after a transfer in which so many packets met congestion that did not drop them. */
static uint64_t window_after(uint32_t congested)
{
	struct pipe *p = pipe_connected();
	uint64_t window;

	app_open(&p->a, 500000, true);
	pipe_run(p, 20 * MS); /* both ends have seen that marks arrive */
	p->congested = congested;
	pipe_run(p, 2000 * MS);
	assert_int_equal(p->congested, 0);
	assert_int_equal(p->b.rx, 500000);
	window = stats_of(&p->a).cwnd;
	pipe_free(p);
	return window;
}

/* A mark comes back in the ACKs, and the sender slows down as it would for a loss. */
static void a_congestion_mark_is_heeded(void **state)
{
	uint64_t free_way = window_after(0), marked = window_after(1);

	if (marked > free_way * 3 / 4)
		fail_msg("%lu bytes with a mark, %lu without", (unsigned long)marked,
			 (unsigned long)free_way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_congestion_mark_is_heeded),
		cmocka_unit_test(ten_megabytes_each_way),
		cmocka_unit_test(trains_have_one_length),
		cmocka_unit_test(loss_and_reordering),
		cmocka_unit_test(back_pressure),
		cmocka_unit_test(a_stuck_stream_does_not_stop_others),
		cmocka_unit_test(reset_and_stop),
		cmocka_unit_test(credit_wakes_its_own_stream),
		cmocka_unit_test(a_stuck_writer_is_told),
		cmocka_unit_test(fin_then_stop_is_a_clean_close),
		cmocka_unit_test(streams_come_back),
		cmocka_unit_test(ten_thousand_streams),
		cmocka_unit_test(streams_end_with_their_connection),
		cmocka_unit_test(an_acknowledgement_waits_for_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
