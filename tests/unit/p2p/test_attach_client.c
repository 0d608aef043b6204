/* The edge's attach client against a scripted relay: every state, make before break, what is remembered, keys. */
#include "unit/p2p/attach_relay.h"

#define FRESH	ZS_ATTACH_CONTINUITY_fresh
#define RESUMED ZS_ATTACH_CONTINUITY_resumed
#define MINUTE	(60 * ZS_NS_PER_S)

static void again_with(struct scripted *s, const struct zs_attach_client_config *config)
{
	zs_attach_client_delete(s->client);
	script(s, config);
}

static void every_step_to_active(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame grant = a_grant(FRESH);
	struct zs_peer_id home = peer_of(HOME);

	assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_disconnected);
	assert_true(zs_attach_client_deadline(s->client) == UINT64_MAX);
	zs_attach_client_start(s->client, s->now);
	assert_log(s, "dial1 connecting ");
	zs_attach_client_start(s->client, s->now);
	zs_attach_client_opened(s->client, 1, s->now); /* too early: nothing is open */
	assert_log(s, "");
	zs_attach_client_connected(s->client, 1, &home, "X25519Kyber768Draft00", s->now);
	assert_log(s, "open1 connected ");
	zs_attach_client_opened(s->client, 1, s->now);
	zs_attach_client_opened(s->client, 1, s->now);
	assert_log(s, "Hello1 ");
	assert_false(s->sent[0].hello.has_resume);
	assert_int_equal(s->sent[0].id, 1);
	assert_memory_equal(s->sent[0].hello.instance.bytes, "one run of many", 16);
	answer(s, 1, &grant);
	assert_log(s, "authenticated save granted1 ");
	assert_null(zs_attach_client_session(s->client));
	zs_attach_client_proved(s->client, 1, s->now);
	assert_log(s, "active ");
	assert_int_equal(zs_attach_client_session(s->client)->link, 1);
	assert_int_equal(s->session.own_receiver, s->sent[0].hello.receiver);
	assert_int_equal(s->session.receiver, 0x1234);
	assert_string_equal(s->session.group, "X25519Kyber768Draft00");
	assert_true(s->silence_ns == 5 * ZS_NS_PER_S);
}

static void a_name_is_resolved_first(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_client_config config = scripted_config(s);

	config.home.at.host = ZS_DIAL_DNS;
	again_with(s, &config);
	zs_attach_client_start(s->client, s->now);
	assert_log(s, "dial1 discovering ");
	zs_attach_client_resolved(s->client, 1, s->now);
	assert_log(s, "connecting ");
	zs_attach_client_closed(s->client, 1, ZS_ATTACH_STATE_error, "no such name", s->now);
	assert_log(s, "error ");
	assert_string_equal(s->why, "no such name");
}

/* Each state that may not last: its time is over, the attempt too, and the next one comes. */
static void every_deadline(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_client_config config = scripted_config(s);
	struct zs_attach_frame grant = a_grant(FRESH);
	struct zs_peer_id home = peer_of(HOME);

	config.home.at.host = ZS_DIAL_DNS;
	again_with(s, &config);
	zs_attach_client_start(s->client, s->now);
	for (int at = ZS_ATTACH_STATE_discovering; at <= ZS_ATTACH_STATE_authenticated; at++) {
		uint32_t link = (uint32_t)at;
		if (at >= ZS_ATTACH_STATE_connecting)
			zs_attach_client_resolved(s->client, link, s->now);
		if (at >= ZS_ATTACH_STATE_connected)
			zs_attach_client_connected(s->client, link, &home, "X25519", s->now);
		if (at == ZS_ATTACH_STATE_authenticated) {
			zs_attach_client_opened(s->client, link, s->now);
			answer(s, link, &grant);
		}
		assert_int_equal(zs_attach_client_state(s->client), at);
		uint64_t within = zs_attach_retry((enum zs_attach_state)at)->within_ns;
		assert_true(within > 0);
		pass_until(s, s->now + within - 1);
		assert_int_equal(zs_attach_client_state(s->client), at);
		pass_until(s, s->now + 1);
		assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_timeout);
		assert_non_null(strstr(s->why, zs_attach_retry((enum zs_attach_state)at)->name));
		zs_attach_client_check(s->client);
		pass_until(s, s->now + s->retry_ns);
		assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_discovering);
	}
}

static void reports_of_links_that_are_gone(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame grant = a_grant(FRESH);

	zs_attach_client_start(s->client, s->now);
	lose(s, 1);
	assert_log(s, "dial1 connecting error ");
	connect_as(s, 1, HOME);
	answer(s, 1, &grant);
	zs_attach_client_proved(s->client, 1, s->now);
	zs_attach_client_proved(s->client, 0, s->now);
	lose(s, 1);
	connect_as(s, 0, HOME);
	assert_log(s, "");
}

static void old_links_prove_and_say_nothing(void **state)
{
	struct scripted *s = *state;

	serve(s);
	lose(s, 1);
	answer(s, 1, &(struct zs_attach_frame){ .kind = ZS_ATTACH_POLICY });
	assert_log(s, "lost ");
	pass_until(s, s->now + s->retry_ns);
	connect_as(s, 2, HOME);
	s->proves = false;
	answer(s, 2, (struct zs_attach_frame[]){ a_grant(RESUMED) });
	s->log[0] = '\0';
	zs_attach_client_proved(s->client, 1, s->now);
	assert_log(s, "");
	assert_int_equal(zs_attach_client_session(s->client)->link, 1);
}

/* Two sessions of one edge are told apart by the receiver id of what comes in. */
static void receivers_differ(void **state)
{
	struct scripted *s = *state;
	struct zs_prng before = s->prng;

	serve(s);
	lose(s, 1);
	pass_until(s, s->now + s->retry_ns);
	s->prng = before; /* draws the same number first */
	connect_as(s, 2, HOME);
	assert_int_not_equal(s->sent[0].hello.receiver, s->sent[1].hello.receiver);
}

static void a_relay_is_remembered_once(void **state)
{
	struct zs_attach_memory m = { 0 };
	struct zs_attach_known k = { .generation = 1 };
	struct zs_peer_id first = peer_of(1);

	for (uint32_t i = 1; i <= 2 * ZS_ATTACH_MEMORY_RELAYS; i++) {
		k.relay = peer_of((uint8_t)(i % 2 ? 1 : i));
		k.attachment = i;
		zs_attach_memory_keep(&m, &k);
	}
	assert_int_equal(zs_attach_memory_find(&m, &first)->attachment, 2 * ZS_ATTACH_MEMORY_RELAYS - 1);
	for (uint8_t i = 2; i <= 2 * ZS_ATTACH_MEMORY_RELAYS; i += 2) { /* the oldest had to go */
		struct zs_peer_id other = peer_of(i);
		assert_int_equal(zs_attach_memory_find(&m, &other) != NULL, i > 2);
	}
	zs_attach_memory_forget(&m, &first);
	assert_null(zs_attach_memory_find(&m, &first));
}

static void lost_and_resumed(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame grant = a_grant(RESUMED);

	serve(s);
	struct zs_attach_session first = s->session;
	lose(s, 1);
	assert_log(s, "lost ");
	assert_int_equal(zs_attach_client_session(s->client)->link, 1); /* it serves on */
	pass_until(s, s->now + s->retry_ns);
	connect_as(s, 2, HOME);
	assert_log(s, "dial2 connecting open2 connected Hello2 ");
	const zs_pb_Hello *h = &s->sent[1].hello;
	assert_true(h->has_resume && h->resume.attachment == 42 && h->resume.generation == 7);
	s->proves = false;
	answer(s, 2, &grant);
	assert_log(s, "authenticated save granted2 ");
	assert_int_equal(zs_attach_client_session(s->client)->link, 1);
	zs_attach_client_proved(s->client, 2, s->now);
	assert_log(s, "ended1 active ");
	assert_int_equal(zs_attach_client_session(s->client)->link, 2);
	assert_int_not_equal(s->session.own_receiver, first.own_receiver);
	assert_memory_not_equal(s->session.root, first.root, 32);
}

/* The relay has no previous session, or lost its store: the keys that served are dead at once. */
static void a_grant_that_does_not_go_on(void **state)
{
	for (uint32_t continuity = ZS_ATTACH_CONTINUITY_known; continuity <= FRESH; continuity++) {
		struct scripted *s;
		scripted_setup((void **)&s);
		struct zs_attach_frame grant = a_grant(continuity);
		serve(s);
		lose(s, 1);
		pass_until(s, s->now + s->retry_ns);
		connect_as(s, 2, HOME);
		s->log[0] = '\0';
		grant.grant.generation = 8;
		answer(s, 2, &grant);
		assert_log(s, "ended1 authenticated save granted2 active ");
		lose(s, 2);
		pass_until(s, s->now + s->retry_ns);
		connect_as(s, 3, HOME);
		assert_int_equal(s->sent[2].hello.resume.generation, 8);
		scripted_teardown((void **)&s);
	}
}

static void the_lease_ends_without_a_relay(void **state)
{
	struct scripted *s = *state;

	serve(s);
	lose(s, 1);
	pass_ms(s, 299999);
	assert_int_equal(zs_attach_client_session(s->client)->link, 1);
	assert_null(strstr(s->log, "ended"));
	pass_ms(s, 1);
	assert_null(zs_attach_client_session(s->client));
	assert_non_null(strstr(s->log, "ended1 "));
	zs_attach_client_check(s->client);
}

/* WIRE: at least hourly a fresh session, made before the old one is broken. */
static void fresh_within_the_hour(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame grant = a_grant(RESUMED);

	serve(s);
	uint64_t begun = s->now;
	pass_until(s, begun + 45 * MINUTE - 1);
	assert_log(s, "");
	pass_until(s, zs_attach_client_deadline(s->client));
	assert_true(s->now < begun + 53 * MINUTE);
	assert_log(s, "dial2 "); /* and the state stays active */
	connect_as(s, 2, HOME);
	s->proves = false;
	answer(s, 2, &grant);
	assert_log(s, "open2 Hello2 save granted2 ");
	assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_active);
	zs_attach_client_proved(s->client, 2, s->now);
	assert_log(s, "close1 ended1 ");
	assert_int_equal(zs_attach_client_session(s->client)->link, 2);
}

/* The relay closes the old connection when it has proof of the new one: a moment before we have it. Nobody sees that, unless the
 * new one fails then. */
static void the_old_connection_may_go_first(void **state)
{
	for (int fails = 0; fails < 2; fails++) {
		struct scripted *s;
		scripted_setup((void **)&s);
		serve(s);
		pass_until(s, zs_attach_client_deadline(s->client));
		connect_as(s, 2, HOME);
		s->proves = false;
		answer(s, 2, (struct zs_attach_frame[]){ a_grant(RESUMED) });
		s->log[0] = '\0';
		lose(s, 1);
		assert_log(s, "");
		assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_active);
		if (fails)
			lose(s, 2);
		else
			zs_attach_client_proved(s->client, 2, s->now);
		assert_log(s, fails ? "ended2 error " : "ended1 ");
		assert_int_equal(zs_attach_client_session(s->client)->link, fails ? 1 : 2);
		scripted_teardown((void **)&s);
	}
}

static void a_fresh_session_that_fails_hurts_nobody(void **state)
{
	struct scripted *s = *state;

	serve(s);
	pass_until(s, zs_attach_client_deadline(s->client));
	s->log[0] = '\0';
	zs_attach_client_closed(s->client, 2, ZS_ATTACH_STATE_timeout, "nobody answered", s->now);
	assert_log(s, "active ");
	assert_string_equal(s->why, "nobody answered");
	assert_true(s->retry_ns > 0 && s->retry_ns <= ZS_NS_PER_S);
	pass_until(s, s->now + s->retry_ns);
	assert_log(s, "dial3 ");
	lose(s, 1); /* now it is needed: the attempt goes on */
	assert_log(s, "connecting ");
	connect_as(s, 3, HOME);
	assert_log(s, "open3 connected Hello3 ");
}

static void a_peer_that_is_not_the_relay(void **state)
{
	struct scripted *s = *state;
	struct zs_peer_id other = peer_of(HOME + 1);

	zs_attach_client_start(s->client, s->now);
	zs_attach_client_connected(s->client, 1, &other, "X25519", s->now);
	assert_log(s, "dial1 connecting close1 failed ");
	assert_true(s->retry_ns >= 30 * ZS_NS_PER_S);
}

static void trust_on_first_use_is_kept(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_client_config config = scripted_config(s);
	struct zs_peer_id home = peer_of(HOME);

	config.home.at.peer.len = 0;
	again_with(s, &config);
	zs_attach_client_start(s->client, s->now);
	assert_int_equal(s->target.at.peer.len, 0);
	connect_as(s, 1, HOME);
	assert_log(s, "dial1 connecting save open1 connected Hello1 ");
	lose(s, 1);
	pass_until(s, s->now + s->retry_ns);
	assert_true(zs_peer_id_eq(&s->target.at.peer, &home));
	zs_attach_client_delete(s->client);
	s->log[0] = '\0';
	script(s, &config);
	assert_int_equal(zs_attach_client_restore(s->client, s->saved, s->saved_len), 0);
	zs_attach_client_start(s->client, s->now);
	assert_true(zs_peer_id_eq(&s->target.at.peer, &home));
	connect_as(s, 1, HOME + 1);
	assert_log(s, "dial1 connecting close1 failed ");
}

/* A new run of the process resumes with what the last one kept, as another instance would. */
static void a_grant_outlives_the_process(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_client_config config = scripted_config(s);

	serve(s);
	again_with(s, &config);
	s->saved[0] ^= 1;
	assert_int_equal(zs_attach_client_restore(s->client, s->saved, s->saved_len), -EINVAL);
	s->saved[0] ^= 1;
	s->saved[s->saved_len] = 0;
	assert_int_equal(zs_attach_client_restore(s->client, s->saved, s->saved_len + 1), -EINVAL);
	for (size_t len = 0; len < s->saved_len; len++)
		assert_int_equal(zs_attach_client_restore(s->client, s->saved, len), -EINVAL);
	assert_int_equal(zs_attach_client_restore(s->client, s->saved, s->saved_len), 0);
	zs_attach_client_start(s->client, s->now);
	connect_as(s, 1, HOME);
	assert_true(s->sent[1].hello.has_resume);
	assert_int_equal(s->sent[1].hello.resume.attachment, 42);
}

/* The relay's end of the key schedule, over the bytes that it saw: R is equal; a byte of Hello or Grant, the connection or
 * the pre-shared key changed, and it is not. */
static void keys_are_the_relays(void **state)
{
	uint8_t psk[32] = { 7 }, grant_raw[ZS_ATTACH_FRAME], hash[32], h[32], secret[32], r[32];
	size_t grant_len;

	for (int with_psk = 0; with_psk < 2; with_psk++) {
		struct scripted *s;
		scripted_setup((void **)&s);
		struct zs_attach_client_config config = scripted_config(s);
		struct zs_attach_frame grant = a_grant(FRESH);
		config.psk = with_psk ? psk : NULL;
		config.psk_id = with_psk ? "key of May" : NULL;
		config.psk_id_len = with_psk ? 10 : 0;
		again_with(s, &config);
		zs_attach_client_start(s->client, s->now);
		connect_as(s, 1, HOME);
		assert_int_equal(s->sent[0].hello.psk_id.size, config.psk_id_len);
		answer_in(s, 1, &grant, 1, grant_raw, &grant_len);
		for (size_t bit = 0; bit <= 8 * (s->hello_len + grant_len + 1); bit += 3) {
			uint8_t connection = 1, *byte = bit < 8 * s->hello_len ? &s->hello[bit / 8]
							: bit < 8 * (s->hello_len + grant_len)
							    ? &grant_raw[bit / 8 - s->hello_len]
							    : &connection;
			for (int changed = 1; changed >= 0; changed--) {
				*byte ^= (uint8_t)(1 << bit % 8);
				zs_attach_grant_hash(grant_raw, grant_len, hash);
				zs_attach_transcript(s->hello, s->hello_len, hash, h);
				exported(connection, "EXPORTER-zerostate-attach", h, 32, secret);
				assert_int_equal(zs_attach_root(secret, config.psk, r), 0);
				if (changed)
					assert_memory_not_equal(r, s->session.root, 32);
				else
					assert_memory_equal(r, s->session.root, 32);
			}
		}
		zs_attach_root(secret, with_psk ? NULL : psk, r);
		assert_memory_not_equal(r, s->session.root, 32);
		scripted_teardown((void **)&s);
	}
}

static void what_a_hello_and_a_grant_carry(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_client_config config = scripted_config(s);
	struct zs_attach_publish publish[ZS_ATTACH_PUBLISHED];
	struct zs_attach_frame grant = a_grant(FRESH);
	zs_pb_Grant *g = &grant.grant;

	for (unsigned i = 0; i < ZS_ATTACH_PUBLISHED; i++) {
		publish[i] = (struct zs_attach_publish){ .port = (uint16_t)(i * 1000) };
		snprintf(publish[i].name, sizeof(publish[i].name), "service number %u", i);
	}
	config.publish = publish;
	config.publishes = 18;
	config.token = "a token";
	config.token_len = 7;
	config.max_payload = 1200;
	again_with(s, &config);
	memset(publish, 0, sizeof(publish)); /* it has copied them */
	zs_attach_client_start(s->client, s->now);
	connect_as(s, 1, HOME);
	const zs_pb_Hello *h = &s->sent[0].hello;
	assert_int_equal(h->publish_count, 16);
	assert_string_equal(h->publish[15].name, "service number 15");
	assert_int_equal(h->publish[15].port, 15000);
	assert_memory_equal(h->token.bytes, "a token", 7);
	assert_int_equal(h->max_payload, 1200);
	g->ports_count = 1;
	strcpy(g->ports[0].name, "service number 0");
	g->ports[0].port = 20001;
	g->ports[0].service = 1;
	g->tunnel_addrs_count = 1;
	g->tunnel_addrs[0].size = 18;
	hex_read(g->tunnel_addrs[0].bytes, 18, "00000000000000000000ffff cb007107 1152");
	g->has_policy = true;
	g->policy.serial = 5;
	s->log[0] = '\0';
	answer_in(s, 1, &grant, 7, NULL, NULL);
	assert_log(s, "Publish1 Publish1 authenticated save granted1 port:service number 0=20001 policy:5 ");
	assert_string_equal(s->sent[2].publish.name, "service number 17");
	assert_true(s->sent[1].id == 2 && s->sent[2].id == 3);
	char text[ZS_ENDPOINT_TEXT];
	assert_int_equal(s->session.tunnels, 1);
	assert_string_equal(zs_endpoint_format(&s->session.tunnel[0], text), "203.0.113.7:4434");
}

static void detach_says_goodbye(void **state)
{
	struct scripted *s = *state;

	serve(s);
	zs_attach_client_detach(s->client, s->now);
	zs_attach_client_detach(s->client, s->now);
	assert_log(s, "Detach1 ");
	assert_int_equal(s->sent[1].detach.reason, ZS_ATTACH_CLOSE_shutdown);
	lose(s, 1); /* the relay closes when it has read it */
	assert_log(s, "ended1 disconnected ");
	assert_true(zs_attach_client_deadline(s->client) == UINT64_MAX);
}

static void detach_does_not_wait_for_ever(void **state)
{
	struct scripted *s = *state;

	serve(s);
	pass_until(s, zs_attach_client_deadline(s->client));
	zs_attach_client_detach(s->client, s->now); /* a fresh session is under way */
	assert_log(s, "dial2 close2 Detach1 ");
	pass_ms(s, 1000);
	assert_log(s, "close1 ended1 disconnected ");
	pass_ms(s, 10000000);
	assert_log(s, "");
}

static void detach_from_anywhere(void **state)
{
	struct scripted *s = *state;

	zs_attach_client_start(s->client, s->now);
	zs_attach_client_detach(s->client, s->now);
	assert_log(s, "dial1 connecting close1 disconnected ");
	scripted_setup((void **)&s);
	serve(s);
	lose(s, 1);
	zs_attach_client_detach(s->client, s->now);
	assert_log(s, "lost ended1 disconnected ");
	scripted_teardown((void **)&s);
}

static void bad_configurations(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish two[2] = { { .name = "web" }, { .name = "web" } };
	struct zs_attach_client_config ok = scripted_config(s), c;
	struct zs_attach_client *client;
	uint8_t zeros[32] = { 0 }, much[600] = { 0 };

#define BAD(change)                                                                                          \
	c = ok;                                                                                              \
	change;                                                                                              \
	assert_int_equal(zs_attach_client_new(&client, &c, &scripted_ops, s), -EINVAL)
	BAD(c.mode = 3);
	BAD(c.psk = zeros);
	BAD((c.token = much, c.token_len = 513));
	BAD((c.psk_id = much, c.psk_id_len = 65));
	BAD((c.publish = two, c.publishes = 2));
	BAD((c.publish = two, c.publishes = 65));
	BAD((c.publish = two, c.publishes = 1, c.mode = ZS_ATTACH_MODE_socket));
	two[0].name[0] = '\n';
	BAD((c.publish = two, c.publishes = 1));
#undef BAD
}

static void a_clock_that_steps_back_stands_still(void **state)
{
	struct scripted *s = *state;

	serve(s);
	lose(s, 1);
	uint64_t due = zs_attach_client_deadline(s->client);
	zs_attach_client_advance(s->client, 5);
	assert_true(zs_attach_client_deadline(s->client) == due);
	zs_attach_client_advance(s->client, due);
	assert_log(s, "lost dial2 connecting ");
	zs_attach_client_closed(s->client, 2, ZS_ATTACH_STATE_error, "gone", 5);
	assert_true(zs_attach_client_deadline(s->client) > due);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scripted_setup, scripted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_step_to_active),
		TEST(a_name_is_resolved_first),
		TEST(every_deadline),
		TEST(reports_of_links_that_are_gone),
		TEST(old_links_prove_and_say_nothing),
		TEST(receivers_differ),
		TEST(a_relay_is_remembered_once),
		TEST(lost_and_resumed),
		TEST(a_grant_that_does_not_go_on),
		TEST(the_lease_ends_without_a_relay),
		TEST(fresh_within_the_hour),
		TEST(the_old_connection_may_go_first),
		TEST(a_fresh_session_that_fails_hurts_nobody),
		TEST(a_peer_that_is_not_the_relay),
		TEST(trust_on_first_use_is_kept),
		TEST(a_grant_outlives_the_process),
		TEST(keys_are_the_relays),
		TEST(what_a_hello_and_a_grant_carry),
		TEST(detach_says_goodbye),
		TEST(detach_does_not_wait_for_ever),
		TEST(detach_from_anywhere),
		TEST(bad_configurations),
		TEST(a_clock_that_steps_back_stands_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
