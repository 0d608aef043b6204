/* Peers that are known by a name in DNS, and by what is on the disk, which may fail. */
#include <signal.h>
#include <sys/resource.h>
#include "peers_rig.h"
#include "unit/p2p/dns.h"

/* The plane asks a server of our own. */
static struct zs_udp *serve_names(struct plane *p, struct dns_zone *zone)
{
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_peers *peers = p->r.c.peers;
	char at[ZS_ENDPOINT_TEXT];
	struct zs_udp *dns;

	assert_int_equal(zs_udp_open(&dns, p->r.c.loop, &local, 0, dns_serve, zone, &p->r.err), 0);
	local = zs_udp_local(dns);
	zs_resolver_delete(peers->resolver);
	assert_int_equal(
	    zs_resolver_new(&peers->resolver, p->r.c.loop, zs_endpoint_format(&local, at), &p->r.err), 0);
	return dns;
}

/* A name is asked for where the peer is; what it says is a stranger's word, and of another peer it is none. */
static void test_dnsaddr(void **state)
{
	struct plane *two = *state;
	char args[256], record[256];
	const struct dns_text texts[] = { { "_dnsaddr.pop.test", record },
					  { "_dnsaddr.deny.test",
					    "dnsaddr=/ip4/224.0.0.1/udp/9/quic-v1/p2p/" NOBODY },
					  { NULL, NULL } };
	struct dns_zone zone = { .texts = texts };
	struct zs_udp *dns;
	json_t *a;

	open_plane(&two[0], "");
	open_plane(&two[1], "");
	dns = serve_names(&two[0], &zone);
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

static void learn(struct plane *p, uint32_t i)
{
	struct zs_peer_id id = learnt_peer(i);

	assert_int_equal(zs_peerstore_learn(zs_host_peerstore(zs_peers_host(p->r.c.peers)), &id,
					    (struct zs_span){ (const uint8_t *)"addr", 4 }, ZS_KNOWN_LEARNT,
					    zs_loop_now(p->r.c.loop)),
			 0);
}

/* However many strangers come, a turn writes a few; all are there in the end, and who was forgotten is not. */
static void test_strangers_are_written_a_few_at_a_time(void **state)
{
	enum { STRANGERS = 3 * PEERS_BOOK_TURN + 8 };
	struct plane *two = *state;
	struct zs_peerstore *s;

	open_plane(&two[0], "");
	s = zs_host_peerstore(zs_peers_host(two[0].r.c.peers));
	for (uint32_t i = 0; i < STRANGERS; i++)
		learn(&two[0], i);
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

static bool no_sync;
static int commits;

int __real_zs_store_commit(struct zs_store_batch *b, struct zs_error *err);
int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err);

int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err)
{
	commits++;
	if (!no_sync)
		return __real_zs_store_commit(b, err);
	zs_store_abort(b);
	return zs_error_set(err, -EIO, ZS_EXIT_RESOURCE, "no sync");
}

/* What could not be written is told again and written when the disk takes it. */
static void test_a_full_disk_loses_nobody(void **state)
{
	struct plane *two = *state, *p = &two[0];
	struct rlimit old, none = { 0 };

	open_plane(p, "");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	for (uint32_t i = 0; i < 3; i++)
		learn(p, i);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_false(peers_book_write(p->r.c.peers));
	assert_true(rig_raised(&p->r, ZS_HEALTH_store_failed));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(kept(p), 0);
	peers_book_write(p->r.c.peers);
	assert_int_equal(kept(p), 3);
	assert_false(rig_raised(&p->r, ZS_HEALTH_store_failed));
	close_plane(p);
}

/* A write that nobody waits for says nothing of a disk that failed: while that stands, it is waited for. */
static void test_only_the_disk_ends_store_failed(void **state)
{
	struct plane *two = *state, *p = &two[0];

	open_plane(p, "");
	zs_control_raise(&p->r.c, ZS_HEALTH_store_failed, "test");
	no_sync = true;
	learn(p, 1);
	peers_book_write(p->r.c.peers);
	assert_true(rig_raised(&p->r, ZS_HEALTH_store_failed));
	no_sync = false;
	peers_book_write(p->r.c.peers);
	assert_false(rig_raised(&p->r, ZS_HEALTH_store_failed));
	assert_int_equal(kept(p), 1);
	commits = 0;
	learn(p, 2);
	peers_book_write(p->r.c.peers);
	assert_int_equal(commits, 0);
	assert_int_equal(kept(p), 2);
	close_plane(p);
}

/* A range that the site allows is for what its operator names by address; what a name says is a stranger's word. */
static void test_a_name_reaches_nothing_allowed(void **state)
{
	static const struct dns_text texts[] = {
		{ "_dnsaddr.in.test", "dnsaddr=/ip4/10.9.9.9/udp/9/quic-v1/p2p/" NOBODY }, { NULL, NULL }
	};
	struct dns_zone zone = { .texts = texts };
	struct plane *two = *state;
	struct zs_udp *dns;
	json_t *a;

	open_plane(&two[0], "targets: {allow: [10.0.0.0/8]}\n");
	two[0].r.c.peers->gater.profile = ZS_GATER_STRICT;
	dns = serve_names(&two[0], &zone);
	a = call(two, 0, "p2p dial", "{\"who\":\"/dnsaddr/in.test/p2p/" NOBODY "\",\"timeout\":1}");
	assert_non_null(strstr(text(a, "error"), "10.9.9.9:9 is private"));
	json_decref(a);
	a = call(two, 0, "p2p dial",
		 "{\"who\":\"/ip4/10.9.9.9/udp/9/quic-v1/p2p/" NOBODY "\",\"timeout\":1}");
	assert_false(json_is_true(json_object_get(a, "ok"))); /* the socket is loopback's */
	assert_null(strstr(text(a, "error"), "private"));
	json_decref(a);
	zs_udp_close(dns);
	close_plane(&two[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dnsaddr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers_are_written_a_few_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_disk_loses_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_the_disk_ends_store_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_name_reaches_nothing_allowed, setup, teardown),
	};

	srand((unsigned)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
