/* The sender's lane: counters and epochs as the format wants them, and no nonce twice wherever it is killed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "relay/lane.h"
#include "unit/random.h"
#include "unit/relay/stepper.h"

static const uint8_t root[ZS_ATTACH_SECRET] = { 1, 2, 3 };

struct rig {
	struct zs_gcm_engine engine;
	struct zs_lane lane;
	struct zs_lane_store store;
};

static int setup(void **state)
{
	struct rig *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));

	memset(r, 0, sizeof(*r));
	zs_gcm_engine_best(&r->engine);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	zs_lane_wipe(&r->lane);
	zs_gcm_engine_fini(&r->engine);
	free(r);
	return 0;
}

static int start(struct rig *r, uint64_t ratchet)
{
	return zs_lane_init(&r->lane, &r->engine, &r->store, root, ZS_ATTACH_DIR_RELAY, 3, ratchet);
}

static struct zs_lane_stamp next(struct rig *r, size_t len)
{
	struct zs_lane_stamp s = { 0 };

	assert_int_equal(zs_lane_next(&r->lane, len, &s), ZS_DROPS);
	return s;
}

/* The stamp's key is that of its lane and epoch. */
static void assert_key_of(struct rig *r, const struct zs_lane_stamp *s, uint32_t epoch)
{
	uint8_t secret[ZS_ATTACH_SECRET];
	struct zs_gcm_key want __attribute__((aligned(64)));

	assert_int_equal(s->epoch, epoch & 7);
	zs_attach_lane_at(root, ZS_ATTACH_DIR_RELAY, 3, epoch, secret);
	memset(&want, 0, sizeof(want));
	zs_attach_gcm_key(&r->engine, secret, &want);
	assert_memory_equal(want.iv, s->key->iv, sizeof(want.iv));
}

static void counters_and_blocks(void **state)
{
	struct rig *r = *state;

	assert_int_equal(start(r, 0), 0);
	assert_int_equal(r->store.end, 0); /* nothing is taken before it is needed */
	for (uint64_t want = 1; want <= ZS_LANE_BLOCK + 5; want++) {
		struct zs_lane_stamp s = next(r, 100);
		assert_int_equal(s.counter, want);
		assert_true(r->store.end > want);
	}
	assert_int_equal(r->store.end, 1 + 2 * ZS_LANE_BLOCK);
	assert_int_equal(start(r, 0), 0);
	assert_int_equal(next(r, 100).counter, 1 + 2 * ZS_LANE_BLOCK);
	assert_int_equal(r->store.end, 1 + 3 * ZS_LANE_BLOCK);
}

static void ratchet(void **state)
{
	struct rig *r = *state;
	struct zs_lane_stamp s;

	assert_int_equal(start(r, 32), 0);
	for (uint32_t epoch = 0; epoch < 20; epoch++) {
		for (uint32_t n = 0; n < 32; n++) {
			s = next(r, 100);
			assert_int_equal(s.counter, 1 + epoch * 32 + n);
			assert_key_of(r, &s, epoch);
		}
		assert_int_equal(r->store.epoch, epoch);
		assert_int_equal(zs_lane_wants(&r->lane), epoch > 0);
		zs_lane_prepare(&r->lane, &r->engine);
		assert_false(zs_lane_wants(&r->lane));
	}
	/* Nobody prepares: one more key, then nothing goes out until somebody does. */
	for (int n = 0; n < 32; n++)
		next(r, 100);
	assert_int_equal(zs_lane_next(&r->lane, 100, &s), ZS_DROP_tunnel_lane);
	zs_lane_prepare(&r->lane, &r->engine);
	s = next(r, 100);
	assert_key_of(r, &s, 21);
	assert_int_equal(start(r, 32), 0);
	s = next(r, 100);
	assert_key_of(r, &s, s.counter == r->store.first ? 22 : 21);
}

static void the_real_limits(void **state)
{
	struct rig *r = *state;

	assert_int_equal(start(r, 0), 0);
	next(r, ZS_LANE_LONG);
	r->lane.next = r->lane.end = 1 << 26;
	assert_int_equal(next(r, ZS_LANE_LONG).epoch, 0);
	assert_int_equal(next(r, ZS_LANE_LONG).epoch, 1);
	zs_lane_prepare(&r->lane, &r->engine);
	r->lane.next = r->lane.end = (1 << 26) + (1 << 22);
	assert_int_equal(next(r, ZS_LANE_LONG + 1).epoch, 1);
	assert_int_equal(next(r, 100).epoch, 2);
	zs_lane_prepare(&r->lane, &r->engine);
	/* A long one after more than 2^22 short ones turns at once, and counts for the new key. */
	r->lane.next = r->lane.end = (1 << 26) + (3 << 22);
	assert_int_equal(next(r, 100).epoch, 2);
	assert_int_equal(next(r, 9000).epoch, 3);
	zs_lane_prepare(&r->lane, &r->engine);
	r->lane.next = r->lane.end = r->store.first + (1 << 22);
	assert_int_equal(next(r, 100).epoch, 4);
}

static void spent(void **state)
{
	struct rig *r = *state;
	struct zs_lane_stamp s;

	r->store = (struct zs_lane_store){ .end = ZS_TUNNEL_COUNTER - ZS_LANE_BLOCK, .first = 1ull << 55 };
	r->store.first = r->store.end;
	assert_int_equal(start(r, 0), 0);
	assert_int_equal(next(r, 100).counter, ZS_TUNNEL_COUNTER - ZS_LANE_BLOCK);
	r->lane.next = r->lane.end - 1;
	assert_int_equal(next(r, 100).counter, ZS_TUNNEL_COUNTER - 1);
	assert_int_equal(zs_lane_next(&r->lane, 100, &s), ZS_DROP_tunnel_lane);
	assert_int_equal(start(r, 0), -ERANGE);
	r->store = (struct zs_lane_store){ .end = ZS_TUNNEL_COUNTER - ZS_LANE_BLOCK + 1 };
	r->store.first = r->store.end;
	assert_int_equal(start(r, 0), 0);
	assert_int_equal(zs_lane_next(&r->lane, 100, &s), ZS_DROP_tunnel_lane); /* no whole block is left */
	r->store = (struct zs_lane_store){ .end = 9, .epoch = ZS_LANE_EPOCHS };
	assert_int_equal(start(r, 0), -ERANGE);
	r->store.epoch = ZS_LANE_EPOCHS - 1;
	assert_int_equal(start(r, 4), 0);
	assert_int_equal(zs_lane_next(&r->lane, 100, &s), ZS_DROP_tunnel_lane);
}

/* What the killed process and its heirs share, and what it has sent. */
#define EPOCHS 64
struct life {
	struct zs_lane_store store;
	uint64_t sent;		/* highest counter that left */
	uint64_t began[EPOCHS]; /* counter of the first packet in each epoch */
	uint32_t epoch;		/* of the last packet that left */
	uint32_t longs[EPOCHS]; /* long packets in each epoch */
	uint64_t seed;
};

#define SMALL 48 /* packets a key here */

static struct rig *child_rig;

static void live(void *shared)
{
	struct life *life = shared;
	struct zs_lane *l = &child_rig->lane;
	struct random r = { life->seed };

	for (int n = 0; n < 60; n++) {
		size_t len = random_below(&r, 8) ? 100 : 3000;
		struct zs_lane_stamp s;
		if (n == 20)
			l->next = l->end - 3;
		ZS_CHECK(zs_lane_next(l, len, &s) == ZS_DROPS);
		if (!life->began[l->epoch])
			life->began[l->epoch] = s.counter;
		if (len > ZS_LANE_LONG)
			life->longs[l->epoch] = 1;
		life->epoch = l->epoch;
		life->sent = s.counter;
		if (zs_lane_wants(l)) {
			step_pause();
			zs_lane_prepare(l, &child_rig->engine);
			step_pause();
		}
	}
}

static void heir(const void *shared, void *ctx)
{
	const struct life *life = shared;
	struct rig *r = ctx;
	struct zs_lane_store store = life->store;
	struct zs_lane_stamp s;

	assert_int_equal(zs_lane_init(&r->lane, &r->engine, &store, root, ZS_ATTACH_DIR_RELAY, 3, SMALL), 0);
	assert_int_equal(zs_lane_next(&r->lane, 100, &s), ZS_DROPS);
	assert_true(s.counter > life->sent);
	assert_true(r->lane.epoch >= life->epoch);
	uint64_t began = life->began[r->lane.epoch], most = life->longs[r->lane.epoch] ? SMALL / 16 : SMALL;
	if (began)
		assert_true(r->lane.turn <= began + most);
}

static void killed_anywhere(void **state)
{
	struct rig *r = *state;
	struct random rnd = random_new("lane kills");
	struct life *life = shared_new(sizeof(*life));
	unsigned looks = 0;

	for (int round = 0; round < 3; round++) {
		struct rig *mine = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*mine), 64));
		memset(mine, 0, sizeof(*mine));
		mine->engine = r->engine;
		memset(life, 0, sizeof(*life));
		life->seed = random_u64(&rnd);
		assert_int_equal(
		    zs_lane_init(&r->lane, &r->engine, &life->store, root, ZS_ATTACH_DIR_RELAY, 3, SMALL), 0);
		child_rig = r;
		looks += step_through(live, life, sizeof(*life), heir, mine);
		free(mine);
	}
	printf("%u places to be killed at\n", looks);
	assert_true(looks > 3 * 60);
	munmap(life, sizeof(*life));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counters_and_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(ratchet, setup, teardown),
		cmocka_unit_test_setup_teardown(the_real_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(spent, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_anywhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
