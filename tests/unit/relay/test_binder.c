/* The peer's side of BIND against the relay's decision, over a link of the test: what is sent when, and what is believed. */
#include "unit/relay/vectors.h"

#include "unit/random.h"
#include "unit/relay/bind_relay.h"
#include "relay/binder.h"

#define S  ZS_NS_PER_S
#define MS ZS_NS_PER_MS
#define T0 (1000 * S)

struct rig {
	struct zs_gcm_engine engine;
	struct bind_relay relay;
	struct zs_binder b;
	struct zs_endpoint relay_at, peer_at; /* as the other side sees it */
	uint8_t cid[17], root[32];
	uint64_t now;
	bool hops; /* a NAT with a new mapping for each datagram */
	struct zs_bind last;
	json_t *v;
};

static int setup(void **state)
{
	struct rig *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));

	memset(r, 0, sizeof(*r));
	*state = r;
	r->v = vectors_load();
	zs_gcm_engine_best(&r->engine);
	vector_bytes(r->v, "R", r->root, sizeof(r->root));
	vector_bytes(r->v, "cid", r->cid, sizeof(r->cid));
	zs_endpoint_parse(&r->relay_at, "203.0.113.1:4433");
	zs_endpoint_parse(&r->peer_at, "192.0.2.33:5000");
	r->now = T0;
	r->relay = (struct bind_relay){
		.attachment = 42, .generation = 1, .engine = &r->engine, .secrets.now = { 5 }
	};
	bind_relay_session(&r->relay, 0, 700, 9, r->root);
	zs_binder_init(&r->b, &r->relay_at, &r->engine);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	zs_binder_wipe(&r->b);
	json_decref(r->v);
	zs_gcm_engine_fini(&r->engine);
	free(r);
	return 0;
}

/* The relay's answer to one message, if it has any. */
static bool answer_to(struct rig *r, const uint8_t *bytes, uint8_t answer[96])
{
	struct zs_bind_verdict v;

	r->peer_at.port += r->hops;
	r->relay.now_ns = r->now;
	r->relay.unix_s = r->now / S;
	v = bind_relay_take(&r->relay, bytes, 96, 1, &r->peer_at, 0);
	memcpy(answer, v.answer, 96);
	return v.outcome != ZS_BIND_DROPPED;
}

/* Everything that is due; each message must say what a request says. */
static uint32_t pull(struct rig *r, bool deliver)
{
	uint8_t bytes[96], answer[96];
	uint32_t n = 0;

	while (zs_binder_pull(&r->b, bytes, r->now)) {
		uint64_t before = r->last.counter;

		assert_int_equal(zs_bind_read_request(bytes, 96, &r->last), ZS_BIND_OK);
		assert_true(r->last.counter > before);
		n++;
		if (deliver && answer_to(r, bytes, answer))
			assert_int_equal(zs_binder_receive(&r->b, answer, 96, &r->relay_at, r->now),
					 ZS_BINDER_TAKEN);
		assert_true(n < 10);
	}
	return n;
}

/* Time passes to `until`; what is due goes out when it is. */
static uint32_t wait(struct rig *r, uint64_t until, bool deliver)
{
	uint32_t n = pull(r, deliver);

	while (zs_binder_deadline(&r->b) <= until) {
		assert_true(zs_binder_deadline(&r->b) >= r->now);
		r->now = zs_binder_deadline(&r->b);
		n += pull(r, deliver);
	}
	r->now = until;
	return n;
}

static void start(struct rig *r)
{
	zs_binder_session(&r->b, r->root, 9, r->now);
	zs_binder_cid(&r->b, r->cid, r->now);
}

static void bind_it(struct rig *r)
{
	start(r);
	assert_int_equal(pull(r, true), 2);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
}

static void test_binds(void **state)
{
	struct rig *r = *state;

	assert_int_equal(zs_binder_deadline(&r->b), UINT64_MAX);
	zs_binder_session(&r->b, r->root, 9, r->now);
	assert_int_equal(zs_binder_deadline(&r->b), UINT64_MAX); /* no connection ID yet */
	assert_int_equal(r->b.state, ZS_BINDER_IDLE);
	zs_binder_cid(&r->b, r->cid, r->now);
	assert_int_equal(r->b.state, ZS_BINDER_ASKING);
	assert_int_equal(pull(r, true), 2); /* BIND, CHALLENGE, BIND, BOUND */
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
	assert_int_equal(r->b.seen.port, 5000);
	assert_int_equal(r->last.counter, 2);
	assert_int_equal(r->last.lifetime_s, 75);
	assert_memory_equal(r->last.cid, r->cid, 17);
	/* One keep-alive each 20 s, under the cid of the moment, without a challenge. */
	r->cid[16] ^= 1;
	zs_binder_cid(&r->b, r->cid, r->now);
	assert_int_equal(wait(r, r->now + 20 * S - 1, true), 0);
	assert_int_equal(wait(r, r->now + 1, true), 1);
	assert_memory_equal(r->last.cid, r->cid, 17);
	assert_int_equal(wait(r, r->now + 600 * S, true), 30);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
}

static void test_retransmits(void **state)
{
	static const uint32_t after_ms[] = { 0, 300, 600, 1200, 2400, 4800, 5000, 5000, 5000 };
	struct rig *r = *state;
	uint64_t at = r->now;

	start(r);
	for (size_t i = 0; i < ZS_ARRAY_LEN(after_ms); i++) {
		at += after_ms[i] * MS;
		assert_int_equal(zs_binder_deadline(&r->b), at);
		r->now = at;
		assert_int_equal(pull(r, false), 1);
		assert_int_equal(r->last.counter, i + 1);
	}
	r->now = zs_binder_deadline(&r->b);
	assert_int_equal(pull(r, true), 2);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
}

/* An answer to an earlier try counts, one that was answered or never asked does not. */
static void test_late_answers(void **state)
{
	struct rig *r = *state;
	uint8_t first[96], second[96], to_first[96], to_second[96];

	start(r);
	assert_int_equal(zs_binder_pull(&r->b, first, r->now), 96);
	assert_true(answer_to(r, first, to_first));
	r->now += 300 * MS;
	assert_int_equal(zs_binder_pull(&r->b, second, r->now), 96);
	assert_true(answer_to(r, second, to_second));
	assert_int_equal(zs_binder_receive(&r->b, to_second, 96, &r->relay_at, r->now), ZS_BINDER_TAKEN);
	assert_int_equal(zs_binder_receive(&r->b, to_second, 96, &r->relay_at, r->now), ZS_BINDER_DROPPED);
	assert_int_equal(zs_binder_receive(&r->b, to_first, 96, &r->relay_at, r->now), ZS_BINDER_DROPPED);
	assert_int_equal(pull(r, true), 1); /* with the cookie */
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
}

static void test_forged(void **state)
{
	struct rig *r = *state;
	struct zs_endpoint other = r->relay_at;
	uint8_t bytes[96], answer[96];
	json_t *n;
	size_t i;

	start(r);
	zs_binder_pull(&r->b, bytes, r->now);
	assert_true(answer_to(r, bytes, answer));
	for (i = 0; i < 96 * 8; i++) {
		answer[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(zs_binder_receive(&r->b, answer, 96, &r->relay_at, r->now),
				     ZS_BINDER_TAKEN);
		answer[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(zs_binder_receive(&r->b, bytes, 96, &r->relay_at, r->now), ZS_BINDER_DROPPED);
	assert_int_equal(zs_binder_receive(&r->b, answer, 95, &r->relay_at, r->now), ZS_BINDER_DROPPED);
	other.port++;
	assert_int_equal(zs_binder_receive(&r->b, answer, 96, &other, r->now), ZS_BINDER_DROPPED);
	assert_int_equal(pull(r, false), 0);
	r->b.counter = 5; /* as the vectors have it */
	json_array_foreach(json_object_get(r->v, "negative"), i, n)
	{
		const char *name = vector_text(n, "name");
		size_t len;

		if (strcmp(vector_text(n, "at"), "edge") != 0 ||
		    (strncmp(name, "bind/", 5) != 0 && strncmp(name, "nudge/", 6) != 0))
			continue;
		len = vector_bytes(n, "datagram", answer, sizeof(answer));
		assert_int_equal(zs_binder_receive(&r->b, answer, len, &r->relay_at, r->now),
				 ZS_BINDER_DROPPED);
	}
	vector_bytes(json_object_get(r->v, "bind"), "challenge_counter5", answer, sizeof(answer));
	assert_int_equal(zs_binder_receive(&r->b, answer, 96, &r->relay_at, r->now), ZS_BINDER_TAKEN);
}

static void test_not_ours(void **state)
{
	static const uint8_t quic_short[] = { 0x40, 1, 2, 3, 4, 5, 6 };
	static const uint8_t quic_long[] = { 0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0 };
	static const uint8_t of_relay[] = { 0x80, 0x5a, 0x53, 0xff, 0xff };
	struct rig *r = *state;

	bind_it(r);
	assert_int_equal(zs_binder_receive(&r->b, quic_short, 7, &r->relay_at, r->now), ZS_BINDER_NOT_OURS);
	assert_int_equal(zs_binder_receive(&r->b, quic_long, 15, &r->relay_at, r->now), ZS_BINDER_NOT_OURS);
	assert_int_equal(zs_binder_receive(&r->b, quic_long, 0, &r->relay_at, r->now), ZS_BINDER_NOT_OURS);
	assert_int_equal(zs_binder_receive(&r->b, of_relay, 5, &r->relay_at, r->now), ZS_BINDER_DROPPED);
}

/* --- changes of address ----------------------------------------------------------------------- */

static enum zs_binder_verdict nudge(struct rig *r, const uint8_t cid[17])
{
	uint8_t bytes[28];

	zs_bind_write_nudge(cid, bytes);
	return zs_binder_receive(&r->b, bytes, 28, &r->relay_at, r->now);
}

static void test_nudge(void **state)
{
	struct rig *r = *state;
	uint8_t to[17] = { 0x50, [16] = 3 }, other[17] = { 0x50, [16] = 67 }, sent[40] = { 0x40 };

	bind_it(r);
	assert_int_equal(nudge(r, to), ZS_BINDER_DROPPED); /* nothing was sent there */
	memcpy(sent + 1, to, 17);
	zs_binder_sent(&r->b, sent, sizeof(sent), r->now);
	assert_int_equal(nudge(r, other), ZS_BINDER_DROPPED);
	r->peer_at.port = 6000; /* the NAT forgot us */
	r->now += S;
	assert_int_equal(nudge(r, to), ZS_BINDER_TAKEN);
	assert_int_equal(pull(r, true), 2);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
	assert_int_equal(r->b.seen.port, 6000);
	assert_int_equal(r->relay.entry.port, 6000);
	/* At most once a second, whoever asks how often. */
	r->now += S - 1;
	for (int i = 0; i < 100; i++)
		assert_int_equal(nudge(r, to), ZS_BINDER_DROPPED);
	r->now += 1;
	assert_int_equal(nudge(r, to), ZS_BINDER_TAKEN);
	assert_int_equal(pull(r, true), 1);
	/* Long headers count too, if the id is one of the relay's length; old ones do not. */
	memset(sent, 0, sizeof(sent));
	sent[0] = 0xc0;
	sent[4] = 1;
	sent[5] = 17;
	memcpy(sent + 6, other, 17);
	r->now += 10 * S + 1;
	assert_int_equal(nudge(r, to), ZS_BINDER_DROPPED);
	zs_binder_sent(&r->b, sent, 22, r->now);
	assert_int_equal(nudge(r, other), ZS_BINDER_DROPPED);
	zs_binder_sent(&r->b, sent, 23, r->now);
	assert_int_equal(nudge(r, other), ZS_BINDER_TAKEN);
}

static void test_moved(void **state)
{
	struct rig *r = *state;

	bind_it(r);
	r->peer_at.port = 7000;
	zs_binder_moved(&r->b, r->now);
	assert_int_equal(pull(r, true), 2);
	assert_int_equal(r->relay.entry.port, 7000);
	/* Unnoticed: the next keep-alive heals it. */
	r->peer_at.port = 7001;
	assert_int_equal(wait(r, r->now + 20 * S, true), 2);
	assert_int_equal(r->relay.entry.port, 7001);
}

/* A relay that challenges without end gets no storm. */
static void test_challenged_for_ever(void **state)
{
	struct rig *r = *state;
	uint32_t n = 0;

	start(r);
	r->hops = true;
	for (int i = 0; i < 1000; i++) {
		r->now = T0 + (uint64_t)i * 10 * MS;
		n += pull(r, true);
	}
	assert_int_equal(r->b.state, ZS_BINDER_ASKING);
	assert_in_range(n, 4, 12);
}

static void test_lost(void **state)
{
	struct rig *r = *state;
	uint64_t bound = r->now;

	bind_it(r);
	r->now = bound + 20 * S;
	wait(r, bound + 75 * S - 1, false);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
	wait(r, bound + 75 * S, false);
	assert_int_equal(r->b.state, ZS_BINDER_ASKING);
	wait(r, r->now + 5 * S, true);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
}

/* --- what the relay says ---------------------------------------------------------------------- */

static void test_refused(void **state)
{
	struct rig *r = *state;

	r->relay.denied = r->peer_at;
	start(r);
	assert_int_equal(pull(r, true), 1);
	assert_int_equal(r->b.state, ZS_BINDER_REFUSED);
	assert_int_equal(r->b.status, ZS_BIND_STATUS_denied);
	assert_int_equal(wait(r, r->now + 30 * S - 1, true), 0);
	r->relay.denied.port = 0;
	assert_int_equal(wait(r, r->now + 1, true), 2);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
}

static void test_sessions(void **state)
{
	struct rig *r = *state;
	uint8_t root[32] = { 9 };
	struct zs_bind_keys keys;
	uint8_t bytes[96];
	struct zs_bind m = { .kind = 1, .bind_id = 10, .counter = 1, .lifetime_s = 75 };

	bind_it(r);
	/* Somebody with the newer session was bound: this one is stale, and silent. */
	bind_relay_replace(&r->relay, 701, 10, root);
	zs_bind_keys_make(&r->engine, root, &keys);
	zs_bind_write(&r->engine, &m, &keys.request, bytes);
	assert_int_equal(bind_relay_take(&r->relay, bytes, 96, 1, &r->peer_at, 0).outcome, ZS_BIND_KEPT);
	assert_int_equal(wait(r, r->now + 20 * S, true), 1);
	assert_int_equal(r->b.state, ZS_BINDER_STALE);
	assert_int_equal(wait(r, r->now + 600 * S, true), 0);
	/* With its keys it goes on, from counter 1. */
	r->last.counter = 0;
	root[0] = 10;
	bind_relay_replace(&r->relay, 702, 11, root);
	zs_binder_session(&r->b, root, 11, r->now);
	assert_int_equal(pull(r, true), 2);
	assert_int_equal(r->b.state, ZS_BINDER_BOUND);
	/* The same session told twice: no counter comes again. */
	zs_binder_session(&r->b, root, 11, r->now);
	assert_int_equal(pull(r, true), 1);
	assert_int_equal(r->last.counter, 3);
}

static void test_unbind(void **state)
{
	struct rig *r = *state;

	bind_it(r);
	zs_binder_unbind(&r->b, r->now);
	assert_int_equal(pull(r, true), 1);
	assert_int_equal(r->last.kind, ZS_BIND_KIND_unbind);
	assert_int_equal(r->b.state, ZS_BINDER_IDLE);
	assert_int_equal(r->relay.entry.port, 0);
	assert_int_equal(wait(r, r->now + 600 * S, true), 0);
	zs_binder_moved(&r->b, r->now);
	assert_int_equal(pull(r, true), 2);
	/* Nobody answers: three tries, then it is over. */
	zs_binder_unbind(&r->b, r->now);
	assert_int_equal(wait(r, r->now + 2 * S, false), 0 + ZS_BINDER_UNBINDS);
	assert_int_equal(wait(r, r->now + 600 * S, false), 0);
	assert_int_equal(r->b.state, ZS_BINDER_IDLE);
}

/* A BOUND that was under way when the UNBIND left is not its answer. */
static void test_unbind_is_not_bound(void **state)
{
	struct rig *r = *state;
	uint8_t bytes[96], answer[96];

	bind_it(r);
	r->now += 20 * S;
	zs_binder_pull(&r->b, bytes, r->now);
	assert_true(answer_to(r, bytes, answer));
	zs_binder_unbind(&r->b, r->now);
	assert_int_equal(zs_binder_receive(&r->b, answer, 96, &r->relay_at, r->now), ZS_BINDER_TAKEN);
	assert_int_equal(r->b.state, ZS_BINDER_UNBINDING);
	assert_int_equal(pull(r, true), 1);
	assert_int_equal(r->b.state, ZS_BINDER_IDLE);
}

static void test_wiped(void **state)
{
	static const uint8_t zeros[32];
	struct rig *r = *state;
	uint8_t bytes[96], answer[96];

	bind_it(r);
	r->now += 20 * S;
	zs_binder_pull(&r->b, bytes, r->now);
	assert_true(answer_to(r, bytes, answer));
	zs_binder_wipe(&r->b);
	assert_memory_equal(r->b.root, zeros, 32);
	assert_int_equal(zs_binder_receive(&r->b, answer, 96, &r->relay_at, r->now), ZS_BINDER_DROPPED);
	assert_int_equal(wait(r, r->now + 600 * S, true), 0);
	zs_binder_unbind(&r->b, r->now);
	assert_int_equal(zs_binder_deadline(&r->b), UINT64_MAX);
}

/* Half of everything is lost, the NAT forgets now and then: it is bound most of the time, and never noisy. */
static void test_lossy(void **state)
{
	struct random rng = random_new("binder");
	struct rig *r = *state;
	uint8_t bytes[96], answer[96];
	uint32_t bound = 0, sent = 0;

	start(r);
	for (int i = 0; i < 36000; i++) { /* an hour */
		r->now = T0 + (uint64_t)i * 100 * MS;
		if (random_below(&rng, 1200) == 0)
			r->peer_at.port = (uint16_t)(1024 + random_below(&rng, 60000));
		while (zs_binder_pull(&r->b, bytes, r->now)) {
			sent++;
			if (random_below(&rng, 2) && answer_to(r, bytes, answer) && random_below(&rng, 2))
				zs_binder_receive(&r->b, answer, 96, &r->relay_at, r->now);
		}
		bound += r->b.state == ZS_BINDER_BOUND && r->relay.entry.port == r->peer_at.port;
	}
	assert_true(bound > 36000 / 2);
	assert_true(sent < 36000 / 10);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_binds),
		T(test_retransmits),
		T(test_late_answers),
		T(test_forged),
		T(test_not_ours),
		T(test_nudge),
		T(test_moved),
		T(test_challenged_for_ever),
		T(test_lost),
		T(test_refused),
		T(test_sessions),
		T(test_unbind),
		T(test_unbind_is_not_bound),
		T(test_wiped),
		T(test_lossy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
