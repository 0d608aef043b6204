/* Each code has a page, and a page says all that it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/error.h"
#include "cli/explain.h"
#include "conf/modules.h"
#include "shm/state.h"

/* A sentence or more, whole. */
static void is_text(const struct zs_page *p, const char *text)
{
	if (!text || strlen(text) < 8)
		fail_msg("%s %s: a part of its page is missing", p->code, p->name);
}

static void test_every_code_has_a_page(void **state)
{
	unsigned count[ZS_PAGE_MODULE + 1] = { 0 }, at;
	struct zs_page p, found;

	for (unsigned i = 0; zs_page_at(i, &p); i++) {
		count[p.kind]++;
		assert_true(p.text[0]);
		is_text(&p, p.action);
		assert_true(strlen(p.action) < sizeof(p.action) - 1);
		if (p.kind == ZS_PAGE_HEALTH) {
			is_text(&p, p.cause);
			is_text(&p, p.meanwhile);
			assert_non_null(p.severity);
		}
		at = 0;
		do
			assert_true(zs_page_find(p.code, &at, &found));
		while (at != i + 1);
		assert_string_equal(found.code, p.code);
	}
	assert_int_equal(count[ZS_PAGE_HEALTH], ZS_HEALTHS);
	assert_int_equal(count[ZS_PAGE_DROP], ZS_DROPS);
	assert_true(count[ZS_PAGE_EXIT] >= 13);
	assert_int_equal(count[ZS_PAGE_ROLE], ZS_ROLES);
	assert_int_equal(count[ZS_PAGE_MODULE], ZS_MODULES - 1);
}

static void test_found(void **state)
{
	static const struct {
		const char *word;
		const char *codes[3];
	} rows[] = {
		{ "zh012", { "ZH012" } },
		{ "store_failed", { "ZH012" } },
		{ "7", { "7" } },
		{ "Unreachable", { "7" } },
		{ "no_route", { "no_route" } },
		{ "flood", { "ZH031", "flood" } },
		{ "seed", { "seed" } },
		{ "attach", { "attach" } },
		{ "none", { 0 } },
		{ "ZH999", { 0 } },
		{ "", { 0 } },
		{ "07", { 0 } },
	};
	struct zs_page p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned at = 0;

		for (size_t n = 0; rows[i].codes[n]; n++) {
			assert_true(zs_page_find(rows[i].word, &at, &p));
			assert_string_equal(p.code, rows[i].codes[n]);
		}
		assert_false(zs_page_find(rows[i].word, &at, &p));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_has_a_page),
		cmocka_unit_test(test_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
