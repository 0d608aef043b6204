/* Multiaddrs: both forms, foreign parts, what we can dial, what must be refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "p2p/multiaddr.h"
#include "unit/p2p/hex.h"

#define ID "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
#define ID_WIRE                                                                                              \
	"a50326002408011220"                                                                                 \
	"1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"

static const struct {
	const char *text, *wire;
} both[] = {
	{ "/ip4/192.0.2.1/udp/4001/quic-v1", "04c000020191020fa1cd03" },
	{ "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/" ID, "04c000020191020fa1cd03" ID_WIRE },
	{ "/ip6/2001:db8::1/tcp/443", "2920010db80000000000000000000000010601bb" },
	{ "/ip6/::ffff:192.0.2.1/tcp/1", "2900000000000000000000ffffc0000201060001" },
	{ "/ip6zone/eth0/ip6/fe80::1/udp/0", "2a046574683029fe80000000000000000000000000000191020000" },
	{ "/dns/a.example/tcp/443/tls/ws", "3509612e6578616d706c650601bbc003dd03" },
	{ "/dns4/a/tcp/1/wss", "360161060001de03" },
	{ "/dnsaddr/b.example/p2p/" ID, "3809622e6578616d706c65" ID_WIRE },
	{ "/dns6/a/tcp/1/tls/sni/b/http", "370161060001c003c1030162e003" },
	{ "/p2p/" ID "/p2p-circuit", ID_WIRE "a202" },
	{ "/ip4/1.2.3.4/udp/9/webrtc-direct/certhash/uEiAe0ej64sShRLi-j9S0e_PTs0uHHDys9gEPDkLUdPzifg",
	  "0401020304910200099802d203221220"
	  "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e" },
};

static void both_forms(void **state)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(both); i++) {
		uint8_t wire[ZS_MULTIADDR];
		size_t len = hex_read(wire, sizeof(wire), both[i].wire);
		uint8_t *exact = exact_copy(wire, len);
		struct zs_multiaddr a, b;
		char text[ZS_MULTIADDR_TEXT];

		assert_int_equal(zs_multiaddr_parse(&a, both[i].text), 0);
		assert_int_equal(a.len, len);
		assert_memory_equal(a.bytes, wire, len);
		assert_int_equal(zs_multiaddr_decode(&b, exact, len), 0);
		assert_non_null(zs_multiaddr_format(&b, text));
		assert_string_equal(text, both[i].text);
		for (size_t cut = 0; cut < len; cut++) { /* a cut is malformed, or ends at a part */
			int ret = zs_multiaddr_decode(&b, wire, cut);
			assert_true(ret == -EINVAL || (ret == 0 && zs_multiaddr_format(&b, text) &&
						       strncmp(text, both[i].text, strlen(text)) == 0));
		}
		free(exact);
	}
}

static void texts_refused(void **state)
{
	static const char *rows[] = {
		"",
		"/",
		"ip4/1.2.3.4",
		"/ip4",
		"/ip4/",
		"/ip4/1.2.3",
		"/ip4/01.2.3.4",
		"/ip4/::1",
		"/ip6/1.2.3.4",
		"/ip6/fe80::1%eth0",
		"/ip4/1.2.3.4/",
		"/ip4/1.2.3.4//udp/1",
		"/udp/65536",
		"/udp/-1",
		"/udp/+1",
		"/udp/01",
		"/udp/1x",
		"/udp/",
		"/quic-v1/x",
		"/quic",
		"/nothing",
		"/IP4/1.2.3.4",
		"/p2p/12D3KooW",
		"/dns/a b",
		"/dns/\x01",
		"/certhash/zQm",
		"/certhash/uAA",
		"/certhash/u",
	};
	struct zs_multiaddr a;
	char many[33 * 4 + 1] = "", name[600] = "/dns/";

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		if (zs_multiaddr_parse(&a, rows[i]) != -EINVAL)
			fail_msg("%s was taken", rows[i]);
	for (int i = 0; i < 32; i++)
		strcat(many, "/tls");
	assert_int_equal(zs_multiaddr_parse(&a, many), 0);
	assert_int_equal(zs_multiaddr_decode(&a, a.bytes, a.len), 0);
	strcat(many, "/tls");
	assert_int_equal(zs_multiaddr_parse(&a, many), -EINVAL);
	memset(name + 5, 'a', 509);
	assert_int_equal(zs_multiaddr_parse(&a, name), 0); /* 1 + 2 + 509 bytes: the longest */
	assert_int_equal(a.len, ZS_MULTIADDR);
	name[514] = 'a';
	assert_int_equal(zs_multiaddr_parse(&a, name), -EINVAL);
}

static void bytes_refused(void **state)
{
	static const struct {
		const char *wire;
		int ret;
	} rows[] = {
		{ "", -EINVAL },
		{ "04c00002", -EINVAL },
		{ "8400c0000201", -EINVAL },		  /* code not in its shortest form */
		{ "3500", -EINVAL },			  /* an empty name */
		{ "3502612f", -EINVAL },		  /* a slash in it */
		{ "35020a61", -EINVAL },		  /* a newline in it */
		{ "3503612e", -EINVAL },		  /* longer than the bytes */
		{ "35ffffffffffffffff7f61", -EINVAL },	  /* far longer */
		{ "a503020000", -EINVAL },		  /* no peer id */
		{ "d203021200", -EINVAL },		  /* an empty one */
		{ "d20303120200", -EINVAL },		  /* a cut one */
		{ "d2030112", -EINVAL },		  /* no multihash */
		{ "04c0000201ffff01", -EPROTONOSUPPORT }, /* 32767: unknown */
		{ "04c000020191020fa1cc03", 0 },	  /* quic of the drafts */
		{ "04c0000201ffff01ffffffffffffffffffff",
		  -EPROTONOSUPPORT }, /* nothing behind it can be read */
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint8_t wire[64];
		size_t len = hex_read(wire, sizeof(wire), rows[i].wire);
		uint8_t *exact = exact_copy(wire, len);
		struct zs_multiaddr a = { 0 };
		char text[ZS_MULTIADDR_TEXT];

		assert_int_equal(zs_multiaddr_decode(&a, exact, len), rows[i].ret);
		assert_int_equal(a.len, rows[i].ret == -EINVAL ? 0 : len);
		if (rows[i].ret == -EPROTONOSUPPORT)
			assert_null(zs_multiaddr_format(&a, text));
		free(exact);
	}
	uint8_t tls[2 * ZS_MULTIADDR_PARTS + 2];
	struct zs_multiaddr a;
	for (size_t i = 0; i < sizeof(tls); i += 2)
		memcpy(tls + i, "\xc0\x03", 2);
	assert_int_equal(zs_multiaddr_decode(&a, tls, sizeof(tls) - 2), 0);
	assert_int_equal(zs_multiaddr_decode(&a, tls, sizeof(tls)), -EINVAL);
}

static void dialable(void **state)
{
	static const struct {
		const char *text;
		int ret;
		enum zs_dial_host host;
		const char *where;
		uint16_t port;
		bool peer;
	} rows[] = {
		{ "/ip4/192.0.2.1/udp/4001/quic-v1", 0, ZS_DIAL_IP, "192.0.2.1", 4001, false },
		{ "/ip6/2001:db8::1/udp/1/quic-v1/p2p/" ID, 0, ZS_DIAL_IP, "2001:db8::1", 1, true },
		{ "/dns/a.example/udp/65535/quic-v1", 0, ZS_DIAL_DNS, "a.example", 65535, false },
		{ "/dns4/a/udp/1/quic-v1/p2p/" ID, 0, ZS_DIAL_DNS4, "a", 1, true },
		{ "/dns6/a/udp/1/quic-v1", 0, ZS_DIAL_DNS6, "a", 1, false },
		{ "/dnsaddr/a.example/p2p/" ID, 0, ZS_DIAL_DNSADDR, "a.example", 0, true },
		{ "/dnsaddr/a.example", 0, ZS_DIAL_DNSADDR, "a.example", 0, false },
		{ .text = "/ip4/1.2.3.4/udp/0/quic-v1", .ret = -EINVAL },
		{ .text = "/ip6/::ffff:1.2.3.4/udp/1/quic-v1", .ret = -EINVAL },
		{ .text = "/ip4/1.2.3.4/udp/1", .ret = -EPROTONOSUPPORT },
		{ .text = "/ip4/1.2.3.4", .ret = -EPROTONOSUPPORT },
		{ .text = "/ip4/1.2.3.4/tcp/1", .ret = -EPROTONOSUPPORT },
		{ .text = "/ip4/1.2.3.4/udp/1/webrtc-direct", .ret = -EPROTONOSUPPORT },
		{ .text = "/ip4/1.2.3.4/udp/1/quic-v1/webtransport", .ret = -EPROTONOSUPPORT },
		{ .text = "/ip4/1.2.3.4/udp/1/quic-v1/p2p/" ID "/p2p-circuit", .ret = -EPROTONOSUPPORT },
		{ .text = "/ip6zone/eth0/ip6/fe80::1/udp/1/quic-v1", .ret = -EPROTONOSUPPORT },
		{ .text = "/p2p/" ID, .ret = -EPROTONOSUPPORT },
		{ .text = "/dnsaddr/a/tcp/1", .ret = -EPROTONOSUPPORT },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_dial_target t;
		struct zs_multiaddr a;
		char text[ZS_PEER_ID_TEXT];

		assert_int_equal(zs_multiaddr_parse(&a, rows[i].text), 0);
		if (zs_multiaddr_dial(&a, &t) != rows[i].ret)
			fail_msg("%s: %d", rows[i].text, zs_multiaddr_dial(&a, &t));
		if (rows[i].ret != 0)
			continue;
		assert_int_equal(t.host, rows[i].host);
		assert_int_equal(t.port, rows[i].port);
		assert_string_equal(t.host == ZS_DIAL_IP ? zs_addr_format(&t.addr, text) : t.name,
				    rows[i].where);
		assert_string_equal(zs_peer_id_format(&t.peer, text), rows[i].peer ? ID : "");
	}
}

static void dialable_bytes(void **state)
{
	struct zs_multiaddr a = { .len = 0 };
	struct zs_dial_target t;

	assert_int_equal(zs_multiaddr_dial(&a, &t), -EINVAL);
	a.len = (uint16_t)hex_read(a.bytes, sizeof(a.bytes), "04c000020191020fa1cc03"); /* draft-29 */
	assert_int_equal(zs_multiaddr_dial(&a, &t), -EPROTONOSUPPORT);
	a.len = (uint16_t)hex_read(a.bytes, sizeof(a.bytes), "04c000020191020fa1cd0300"); /* and more */
	assert_int_equal(zs_multiaddr_dial(&a, &t), -EPROTONOSUPPORT);
	a.len = (uint16_t)hex_read(a.bytes, sizeof(a.bytes), "04c0000201910200");
	assert_int_equal(zs_multiaddr_dial(&a, &t), -EINVAL);
	a.bytes[0] = 0x36, a.bytes[1] = 0xfe, a.bytes[2] = 0x01; /* a name of 254 characters */
	memset(a.bytes + 3, 'a', 254);
	a.len = 3 + 254;
	assert_int_equal(zs_multiaddr_dial(&a, &t), -EINVAL);
}

static void made_of_an_endpoint(void **state)
{
	static const struct {
		const char *endpoint, *text;
	} rows[] = { { "192.0.2.1:4001", "/ip4/192.0.2.1/udp/4001/quic-v1" },
		     { "[2001:db8::1]:1", "/ip6/2001:db8::1/udp/1/quic-v1" } };
	struct zs_peer_id peer;
	char text[ZS_MULTIADDR_TEXT];

	assert_int_equal(zs_peer_id_parse(&peer, ID), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_dial_target t;
		struct zs_endpoint ep;
		struct zs_multiaddr a;

		assert_int_equal(zs_endpoint_parse(&ep, rows[i].endpoint), 0);
		zs_multiaddr_quic(&a, &ep, NULL);
		assert_string_equal(zs_multiaddr_format(&a, text), rows[i].text);
		zs_multiaddr_quic(&a, &ep, &peer);
		assert_int_equal(zs_multiaddr_dial(&a, &t), 0);
		assert_true(t.port == ep.port && zs_addr_eq(&t.addr, &ep.addr) &&
			    zs_peer_id_eq(&t.peer, &peer));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms),	  cmocka_unit_test(texts_refused),
		cmocka_unit_test(bytes_refused),  cmocka_unit_test(dialable),
		cmocka_unit_test(dialable_bytes), cmocka_unit_test(made_of_an_endpoint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
