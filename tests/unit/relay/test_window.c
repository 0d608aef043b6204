/* The receiver's lane: the window against a naive model, epochs and their keys, no counter accepted twice wherever
 * the process is killed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "relay/lane.h"
#include "relay/window.h"
#include "unit/random.h"
#include "unit/relay/stepper.h"

#define S ZS_NS_PER_S

static const uint8_t root[ZS_ATTACH_SECRET] = { 1, 2, 3 };

struct rig {
	struct zs_gcm_engine engine;
	struct zs_window window;
	struct zs_window_room keys;
};

static int setup(void **state)
{
	struct rig *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));

	memset(r, 0, sizeof(*r));
	zs_gcm_engine_best(&r->engine);
	assert_int_equal(zs_window_load(zs_window_room_keys(&r->keys), &r->engine, &r->window, root,
					ZS_ATTACH_DIR_EDGE, 3),
			 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	zs_window_wipe(zs_window_room_keys(&r->keys));
	zs_gcm_engine_fini(&r->engine);
	free(r);
	return 0;
}

static enum zs_drop judge(struct rig *r, uint64_t counter, uint32_t epoch, uint64_t now,
			  struct zs_window_pick *pick)
{
	const struct zs_tunnel_head head = { .counter = counter, .epoch = epoch & 7 };

	return zs_window_judge(&r->window, zs_window_room_keys(&r->keys), &head, now, pick);
}

static enum zs_drop take(struct rig *r, uint64_t counter, uint32_t epoch, uint64_t now)
{
	struct zs_window_pick pick;
	bool newest;
	enum zs_drop why = judge(r, counter, epoch, now, &pick);

	return why != ZS_DROPS ? why : zs_window_accept(&r->window, counter, pick.epoch, now, &newest);
}

static void edges_of_the_window(void **state)
{
	struct rig *r = *state;
	struct zs_window_pick pick;
	bool newest;

	assert_int_equal(take(r, 0, 0, S), ZS_DROP_tunnel_replay); /* the first is 1 */
	assert_int_equal(take(r, 7, 0, S), ZS_DROPS);
	assert_int_equal(take(r, 7, 0, S), ZS_DROP_tunnel_replay);
	assert_int_equal(take(r, 8 + 8191, 0, S), ZS_DROPS);
	assert_int_equal(take(r, 7, 0, S), ZS_DROP_tunnel_replay); /* ≤ highest − 8,192 */
	assert_int_equal(take(r, 8, 0, S), ZS_DROPS);
	assert_int_equal(take(r, 8, 0, S), ZS_DROP_tunnel_replay);
	assert_int_equal(take(r, ZS_TUNNEL_COUNTER - 1, 0, S), ZS_DROPS);
	assert_int_equal(take(r, ZS_TUNNEL_COUNTER - 1, 0, S), ZS_DROP_tunnel_replay);
	/* Two copies in one burst: both may be opened, one is accepted. */
	assert_int_equal(judge(r, ZS_TUNNEL_COUNTER - 3, 0, S, &pick), ZS_DROPS);
	assert_int_equal(judge(r, ZS_TUNNEL_COUNTER - 3, 0, S, &pick), ZS_DROPS);
	assert_int_equal(zs_window_accept(&r->window, ZS_TUNNEL_COUNTER - 3, 0, S, &newest), ZS_DROPS);
	assert_false(newest);
	assert_int_equal(zs_window_accept(&r->window, ZS_TUNNEL_COUNTER - 3, 0, S, &newest),
			 ZS_DROP_tunnel_replay);
	/* In one burst the first moved the window on, the second is too old by then. */
	assert_int_equal(zs_window_accept(&r->window, 9, 0, S, &newest), ZS_DROP_tunnel_replay);
}

#define COUNTERS 200000

static void against_a_model(void **state)
{
	struct rig *r = *state;
	struct random rnd = random_new("window");
	bool *seen = calloc(COUNTERS, sizeof(*seen));
	uint64_t highest = 0, accepted = 0;

	for (int n = 0; n < 400000; n++) {
		static const uint32_t jumps[] = { 1, 2, 3, 64, 65, 500, 8129, 8150, 8191, 8192, 8193, 20000 };
		uint64_t counter;
		if (random_below(&rnd, 3))
			counter = highest + 100 > random_below(&rnd, 9000)
				      ? highest + 100 - random_below(&rnd, 9000)
				      : 1;
		else
			counter = highest + (random_below(&rnd, 50)
						 ? 1 + random_below(&rnd, 3)
						 : jumps[random_below(&rnd, ZS_ARRAY_LEN(jumps))]);
		if ((int64_t)counter < 0 || counter >= COUNTERS) {
			if (highest + 30000 < COUNTERS)
				continue;
			memset(&r->window, 0, sizeof(r->window));
			memset(seen, 0, COUNTERS);
			highest = 0;
			continue;
		}
		bool want = counter && counter + ZS_WINDOW_BITS > highest && !seen[counter];
		assert_int_equal(take(r, counter, 0, S) == ZS_DROPS, want);
		seen[counter] |= want;
		accepted += want;
		if (want && counter > highest)
			highest = counter;
		assert_int_equal(r->window.highest, highest);
	}
	assert_true(accepted > 1000);
	free(seen);
}

static void epochs(void **state)
{
	struct rig *r = *state;
	struct zs_window_pick pick;
	uint8_t secret[ZS_ATTACH_SECRET];
	struct zs_gcm_key *want = aligned_alloc(64, sizeof(*want));
	uint64_t counter = 0, now = 10 * S;

	for (uint32_t e = 0; e < 30; e++) {
		for (uint32_t bits = 0; bits < 8; bits++) {
			enum zs_drop why = judge(r, counter + 1, bits, now, &pick);
			bool current = bits == (e & 7), next = bits == ((e + 1) & 7),
			     old = e && bits == ((e - 1) & 7);
			if (!current && !next && !old) {
				assert_int_equal(why, ZS_DROP_tunnel_epoch);
				continue;
			}
			assert_int_equal(why, ZS_DROPS);
			assert_int_equal(pick.epoch, current ? e : next ? e + 1 : e - 1);
			zs_attach_lane_at(root, ZS_ATTACH_DIR_EDGE, 3, pick.epoch, secret);
			zs_attach_gcm_key(&r->engine, secret, want);
			assert_memory_equal(want->iv, pick.key->iv, sizeof(want->iv));
			assert_ptr_equal(pick.key, zs_window_key(zs_window_room_keys(&r->keys),
								 pick.epoch & 7)); /* as a header tells */
		}
		/* The old key goes 5 s after the move, and not by judging alone. */
		if (e) {
			assert_int_equal(judge(r, counter + 1, e - 1, now + 5 * S - 1, &pick), ZS_DROPS);
			assert_int_equal(judge(r, counter + 1, e - 1, now + 5 * S, &pick),
					 ZS_DROP_tunnel_epoch);
		}
		assert_int_equal(r->window.epoch, e);
		now += random_below(&(struct random){ e }, 3) * S;
		counter += 10;
		assert_int_equal(take(r, counter, e + 1, now), ZS_DROPS);
		assert_int_equal(r->window.epoch, e + 1);
		/* A late one of the old epoch neither moves it back nor lengthens its life. */
		assert_int_equal(take(r, counter - 5, e, now + S), ZS_DROPS);
		assert_int_equal(r->window.epoch, e + 1);
		assert_int_equal(r->window.old_until_ns, now + 5 * S);
		/* Until housekeeping came there is no key after the next. */
		assert_true(zs_window_wants(zs_window_room_keys(&r->keys), &r->window));
		assert_int_equal(judge(r, counter + 1, e + 2, now, &pick), ZS_DROP_tunnel_epoch);
		if (e % 4 == 3) /* as after a restart */
			assert_int_equal(zs_window_load(zs_window_room_keys(&r->keys), &r->engine, &r->window,
							root, ZS_ATTACH_DIR_EDGE, 3),
					 0);
		else
			zs_window_prepare(zs_window_room_keys(&r->keys), &r->engine, &r->window);
		assert_false(zs_window_wants(zs_window_room_keys(&r->keys), &r->window));
	}
	r->window.epoch = ZS_LANE_EPOCHS;
	assert_int_equal(zs_window_load(zs_window_room_keys(&r->keys), &r->engine, &r->window, root,
					ZS_ATTACH_DIR_EDGE, 3),
			 -ERANGE);
	free(want);
}

static void failed_tags(void **state)
{
	struct rig *r = *state;

	assert_false(zs_window_failed(&r->window));
	assert_int_equal(r->window.failed, 1);
	r->window.failed = (1ull << 48) - 2;
	assert_false(zs_window_failed(&r->window));
	assert_int_equal(take(r, 5, 0, S), ZS_DROPS);
	assert_true(zs_window_failed(&r->window));
	assert_int_equal(take(r, 6, 0, S), ZS_DROP_tunnel_receiver);
}

#define ACTS 64

struct life {
	struct zs_window window;
	uint64_t acted[ACTS]; /* counters that were acted on */
	uint32_t acts;
	uint32_t epoch; /* highest acted on */
	uint64_t seed;
};

static void live(void *shared)
{
	static const uint32_t jumps[] = { 1, 2, 63, 64, 65, 130, 1000, 8129, 8150, 8191, 8192, 9000 };
	struct life *life = shared;
	struct random rnd = { life->seed };

	while (life->acts < ACTS) {
		struct zs_window *w = &life->window;
		uint64_t counter = w->highest + 1;
		bool newest;
		if (random_below(&rnd, 2))
			counter = w->highest + jumps[random_below(&rnd, ZS_ARRAY_LEN(jumps))];
		else if (w->highest > 8200)
			counter = w->highest - random_below(&rnd, random_below(&rnd, 2) ? 200 : 8200);
		uint32_t epoch = w->epoch + !random_below(&rnd, 8);
		if (zs_window_accept(w, counter, epoch, S, &newest) != ZS_DROPS)
			continue;
		life->acted[life->acts] = counter;
		life->acts++;
		life->epoch = w->epoch;
	}
}

static void heir(const void *shared, void *ctx)
{
	const struct life *life = shared;
	struct rig *r = ctx;
	struct zs_window_pick pick;

	r->window = life->window;
	r->keys.ratchet.newest = UINT32_MAX; /* keys are not what is tested here */
	for (uint32_t n = 0; n < life->acts; n++)
		assert_int_equal(judge(r, life->acted[n], r->window.epoch, S, &pick), ZS_DROP_tunnel_replay);
	assert_true(r->window.epoch >= life->epoch);
}

static void killed_anywhere(void **state)
{
	struct random rnd = random_new("window kills");
	struct life *life = shared_new(sizeof(*life));
	unsigned looks = 0;

	for (int round = 0; round < 4; round++) {
		memset(life, 0, sizeof(*life));
		life->seed = random_u64(&rnd);
		looks += step_through(live, life, sizeof(*life), heir, *state);
	}
	printf("%u places to be killed at\n", looks);
	assert_true(looks > 4 * ACTS * 3);
	munmap(life, sizeof(*life));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(edges_of_the_window, setup, teardown),
		cmocka_unit_test_setup_teardown(against_a_model, setup, teardown),
		cmocka_unit_test_setup_teardown(epochs, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_anywhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
