/* The command line and the files of zs-edge. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "files.h"
#include "options.h"

#define PEER "12D3KooWNRk8VBuTJTYyTbnJC7Nj2UN5jij4dJMo8wtSGT2hRzRP"

static void relays(void **state)
{
	static const struct {
		const char *text, *name; /* name: "" for an address, NULL for what is refused */
		uint16_t port;
		bool pinned;
	} rows[] = {
		{ "192.0.2.1:4001/" PEER, "", 4001, true },
		{ "192.0.2.1:4001", "", 4001, false },
		{ "[2001:db8::1]:4001/" PEER, "", 4001, true },
		{ "pop-1.example:65535/" PEER, "pop-1.example", 65535, true },
		{ "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/" PEER, "", 4001, true },
		{ "/dns4/pop.example/udp/4001/quic-v1", "pop.example", 4001, false },
		{ "/dnsaddr/pop.example/p2p/" PEER, "pop.example", 0, true },
		{ "192.0.2.1", NULL, 0, false },
		{ "192.0.2.1:0", NULL, 0, false },
		{ "192.0.2.1:65536", NULL, 0, false },
		{ "pop.example:", NULL, 0, false },
		{ "pop.example:40a1", NULL, 0, false },
		{ "192.0.2.256:4001", NULL, 0, false }, /* no name either */
		{ "2001:db8::1:4001", NULL, 0, false },
		{ "pop example:4001", NULL, 0, false },
		{ ":4001", NULL, 0, false },
		{ "pop.example:4001/", NULL, 0, false },
		{ "pop.example:4001/" PEER "x", NULL, 0, false },
		{ "/ip4/192.0.2.1/tcp/4001", NULL, 0, false },
		{ "/dnsaddr/pop.example", NULL, 0, false },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_attach_target t;
		struct zs_error err = { 0 };
		int rc = zs_edge_relay_parse(&t, rows[i].text, &err);
		if (rc != (rows[i].name ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].text, rc);
		assert_int_equal(err.text[0] != 0, rc != 0);
		if (rc)
			continue;
		assert_int_equal(t.at.port, rows[i].port);
		assert_int_equal(t.at.peer.len != 0, rows[i].pinned);
		assert_string_equal(t.at.name, rows[i].name);
		assert_false(t.learnt);
	}
}

static void services(void **state)
{
	static const struct {
		const char *text, *name;
		uint16_t port, target;
	} rows[] = {
		{ "web=127.0.0.1:8443", "web", 0, 8443 },
		{ "web:443=127.0.0.1:8443,auth", "web", 443, 8443 },
		{ "web=127.0.0.1:8443,follow", "web", 0, 8443 },
		{ "web=127.0.0.1:8443,follow,auth", "web", 0, 8443 },
		{ "web=127.0.0.1:8443,auth,auth", NULL, 0, 0 },
		{ "web=127.0.0.1:8443,follow,follow", NULL, 0, 0 },
		{ "web=127.0.0.1:8443,auth,", NULL, 0, 0 },
		{ "web=127.0.0.1:8443,followed", NULL, 0, 0 },
		{ "a,b=127.0.0.1:8443", "a,b", 0, 8443 },
		{ "web=127.0.0.1:8443,", NULL, 0, 0 },
		{ "web=127.0.0.1:8443,clear", NULL, 0, 0 },
		{ "web=,auth", NULL, 0, 0 },
		{ "web:443=[::1]:8443", "web", 443, 8443 },
		{ "a name of thirty-two characters!=10.0.0.1:1", "a name of thirty-two characters!", 0, 1 },
		{ "one more than thirty-two letters!=10.0.0.1:1", NULL, 0, 0 },
		{ "a\nb=127.0.0.1:1", NULL, 0, 0 },
		{ "a\x1b[2J=127.0.0.1:1", NULL, 0, 0 },
		{ "caf\xc3\xa9=127.0.0.1:1", NULL, 0, 0 },
		{ "=127.0.0.1:1", NULL, 0, 0 },
		{ ":1=127.0.0.1:1", NULL, 0, 0 },
		{ "web:0=127.0.0.1:1", NULL, 0, 0 },
		{ "web:x=127.0.0.1:1", NULL, 0, 0 },
		{ "web=localhost:1", NULL, 0, 0 },
		{ "web=127.0.0.1", NULL, 0, 0 },
		{ "web", NULL, 0, 0 },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_attach_publish p;
		struct zs_edge_target target;
		struct zs_error err = { 0 };
		int rc = zs_edge_publish_parse(&p, &target, rows[i].text, &err);
		if (rc != (rows[i].name ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].text, rc);
		if (rc)
			continue;
		assert_string_equal(p.name, rows[i].name);
		assert_int_equal(p.port, rows[i].port);
		assert_int_equal(target.at.port, rows[i].target);
		assert_int_equal(target.follow, strstr(rows[i].text, ",follow") != NULL);
		assert_int_equal(p.protection, strstr(rows[i].text, ",auth") ? ZS_ATTACH_PROTECTION_auth
									     : ZS_ATTACH_PROTECTION_seal);
	}
}

static void forwards(void **state)
{
	static const struct {
		const char *text;
		uint16_t local;
		enum zs_dial_host host;
		uint16_t port;
	} rows[] = {
		{ "127.0.0.1:9000=192.0.2.1:10443", 9000, ZS_DIAL_IP, 10443 },
		{ "[::1]:9000=[2001:db8::1]:10443", 9000, ZS_DIAL_IP, 10443 },
		{ "0.0.0.0:53=pop.example:10053", 53, ZS_DIAL_DNS, 10053 },
		{ "9000=192.0.2.1:10443", 0, ZS_DIAL_IP, 0 },
		{ "localhost:9000=192.0.2.1:10443", 0, ZS_DIAL_IP, 0 },
		{ "127.0.0.1:0=192.0.2.1:10443", 0, ZS_DIAL_IP, 0 },
		{ "127.0.0.1:9000=192.0.2.1", 0, ZS_DIAL_IP, 0 },
		{ "127.0.0.1:9000=192.0.2.1:0", 0, ZS_DIAL_IP, 0 },
		{ "127.0.0.1:9000=", 0, ZS_DIAL_IP, 0 },
		{ "127.0.0.1:9000", 0, ZS_DIAL_IP, 0 },
		{ "=192.0.2.1:10443", 0, ZS_DIAL_IP, 0 },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_edge_forward f;
		struct zs_error err = { 0 };
		int rc = zs_edge_forward_parse(&f, rows[i].text, &err);
		if (rc != (rows[i].local ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].text, rc);
		if (rc)
			continue;
		assert_int_equal(f.local.port, rows[i].local);
		assert_int_equal(f.target.host, rows[i].host);
		assert_int_equal(f.target.port, rows[i].port);
	}
}

#define WORDS	 12
#define RELAY	 "--relay", "192.0.2.1:4001/" PEER
#define KEY	 "--identity", "key"
#define WEB	 "publish", "web=127.0.0.1:1"
#define FORWARD	 "forward", "127.0.0.1:9000=192.0.2.1:10443"
#define ANYWHERE "forward", "0.0.0.0:9000=192.0.2.1:10443"

static void command_lines(void **state)
{
	static const struct {
		const char *words[WORDS];
		const char *want; /* in the error; NULL: good */
	} rows[] = {
		{ { RELAY, KEY, WEB }, NULL },
		{ { "--json", RELAY, "--identity=key", "--state", "elsewhere", WEB, "dns=127.0.0.1:53" },
		  NULL },
		{ { "--relay", "192.0.2.1:4001", "--trust-first", KEY, WEB }, NULL },
		{ { "--relay", "192.0.2.1:4001", KEY, WEB }, "--trust-first" },
		{ { RELAY, WEB }, "--identity is missing" },
		{ { KEY, WEB }, "--relay is missing" },
		{ { RELAY, KEY }, "no verb; say: publish" },
		{ { RELAY, KEY, "attach" }, "no verb 'attach'" },
		{ { RELAY, KEY, "publish" }, "nothing to publish" },
		{ { RELAY, KEY, WEB, "web=127.0.0.1:2" }, "twice" },
		{ { RELAY, KEY, FORWARD }, NULL },
		{ { RELAY, KEY, FORWARD, WEB, "dns=127.0.0.1:53" }, NULL },
		{ { RELAY, KEY, WEB, FORWARD, "127.0.0.1:9001=192.0.2.1:10443" }, NULL },
		{ { RELAY, KEY, WEB, FORWARD, "127.0.0.1:9000=192.0.2.1:10444" }, "twice" },
		{ { RELAY, KEY, WEB, "forward" }, "nothing to forward" },
		{ { RELAY, KEY, "publish", "forward" }, "a service is NAME=ADDR:PORT" },
		{ { RELAY, KEY, FORWARD, "publish", "x=127.0.0.1:9000" }, "a forward's own listener" },
		{ { RELAY, KEY, "publish", "x=127.0.0.1:9000", FORWARD }, "a forward's own listener" },
		{ { RELAY, KEY, FORWARD, "publish", "x=0.0.0.0:9000" }, "a forward's own listener" },
		{ { RELAY, KEY, FORWARD, "publish", "x=127.0.0.2:9000", "y=127.0.0.1:9001" }, NULL },
		{ { RELAY, KEY, FORWARD, "publish", "x=[::1]:9000" }, NULL },
		{ { RELAY, KEY, ANYWHERE, "publish", "x=127.0.0.1:9000" }, "a forward's own listener" },
		{ { RELAY, KEY, ANYWHERE, "publish", "x=192.0.2.77:9000" }, NULL }, /* another machine's */
		{ { RELAY, KEY, "--cid-socket", "s" }, NULL },
		{ { RELAY, KEY, "--cid-socket", "s", WEB }, NULL },
		{ { RELAY, KEY, "--flows", "1", WEB }, NULL },
		{ { RELAY, KEY, "--flows", "0", WEB }, "'0'" },
		{ { RELAY, KEY, "--flows=32769", WEB }, "'32769'" },
		{ { RELAY, KEY, "--flows=12x", WEB }, "'12x'" },
		{ { RELAY, KEY, "--idle=10", WEB }, NULL },
		{ { RELAY, KEY, "--idle=9", WEB }, "'9'" },
		{ { RELAY, KEY, "--idle=3601", WEB }, "'3601'" },
		{ { RELAY, KEY, "--toke", "x", WEB }, NULL }, /* getopt takes what is unique */
		{ { RELAY, KEY, "--bogus", WEB }, "--bogus is no option" },
		{ { RELAY, KEY, WEB, "--profile", "test" }, NULL },
		{ { RELAY, KEY, WEB, "--profile=lax" }, "'lax'" },
		{ { RELAY, KEY, WEB, "--state" }, "--state needs a value" },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		char *argv[WORDS + 2] = { (char[]){ "zs-edge" } }, copy[WORDS][128];
		struct zs_edge_options o;
		struct zs_error err = { 0 };
		int argc = 1;
		for (; rows[i].words[argc - 1]; argc++) {
			snprintf(copy[argc - 1], sizeof(copy[0]), "%s", rows[i].words[argc - 1]);
			argv[argc] = copy[argc - 1];
		}
		int rc = zs_edge_options_parse(&o, argc, argv, &err);
		if (rc != (rows[i].want ? -EINVAL : 0) || (rc && !strstr(err.text, rows[i].want)))
			fail_msg("row %zu: %d, %s", i, rc, err.text);
		assert_int_equal(err.exit, rc ? ZS_EXIT_USAGE : 0);
		assert_int_equal(o.json, !strcmp(rows[i].words[0], "--json"));
		if (!rc)
			assert_string_equal(o.state, o.json ? "elsewhere" : "key.state");
	}
}

/* --- files ------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	char dir[] = "/tmp/zs-edge-XXXXXX";

	assert_non_null(mkdtemp(dir));
	*state = strdup(dir);
	return chdir(dir);
}

static int teardown(void **state)
{
	static const char *const names[] = { "key", "state", "secret" };
	int rc = 0;

	for (size_t i = 0; i < ZS_ARRAY_LEN(names); i++)
		unlink(names[i]);
	rc = chdir("/");
	rc |= rmdir(*state); /* fails when something else was left behind */
	free(*state);
	return rc;
}

static void write_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void a_key_is_made_once(void **state)
{
	struct zs_identity first, again;
	struct zs_error err = { 0 };
	struct stat st;
	uint8_t bytes[128];

	assert_int_equal(zs_edge_identity(&first, "key", &err), 0);
	assert_int_equal(stat("key", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(zs_edge_identity(&again, "key", &err), 0);
	assert_memory_equal(first.secret, again.secret, sizeof(first.secret));
	assert_int_equal(zs_identity_export(&first, bytes, sizeof(bytes)), st.st_size);
	assert_int_equal(chmod("key", 0640), 0);
	assert_int_equal(zs_edge_identity(&again, "key", &err), -EPERM);
	assert_int_equal(err.exit, ZS_EXIT_PRIVILEGE);
	bytes[20] ^= 1; /* seed and public key do not belong together */
	write_file("key", bytes, (size_t)st.st_size, 0600);
	assert_int_equal(zs_edge_identity(&again, "key", &err), -EUCLEAN);
	write_file("key", bytes, 0, 0600);
	assert_int_equal(zs_edge_identity(&again, "key", &err), -EUCLEAN);
	assert_int_equal(zs_edge_identity(&again, "no/such/key", &err), -ENOENT);
	assert_string_equal(err.text, "no/such/key: there is no such folder; make it");
	assert_int_equal(zs_edge_identity(&again, "/tmp", &err), -EPERM);
}

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void secrets(void **state)
{
	static const struct {
		const char *text;
		int token, psk;
	} rows[] = {
		{ "a-token-of-some-length\n", 0, -EINVAL },
		{ "# a comment\n\n  \nlap1 " HEX "\nlap2 nothing\n", 0, 0 },
		{ "lap1\t" HEX, 0, 0 },
		{ "lap1 " HEX "00\n", 0, -EINVAL },
		{ "lap1 0000000000000000000000000000000000000000000000000000000000000000\n", 0, -EINVAL },
		{ " " HEX "\n", 0, -EINVAL },
		{ "", -EINVAL, -EINVAL },
		{ "# nothing\n", -EINVAL, -EINVAL },
	};
	struct zs_edge_secrets s;
	struct zs_error err = { 0 };
	char big[513];

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		write_file("secret", rows[i].text, strlen(rows[i].text), 0600);
		assert_int_equal(zs_edge_secrets(&s, "secret", NULL, &err), rows[i].token);
		if (zs_edge_secrets(&s, NULL, "secret", &err) != rows[i].psk)
			fail_msg("row %zu: %s", i, err.text);
		if (!rows[i].psk) {
			assert_int_equal(s.psk.len, 4);
			assert_memory_equal(s.psk.id, "lap1", 4);
			assert_true(s.psk.key[0] == 0 && s.psk.key[31] == 31);
		}
	}
	write_file("secret", rows[0].text, strlen(rows[0].text), 0600);
	assert_int_equal(zs_edge_secrets(&s, "secret", NULL, &err), 0);
	assert_int_equal(s.token_len, strlen(rows[0].text) - 1);
	assert_memory_equal(s.token, rows[0].text, s.token_len);
	assert_int_equal(chmod("secret", 0604), 0);
	assert_int_equal(zs_edge_secrets(&s, "secret", NULL, &err), -EPERM);
	assert_int_equal(zs_edge_secrets(&s, "nowhere", NULL, &err), -ENOENT);
	memset(big, 'x', sizeof(big));
	write_file("secret", big, sizeof(big), 0600);
	assert_int_equal(zs_edge_secrets(&s, "secret", NULL, &err), -EINVAL);
}

/* What the service manager hands over is root's, readable by an ACL that shows as group bits. */
static void credentials(void **state)
{
	static const struct {
		const char *path;
		mode_t mode;
		uid_t owner;
		int rc;
	} rows[] = {
		{ "%s/secret", 0440, 0, 0 },	  { "%s/secret", 0400, 0, 0 },
		{ "%s/secret", 0460, 0, -EPERM }, { "%s/secret", 0444, 0, -EPERM },
		{ "%s/secret", 0440, 1, -EPERM }, { "%s/./secret", 0440, 0, -EPERM },
		{ "secret", 0440, 0, -EPERM },
	};
	struct zs_edge_secrets s;
	struct zs_error err = { 0 };
	char here[96], path[128];

	if (geteuid() != 0)
		skip();
	assert_non_null(getcwd(here, sizeof(here)));
	write_file("secret", "a-token\n", 8, 0600);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		assert_int_equal(chown("secret", rows[i].owner, 0), 0);
		assert_int_equal(chmod("secret", rows[i].mode), 0);
		snprintf(path, sizeof(path), rows[i].path, here);
		setenv("CREDENTIALS_DIRECTORY", here, 1);
		if (zs_edge_secrets(&s, path, NULL, &err) != rows[i].rc)
			fail_msg("row %zu: %s", i, err.text);
		unsetenv("CREDENTIALS_DIRECTORY");
		assert_int_equal(zs_edge_secrets(&s, path, NULL, &err) == 0, rows[i].mode == 0400);
	}
}

static void state_is_kept_whole(void **state)
{
	uint8_t bytes[ZS_ATTACH_MEMORY + 1], back[ZS_ATTACH_MEMORY + 1];
	struct zs_error err = { 0 };

	memset(bytes, 9, sizeof(bytes));
	assert_int_equal(zs_edge_state_load("state", back, &err), 0);
	assert_int_equal(zs_edge_state_save("state", bytes, 100, &err), 0);
	assert_int_equal(zs_edge_state_save("state", bytes, ZS_ATTACH_MEMORY, &err), 0);
	assert_int_equal(zs_edge_state_load("state", back, &err), ZS_ATTACH_MEMORY);
	assert_memory_equal(bytes, back, ZS_ATTACH_MEMORY);
	assert_int_equal(zs_edge_state_save("no/such/state", bytes, 1, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no/such/state"));
	assert_int_equal(chmod("state", 0644), 0);
	assert_int_equal(zs_edge_state_load("state", back, &err), -EPERM);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relays),   cmocka_unit_test(services),
		cmocka_unit_test(forwards), cmocka_unit_test(command_lines),
		TEST(a_key_is_made_once),   TEST(secrets),
		TEST(credentials),	    TEST(state_is_kept_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
