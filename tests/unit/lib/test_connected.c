/* Connected sockets: many of them on one set of buffers, on both engines; trains, marks, nobody there, closed meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "loop/connected.h"
#include "loop/udp.h"

#define MS   ZS_NS_PER_MS
#define MANY 200

struct world {
	struct zs_loop *loop;
	struct zs_connected_pool *pool;
	struct zs_udp *service; /* echoes */
	struct zs_endpoint at;
	struct zs_connected *socket[MANY];
	uint32_t came[MANY], bursts, failed, wrong, order[MANY];
	uint8_t ecn;
	size_t seen, seen_bytes, seen_most;
	int error;
	bool close_on_data, close_on_fail;
};

static void on_data(void *ctx, void *user, uint8_t ecn, const uint8_t *data, size_t len)
{
	struct world *w = ctx;
	uint32_t i = (uint32_t)(uintptr_t)user, tag[2] = { 0 };

	memcpy(tag, data, len < sizeof(tag) ? len : sizeof(tag));
	w->wrong += tag[0] != i || tag[1] != w->order[i];
	w->order[i] = tag[1] + 1;
	w->came[i]++;
	w->ecn = ecn;
	if (w->close_on_data && w->socket[i]) {
		zs_connected_close(w->socket[i]);
		w->socket[i] = NULL;
	}
}

static void on_burst(void *ctx)
{
	((struct world *)ctx)->bursts++;
}

static void on_failed(void *ctx, void *user, int error)
{
	struct world *w = ctx;
	uint32_t i = (uint32_t)(uintptr_t)user;

	w->failed++;
	w->error = error;
	if (w->close_on_fail) {
		zs_connected_close(w->socket[i]);
		w->socket[i] = NULL;
	}
}

static const struct zs_connected_ops ops = { on_data, on_burst, on_failed };

static void on_service(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;

	for (size_t i = 0; i < count; i++) {
		w->seen_bytes += in[i].len;
		w->seen_most = in[i].len > w->seen_most ? in[i].len : w->seen_most;
	}
	w->seen += count;
	zs_udp_send(udp, in, count);
}

static void begin(struct world *w, enum zs_loop_engine engine, const char *address)
{
	struct zs_endpoint local = { 0 };
	struct zs_error err = { 0 };

	*w = (struct world){ 0 };
	assert_int_equal(zs_addr_parse(&local.addr, address), 0);
	assert_int_equal(zs_loop_new(&w->loop, engine, &err), 0);
	assert_int_equal(zs_udp_open(&w->service, w->loop, &local, 0, on_service, w, &err), 0);
	w->at = zs_udp_local(w->service);
	assert_int_equal(zs_connected_pool_new(&w->pool, w->loop, &ops, w), 0);
}

static void end(struct world *w)
{
	zs_connected_pool_delete(w->pool);
	zs_loop_delete(w->loop);
}

static void open_one(struct world *w, uint32_t i)
{
	assert_int_equal(zs_connected_open(&w->socket[i], w->pool, &w->at, (void *)(uintptr_t)i), 0);
}

static void say(struct world *w, uint32_t i, uint32_t number, uint8_t ecn, size_t len)
{
	uint8_t bytes[2048] = { 0 };
	uint32_t tag[2] = { i, number };

	memcpy(bytes, tag, sizeof(tag));
	zs_connected_send(w->socket[i], ecn, bytes, len);
}

static void turns(struct world *w, uint32_t *what, uint32_t until)
{
	for (int n = 0; n < 500 && *what < until; n++)
		zs_loop_turn(w->loop, 10 * MS);
	assert_int_equal(*what, until);
}

static void each_hears_its_own(enum zs_loop_engine engine, const char *address)
{
	struct world w;
	uint32_t all = 0, wave = 50; /* the service's one socket has room for so many at least */

	begin(&w, engine, address);
	for (uint32_t i = 0; i < MANY; i++)
		open_one(&w, i);
	for (uint32_t n = 0; n < 20 * MANY; n++) {
		say(&w, n % MANY, n / MANY, 0, 100 + n % MANY);
		if (n % wave != wave - 1)
			continue;
		zs_connected_flush(w.pool);
		for (int turn = 0; turn < 500 && zs_connected_stats(w.pool)->rx <= n; turn++)
			zs_loop_turn(w.loop, 10 * MS);
	}
	for (uint32_t i = 0; i < MANY; i++)
		all += w.came[i];
	assert_int_equal(all, 20 * MANY);
	assert_int_equal(w.wrong, 0);
	assert_int_equal(zs_connected_stats(w.pool)->tx, all);
	assert_int_equal(zs_connected_stats(w.pool)->rx, all);
	assert_true(w.bursts >= 1 && w.bursts <= all);
	end(&w);
}

static void many(void **state)
{
	each_hears_its_own(ZS_LOOP_AUTO, "127.0.0.1");
	each_hears_its_own(ZS_LOOP_EPOLL, "::1");
}

/* A train is cut where it was joined: lengths, order, a shorter last one, marks. */
static void trains(void **state)
{
	static const size_t lens[] = { 1200, 1200, 1200, 300, 1200, 1300, 1300, 8, 8, 9 };
	struct world w;
	size_t bytes = 0;

	begin(&w, ZS_LOOP_AUTO, "127.0.0.1");
	open_one(&w, 0);
	for (uint32_t n = 0; n < 10; n++) {
		say(&w, 0, n, n < 5 ? 2 : 1, lens[n]);
		bytes += lens[n];
	}
	zs_connected_flush(w.pool);
	turns(&w, &w.came[0], 10);
	assert_int_equal(w.wrong, 0);
	assert_int_equal(w.seen, 10);
	assert_int_equal(w.seen_bytes, bytes);
	assert_int_equal(w.seen_most, 1300);
	assert_int_equal(w.ecn, 1);
	/* 100 of one length are more than one train. */
	for (uint32_t n = 10; n < 110; n++)
		say(&w, 0, n, 0, 1000);
	zs_connected_flush(w.pool);
	turns(&w, &w.came[0], 110);
	assert_int_equal(w.wrong, 0);
	assert_int_equal(w.ecn, 0);
	/* Empty ones are datagrams too, too long ones are lost and counted. */
	w.order[0] = 0;
	zs_connected_send(w.socket[0], 0, "", 0);
	zs_connected_send(w.socket[0], 0, "", ZS_CONNECTED_DATAGRAM + 1);
	zs_connected_flush(w.pool);
	turns(&w, &w.came[0], 111);
	assert_int_equal(zs_connected_stats(w.pool)->tx_lost, 1);
	end(&w);
}

static void nobody_there(void **state)
{
	struct world w;

	begin(&w, ZS_LOOP_AUTO, "127.0.0.1");
	zs_udp_close(w.service);
	open_one(&w, 0);
	say(&w, 0, 0, 0, 50);
	zs_connected_flush(w.pool);
	turns(&w, &w.failed, 1);
	assert_int_equal(w.error, ECONNREFUSED);
	/* It is told again and again, until the socket is closed, which may be at once. */
	w.close_on_fail = true;
	say(&w, 0, 0, 0, 50);
	say(&w, 0, 0, 0, 50);
	zs_connected_flush(w.pool);
	turns(&w, &w.failed, 2);
	assert_null(w.socket[0]);
	end(&w);
}

/* Closed in mid-burst: nothing more is heard of it. What was gathered for it has left. */
static void closed_meanwhile(void **state)
{
	struct world w;

	begin(&w, ZS_LOOP_AUTO, "127.0.0.1");
	open_one(&w, 0);
	open_one(&w, 1);
	for (uint32_t n = 0; n < 10; n++)
		say(&w, 0, n, 0, 500);
	zs_connected_flush(w.pool);
	w.close_on_data = true;
	turns(&w, &w.came[0], 1);
	w.close_on_data = false;
	for (int n = 0; n < 10; n++)
		zs_loop_turn(w.loop, MS);
	assert_int_equal(w.came[0], 1);
	size_t seen = w.seen;
	say(&w, 1, 0, 0, 77);
	zs_connected_close(w.socket[1]);
	for (int n = 0; n < 100 && w.seen == seen; n++)
		zs_loop_turn(w.loop, MS);
	assert_int_equal(w.seen, seen + 1);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many),
		cmocka_unit_test(trains),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(closed_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
