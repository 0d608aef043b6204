/* Peers that are known by a name in DNS, and by what is on the disk. */
#include "peers_rig.h"
#include "unit/p2p/dns.h"

/* A name is asked for where the peer is; what it says is a stranger's word, and of another peer it is none. */
static void test_dnsaddr(void **state)
{
	struct plane *two = *state;
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	char args[256], record[256], at[ZS_ENDPOINT_TEXT];
	const struct dns_text texts[] = { { "_dnsaddr.pop.test", record },
					  { "_dnsaddr.deny.test",
					    "dnsaddr=/ip4/224.0.0.1/udp/9/quic-v1/p2p/" NOBODY },
					  { NULL, NULL } };
	struct dns_zone zone = { .texts = texts };
	struct zs_peers *peers;
	struct zs_udp *dns;
	json_t *a;

	open_plane(&two[0], "");
	open_plane(&two[1], "");
	peers = two[0].r.c.peers;
	assert_int_equal(zs_udp_open(&dns, two[0].r.c.loop, &local, 0, dns_serve, &zone, &two[0].r.err), 0);
	local = zs_udp_local(dns);
	zs_resolver_delete(peers->resolver);
	assert_int_equal(
	    zs_resolver_new(&peers->resolver, two[0].r.c.loop, zs_endpoint_format(&local, at), &two[0].r.err),
	    0);
	snprintf(record, sizeof(record), "dnsaddr=/ip4/127.0.0.1/udp/%u/quic-v1/p2p/%s", two[1].port,
		 zs_ident_peer(two[1].r.c.ident));
	snprintf(args, sizeof(args), "{\"who\":\"/dnsaddr/pop.test/p2p/%s\"}",
		 zs_ident_peer(two[1].r.c.ident));
	a = call(two, 0, "p2p ping", args);
	assert_string_equal(text(result(a), "peer"), zs_ident_peer(two[1].r.c.ident));
	json_decref(a);
	a = call(two, 0, "p2p dial", "{\"who\":\"/dnsaddr/pop.test/p2p/" NOBODY "\"}");
	assert_non_null(strstr(text(a, "error"), "no QUIC address of this peer"));
	json_decref(a);
	a = call(two, 0, "p2p dial", "{\"who\":\"/dnsaddr/deny.test/p2p/" NOBODY "\"}");
	assert_non_null(strstr(text(a, "error"), "multicast"));
	json_decref(a);
	zs_udp_close(dns);
	close_plane(&two[0]);
	close_plane(&two[1]);
}

static int count_one(void *ctx, const void *key, size_t key_len, const void *value, size_t value_len)
{
	++*(unsigned *)ctx;
	return 0;
}

static unsigned kept(struct plane *p)
{
	unsigned n = 0;

	zs_store_each(p->r.c.store, "p2p/peer/", 9, count_one, &n);
	return n;
}

static struct zs_peer_id learnt_peer(uint32_t i)
{
	struct zs_peer_id id;

	assert_int_equal(zs_peer_id_parse(&id, NOBODY), 0);
	memcpy(id.bytes + id.len - sizeof(i), &i, sizeof(i));
	return id;
}

/* However many strangers come, a turn writes a few; all are there in the end, and who was forgotten is not. */
static void test_strangers_are_written_a_few_at_a_time(void **state)
{
	enum { STRANGERS = 3 * PEERS_BOOK_TURN + 8 };
	struct plane *two = *state;
	struct zs_peerstore *s;

	open_plane(&two[0], "");
	s = zs_host_peerstore(zs_peers_host(two[0].r.c.peers));
	for (uint32_t i = 0; i < STRANGERS; i++) {
		struct zs_peer_id id = learnt_peer(i);
		assert_int_equal(zs_peerstore_learn(s, &id, (struct zs_span){ (const uint8_t *)"addr", 4 },
						    ZS_KNOWN_LEARNT, zs_loop_now(two[0].r.c.loop)),
				 0);
	}
	rig_run(&two[0].r, 2300 * ZS_NS_PER_MS);
	assert_int_equal(kept(&two[0]), PEERS_BOOK_TURN);
	for (uint32_t i = 0; i < 8; i++) {
		struct zs_peer_id id = learnt_peer(i);
		zs_peerstore_forget(s, &id);
	}
	close_plane(&two[0]);
	open_plane(&two[0], "");
	assert_int_equal(kept(&two[0]), STRANGERS - 8);
	assert_int_equal(zs_peerstore_count(zs_host_peerstore(zs_peers_host(two[0].r.c.peers))),
			 STRANGERS - 8);
	/* Those behind the gaps move up. */
	while (peers_book_write(two[0].r.c.peers))
		;
	assert_int_equal(kept(&two[0]), STRANGERS - 8);
	close_plane(&two[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dnsaddr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers_are_written_a_few_at_a_time, setup, teardown),
	};

	srand((unsigned)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
