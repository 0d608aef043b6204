/* How long a worker sleeps that has nothing to do. */
#include "dp_rig.h"
#include "idle.h"

/* Sleeps one after the other, until the longest has come twice. */
static const struct row {
	const char *name;
	uint32_t busy_poll_us, most_us, sleep_us[8];
} rows[] = {
	{ "as long as it span, then twice", 50, 1000, { 50, 100, 200, 400, 800, 1000, 1000 } },
	{ "it does not spin: the longest at once", 0, 1000, { 1000, 1000 } },
	{ "the longest is shorter than it spins", 50, 20, { 20, 20 } },
	{ "the longest comes in full", 64, 256, { 64, 128, 256, 256 } },
};

static void sleeps(void **state)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint32_t last = 0;

		for (int k = 0; rows[i].sleep_us[k]; k++) {
			last = zs_idle_us(last, rows[i].busy_poll_us, rows[i].most_us);
			if (last != rows[i].sleep_us[k])
				fail_msg("%s: sleep %d is %u us, not %u", rows[i].name, k, last,
					 rows[i].sleep_us[k]);
		}
	}
}

/* The counter tells a turn that slept from one that did not. */
static bool slept(struct zs_worker *w, uint32_t worked)
{
	uint64_t before = w->count[ZS_COUNTER_sleeps];

	zs_idle(w, worked);
	return w->count[ZS_COUNTER_sleeps] != before;
}

static void turns(void **state)
{
	struct rig *r = *state;
	struct zs_worker *w = &r->worker[0];

	rig_state(r, 1, 256);
	w->settings.busy_poll_us = 0;
	w->settings.sleep_max_us = w->burst_us = 1;
	assert_true(slept(w, 0));
	assert_true(slept(w, ZS_BURST - 1)); /* no queue was full: nothing is left behind */
	assert_false(slept(w, ZS_BURST));
	w->settings.busy_poll_us = 50;
	w->now_ns = w->quiet_since_ns + 49999;
	assert_false(slept(w, 0));
	w->now_ns = w->quiet_since_ns + 50000;
	assert_true(slept(w, 0));
	assert_false(slept(w, 1)); /* who spins does so after each packet */
	w->settings.sleep_max_us = 0;
	w->now_ns += ZS_NS_PER_S;
	assert_false(slept(w, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleeps),
		cmocka_unit_test_setup_teardown(turns, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
