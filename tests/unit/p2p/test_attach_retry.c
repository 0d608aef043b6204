/* What an edge does when it is refused, told to move or cut off: every Error code by name, every notice, a relay that
 * breaks the protocol; and when it comes back. */
#include "unit/p2p/attach_relay.h"

#define FRESH	ZS_ATTACH_CONTINUITY_fresh
#define RESUMED ZS_ATTACH_CONTINUITY_resumed
#define EDGES	1000

/* The answer to Hello: the state that follows, and is the attachment remembered? */
static void every_refusal(void **state)
{
	static const struct {
		uint32_t code;
		const char *name, *rests;
		bool resumes;
	} rows[] = {
		{ 1, "version", "failed", true },     { 2, "malformed", "failed", false },
		{ 3, "denied", "failed", true },      { 4, "token", "failed", true },
		{ 5, "quota", "error", true },	      { 6, "instance_limit", "error", true },
		{ 7, "second_hello", "error", true }, { 8, "pq_required", "failed", true },
		{ 9, "psk", "failed", true },	      { 10, "not_owner", "error", false },
		{ 11, "port_taken", "error", true },  { 12, "not_published", "error", true },
		{ 13, "drain", "error", true },	      { 14, "internal", "error", true },
		{ 15, "no_cid", "error", true },      { 16, "busy", "error", true },
		{ 999, "unknown", "error", true },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct scripted *s;
		char want[128];
		scripted_setup((void **)&s);
		serve(s);
		lose(s, 1);
		pass_until(s, s->now + s->retry_ns);
		connect_as(s, 2, HOME);
		assert_true(s->sent[1].hello.has_resume);
		s->log[0] = '\0';
		refuse(s, 2, rows[i].code, 0);
		snprintf(want, sizeof(want), "%sclose2 %s ", rows[i].resumes ? "" : "save ", rows[i].rests);
		assert_log(s, want);
		snprintf(want, sizeof(want), "refused (%s): ", rows[i].name);
		assert_ptr_equal(strstr(s->why, want), s->why);
		assert_non_null(strstr(s->why, "; ")); /* what to do */
		assert_int_equal(s->refusal, rows[i].code);
		assert_true(s->retry_ns >= zs_attach_retry(zs_attach_client_state(s->client))->first_ns / 2);
		pass_until(s, s->now + s->retry_ns);
		connect_as(s, 3, HOME);
		assert_int_equal(s->refusal, 0);
		assert_int_equal(s->sent[2].hello.has_resume, rows[i].resumes);
		assert_int_equal(zs_attach_client_session(s->client)->link, 1); /* its lease is not over */
		scripted_teardown((void **)&s);
	}
}

static void a_refusal_names_its_limit(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame f = { .id = 1,
				     .kind = ZS_ATTACH_ERROR,
				     .error = { .code = ZS_ATTACH_ERROR_quota,
						.scope = "tenant",
						.current = 10,
						.limit = 10,
						.text = "ten edges are attached" } };

	zs_attach_client_start(s->client, s->now);
	connect_as(s, 1, HOME);
	answer(s, 1, &f);
	assert_string_equal(s->why,
			    "refused (quota): ten edges are attached, tenant 10 of 10; publish less, or ask "
			    "the relay's operator for more");
}

static void a_refusal_without_numbers(void **state)
{
	zs_pb_Error denied = { .code = ZS_ATTACH_ERROR_denied, .scope = "peer" },
		    token = { .code = ZS_ATTACH_ERROR_token };
	char line[ZS_ATTACH_WHY];

	assert_string_equal(zs_attach_refusal_line(&denied, line, sizeof(line)),
			    "refused (denied): the relay's policy does not allow it (peer); ask the relay's "
			    "operator to allow this identity: zsctl attach allow");
	assert_string_equal(zs_attach_refusal_line(&token, line, sizeof(line)),
			    "refused (token): the token is missing, wrong or out of date; get a fresh token "
			    "from the relay's operator and restart with it");
	strcpy(denied.scope, "port");
	strcpy(denied.text, "the relay grants ports 1 to 9");
	assert_string_equal(
	    zs_attach_refusal_line(&denied, line, sizeof(line)),
	    "refused (denied): the relay grants ports 1 to 9 (port); ask for one of those, or leave "
	    "the choice to the relay");
}

static void retry_ms_is_honoured(void **state)
{
	static const struct {
		uint32_t told;
		uint64_t least_ms, most_ms;
	} rows[] = { { 20000, 20000, 30000 }, { 100, 500, 1000 }, { UINT32_MAX, 3600000, 5400000 } };

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		for (uint64_t seed = 0; seed < 50; seed++) {
			struct scripted *s;
			scripted_setup((void **)&s);
			s->prng.state = seed;
			zs_attach_client_start(s->client, s->now);
			connect_as(s, 1, HOME);
			refuse(s, 1, ZS_ATTACH_ERROR_busy, rows[i].told);
			assert_in_range(s->retry_ns, rows[i].least_ms * ZS_NS_PER_MS,
					rows[i].most_ms * ZS_NS_PER_MS);
			scripted_teardown((void **)&s);
		}
}

/* Failures in a row: waits double from first to most, drawn from the upper half of each. */
static void waits_double(void **state)
{
	struct scripted *s = *state;

	for (int st = 0; st < ZS_ATTACH_STATES; st++) {
		const struct zs_attach_retry *rule = zs_attach_retry((enum zs_attach_state)st);
		uint64_t d = rule->first_ns;
		for (uint32_t failures = 1; rule->first_ns && failures < 100; failures++) {
			struct zs_random random = { .fill = prng_fill, .ctx = &s->prng };
			assert_in_range(
			    zs_attach_retry_wait((enum zs_attach_state)st, failures, 0, 0, &random), d / 2,
			    d);
			d = 2 * d < rule->most_ns ? 2 * d : rule->most_ns;
		}
	}
	zs_attach_client_start(s->client, s->now);
	for (uint32_t link = 1; link < 20; link++) {
		uint64_t d = link < 7 ? ZS_NS_PER_S << (link - 1) : 60 * ZS_NS_PER_S;
		lose(s, link);
		assert_in_range(s->retry_ns, d / 2, d);
		pass_until(s, s->now + s->retry_ns);
		zs_attach_client_check(s->client);
	}
	connect_as(s, 20, HOME);
	s->proves = true;
	answer(s, 20, (struct zs_attach_frame[]){ a_grant(FRESH) });
	pass_until(s, zs_attach_client_deadline(s->client));
	lose(s, 21); /* who served starts anew */
	assert_in_range(s->retry_ns, ZS_NS_PER_S / 2, ZS_NS_PER_S);
}

/* A relay restarts; its edges notice when their PING is not answered, each at a time of its own. All are back within the
 * spread, and in no second more than twice their even share. */
static void jitter_stays_in_the_spread(void **state)
{
	static const uint32_t spreads_s[] = { 10, 30, 120 };

	for (size_t i = 0; i < ZS_ARRAY_LEN(spreads_s); i++) {
		uint32_t second[121] = { 0 }, spread = spreads_s[i];
		for (uint64_t edge = 0; edge < EDGES; edge++) {
			struct scripted *s;
			scripted_setup((void **)&s);
			s->prng.state = edge << 32;
			struct zs_attach_frame grant = a_grant(FRESH);
			grant.grant.spread_ms = spread * 1000;
			s->proves = true;
			zs_attach_client_start(s->client, s->now);
			connect_as(s, 1, HOME);
			answer(s, 1, &grant);
			assert_in_range(s->silence_ns, ZS_NS_PER_S, spread * ZS_NS_PER_S / 6);
			uint64_t restart = s->now;
			pass_until(s, restart + zs_prng_below(&s->prng, s->silence_ns));
			lose(s, 1);
			assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_lost);
			uint64_t share = spread < 16 ? spread * ZS_NS_PER_S / 16 : ZS_NS_PER_S;
			assert_true(s->retry_ns >= share);
			uint64_t back = s->now + s->retry_ns - restart;
			assert_true(back + share <= spread * ZS_NS_PER_S); /* and time to attach */
			second[back / ZS_NS_PER_S]++;
			scripted_teardown((void **)&s);
		}
		/* Of 8 edges a second chance alone makes 19 somewhere in two minutes. */
		for (uint32_t at = 0; spread <= 30 && at <= spread; at++)
			if (second[at] > 2 * EDGES / spread)
				fail_msg("spread %u s: %u edges in second %u", spread, second[at], at);
	}
}

static void superseded_does_not_fight(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame f = { .kind = ZS_ATTACH_NOTICE,
				     .notice = { .code = ZS_ATTACH_NOTICE_superseded } };

	serve(s);
	answer(s, 1, &f);
	assert_log(s, "notice:superseded ended1 close1 failed ");
	assert_true(s->retry_ns >= 30 * ZS_NS_PER_S);
	assert_null(zs_attach_client_session(s->client));
}

static void the_relay_ends_it(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame f = { .kind = ZS_ATTACH_DETACH,
				     .detach = { .reason = ZS_ATTACH_CLOSE_drain } };

	serve(s);
	answer(s, 1, &f);
	assert_log(s, "ended1 close1 lost ");
	assert_string_equal(s->why, "the relay ended the attachment: the relay is draining");
}

static void add_alternative(zs_pb_Notice *n, const char *fmt, uint8_t peer)
{
	struct zs_peer_id id = peer_of(peer);
	char text[256], name[ZS_PEER_ID_TEXT];
	struct zs_multiaddr addr;

	snprintf(text, sizeof(text), fmt, zs_peer_id_format(&id, name));
	assert_int_equal(zs_multiaddr_parse(&addr, text), 0);
	n->alternatives[n->alternatives_count].size = (pb_size_t)addr.len;
	memcpy(n->alternatives[n->alternatives_count++].bytes, addr.bytes, addr.len);
}

/* Of four alternatives two can be used: the others are TCP, and the relay itself. The first refuses, the second takes over
 * before the relay is left; an hour later the first choice is home again. */
static void drain_moves_to_an_alternative(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame f = { .kind = ZS_ATTACH_NOTICE,
				     .notice = { .code = ZS_ATTACH_NOTICE_drain, .in_ms = 20000 } };

	add_alternative(&f.notice, "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/%s", 2);
	add_alternative(&f.notice, "/ip4/192.0.2.1/tcp/4001/p2p/%s", 3);
	add_alternative(&f.notice, "/ip4/192.0.2.2/udp/4001/quic-v1/p2p/%s", HOME);
	add_alternative(&f.notice, "/ip6/2001:db8::2/udp/4001/quic-v1/p2p/%s", 4);
	serve(s);
	answer(s, 1, &f);
	assert_log(s, "notice:drain ");
	pass_ms(s, 10000);
	assert_log(s, "dial2 ");
	assert_true(s->target.learnt);
	struct zs_peer_id two = peer_of(2);
	uint8_t first = zs_peer_id_eq(&s->target.at.peer, &two) ? 2 : 4;
	connect_as(s, 2, first);
	assert_false(s->sent[1].hello.has_resume); /* of another relay */
	refuse(s, 2, ZS_ATTACH_ERROR_denied, 0);
	assert_log(s, "open2 Hello2 close2 active ");
	assert_true(s->retry_ns < 2 * ZS_NS_PER_S); /* the other one may be kinder */
	pass_until(s, s->now + s->retry_ns);
	connect_as(s, 3, first == 2 ? 4 : 2);
	answer(s, 3, (struct zs_attach_frame[]){ a_grant(FRESH) });
	assert_log(s, "dial3 open3 Hello3 save granted3 close1 ended1 ");
	pass_until(s, zs_attach_client_deadline(s->client));
	assert_log(s, "dial4 ");
	assert_false(s->target.learnt);
	connect_as(s, 4, HOME);
	assert_true(s->sent[3].hello.has_resume);
}

static void drain_without_alternatives_waits(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame f = { .kind = ZS_ATTACH_NOTICE,
				     .notice = { .code = ZS_ATTACH_NOTICE_drain, .in_ms = 1000 } };

	serve(s);
	answer(s, 1, &f);
	pass_ms(s, 2000);
	assert_log(s, "notice:drain ");
	lose(s, 1);
	assert_log(s, "lost ");
}

static void other_frames_of_a_session(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame f = { .kind = ZS_ATTACH_PORT,
				     .port = { .name = "web",
					       .port = 443,
					       .has_error = true,
					       .error = { .code = ZS_ATTACH_ERROR_port_taken } } };

	serve(s);
	answer(s, 1, &f);
	answer(s, 1, &(struct zs_attach_frame){ .kind = ZS_ATTACH_POLICY, .policy = { .serial = 9 } });
	answer(s, 1, &(struct zs_attach_frame){ .kind = ZS_ATTACH_CIDS_SENT });
	answer(s, 1,
	       &(struct zs_attach_frame){ .kind = ZS_ATTACH_NOTICE,
					  .notice = { .code = ZS_ATTACH_NOTICE_throttled } });
	refuse(s, 1, ZS_ATTACH_ERROR_second_hello, 0);
	zs_attach_client_bytes(s->client, 1, "\x03\xa2\x06\x00", 4,
			       s->now); /* field 100: of a later version */
	zs_attach_client_bytes(s->client, 1, "\x00", 1, s->now);
	assert_log(s, "port:web=443! policy:9 cids:0 notice:throttled refused:second_hello ");
	assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_active);
}

static void grant_of_another(uint32_t id, struct zs_attach_frame f, uint32_t mode)
{
	struct scripted *s;
	struct zs_attach_client_config config;

	scripted_setup((void **)&s);
	config = scripted_config(s);
	config.mode = mode;
	zs_attach_client_delete(s->client);
	script(s, &config);
	zs_attach_client_start(s->client, s->now);
	connect_as(s, 1, HOME);
	s->log[0] = '\0';
	f.id = id;
	answer(s, 1, &f);
	assert_log(s, "close1 error ");
	assert_non_null(strstr(s->why, "broke the attach protocol"));
	scripted_teardown((void **)&s);
}

/* A relay that breaks the protocol is left, and tried again later. */
static void broken_relays(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame f = { .kind = ZS_ATTACH_POLICY };

	grant_of_another(2, a_grant(FRESH), ZS_ATTACH_MODE_tunnel);   /* answers nothing of ours */
	grant_of_another(1, a_grant(RESUMED), ZS_ATTACH_MODE_tunnel); /* nothing was to be resumed */
	grant_of_another(1, a_grant(FRESH), ZS_ATTACH_MODE_socket);
	grant_of_another(1, f, ZS_ATTACH_MODE_tunnel); /* before Grant */
	serve(s);
	answer(s, 1, (struct zs_attach_frame[]){ a_grant(FRESH) });
	assert_log(s, "close1 lost ");
	pass_until(s, s->now + s->retry_ns);
	connect_as(s, 2, HOME);
	struct zs_attach_frame other = a_grant(RESUMED);
	other.grant.attachment++;
	s->log[0] = '\0';
	answer(s, 2, &other);
	assert_log(s, "close2 error ");
	pass_until(s, s->now + s->retry_ns);
	connect_as(s, 3, HOME);
	other = a_grant(RESUMED);
	other.grant.generation++;
	s->log[0] = '\0';
	answer(s, 3, &other);
	assert_log(s, "close3 error ");
	pass_until(s, s->now + s->retry_ns);
	connect_as(s, 4, HOME);
	s->log[0] = '\0';
	zs_attach_client_bytes(s->client, 4, "\xff\xff\xff\xff\x0f", 5, s->now);
	assert_log(s, "close4 error ");
	assert_int_equal(zs_attach_client_session(s->client)->link, 1);
}

static void frames_behind_the_end_are_not_read(void **state)
{
	struct scripted *s = *state;
	uint8_t bytes[64];
	struct zs_writer w = zs_writer_of(bytes, sizeof(bytes));
	static const uint8_t detach[] = { 0x5a, 0x02, 0x08, 0x05 }, policy[] = { 0x42, 0x02, 0x08, 0x01 };

	serve(s);
	zs_frame_write(&w, policy, sizeof(policy));
	zs_frame_write(&w, detach, sizeof(detach));
	zs_frame_write(&w, policy, sizeof(policy));
	zs_attach_client_bytes(s->client, 1, bytes, zs_writer_len(&w), s->now);
	assert_log(s, "policy:1 ended1 close1 lost ");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scripted_setup, scripted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_refusal),
		TEST(a_refusal_names_its_limit),
		TEST(a_refusal_without_numbers),
		TEST(retry_ms_is_honoured),
		TEST(waits_double),
		TEST(jitter_stays_in_the_spread),
		TEST(superseded_does_not_fight),
		TEST(the_relay_ends_it),
		TEST(drain_moves_to_an_alternative),
		TEST(drain_without_alternatives_waits),
		TEST(other_frames_of_a_session),
		TEST(broken_relays),
		TEST(frames_behind_the_end_are_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
