/* Routing by connection ID: from whom, to whom, which way, and every reason to refuse. */
#include "cid_rig.h"

#define A4 cid_peer("10.1.0.2", 1000)
#define B4 cid_peer("10.2.0.2", 2000)
#define B6 cid_peer("fd00:1::2", 2000)
#define G  CID_GENERATION

/* Attachments 1 (10.1.0.2, by own address 0) and 2 (10.2.0.2, by own address 1). */
static void two(struct cid_rig *c)
{
	cid_attach(c, 1, G, ZS_STRANGERS_NOTHING);
	cid_attach(c, 2, G + 1, ZS_STRANGERS_NOTHING);
	cid_bind(c, 1, A4, 0);
	cid_bind(c, 2, B4, 1);
}

static bool same(struct zs_endpoint a, struct zs_endpoint b)
{
	return a.port == b.port && zs_addr_eq(&a.addr, &b.addr);
}

static void test_both_ways(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p;

	two(c);
	assert_true(cid_send(c, &p, A4, 0, 2, G + 1));
	assert_int_equal(p.it.sender, 1);
	assert_true(same(p.it.ends.src, cid_peer("10.2.0.1", CID_SERVICE)));
	assert_true(same(p.it.ends.dst, B4));
	assert_int_equal(p.it.hop.iface, 1);
	assert_true(cid_send(c, &p, B4, 1, 1, G));
	assert_int_equal(p.it.sender, 2);
	assert_true(same(p.it.ends.src, cid_peer("10.1.0.1", CID_SERVICE)));
	assert_true(same(p.it.ends.dst, A4));
	assert_int_equal(c->drops, 0);
	for (uint32_t i = 0; i < c->r->dp.partitions; i++)
		assert_int_equal(atomic_load(&c->r->dp.state.flow_head[i].used), 0);
}

static void test_across_families(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p;

	cid_attach(c, 1, G, ZS_STRANGERS_NOTHING);
	cid_attach(c, 2, G, ZS_STRANGERS_NOTHING);
	cid_bind(c, 1, A4, 0);
	cid_bind(c, 2, B6, 2);
	assert_true(cid_send(c, &p, A4, 0, 2, G));
	assert_true(same(p.it.ends.src, cid_peer("fd00:1::1", CID_SERVICE)));
	assert_true(same(p.it.ends.dst, B6));
	assert_true(cid_send(c, &p, B6, 2, 1, G));
	assert_true(same(p.it.ends.dst, A4));
}

/* RFC 8999 alone: any first byte, any version, the fixed bit as it comes. */
static void test_headers(void **state)
{
	static const uint32_t versions[] = { 0, 1, 0x6b3343cf, 0xffffffff, 0x5a520001, 0x5a540001 };
	struct cid_rig *c = *state;
	struct cid_packet p;

	two(c);
	for (uint32_t first = 0; first < 256; first++) {
		uint8_t bytes[48] = { (uint8_t)first };
		uint32_t v = versions[first % ZS_ARRAY_LEN(versions)];

		if (first & 0x80) {
			for (int i = 0; i < 4; i++)
				bytes[1 + i] = (uint8_t)(v >> (24 - 8 * i));
			bytes[5] = ZS_CID;
			cid_mint(c, CID_POP, 2, G + 1, bytes + 6);
		} else {
			cid_mint(c, CID_POP, 2, G + 1, bytes + 1);
		}
		cid_packet(&p, A4, 0, bytes, sizeof(bytes));
		assert_true(cid_run(c, 0, &p));
	}
}

static void test_refused_heads(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p;
	uint8_t good[40] = { 0x40 }, bytes[40];
	static const struct {
		uint16_t len;
		uint8_t at, value; /* one byte changed */
		enum zs_drop why;
	} rows[] = {
		{ 0, 0, 0x40, ZS_DROP_cid_short },
		{ 17, 0, 0x40, ZS_DROP_cid_short },
		{ 40, 1, 0xf0, ZS_DROP_cid_unroutable },
		{ 40, 1, 0x51, ZS_DROP_cid_malformed },
		{ 40, 1, 0x30, ZS_DROP_cid_config },
		{ 40, 2, 0xff, ZS_DROP_cid_malformed }, /* another block: its zeros are not */
		{ 40, 0, 0xc0, ZS_DROP_cid_malformed }, /* long, and a connection ID length that is not 17 */
	};

	two(c);
	cid_mint(c, CID_POP, 2, G + 1, good + 1);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		memcpy(bytes, good, sizeof(bytes));
		bytes[rows[i].at] = rows[i].value;
		if (rows[i].value == 0xc0)
			bytes[5] = 16;
		cid_packet(&p, A4, 0, bytes, rows[i].len);
		assert_false(cid_run(c, 0, &p));
		if (c->drop != rows[i].why)
			fail_msg("row %zu: %s", i, zs_drop_name(c->drop));
	}
}

static void refused(struct cid_rig *c, struct zs_endpoint from, uint8_t local, uint32_t id,
		    uint16_t generation, enum zs_drop why)
{
	struct cid_packet p;

	assert_false(cid_send(c, &p, from, local, id, generation));
	assert_string_equal(zs_drop_name(c->drop), zs_drop_name(why));
}

static void test_refused(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p;
	uint8_t bytes[40] = { 0x40 };

	two(c);
	refused(c, A4, 0, 1, G, ZS_DROP_self);
	refused(c, A4, 0, 2, G, ZS_DROP_cid_stale);
	refused(c, A4, 0, 3, G, ZS_DROP_cid_stale);
	refused(c, A4, 0, 3, 0, ZS_DROP_cid_stale); /* an empty line has generation 0 */
	refused(c, A4, 0, CID_ATTACHMENTS, G, ZS_DROP_cid_stale);
	refused(c, A4, 0, UINT32_MAX, G, ZS_DROP_cid_stale);
	refused(c, A4, 1, 2, G + 1, ZS_DROP_cid_stranger); /* another own address: not what was bound */
	cid_mint(c, CID_POP + 1, 2, G + 1, bytes + 1);
	cid_packet(&p, A4, 0, bytes, sizeof(bytes));
	assert_false(cid_run(c, 0, &p));
	assert_int_equal(c->drop, ZS_DROP_backhaul);
	c->r->worker[0].now_ns += 76 * ZS_NS_PER_S; /* nobody kept it alive, nobody swept */
	refused(c, A4, 0, 2, G + 1, ZS_DROP_cid_unbound);
	c->r->worker[0].sessions = NULL;
	refused(c, A4, 0, 2, G + 1, ZS_DROP_stopped);
}

/* Who has the slot now is another: neither the connection ID nor the binding of the one before is its. */
static void test_slot_reused(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p;

	two(c);
	assert_int_equal(zs_sessions_set_attachment(&c->shm, 2, NULL), 0);
	cid_refresh(c);
	refused(c, A4, 0, 2, G + 1, ZS_DROP_cid_stale);
	cid_attach(c, 2, G + 2, ZS_STRANGERS_NOTHING);
	refused(c, A4, 0, 2, G + 1, ZS_DROP_cid_stale);
	refused(c, A4, 0, 2, G + 2, ZS_DROP_cid_unbound);
	cid_bind(c, 2, cid_peer("10.2.0.2", 2001), 1);
	assert_true(cid_send(c, &p, A4, 0, 2, G + 2));
	assert_int_equal(p.it.ends.dst.port, 2001);
	refused(c, A4, 0, 2, G + 1, ZS_DROP_cid_stale);
}

static void test_strangers(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint stranger = cid_peer("203.0.113.5", 9);
	struct zs_worker *w = &c->r->worker[0];
	struct cid_packet p;
	uint32_t let = 0;

	two(c);
	refused(c, stranger, 0, 2, G + 1, ZS_DROP_cid_stranger);
	assert_int_equal(c->originated, 1); /* a NUDGE with the connection ID it sent to */
	assert_int_equal(c->sent_len, ZS_BIND_NUDGE);
	for (int i = 0; i < 100; i++)
		refused(c, stranger, 0, 2, G + 1, ZS_DROP_cid_stranger);
	assert_in_range(c->originated, 2, 30); /* of a prefix no flood of them … */
	w->flood.nudges = 2;
	w->count[ZS_COUNTER_nudges] = 0;
	for (uint8_t i = 0; i < 5; i++) {
		stranger.addr.ip[14] = i;
		refused(c, stranger, 0, 2, G + 1, ZS_DROP_cid_stranger);
	}
	assert_int_equal(w->count[ZS_COUNTER_nudges], 2); /* … and so many a ms, whoever asks */
	w->flood.nudges = UINT8_MAX;
	cid_attach(c, 2, G + 1, ZS_STRANGERS_LIMITED);
	for (int i = 0; i < 1000; i++)
		let += cid_send(c, &p, stranger, 0, 2, G + 1);
	assert_in_range(let, 90, 110);
	assert_int_equal(c->drop, ZS_DROP_cid_stranger_rate);
	assert_int_equal(p.it.sender, ZS_SENDER_NONE);
	assert_true(cid_send(c, &p, A4, 0, 2, G + 1)); /* who is bound is not held up */
}

/* The way there is found again when the tables change, and a missing neighbour is asked for. */
/* Flood mode: strangers get no word and no way in, bound peers go on. */
static void test_flood(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint stranger = cid_peer("203.0.113.5", 9);
	struct cid_packet p;

	two(c);
	c->r->worker[0].flood.on = true;
	refused(c, stranger, 0, 2, G + 1, ZS_DROP_cid_stranger);
	cid_attach(c, 2, G + 1, ZS_STRANGERS_LIMITED);
	refused(c, stranger, 0, 2, G + 1, ZS_DROP_flood);
	assert_int_equal(c->originated, 0);
	assert_true(cid_send(c, &p, A4, 0, 2, G + 1));
	c->r->worker[0].flood.on = false;
	assert_true(cid_send(c, &p, stranger, 0, 2, G + 1));
}

static void test_next_hop(void **state)
{
	struct cid_rig *c = *state;
	struct zs_nexthop n = { .used = 1, .iface = 1, .mtu = 1500, .addr = rig_addr("10.2.0.2") };
	struct cid_packet p;

	two(c);
	assert_true(cid_send(c, &p, A4, 0, 2, G + 1));
	assert_int_equal(zs_tables_put_nexthop(&c->r->writer, &n), 0); /* unresolved now */
	c->r->worker[0].stamp++;
	refused(c, A4, 0, 2, G + 1, ZS_DROP_no_neighbour);
	assert_int_equal(c->r->events, 1);
	cid_bind(c, 2, cid_peer("10.9.0.2", 1), 1);
	refused(c, A4, 0, 2, G + 1, ZS_DROP_no_route);
}

/* A whole burst, mixed with another class: who goes on stays in order, nobody is lost. */
static void test_burst(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p[ZS_BURST];
	struct zs_item *at[ZS_BURST];
	uint32_t flows = 0, good = 0, on;

	two(c);
	for (uint32_t i = 0; i < ZS_BURST; i++) {
		uint8_t bytes[40] = { 0x40 };

		cid_mint(c, i % 4 == 1 ? CID_POP + 1 : CID_POP, 2, G + 1, bytes + 1);
		cid_packet(&p[i], A4, 0, bytes, sizeof(bytes));
		if (i % 4 == 2)
			p[i].it.class = ZS_CLASS_FLOW;
		flows += i % 4 == 2;
		good += i % 4 != 1;
		at[i] = &p[i].it;
	}
	on = zs_stage_cid(&c->r->worker[0], at, ZS_BURST);
	assert_int_equal(on, good);
	assert_int_equal(c->drops, ZS_BURST - good);
	for (uint32_t i = 0; i < on; i++)
		assert_int_equal(at[i]->class, i < flows ? ZS_CLASS_FLOW : ZS_CLASS_CID);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cid_setup, cid_teardown)
	const struct CMUnitTest tests[] = {
		T(test_both_ways), T(test_across_families), T(test_headers),   T(test_refused_heads),
		T(test_refused),   T(test_slot_reused),	    T(test_strangers), T(test_flood),
		T(test_next_hop),  T(test_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
