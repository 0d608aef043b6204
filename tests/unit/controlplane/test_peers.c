/* The libp2p host on the control plane's loop, between two control planes on loopback; and answers that come later. */
#include "peers_rig.h"

static void test_dial_ping_identify(void **state)
{
	static const char *const ways[] = { "ip4/127.0.0.1", "ip6/::1" };
	struct plane *two = *state;
	char args[256];

	open_plane(&two[0], "");
	open_plane(&two[1], "");
	for (int i = 0; i < 2; i++) {
		json_t *a = call(two, i, "p2p dial", who(&two[!i], ways[i], args)), *list;

		assert_string_equal(text(result(a), "peer"), zs_ident_peer(two[!i].r.c.ident));
		json_decref(a);
		a = call(two, i, "p2p ping", who(&two[!i], ways[i], args));
		assert_true(json_integer_value(json_object_get(result(a), "ping_us")) > 0);
		json_decref(a);
		a = call(two, i, "p2p identify", who(&two[!i], ways[i], args));
		assert_string_equal(text(result(a), "state"), "identified");
		assert_true(json_is_true(json_object_get(result(a), "signed_record")));
		assert_true(json_array_size(json_object_get(result(a), "protocols")) >= 4);
		json_decref(a);
		a = call(two, i, "peers", "{}");
		list = json_object_get(result(a), "connections");
		assert_int_equal(json_array_size(list),
				 json_integer_value(json_object_get(result(a), "total")));
		assert_string_equal(text(json_array_get(list, 0), "transport"), "quic-v1");
		json_decref(a);
	}
	close_plane(&two[0]);
	close_plane(&two[1]);
}

/* A socket that never answers. */
static int silent(char args[256], uint32_t timeout_s)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(args, 256, "{\"who\":\"/ip4/127.0.0.1/udp/%u/quic-v1/p2p/" NOBODY "\",\"timeout\":%u}",
		 ntohs(sa.sin_port), timeout_s);
	return fd;
}

static void test_answers_come_later_or_not(void **state)
{
	struct plane *two = *state;
	struct zs_host_stats s;
	char args[256], buf[16];
	json_t *a;

	open_plane(&two[0], "");
	int nobody = silent(args, 1), fd = ask(&two[0], "p2p ping", args);

	/* While it waits another is served. */
	assert_null(answer(two, fd, 200 * ZS_NS_PER_MS));
	json_decref(call(two, 0, "version", "{}"));
	a = answer(two, fd, 3 * ZS_NS_PER_S);
	assert_string_equal(text(a, "error"), "no answer within 1 s");
	json_decref(a);
	/* The same connection goes on, and what was cancelled holds nothing. */
	assert_int_equal(send(fd, "{\"v\":1,\"verb\":\"version\"}\n", 25, 0), 25);
	a = answer(two, fd, ZS_NS_PER_S);
	result(a);
	json_decref(a);
	close(fd);
	zs_host_stats(zs_peers_host(two[0].r.c.peers), &s);
	assert_int_equal(s.conns, 0);

	/* Who hangs up is not waited for: sixteen of them leave room for the next. */
	for (int i = 0; i < 17; i++) {
		fd = ask(&two[0], "p2p dial", args);
		assert_null(answer(two, fd, 20 * ZS_NS_PER_MS));
		close(fd);
		for (int t = 0; t < 5; t++)
			turn(two);
	}
	zs_host_stats(zs_peers_host(two[0].r.c.peers), &s);
	assert_int_equal(s.conns, 0);
	/* And the end of the server ends those that wait. */
	fd = ask(&two[0], "p2p identify", args);
	assert_null(answer(two, fd, 20 * ZS_NS_PER_MS));
	close_plane(&two[0]);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 0);
	close(fd);
	close(nobody);
}

static void test_refused_by_name(void **state)
{
	static const struct {
		const char *args, *error;
	} rows[] = {
		{ "{\"who\":\"edge\"}", "neither a peer id nor a multiaddr" },
		{ "{\"who\":\"/ip4/127.0.0.1/udp/9/quic-v1\"}", "names no peer" },
		{ "{\"who\":\"/ip4/127.0.0.1/tcp/9/p2p/" NOBODY "\"}", "no address of a QUIC host" },
		{ "{\"who\":\"/dnsaddr/relay.test\"}", "names no peer" },
		{ "{\"who\":\"" NOBODY "\"}", "no address" },
		{ "{\"who\":\"" NOBODY "\",\"timeout\":26}", "timeout: 1 to 25 seconds" },
		{ "{\"who\":\"" NOBODY "\",\"timeout\":0}", "timeout: 1 to 25 seconds" },
		{ "{\"who\":\"/ip4/224.0.0.1/udp/9/quic-v1/p2p/" NOBODY "\"}", "multicast" },
	};
	struct plane *two = *state;
	char args[256];

	open_plane(&two[0], "");
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		json_t *a = call(two, 0, "p2p dial", rows[i].args);

		if (!strstr(text(a, "error"), rows[i].error))
			fail_msg("%s: '%s'", rows[i].args, text(a, "error"));
		json_decref(a);
	}
	json_t *a = call(two, 0, "p2p dial", who(&two[0], "ip4/127.0.0.1", args));
	assert_string_equal(text(a, "error"), "this is the relay itself");
	json_decref(a);
	close_plane(&two[0]);
}

static bool says(json_t *answer, const char *protocol)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(result(answer), "protocols"), i, one)
	{
		if (!strcmp(json_string_value(one), protocol))
			return true;
	}
	return false;
}

/* Who does not relay is a host all the same, and tells nobody that edges may attach. */
static void test_seed(void **state)
{
	static const char attach[] = "/zerostate/attach/1.0.0", ping[] = "/ipfs/ping/1.0.0";
	struct plane *two = *state;
	char args[256];
	json_t *a;

	open_plane(&two[0], "");
	open_plane(&two[1], "roles: {relay: false, seed: true}\n");
	assert_null(two[1].r.c.attach);
	a = call(two, 0, "p2p identify", who(&two[1], "ip4/127.0.0.1", args));
	assert_true(says(a, ping));
	assert_false(says(a, attach));
	json_decref(a);
	a = call(two, 1, "p2p identify", who(&two[0], "ip4/127.0.0.1", args));
	assert_true(says(a, ping) && says(a, attach));
	json_decref(a);
	a = call(two, 0, "p2p ping", who(&two[1], "ip6/::1", args));
	assert_true(json_integer_value(json_object_get(result(a), "ping_us")) > 0);
	json_decref(a);
	close_plane(&two[1]);
	close_plane(&two[0]);
}

/* A taken port is told, tried again, and the other socket serves meanwhile. */
static void test_taken_port(void **state)
{
	struct plane *two = *state;
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(two[0].port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	open_plane(&two[0], "");
	assert_true(rig_raised(&two[0].r, ZS_HEALTH_p2p_listen));
	assert_non_null(zs_peers_socket(two[0].r.c.peers, 0));
	assert_null(zs_peers_socket(two[0].r.c.peers, 1));
	close(fd);
	rig_run(&two[0].r, 5200 * ZS_NS_PER_MS);
	assert_false(rig_raised(&two[0].r, ZS_HEALTH_p2p_listen));
	assert_non_null(zs_peers_socket(two[0].r.c.peers, 1));
	close_plane(&two[0]);
}

/* Who was met is known after a restart; what is no record is dropped. */
static void test_peers_are_remembered(void **state)
{
	struct plane *two = *state;
	struct zs_store_batch *b;
	struct zs_peer_id peer;
	char args[256], id[ZS_PEER_ID_TEXT];
	size_t len;

	open_plane(&two[0], "");
	open_plane(&two[1], "");
	b = zs_store_begin(two[0].r.c.store);
	zs_store_put(b, "p2p/peer/x", 10, "rubbish", 7);
	assert_int_equal(zs_store_commit(b, &two[0].r.err), 0);
	json_decref(call(two, 0, "p2p identify", who(&two[1], "ip4/127.0.0.1", args)));
	snprintf(id, sizeof(id), "%s", zs_ident_peer(two[1].r.c.ident));
	assert_int_equal(zs_peer_id_parse(&peer, id), 0);
	close_plane(&two[0]);
	open_plane(&two[0], "");
	assert_int_equal(zs_store_get(two[0].r.c.store, "p2p/peer/x", 10, args, sizeof(args), &len), -ENOENT);
	assert_int_equal(zs_peerstore_count(zs_host_peerstore(zs_peers_host(two[0].r.c.peers))), 1);
	/* By its id alone. */
	snprintf(args, sizeof(args), "{\"who\":\"%s\"}", id);
	json_t *a = call(two, 0, "p2p ping", args);
	assert_string_equal(text(result(a), "peer"), id);
	json_decref(a);
	close_plane(&two[0]);
	close_plane(&two[1]);
}

static void test_qlog(void **state)
{
	struct plane *two = *state;
	char args[256], path[96], cmd[320];
	struct stat st;

	open_plane(&two[0], "");
	open_plane(&two[1], "");
	/* Of one peer, who is not there: nothing stays. */
	json_decref(call(two, 0, "p2p qlog", "{\"state\":\"on\",\"peer\":\"" NOBODY "\"}"));
	json_decref(call(two, 0, "p2p dial", who(&two[1], "ip4/127.0.0.1", args)));
	snprintf(path, sizeof(path), "%s/qlog", two[0].r.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(cmd, sizeof(cmd), "test -z \"$(ls %s)\"", path);
	assert_int_equal(system(cmd), 0);
	/* Of all: the next connection has a file. */
	json_decref(call(two, 0, "p2p qlog", "{\"state\":\"on\"}"));
	close_plane(&two[1]);
	for (int i = 0; i < 50; i++)
		turn(two);
	open_plane(&two[1], "");
	json_decref(call(two, 0, "p2p dial", who(&two[1], "ip6/::1", args)));
	json_decref(call(two, 0, "p2p qlog", "{\"state\":\"off\"}"));
	snprintf(cmd, sizeof(cmd), "test $(ls %s | wc -l) = 1 && grep -q '\"JSON-SEQ\"' %s/*", path, path);
	assert_int_equal(system(cmd), 0);
	close_plane(&two[0]);
	close_plane(&two[1]);
}

static int files_in(const char *path)
{
	char cmd[192];
	FILE *f;
	int n = -1;

	snprintf(cmd, sizeof(cmd), "ls %s | wc -l", path);
	f = popen(cmd, "r");
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

/* One who never finishes a handshake, as the host tells of it. */
static void stranger(struct plane *p, const char *who, const char *text, bool last)
{
	peers_qlog_write(p->r.c.peers, who, text, strlen(text), last);
}

#define OPENING "\x1e{\"qlog_format\":\"JSON-SEQ\"}\n"
#define EVENT	"\x1e{\"time\":0}\n"

static void test_qlog_strangers(void **state)
{
	struct plane *two = *state;
	char args[256], path[96], crowd[100];

	open_plane(&two[0], "");
	open_plane(&two[1], "");
	snprintf(path, sizeof(path), "%s/qlog", two[0].r.dir);
	snprintf(args, sizeof(args), "{\"state\":\"on\",\"peer\":\"%s\"}", zs_ident_peer(two[1].r.c.ident));
	json_decref(call(two, 0, "p2p qlog", args));
	/* Under a filter: never more than their share, none after their end, and the peer's own is there. */
	for (size_t i = 0; i < sizeof(crowd); i++)
		stranger(&two[0], &crowd[i], OPENING, false);
	for (size_t i = 0; i < sizeof(crowd); i++)
		stranger(&two[0], &crowd[i], EVENT, false);
	assert_int_equal(files_in(path), PEERS_QLOG_UNPROVEN);
	json_decref(call(two, 0, "p2p dial", who(&two[1], "ip4/127.0.0.1", args)));
	for (size_t i = 0; i < sizeof(crowd); i++)
		stranger(&two[0], &crowd[i], OPENING, false);
	assert_int_equal(files_in(path), PEERS_QLOG_UNPROVEN + 1);
	for (size_t i = 0; i < sizeof(crowd); i++)
		stranger(&two[0], &crowd[i], EVENT, true);
	assert_int_equal(files_in(path), 1);
	/* Without one: a few are kept. */
	json_decref(call(two, 0, "p2p qlog", "{\"state\":\"on\"}"));
	for (size_t i = 0; i < sizeof(crowd); i++)
		stranger(&two[0], &crowd[i], OPENING, true);
	assert_int_equal(files_in(path), PEERS_QLOG_UNPROVEN + 1);
	close_plane(&two[0]);
	close_plane(&two[1]);
}

/* A folder that is not ours alone is left as it is; its name is that of the one in use. */
static void test_qlog_folder(void **state)
{
	struct plane *two = *state;
	struct zs_conf *conf;
	char path[96], other[108];
	struct stat st;
	json_t *a;

	open_plane(&two[0], "");
	conf = two[0].r.c.conf;
	snprintf(path, sizeof(path), "%s/qlog", two[0].r.dir);
	snprintf(other, sizeof(other), "%s/other", two[0].r.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0755), 0);
	a = call(two, 0, "p2p qlog", "{\"state\":\"on\"}");
	assert_non_null(strstr(text(a, "error"), "open to others"));
	json_decref(a);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(chmod(path, 0700), 0);
	json_decref(call(two, 0, "p2p qlog", "{\"state\":\"on\"}"));
	strcpy(conf->p2p.qlog_dir, other);
	assert_string_equal(zs_peers_qlog_dir(two[0].r.c.peers), path);
	json_decref(call(two, 0, "p2p qlog", "{\"state\":\"on\"}"));
	assert_string_equal(zs_peers_qlog_dir(two[0].r.c.peers), other);
	stranger(&two[0], path, OPENING, true);
	assert_int_equal(files_in(path), 0);
	assert_int_equal(files_in(other), 1);
	close_plane(&two[0]);
}

/* What a scraper gets: the connections there are, and as many series as before there was one. */
static void test_metrics(void **state)
{
	struct plane *two = *state;
	size_t lines[2] = { 0 };
	char args[256];

	open_plane(&two[0], "  limits: [{scope: peer, conns: 1, conns_out: 1}]\n");
	open_plane(&two[1], "");
	for (int i = 0; i < 2; i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);

		zs_metrics_write(out, &two[0].r.c);
		fclose(out);
		assert_non_null(strstr(text, i ? "\nzs_p2p_connections{direction=\"out\"} 1\n"
					       : "\nzs_p2p_connections{direction=\"out\"} 0\n"));
		assert_non_null(
		    strstr(text, "\nzs_p2p_refused_total{scope=\"peer\",resource=\"conns\"} 0\n"));
		for (char *at = text; (at = strstr(at, "\nzs_p2p_")); at++)
			lines[i]++;
		free(text);
		if (!i)
			json_decref(call(two, 0, "p2p dial", who(&two[1], "ip4/127.0.0.1", args)));
	}
	assert_int_equal(lines[0], lines[1]);
	assert_true(lines[0] > 20 && lines[0] < 150);
	close_plane(&two[0]);
	close_plane(&two[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dial_ping_identify, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_come_later_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_qlog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_qlog_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_qlog_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
	};

	srand((unsigned)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
