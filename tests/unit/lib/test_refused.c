/* base/refused.h: told once, for a minute. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/refused.h"

static void is_told_for_a_minute(void **state)
{
	char dir[] = "/tmp/zs-test-refused.XXXXXX";
	uint64_t until = 0, now = 5 * ZS_NS_PER_S;
	int pid = 0;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(zs_refused_look(dir, &until, now, &pid),
			 ZS_REFUSED_LONG_AGO); /* of who ran before */
	assert_int_equal(zs_refused_look(dir, &until, now, &pid), ZS_REFUSED_NOTHING);
	zs_refused_note(dir);
	assert_int_equal(zs_refused_look(dir, &until, now, &pid), ZS_REFUSED_NOW);
	assert_int_equal(pid, getpid());
	assert_int_equal(zs_refused_look(dir, &until, now + 30 * ZS_NS_PER_S, &pid), ZS_REFUSED_NOTHING);
	zs_refused_note(dir); /* another minute */
	assert_int_equal(zs_refused_look(dir, &until, now + 30 * ZS_NS_PER_S, &pid), ZS_REFUSED_NOW);
	assert_int_equal(zs_refused_look(dir, &until, now + 61 * ZS_NS_PER_S, &pid), ZS_REFUSED_NOTHING);
	assert_int_equal(zs_refused_look(dir, &until, now + 90 * ZS_NS_PER_S, &pid), ZS_REFUSED_LONG_AGO);
	assert_int_equal(zs_refused_look(dir, &until, now + 91 * ZS_NS_PER_S, &pid), ZS_REFUSED_NOTHING);
	assert_int_equal(rmdir(dir), 0); /* no note stays */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(is_told_for_a_minute) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
