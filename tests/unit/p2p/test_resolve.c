/* Names: a DNS server of the test's own on the same loop answers by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loop/resolve.h"
#include "loop/udp.h"
#include "unit/p2p/dns.h"

struct world {
	struct dns_bed dns;
	unsigned answers;
	struct zs_addr addr[ZS_RESOLVE_ADDRS];
	uint32_t count;
	char why[256];
	bool inside;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	dns_open(&w->dns, NULL);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	dns_close(&w->dns);
	free(w);
	return 0;
}

static void answered(void *ctx, const struct zs_addr *addrs, uint32_t count, const char *why)
{
	struct world *w = ctx;

	assert_false(w->inside);
	w->answers++;
	w->count = count;
	memcpy(w->addr, addrs, count * sizeof(*addrs));
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static struct zs_resolve *start(struct world *w, const char *name, enum zs_resolve_family family)
{
	struct zs_resolve *q;

	w->inside = true;
	assert_int_equal(zs_resolve_start(&q, w->dns.resolver, name, family, answered, w), 0);
	w->inside = false;
	return q;
}

static void turns(struct world *w, unsigned answers)
{
	uint64_t until = zs_clock_ns() + 3 * ZS_NS_PER_S;

	while (w->answers < answers && zs_clock_ns() < until)
		zs_loop_turn(w->dns.loop, 10 * ZS_NS_PER_MS);
	assert_int_equal(w->answers, answers);
}

static const char *text_of(const struct world *w)
{
	static char text[ZS_RESOLVE_ADDRS * ZS_ADDR_TEXT];
	char one[ZS_ADDR_TEXT];

	text[0] = '\0';
	for (uint32_t i = 0; i < w->count; i++) {
		strcat(text, zs_addr_format(&w->addr[i], one));
		strcat(text, " ");
	}
	return text;
}

static void names_and_families(void **state)
{
	static const struct {
		const char *name;
		enum zs_resolve_family family;
		const char *want;
	} rows[] = {
		{ "both.test", ZS_RESOLVE_ANY, "2001:db8::1:0:1 192.0.2.1 " },
		{ "both.test", ZS_RESOLVE_IP4, "192.0.2.1 " },
		{ "both.test", ZS_RESOLVE_IP6, "2001:db8::1:0:1 " },
		{ "four.test", ZS_RESOLVE_ANY, "192.0.2.1 " },
		{ "none.test", ZS_RESOLVE_ANY, "" },
		{ "four.test", ZS_RESOLVE_IP6, "" },
	};
	struct world *w = *state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(w, rows[i].name, rows[i].family);
		turns(w, i + 1);
		assert_int_equal(w->count == 0, rows[i].want[0] == '\0');
		assert_int_equal(w->why[0] == '\0', w->count > 0);
		if (strcmp(text_of(w), rows[i].want))
			fail_msg("%s: %s, not %s", rows[i].name, text_of(w), rows[i].want);
	}
	assert_non_null(strstr(w->why, "four.test: "));
}

static void families_take_turns_and_there_is_an_end(void **state)
{
	struct world *w = *state;

	start(w, "nine.test", ZS_RESOLVE_ANY);
	turns(w, 1);
	assert_int_equal(w->count, ZS_RESOLVE_ADDRS);
	for (uint32_t i = 0; i < w->count; i++)
		assert_int_equal(zs_addr_is4(&w->addr[i]), i % 2);
}

static void cancelled_and_dropped(void **state)
{
	struct world *w = *state;

	zs_resolve_cancel(start(w, "both.test", ZS_RESOLVE_ANY));
	zs_resolve_cancel(start(w, "localhost", ZS_RESOLVE_ANY));
	start(w, "four.test", ZS_RESOLVE_ANY);
	turns(w, 1);
	for (int i = 0; i < 20; i++)
		zs_loop_turn(w->dns.loop, ZS_NS_PER_MS);
	assert_int_equal(w->answers, 1);
	start(w, "mute.test", ZS_RESOLVE_ANY); /* never answered: teardown drops it */
	start(w, "localhost", ZS_RESOLVE_ANY); /* answered, not told */
	zs_loop_turn(w->dns.loop, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_and_families, setup, teardown),
		cmocka_unit_test_setup_teardown(families_take_turns_and_there_is_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled_and_dropped, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
