/* The edge's connection IDs: the pool, and when the client asks for more. */
#include "unit/p2p/attach_relay.h"

#include "p2p/attach_cids.h"

#define WALL 1700000000u

/* `count` of configuration `rotation`, told apart by `first` and on. */
static zs_pb_Cids batch(uint32_t rotation, uint32_t first, uint32_t count, uint64_t expires)
{
	zs_pb_Cids c = { .rotation = rotation, .expires = expires, .cid_count = (pb_size_t)count };

	for (uint32_t i = 0; i < count; i++) {
		c.cid[i].size = ZS_ATTACH_CID;
		memset(c.cid[i].bytes, (int)(first + i), ZS_ATTACH_CID);
		c.cid[i].bytes[0] = (uint8_t)(rotation << 5 | 16);
	}
	return c;
}

static void assert_taken(struct zs_attach_cids *pool, uint64_t wall_s, int which)
{
	uint8_t cid[ZS_ATTACH_CID] = { 0 };
	uint64_t expires_s = 0;
	bool found = zs_attach_cids_take(pool, wall_s, cid, &expires_s);

	assert_int_equal(found, which >= 0);
	if (found) {
		assert_int_equal(cid[1], which);
		assert_true(expires_s > wall_s);
	}
}

static void each_is_taken_once(void **state)
{
	struct zs_attach_cids pool = { 0 };
	zs_pb_Cids c = batch(1, 0, 3, WALL + 10);

	zs_attach_cids_add(&pool, &c);
	for (int i = 0; i < 3; i++)
		assert_taken(&pool, WALL, i);
	assert_taken(&pool, WALL, -1);
}

static void what_is_over_goes(void **state)
{
	struct zs_attach_cids pool = { 0 };
	zs_pb_Cids early = batch(1, 0, 3, WALL + 10), late = batch(1, 10, 2, WALL + 20);

	zs_attach_cids_add(&pool, &early);
	zs_attach_cids_add(&pool, &late);
	assert_taken(&pool, WALL + 9, 0);
	assert_taken(&pool, WALL + 10, 10);
	assert_int_equal(pool.count, 1);
	assert_taken(&pool, WALL + 20, -1);
	assert_int_equal(pool.count, 0);
}

static void what_is_withdrawn_goes(void **state)
{
	struct zs_attach_cids pool = { 0 };
	zs_pb_Cids one = batch(1, 0, 2, WALL + 10), two = batch(2, 10, 2, WALL + 10),
		   three = batch(3, 20, 1, WALL + 10);

	zs_attach_cids_add(&pool, &one);
	zs_attach_cids_add(&pool, &two);
	three.retire_mask = 1 << 1;
	zs_attach_cids_add(&pool, &three);
	assert_taken(&pool, WALL, 10);
	assert_taken(&pool, WALL, 11);
	assert_taken(&pool, WALL, 20);
	assert_taken(&pool, WALL, -1);
}

static void the_pool_is_bounded(void **state)
{
	struct zs_attach_cids pool = { 0 };
	zs_pb_Cids c = batch(1, 0, 64, WALL + 10);

	for (int i = 0; i < 5; i++)
		zs_attach_cids_add(&pool, &c);
	assert_int_equal(pool.count, ZS_ATTACH_POOL);
}

static void another_attachment_empties_it(void **state)
{
	struct zs_peer_id a = peer_of(1), b = peer_of(2);
	const struct {
		struct zs_peer_id *relay;
		uint32_t attachment, generation;
		bool kept;
	} rows[] = { { &a, 4, 7, true }, { &a, 5, 7, false }, { &a, 4, 8, false }, { &b, 4, 7, false } };

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_attach_cids pool = { 0 };
		zs_pb_Cids c = batch(1, 0, 3, WALL + 10);

		zs_attach_cids_owner(&pool, &a, 4, 7);
		zs_attach_cids_add(&pool, &c);
		zs_attach_cids_owner(&pool, rows[i].relay, rows[i].attachment, rows[i].generation);
		assert_int_equal(pool.count, rows[i].kept ? 3 : 0);
	}
}

/* --- the client --- */

static int setup(void **state)
{
	struct scripted *s = calloc(1, sizeof(*s));
	struct zs_attach_client_config config = scripted_config(s);

	config.cids = true;
	script(s, &config);
	*state = s;
	return 0;
}

static const struct zs_attach_frame *last_sent(const struct scripted *s)
{
	return &s->sent[(s->frames - 1) % FRAMES];
}

static void deliver(struct scripted *s, uint32_t link, uint64_t id, const zs_pb_Cids *cids)
{
	struct zs_attach_frame f = { .id = id, .kind = ZS_ATTACH_CIDS_SENT, .cids = *cids };

	answer(s, link, &f);
}

static bool take(struct scripted *s)
{
	uint8_t cid[ZS_ATTACH_CID];
	uint64_t expires_s;

	return zs_attach_client_take_cid(s->client, cid, &expires_s, s->now, WALL);
}

static void a_batch_is_asked_for_at_32(void **state)
{
	struct scripted *s = *state;
	zs_pb_Cids c = batch(1, 0, 64, WALL + 10);

	serve(s);
	assert_int_equal(last_sent(s)->kind, ZS_ATTACH_CID_ASK);
	assert_int_equal(last_sent(s)->cid_ask.count, 64);
	assert_int_equal(last_sent(s)->cid_ask.peer.size, 0);
	assert_false(take(s)); /* the relay has not answered: no second request */
	assert_log(s, "");
	deliver(s, 1, last_sent(s)->id, &c);
	assert_log(s, "cids:64 ");
	for (int i = 0; i < 31; i++)
		assert_true(take(s));
	assert_log(s, "");
	assert_true(take(s));
	assert_log(s, "CidAsk1 ");
	deliver(s, 1, last_sent(s)->id, &c);
	assert_log(s, "cids:64 ");
}

static void nothing_without_being_asked_to(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_client_config config = scripted_config(s);

	zs_attach_client_delete(s->client);
	script(s, &config);
	serve(s);
	assert_false(take(s));
	assert_log(s, "");
	assert_int_equal(last_sent(s)->kind, ZS_ATTACH_HELLO);
}

/* One that comes with a Grant counts; a relay that has none is not asked at once again. */
static void refusals_and_silence(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame no = { .kind = ZS_ATTACH_ERROR,
				      .error = { .code = ZS_ATTACH_ERROR_busy, .retry_ms = 700 } };
	zs_pb_Cids none = { 0 };

	serve(s);
	no.id = last_sent(s)->id;
	answer(s, 1, &no);
	assert_log(s, "refused:busy ");
	pass_ms(s, 699);
	assert_log(s, "");
	pass_ms(s, 1);
	assert_log(s, "CidAsk1 ");
	deliver(s, 1, last_sent(s)->id, &none);
	deliver(s, 1, 0, &none);
	assert_log(s, "cids:0 cids:0 ");
	pass_ms(s, 9999);
	assert_log(s, "");
	pass_ms(s, 1);
	assert_log(s, "CidAsk1 ");
	pass_ms(s, 9999); /* silence: as long again */
	assert_log(s, "");
	pass_ms(s, 1);
	assert_log(s, "CidAsk1 ");
}

/* Another request's refusal is not the pool's. */
static void dials(void **state)
{
	struct scripted *s = *state;
	struct zs_peer_id callee = peer_of(9);
	zs_pb_Cids full = batch(1, 0, 64, WALL + 10), one = batch(1, 0, 1, WALL + 10);
	int64_t id;

	assert_int_equal(zs_attach_client_ask_cids(s->client, &callee, 1, s->now), -ENOTCONN);
	serve(s);
	deliver(s, 1, last_sent(s)->id, &full);
	assert_log(s, "cids:64 ");
	assert_int_equal(zs_attach_client_ask_cids(s->client, &callee, 0, s->now), -EINVAL);
	assert_int_equal(zs_attach_client_ask_cids(s->client, &callee, 65, s->now), -EINVAL);
	id = zs_attach_client_ask_cids(s->client, &callee, 1, s->now);
	assert_log(s, "CidAsk1 ");
	assert_int_equal(last_sent(s)->id, id);
	assert_memory_equal(last_sent(s)->cid_ask.peer.bytes, callee.bytes, callee.len);
	one.peer.size = callee.len;
	memcpy(one.peer.bytes, callee.bytes, callee.len);
	deliver(s, 1, (uint64_t)id, &one);
	assert_log(s, "cids:1 ");
	for (int i = 0; i < 64; i++)
		assert_true(take(s));
	assert_false(take(s)); /* the callee's is not ours */
	assert_log(s, "CidAsk1 ");
}

/* Moving to another relay: its attachment's pool is not filled over the connection that still serves. */
static void a_pool_belongs_to_an_attachment(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_frame grant = a_grant(ZS_ATTACH_CONTINUITY_fresh);
	struct zs_attach_frame drain = { .kind = ZS_ATTACH_NOTICE,
					 .notice = { .code = ZS_ATTACH_NOTICE_drain, .in_ms = 20000 } };
	zs_pb_Cids full = batch(1, 0, 64, WALL + 10);
	char text[256], name[ZS_PEER_ID_TEXT];
	struct zs_peer_id other = peer_of(2);
	struct zs_multiaddr addr;

	snprintf(text, sizeof(text), "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/%s",
		 zs_peer_id_format(&other, name));
	assert_int_equal(zs_multiaddr_parse(&addr, text), 0);
	drain.notice.alternatives_count = 1;
	drain.notice.alternatives[0].size = (pb_size_t)addr.len;
	memcpy(drain.notice.alternatives[0].bytes, addr.bytes, addr.len);
	serve(s);
	deliver(s, 1, last_sent(s)->id, &full);
	s->proves = false;
	answer(s, 1, &drain);
	pass_until(s, zs_attach_client_deadline(s->client));
	connect_as(s, 2, 2);
	answer(s, 2, &grant);
	s->log[0] = '\0';
	deliver(s, 1, 0, &full);
	assert_false(take(s));
	assert_log(s, "cids:64 ");
	zs_attach_client_proved(s->client, 2, s->now);
	assert_log(s, "close1 ended1 CidAsk2 ");
	deliver(s, 2, last_sent(s)->id, &full);
	assert_true(take(s));
}

int main(void)
{
#define CLIENT(f) cmocka_unit_test_setup_teardown(f, setup, scripted_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_taken_once),
		cmocka_unit_test(what_is_over_goes),
		cmocka_unit_test(what_is_withdrawn_goes),
		cmocka_unit_test(the_pool_is_bounded),
		cmocka_unit_test(another_attachment_empties_it),
		CLIENT(a_batch_is_asked_for_at_32),
		CLIENT(nothing_without_being_asked_to),
		CLIENT(refusals_and_silence),
		CLIENT(dials),
		CLIENT(a_pool_belongs_to_an_attachment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
