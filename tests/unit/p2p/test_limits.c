/* The resource manager: each limit hit once and named, all or none, moves between scopes, repeats,
 * the bounded table of peers. */
#include "unit/p2p/limits_rig.h"

static struct zs_limits_config unlimited(void)
{
	struct zs_limits_config c = { .peers = 64, .key = { 1, 2 } };

	for (int s = 0; s < ZS_SCOPES; s++)
		c.limit[s] = (struct zs_limit){ ZS_UNLIMITED, ZS_UNLIMITED, ZS_UNLIMITED, ZS_UNLIMITED,
						ZS_UNLIMITED, ZS_UNLIMITED, UINT64_MAX,	  ZS_UNLIMITED,
						ZS_UNLIMITED, ZS_UNLIMITED, ZS_UNLIMITED };
	return c;
}

static const struct {
	enum zs_scope scope;
	enum zs_resource resource;
	enum zs_direction direction;
} rows[] = {
#define ROW(s, r, d)                                                                                         \
	{                                                                                                    \
		ZS_SCOPE_##s, ZS_RESOURCE_##r, d                                                             \
	}
	ROW(system, conns_in, ZS_IN),
	ROW(system, conns_out, ZS_OUT),
	ROW(system, conns, ZS_IN),
	ROW(system, streams_in, ZS_IN),
	ROW(system, streams_out, ZS_OUT),
	ROW(system, streams, ZS_OUT),
	ROW(system, memory_bytes, ZS_IN),
	ROW(system, conns_per_s, ZS_IN),
	ROW(system, streams_per_s, ZS_IN),
	ROW(transient, conns_in, ZS_IN),
	ROW(transient, conns, ZS_OUT),
	ROW(transient, streams_in, ZS_IN),
	ROW(service, streams_in, ZS_IN),
	ROW(service, memory_bytes, ZS_IN),
	ROW(protocol, streams_out, ZS_OUT),
	ROW(protocol, streams, ZS_IN),
	ROW(peer, conns_in, ZS_IN),
	ROW(peer, conns_out, ZS_OUT),
	ROW(peer, conns, ZS_IN),
	ROW(peer, streams_in, ZS_IN),
	ROW(peer, memory_bytes, ZS_IN),
	ROW(peer, conns_per_s, ZS_IN),
	ROW(peer, streams_per_s, ZS_IN),
	ROW(service_peer, streams_in, ZS_IN),
	ROW(protocol_peer, streams, ZS_OUT),
	ROW(connection, streams_in, ZS_IN),
	ROW(connection, memory_bytes, ZS_IN),
	ROW(stream, memory_bytes, ZS_IN),
};

/* The one limit of the row is 3, or 3000 bytes. */
static void set_row(struct zs_limits_config *c, size_t i)
{
	struct zs_limit *l = &c->limit[rows[i].scope];

	switch (rows[i].resource) {
	case ZS_RESOURCE_conns_in:
		l->conns_in = 3;
		break;
	case ZS_RESOURCE_conns_out:
		l->conns_out = 3;
		break;
	case ZS_RESOURCE_conns:
		l->conns = 3;
		break;
	case ZS_RESOURCE_streams_in:
		l->streams_in = 3;
		break;
	case ZS_RESOURCE_streams_out:
		l->streams_out = 3;
		break;
	case ZS_RESOURCE_streams:
		l->streams = 3;
		break;
	case ZS_RESOURCE_memory_bytes:
		l->memory_bytes = 3000;
		break;
	case ZS_RESOURCE_conns_per_s:
		l->conns_per_s = 1, l->conns_burst = 3;
		break;
	case ZS_RESOURCE_streams_per_s:
		l->streams_per_s = 1, l->streams_burst = 3;
		break;
	default:
		fail();
	}
}

/* Opens four of everything in the row's way: three pass, the fourth is refused with the row's name. */
static void each_limit_is_hit_and_named(void **state)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_limits_config config = unlimited();
		struct zs_limits_conn c[4];
		struct zs_limits_stream s[4];
		struct zs_refusal why = { 0 };
		struct zs_peer_id peer = peer_id(7);
		struct zs_limits *m;
		bool streams = rows[i].resource >= ZS_RESOURCE_streams_in &&
			       rows[i].resource != ZS_RESOURCE_conns_per_s,
		     transient = rows[i].scope == ZS_SCOPE_transient,
		     mem = rows[i].resource == ZS_RESOURCE_memory_bytes;
		int n = 0, rc = 0, opened = 0;

		set_row(&config, i);
		m = zs_limits_new(&config);
		int service = zs_limits_service(m, "svc", NULL, NULL),
		    protocol = zs_limits_protocol(m, "/p/1", (uint32_t)service, NULL, NULL);
		if (streams) {
			assert_int_equal(zs_limits_conn_open(m, &c[0], ZS_OUT, S, &why), 0);
			assert_int_equal(zs_limits_conn_peer(m, &c[0], &peer, S, &why), 0);
		}
		for (n = 0; n < 4 && !rc; n++) {
			if (!streams) {
				rc = zs_limits_conn_open(m, &c[n], rows[i].direction, S, &why);
				opened += !rc;
				if (!rc && !transient)
					rc = zs_limits_conn_peer(m, &c[n], &peer, S, &why);
				continue;
			}
			if (mem && n) {
				rc = zs_limits_stream_memory(m, &s[0], 1000, ZS_PRIORITY_ALWAYS, &why);
				continue;
			}
			rc = zs_limits_stream_open(m, &s[n], &c[0], rows[i].direction, S, &why);
			opened += !rc;
			if (!rc && !transient)
				rc = zs_limits_stream_protocol(m, &s[n], (uint32_t)protocol, &why);
			if (!rc && mem)
				rc = zs_limits_stream_memory(m, &s[n], 1000, ZS_PRIORITY_ALWAYS, &why);
		}
		if (rc != -EDQUOT || n != 4)
			fail_msg("row %zu: refused at %d with %d", i, n, rc);
		if (why.scope != rows[i].scope || why.resource != rows[i].resource)
			fail_msg("row %zu: %s.%s refused instead", i, zs_scope_name(why.scope),
				 zs_resource_name(why.resource));
		assert_int_equal(why.side, ZS_SIDE_OURS);
		if (rows[i].resource < ZS_RESOURCE_conns_per_s) {
			assert_int_equal(why.limit, mem ? 3000 : 3);
			assert_int_equal(why.current, mem ? 3000 : 3);
		}
		assert_int_equal(zs_limits_refused(m, why.scope, why.resource), 1);
		assert_true(zs_limits_check(m));
		for (n = 0; n < opened; n++) {
			if (streams)
				zs_limits_stream_close(m, &s[n]);
			else
				zs_limits_conn_close(m, &c[n]);
		}
		if (streams)
			zs_limits_conn_close(m, &c[0]);
		assert_usage(zs_limits_usage(m, ZS_SCOPE_system), 0, 0, 0, 0, 0);
		assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 0, 0, 0, 0, 0);
		assert_true(zs_limits_check(m));
		zs_limits_delete(m);
	}
}

static void a_refusal_says_what_to_do(void **state)
{
	struct zs_refusal why = { .scope = ZS_SCOPE_protocol_peer,
				  .resource = ZS_RESOURCE_streams_in,
				  .current = 256,
				  .asked = 1,
				  .limit = 256,
				  .peer = peer_id(1),
				  .group = "/ipfs/ping/1.0.0" };
	char buf[ZS_REFUSAL_TEXT], want[ZS_REFUSAL_TEXT], id[ZS_PEER_ID_TEXT];

	zs_peer_id_format(&why.peer, id);
	snprintf(want, sizeof(want),
		 "our limit, scope protocol_peer %s /ipfs/ping/1.0.0: 256 of 256 streams the other side "
		 "opened in use, "
		 "1 more asked; protocol_peer.streams_in raises it",
		 id);
	assert_string_equal(zs_refusal_text(&why, buf), want);
	why.side = ZS_SIDE_PEER;
	snprintf(
	    want, sizeof(want),
	    "the peer's limit of %s on /ipfs/ping/1.0.0: it takes no more streams the other side opened; "
	    "wait, or ask its operator",
	    id);
	assert_string_equal(zs_refusal_text(&why, buf), want);
	why = (struct zs_refusal){ .scope = ZS_SCOPE_system, .resource = ZS_RESOURCE_conns, .asked = 1 };
	assert_string_equal(
	    zs_refusal_text(&why, buf),
	    "our limit, scope system: 0 of 0 connections in use, 1 more asked; system.conns raises it");
}

static void memory_by_priority(void **state)
{
	static const struct {
		enum zs_priority priority;
		uint64_t fits;
	} asks[] = { { ZS_PRIORITY_LOW, 400 },
		     { ZS_PRIORITY_MEDIUM, 600 },
		     { ZS_PRIORITY_HIGH, 800 },
		     { ZS_PRIORITY_ALWAYS, 1000 } };
	struct zs_limits_config config = unlimited();
	struct zs_limits_conn c;
	struct zs_refusal why;
	struct zs_limits *m;
	uint64_t held = 0;

	config.limit[ZS_SCOPE_system].memory_bytes = 1000;
	m = zs_limits_new(&config);
	assert_int_equal(zs_limits_conn_open(m, &c, ZS_IN, S, &why), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(asks); i++) {
		uint64_t rest = asks[i].fits - held;
		assert_int_equal(zs_limits_conn_memory(m, &c, rest + 1, asks[i].priority, &why), -EDQUOT);
		assert_int_equal(why.limit, asks[i].fits);
		assert_int_equal(why.current, held);
		assert_int_equal(zs_limits_conn_memory(m, &c, rest, asks[i].priority, &why), 0);
		held = asks[i].fits;
	}
	assert_int_equal(zs_limits_conn_memory(m, &c, 1, ZS_PRIORITY_LOW, &why),
			 -EDQUOT); /* others hold more than its part */
	assert_int_equal(why.limit, 400);
	assert_int_equal(zs_limits_conn_memory(m, &c, UINT64_MAX, ZS_PRIORITY_ALWAYS, &why), -EDQUOT);
	assert_int_equal(zs_limits_usage(m, ZS_SCOPE_system).memory_bytes, 1000);
	zs_limits_conn_close(m, &c);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_system), 0, 0, 0, 0, 0);
	zs_limits_delete(m);
}

/* A refusal in the widest scope takes nothing from the rate of the narrower ones, and rates refill. */
static void rates_are_all_or_none_and_refill(void **state)
{
	struct zs_limits_config config = unlimited();
	struct zs_limits_stream s[8];
	struct zs_limits_conn c;
	struct zs_refusal why;
	struct zs_peer_id peer = peer_id(1);
	struct zs_limits *m;

	config.limit[ZS_SCOPE_peer].streams_per_s = 1;
	config.limit[ZS_SCOPE_peer].streams_burst = 2;
	config.limit[ZS_SCOPE_system].streams = 1;
	m = zs_limits_new(&config);
	zs_limits_conn_open(m, &c, ZS_IN, S, &why);
	zs_limits_conn_peer(m, &c, &peer, S, &why);
	assert_int_equal(zs_limits_stream_open(m, &s[0], &c, ZS_IN, S, &why), 0);
	assert_int_equal(zs_limits_stream_open(m, &s[1], &c, ZS_IN, S, &why), -EDQUOT);
	assert_int_equal(why.scope, ZS_SCOPE_system);
	zs_limits_stream_close(m, &s[0]);
	assert_int_equal(zs_limits_stream_open(m, &s[0], &c, ZS_IN, S, &why), 0);
	zs_limits_stream_close(m, &s[0]);
	assert_int_equal(zs_limits_stream_open(m, &s[0], &c, ZS_IN, S, &why), -EDQUOT);
	assert_int_equal(why.resource, ZS_RESOURCE_streams_per_s);
	assert_int_equal(zs_limits_stream_open(m, &s[0], &c, ZS_OUT, S, &why), 0); /* ours: not its rate */
	zs_limits_stream_close(m, &s[0]);
	assert_int_equal(zs_limits_stream_open(m, &s[0], &c, ZS_IN, 2 * S, &why), 0);
	zs_limits_stream_close(m, &s[0]);
	zs_limits_conn_close(m, &c);
	zs_limits_delete(m);
}

/* Coming back does not give a peer a fresh rate while its place is not needed. */
static void idle_peers_keep_rates_and_make_room(void **state)
{
	struct zs_limits_config config = unlimited();
	struct zs_limits_conn c, held[4];
	struct zs_refusal why;
	struct zs_peer_id a = peer_id(1), b = peer_id(2);
	struct zs_limits *m;

	config.peers = 4;
	config.limit[ZS_SCOPE_peer].conns_per_s = 1;
	config.limit[ZS_SCOPE_peer].conns_burst = 1;
	m = zs_limits_new(&config);
	zs_limits_conn_open(m, &c, ZS_IN, S, &why);
	assert_int_equal(zs_limits_conn_peer(m, &c, &a, S, &why), 0);
	zs_limits_conn_close(m, &c);
	zs_limits_conn_open(m, &c, ZS_IN, S, &why);
	assert_int_equal(zs_limits_conn_peer(m, &c, &a, S, &why), -EDQUOT);
	assert_int_equal(why.resource, ZS_RESOURCE_conns_per_s);
	assert_true(zs_peer_id_eq(&why.peer, &a));
	assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 1, 0, 0, 0, 0); /* stays where it was */
	zs_limits_conn_close(m, &c);
	for (uint32_t i = 0; i < 4; i++) {
		struct zs_peer_id id = peer_id(10 + i);
		zs_limits_conn_open(m, &held[i], ZS_IN, S, &why);
		assert_int_equal(zs_limits_conn_peer(m, &held[i], &id, S, &why),
				 0); /* the fourth takes a's place */
	}
	zs_limits_conn_open(m, &c, ZS_IN, S, &why);
	assert_int_equal(zs_limits_conn_peer(m, &c, &b, S, &why), -EDQUOT);
	assert_int_equal(why.resource, ZS_RESOURCE_peers);
	assert_int_equal(why.current, 4);
	zs_limits_conn_close(m, &held[2]);
	assert_int_equal(zs_limits_conn_peer(m, &c, &b, S, &why), 0);
	zs_limits_conn_close(m, &c);
	for (int i = 0; i < 4; i++)
		if (i != 2)
			zs_limits_conn_close(m, &held[i]);
	assert_true(zs_limits_check(m));
	zs_limits_delete(m);
}

static void moves_carry_what_is_held(void **state)
{
	struct zs_limits_config config = unlimited();
	struct zs_limits_stream s;
	struct zs_limits_conn c;
	struct zs_refusal why;
	struct zs_peer_id peer = peer_id(3);
	struct zs_limit tight = config.limit[0];
	struct zs_limits *m = zs_limits_new(&config);

	tight.memory_bytes = 50;
	int service = zs_limits_service(m, "svc", &tight, NULL),
	    in = zs_limits_protocol(m, "/in", (uint32_t)service, NULL, NULL),
	    free_one = zs_limits_protocol(m, "/free", ZS_LIMITS_NO_GROUP, NULL, NULL);
	zs_limits_conn_open(m, &c, ZS_OUT, S, &why);
	zs_limits_conn_memory(m, &c, 10, ZS_PRIORITY_ALWAYS, &why);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 0, 1, 0, 0, 10);
	zs_limits_conn_peer(m, &c, &peer, S, &why);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 0, 0, 0, 0, 0);
	assert_usage(zs_limits_peer_usage(m, &peer), 0, 1, 0, 0, 10);
	zs_limits_stream_open(m, &s, &c, ZS_IN, S, &why);
	zs_limits_stream_memory(m, &s, 60, ZS_PRIORITY_ALWAYS, &why);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 0, 0, 1, 0, 60);
	assert_int_equal(zs_limits_stream_protocol(m, &s, (uint32_t)in, &why), -EDQUOT);
	assert_int_equal(why.scope, ZS_SCOPE_service);
	assert_string_equal(why.group, "svc");
	assert_usage(zs_limits_group_usage(m, (uint32_t)in), 0, 0, 0, 0, 0);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 0, 0, 1, 0, 60);
	assert_int_equal(zs_limits_stream_protocol(m, &s, (uint32_t)free_one, &why), 0);
	assert_usage(zs_limits_group_usage(m, (uint32_t)free_one), 0, 0, 1, 0, 60);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_transient), 0, 0, 0, 0, 0);
	assert_usage(zs_limits_peer_usage(m, &peer), 0, 1, 1, 0, 70);
	zs_limits_stream_memory_give(m, &s, 20);
	assert_usage(zs_limits_peer_usage(m, &peer), 0, 1, 1, 0, 50);
	zs_limits_stream_close(m, &s);
	assert_usage(zs_limits_peer_usage(m, &peer), 0, 1, 0, 0, 10);
	zs_limits_conn_close(m, &c);
	assert_usage(zs_limits_usage(m, ZS_SCOPE_system), 0, 0, 0, 0, 0);
	zs_limits_delete(m);
}

static void repeats_are_counted(void **state)
{
	struct zs_limits_config config = unlimited();
	struct zs_limits_conn c;
	struct zs_refusal why;
	struct zs_limits *m;
	uint64_t since, told = 0, sum = 0;

	config.limit[ZS_SCOPE_transient].conns = 0;
	m = zs_limits_new(&config);
	for (int i = 0; i < 301; i++) {
		assert_int_equal(zs_limits_conn_open(m, &c, ZS_IN, S, &why), -EDQUOT);
		if (zs_limits_tell(m, &why, S, &since)) {
			told++;
			sum += since;
		}
	}
	assert_int_equal(told, 4); /* the 1st, 101st, 201st, 301st */
	assert_int_equal(sum, 301);
	zs_limits_conn_open(m, &c, ZS_IN, 12 * S, &why);
	assert_true(zs_limits_tell(m, &why, 12 * S, &since));
	assert_int_equal(since, 1);
	assert_int_equal(zs_limits_refused(m, ZS_SCOPE_transient, ZS_RESOURCE_conns), 302);
	zs_limits_delete(m);
}

static void groups_are_bounded(void **state)
{
	struct zs_limits_config config;
	char long_name[ZS_LIMITS_NAME + 1];
	struct zs_limits *m;

	zs_limits_defaults(&config);
	m = zs_limits_new(&config);
	memset(long_name, 'x', ZS_LIMITS_NAME);
	long_name[ZS_LIMITS_NAME] = 0;
	assert_int_equal(zs_limits_service(m, long_name, NULL, NULL), -EINVAL);
	long_name[ZS_LIMITS_NAME - 1] = 0;
	for (int i = 0; i < ZS_LIMITS_GROUPS; i++)
		assert_int_equal(zs_limits_service(m, long_name, NULL, NULL), i);
	assert_int_equal(zs_limits_service(m, "more", NULL, NULL), -ENOSPC);
	zs_limits_delete(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_is_hit_and_named),
		cmocka_unit_test(a_refusal_says_what_to_do),
		cmocka_unit_test(memory_by_priority),
		cmocka_unit_test(rates_are_all_or_none_and_refill),
		cmocka_unit_test(idle_peers_keep_rates_and_make_room),
		cmocka_unit_test(moves_carry_what_is_held),
		cmocka_unit_test(repeats_are_counted),
		cmocka_unit_test(groups_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
