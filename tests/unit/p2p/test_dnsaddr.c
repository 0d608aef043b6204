/* /dnsaddr: records of a DNS server of the test's own, followed as far as they may lead. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "node/dnsaddr.h"
#include "unit/p2p/dns.h"

#define ID	    "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
#define OTHER	    "12D3KooWHHybYhyVCJZ1ASkMLr6hq1ckkzzNTsEhFMDZRLGbUpPn"
#define FOUR(n, id) "dnsaddr=/ip4/192.0.2." n "/udp/4001/quic-v1/p2p/" id
#define MORE(name)  "dnsaddr=/dnsaddr/" name "/p2p/" ID
#define WIDE(port)                                                                                           \
	{                                                                                                    \
		"_dnsaddr.wide.test", "dnsaddr=/dns4/nine.test/udp/" port "/quic-v1/p2p/" ID                 \
	}

static const struct dns_text texts[] = {
	{ "_dnsaddr.pop.test", FOUR("7", ID) },
	{ "_dnsaddr.pop.test", FOUR("7", ID) },				     /* again */
	{ "_dnsaddr.pop.test", FOUR("8", OTHER) },			     /* somebody else */
	{ "_dnsaddr.pop.test", "dnsaddr=/ip4/192.0.2.9/udp/4001/quic-v1" },  /* anybody */
	{ "_dnsaddr.pop.test", "dnsaddr=/ip4/192.0.2.10/tcp/4001/p2p/" ID }, /* not ours */
	{ "_dnsaddr.pop.test", "/ip4/192.0.2.11/udp/4001/quic-v1/p2p/" ID }, /* no such record */
	{ "_dnsaddr.pop.test", "dnsaddr=/dns4/both.test/udp/4002/quic-v1/p2p/" ID },
	{ "_dnsaddr.pop.test", MORE("deep.test") },
	{ "_dnsaddr.deep.test", "dnsaddr=/ip6/2001:db8::7/udp/4003/quic-v1/p2p/" ID },
	{ "_dnsaddr.others.test", FOUR("8", OTHER) },
	{ "_dnsaddr.one.test", MORE("two.test") },
	{ "_dnsaddr.two.test", MORE("three.test") },
	{ "_dnsaddr.three.test", MORE("last.test") },
	{ "_dnsaddr.three.test", FOUR("3", ID) },
	{ "_dnsaddr.last.test", FOUR("4", ID) },
	{ "_dnsaddr.last.test", MORE("beyond.test") },
	{ "_dnsaddr.beyond.test", FOUR("5", ID) },
	{ "_dnsaddr.self.test", MORE("self.test") },
	{ "_dnsaddr.self.test", MORE("self.test") },
	{ "_dnsaddr.self.test", MORE("self.test") },
	WIDE("1"),
	WIDE("2"),
	WIDE("3"),
	{ NULL, NULL },
};

struct world {
	struct dns_bed dns;
	struct dns_zone zone;
	struct zs_peer_id peer;
	unsigned answers;
	uint32_t count;
	char found[1024], why[256];
	bool inside;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->zone.texts = texts;
	assert_int_equal(zs_peer_id_parse(&w->peer, ID), 0);
	dns_open(&w->dns, &w->zone);
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

static void answered(void *ctx, const struct zs_endpoint *at, uint32_t count, const char *why)
{
	struct world *w = ctx;
	char one[ZS_ENDPOINT_TEXT];

	assert_false(w->inside);
	w->answers++;
	w->count = count;
	w->found[0] = '\0';
	for (uint32_t i = 0; i < count; i++)
		snprintf(w->found + strlen(w->found), sizeof(w->found) - strlen(w->found), "%s ",
			 zs_endpoint_format(&at[i], one));
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static struct zs_dnsaddr *start(struct world *w, const char *name)
{
	struct zs_dnsaddr *d;

	w->inside = true;
	w->zone.text_questions = 0;
	assert_int_equal(zs_dnsaddr_start(&d, w->dns.resolver, name, &w->peer, answered, w), 0);
	w->inside = false;
	return d;
}

static void look_for(struct world *w, const char *name)
{
	unsigned before = w->answers;
	uint64_t until = zs_clock_ns() + 3 * ZS_NS_PER_S;

	start(w, name);
	while (w->answers == before && zs_clock_ns() < until)
		zs_loop_turn(w->dns.loop, 10 * ZS_NS_PER_MS);
	assert_int_equal(w->answers, before + 1);
	assert_int_equal(w->why[0] == '\0', w->count > 0);
}

static void records_of_the_peer_alone(void **state)
{
	struct world *w = *state;

	look_for(w, "pop.test");
	assert_int_equal(w->count, 3);
	assert_non_null(strstr(w->found, "192.0.2.7:4001 "));
	assert_non_null(strstr(w->found, "192.0.2.1:4002 "));
	assert_non_null(strstr(w->found, "[2001:db8::7]:4003 "));
}

static void nothing_is_said_why(void **state)
{
	struct world *w = *state;

	look_for(w, "others.test");
	assert_non_null(strstr(w->why, "hold no QUIC address of this peer"));
	look_for(w, "none.test");
	assert_non_null(strstr(w->why, "_dnsaddr.none.test: "));
}

static void depth_and_count_have_an_end(void **state)
{
	struct world *w = *state;

	look_for(w, "one.test");
	assert_string_equal(w->found, "192.0.2.3:4001 192.0.2.4:4001 ");
	assert_int_equal(w->zone.text_questions, ZS_DNSADDR_DEPTH);
	look_for(w, "self.test");
	assert_int_equal(w->count, 0);
	assert_int_equal(w->zone.text_questions, ZS_DNSADDR_QUESTIONS);
	look_for(w, "wide.test");
	assert_int_equal(w->count, ZS_DNSADDR_ENDPOINTS);
}

static void cancelled_and_too_long(void **state)
{
	char longest[ZS_DNS_NAME];
	struct world *w = *state;
	struct zs_dnsaddr *d;

	zs_dnsaddr_cancel(start(w, "pop.test"));
	d = start(w, "pop.test");
	for (int i = 0; !w->zone.text_questions && i < 100; i++)
		zs_loop_turn(w->dns.loop, ZS_NS_PER_MS);
	zs_dnsaddr_cancel(d); /* on its way */
	for (int i = 0; i < 20; i++)
		zs_loop_turn(w->dns.loop, ZS_NS_PER_MS);
	assert_int_equal(w->answers, 0);

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(zs_dnsaddr_start(&d, w->dns.resolver, longest, &w->peer, answered, w), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_of_the_peer_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_said_why, setup, teardown),
		cmocka_unit_test_setup_teardown(depth_and_count_have_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled_and_too_long, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
