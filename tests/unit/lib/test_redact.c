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
	{ "::ffff:198.51.100.77 ::ffff:cb00:7144", "198.51.100.0 203.0.113.0" }, /* no spelling of ours */
	{ "12:34:56:78:9a:bc:de:f0", "12:34:56:00:00:00:00:00" },
	{ "12:34:56:78:9a:bc:de:f01", "12:34:56::" },
	{ "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99.",
	  "aa:bb:cc:00:00:00:00:00:00:00:00:00:00:00:00:00." },
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
	{ "key kQ3vX9aZ1bC2/dE4fG5hI6jK7lM8nO9pQ0rS1tU2vW3= x", "key kQ3vX9aZ… x" },
	{ "https://x.example/of/somebody/kQ3vX9aZ1bC2/dE4fG5hI6jK7lM8nO9pQ0rS1tU2vW3=",
	  "https://x.example/…" },
	{ "/var/lib/zerostate/relay/audit.log", "/var/lib/zerostate/relay/audit.log" },
	{ "/home/Alice/Projects/Relay2026/site-B/conf/RELAY/Main-Site.yaml",
	  "/home/Alice/Projects/Relay2026/site-B/conf/RELAY/Main-Site.yaml" },
	{ "/sys/fs/bpf/zerostate-relay/enp1s0f0/0000:01:00.0",
	  "/sys/fs/bpf/zerostate-relay/enp1s0f0/0000:01:00.0" },
	{ "/etc/letsencrypt/live/relay/keys", "/etc/letsencrypt/live/relay/keys" },
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

/* Any key of 30 to 64 bytes in base64, wherever its slashes are, behind a path too: its begin alone comes out. */
static void test_random_keys(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char *const before[] = { "", "key ", "/etc/", "=", "\"" };
	struct random rnd = random_new("redact keys");

	for (int i = 0; i < 20000; i++) {
		const char *head = before[random_u64(&rnd) % 5];
		char in[128], *out;
		size_t n = (size_t)snprintf(in, sizeof(in), "%s", head), len = 40 + random_u64(&rnd) % 47;

		for (size_t k = 0; k < len; k++)
			in[n + k] = letters[random_u64(&rnd) % 64];
		strcpy(in + n + len, " end");
		out = zs_redact_text(in, strlen(in), false);
		if (strlen(out) > strlen(head) + strlen(" end") + ZS_REDACT_SHOWN + strlen("…"))
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
		cmocka_unit_test(test_random), cmocka_unit_test(test_random_keys),
		cmocka_unit_test(test_json),   cmocka_unit_test(test_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
