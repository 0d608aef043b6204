/* The change log against a naive model: a list of all that was appended. And a writer that overtakes a reader. */
#include "unit/lib/shm_test.h"

#include <pthread.h>
#include "shm/changelog.h"

#define CAPACITY 16u

struct rig {
	struct zs_changelog_head head;
	_Atomic uint32_t id[CAPACITY];
	struct zs_changelog log;
};

static void rig_make(struct rig *r, uint64_t at)
{
	memset(r, 0, sizeof(*r));
	atomic_store(&r->head.next, at);
	r->log = (struct zs_changelog){ &r->head, r->id, CAPACITY };
}

static void test_model(void **state)
{
	struct scratch *s = *state;

	for (uint32_t round = 0; round < ROUNDS(200); round++) {
		uint64_t start = round % 2 ? UINT64_MAX - draw(&s->rng) % 64 : draw(&s->rng), said = 0,
			 cursor = 0;
		uint32_t all[400], out[CAPACITY];
		struct rig r;
		bool overrun;

		rig_make(&r, start);
		while (said < 300) {
			uint64_t left = draw(&s->rng) % 20;
			uint32_t max = (uint32_t)draw(&s->rng) % (CAPACITY + 1), n;
			uint64_t at = start + cursor;

			for (; left; left--) {
				all[said] = (uint32_t)draw(&s->rng);
				zs_changelog_append(&r.log, all[said++]);
			}
			n = zs_changelog_read(&r.log, &at, out, max, &overrun);
			assert_int_equal(overrun, said - cursor >= CAPACITY);
			if (overrun) {
				assert_int_equal(n, 0);
				cursor = said;
			} else {
				assert_int_equal(n, said - cursor < max ? said - cursor : max);
				assert_memory_equal(out, &all[cursor], n * sizeof(out[0]));
				cursor += n;
			}
			assert_true(at == start + cursor);
		}
	}
}

static void test_lost_by_a_writer(void **state)
{
	struct rig r;
	uint64_t cursor;
	uint32_t out[4];
	bool overrun;

	rig_make(&r, 5);
	cursor = zs_changelog_now(&r.log);
	zs_changelog_lose(&r.log);
	assert_int_equal(zs_changelog_read(&r.log, &cursor, out, 4, &overrun), 0);
	assert_true(overrun);
	cursor = zs_changelog_now(&r.log) + 3; /* a log that went back: not ours */
	zs_changelog_read(&r.log, &cursor, out, 4, &overrun);
	assert_true(overrun);
}

static void *write_all(void *arg)
{
	struct rig *r = arg;

	for (uint32_t i = 0; i < ROUNDS(2000000); i++)
		zs_changelog_append(&r->log, i);
	return NULL;
}

/* The ids are the numbers from 0 on, so whatever is read must be the number at its place. */
static void test_overtaken(void **state)
{
	uint64_t cursor = 0, read = 0;
	uint32_t out[4], n;
	pthread_t thread;
	struct rig r;
	bool overrun;

	rig_make(&r, 0);
	assert_int_equal(pthread_create(&thread, NULL, write_all, &r), 0);
	while (cursor < ROUNDS(2000000)) {
		uint64_t before = cursor;

		n = zs_changelog_read(&r.log, &cursor, out, 4, &overrun);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(out[i], before + i);
		read += n;
	}
	pthread_join(thread, NULL);
	printf("# %lu of %u ids read\n", (unsigned long)read, ROUNDS(2000000));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = { T(test_model), T(test_lost_by_a_writer), T(test_overtaken) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
