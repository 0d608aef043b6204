/* What goes to somebody else: no address whole, nothing that could be a key, and the rest as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "cli/redact.h"
#include "net/addr.h"
#include "unit/random.h"

static const struct {
	const char *in, *out;
} rows[] = {
	{ "", "" },
	{ "10.77.1.2", "10.77.1.0" },
	{ "10.77.1.2:443", "10.77.1.0:443" },
	{ "[2001:db8:1:2::3]:443", "[2001:db8:1::]:443" },
	{ "2001:db8:1:2:3:4:5:6/128", "2001:db8:1::/128" },
	{ "port 443 of 192.0.2.7: refused. Ask 192.0.2.8.",
	  "port 443 of 192.0.2.0: refused. Ask 192.0.2.0." },
	{ "/ip4/203.0.113.9/udp/4001/quic-v1", "/ip4/203.0.113.0/udp/4001/quic-v1" },
	{ "/ip6/2001:db8::9/udp/1", "/ip6/2001:db8::/udp/1" },
	{ "::ffff:198.51.100.77", ":::198.51.100.0" }, /* no spelling of ours */
	{ "p2p-4001-198.51.100.77", "p2p-4001-198.51.100.0" },
	{ "x198.51.100.77,198.51.100.78", "x198.51.100.0,198.51.100.0" },
	{ "127.0.0.1:9464 and ::1", "127.0.0.1:9464 and ::1" },
	{ "02:42:ac:11:00:02", "02:42:ac:00:00:00" },
	{ "2026-11-22T02:36:31.250Z", "2026-11-22T02:36:31.250Z" },
	{ "version 1.2.3, 4096 of 65536", "version 1.2.3, 4096 of 65536" },
	{ "0123456789abcdef0123456789abcdef", "01234567…" },
	{ "key 0123456789abcdef0123456789abcdef.", "key 01234567…." },
	{ "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde" },
	{ "12D3KooWM6CgA9iBFZmcYAHA6A2qvbAxqfkmrYiRQuz3XEsk4Ksv", "12D3KooW…" },
	{ "c2VjcmV0LXRva2VuLW9mLXNvbWVib2R5LWVsc2U=", "c2VjcmV0…" },
	{ "/var/lib/zerostate/relay/audit.log", "/var/lib/zerostate/relay/audit.log" },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out = zs_redact_text(rows[i].in, strlen(rows[i].in), false);

		assert_string_equal(out, rows[i].out);
		free(out);
	}
}

/* Secrets go whether addresses are asked for or not. */
static void test_addresses_asked_for(void **state)
{
	static const char in[] = "192.0.2.7 02:42:ac:11:00:02 0123456789abcdef0123456789abcdef";
	char *out = zs_redact_text(in, strlen(in), true);

	assert_string_equal(out, "192.0.2.7 02:42:ac:11:00:02 01234567…");
	free(out);
}

/* Any address in any surroundings: its text is never in what comes out. */
static void test_random(void **state)
{
	static const char *const before[] = { "", " ", "[", ". ", "\"", ";x", "=", "->", "/", ":" };
	static const char *const after[] = { "", " ", ":443 ", "/64,", "]:1", ". ", ".", "\"", ";x", "->" };
	struct random rnd = random_new("redact");

	for (int i = 0; i < 20000; i++) {
		char shown[ZS_ADDR_TEXT], in[128], *out;
		struct zs_addr a;

		random_bytes(&rnd, a.ip, sizeof(a.ip));
		a.ip[0] = 0x20;
		if (i % 2)
			a = zs_addr_from4((uint32_t)random_u64(&rnd));
		zs_addr_format(&a, shown);
		if (zs_addr_is4(&a) && (a.ip[12] == 127 || a.ip[15] == 0))
			continue;
		snprintf(in, sizeof(in), "%s%s%s", before[random_u64(&rnd) % 10], shown,
			 after[random_u64(&rnd) % 10]);
		out = zs_redact_text(in, strlen(in), false);
		if (strstr(out, shown))
			fail_msg("%s became %s", in, out);
		free(out);
	}
}

static void test_json(void **state)
{
	json_t *in = json_loads("{\"10.0.0.1\":[\"10.0.0.1\",7,{\"a\":\"10.0.0.1:1\"},null,true]}", 0, NULL);
	json_t *out = zs_redact_json(in, false);
	char *text = json_dumps(out, JSON_COMPACT);

	assert_string_equal(text, "{\"10.0.0.1\":[\"10.0.0.0\",7,{\"a\":\"10.0.0.0:1\"},null,true]}");
	free(text);
	json_decref(out);
	json_decref(in);
}

static void test_conf(void **state)
{
	static const char in[] =
	    "# of bob@example.org\ninstance: relay # his\n\ntargets: {allow: [10.1.2.0/24]}\n"
	    "name: a#b\n\t# password hunter2";
	char *out = zs_redact_conf(in, strlen(in), false);

	assert_string_equal(out, "instance: relay \n\ntargets: {allow: [10.1.2.0/24]}\nname: a#b\n\t\n");
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),   cmocka_unit_test(test_addresses_asked_for),
		cmocka_unit_test(test_random), cmocka_unit_test(test_json),
		cmocka_unit_test(test_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
