/* What is kept in hand for the bad day: room on the disk, file descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include "reserve.h"
#include "rig.h"
#include "supplies.h"

static int64_t on_disk(const struct rig *r)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/reserve", r->dir);
	return stat(path, &st) ? -errno : (int64_t)st.st_blocks * 512;
}

static void test_room_is_set_aside_and_given_back(void **state)
{
	struct rig *r = *state;

	assert_int_equal(zs_reserve_give(r->dir), -ENOENT);
	assert_int_equal(zs_reserve_hold(r->dir), ZS_RESERVE_BYTES);
	assert_true(on_disk(r) >= ZS_RESERVE_BYTES); /* blocks, not a hole */
	assert_int_equal(zs_reserve_hold(r->dir), ZS_RESERVE_BYTES);
	assert_int_equal(zs_reserve_give(r->dir), 0);
	assert_int_equal(on_disk(r), -ENOENT);
	assert_true(zs_reserve_hold("/nowhere") < 0);
}

static void fill(int fd[], unsigned *fds)
{
	while (*fds < 64 && (fd[*fds] = open("/dev/null", O_RDONLY)) >= 0)
		(*fds)++;
}

/* All are taken: it is told, four callers get one each, and it ends with those that hold them. */
static void test_descriptors_in_hand(void **state)
{
	struct rig *r = *state;
	struct zs_supplies *s;
	struct rlimit old, tight;
	int fd[64], last = open("/dev/null", O_RDONLY);
	unsigned fds = 0;

	r->c.conf = rig_conf(r, "");
	rig_open(r);
	assert_int_equal(zs_supplies_new(&s, &r->c, &r->err), 0);
	assert_false(rig_raised(r, ZS_HEALTH_no_descriptors));
	assert_false(rig_raised(r, ZS_HEALTH_disk_full));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	close(last);
	tight = (struct rlimit){ (rlim_t)last + 16, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	fill(fd, &fds);
	rig_run(r, 1500 * ZS_NS_PER_MS);
	assert_true(rig_raised(r, ZS_HEALTH_no_descriptors));
	for (int i = 0; i < 4; i++)
		assert_true(zs_supplies_descriptor(s));
	assert_false(zs_supplies_descriptor(s));
	fill(fd, &fds);
	rig_run(r, 1500 * ZS_NS_PER_MS);
	assert_true(rig_raised(r, ZS_HEALTH_no_descriptors));
	assert_false(zs_supplies_descriptor(s));
	while (fds)
		close(fd[--fds]);
	rig_run(r, 1500 * ZS_NS_PER_MS);
	assert_false(rig_raised(r, ZS_HEALTH_no_descriptors));
	assert_true(zs_supplies_descriptor(s));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	zs_supplies_delete(s);
	assert_false(zs_supplies_descriptor(NULL));
	rig_close(r);
}

/* A module that was refused memory is named, and so it stays for a minute. */
static void test_refused_memory_is_told(void **state)
{
	struct rig *r = *state;
	struct zs_health_cell cell;
	struct zs_supplies *s;

	r->c.conf = rig_conf(r, "memory: {lists_mb: 3}\n");
	zs_control_budgets(&r->c);
	assert_int_equal(r->c.memory[ZS_MEMORY_lists].limit, 3 << 20);
	assert_int_equal(r->c.memory[ZS_MEMORY_attach].limit, 2048ull << 20);
	rig_open(r);
	assert_int_equal(zs_supplies_new(&s, &r->c, &r->err), 0);
	assert_false(rig_raised(r, ZS_HEALTH_memory_budget));
	assert_null(zs_budget_calloc(&r->c.memory[ZS_MEMORY_lists], 4, 1 << 20));
	rig_run(r, 1500 * ZS_NS_PER_MS);
	zs_health_read(r->c.health, ZS_HEALTH_memory_budget, &cell);
	assert_true(cell.raised);
	assert_string_equal(cell.detail, "lists: 0 of 3072 KiB used, refused 1 times");
	rig_run(r, 1500 * ZS_NS_PER_MS);
	assert_true(rig_raised(r, ZS_HEALTH_memory_budget));
	zs_supplies_delete(s);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_room_is_set_aside_and_given_back, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_descriptors_in_hand, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_refused_memory_is_told, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
