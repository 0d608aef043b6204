/* The short way of flows against the long one: what it sends is the same frame to the same port, counted to the same flow; what it
 * refuses has the same reason; all else it leaves as it came, and it makes no flow and ends none. */
#include "express_rig.h"

#define PORT6	   (RIG_CLIENT_PORT + 1) /* leads to an IPv6 target */
#define PORT_CROSS (RIG_CLIENT_PORT + 2) /* the same, for clients of IPv4 */
#define FLOWS	   36
#define PLAIN	   0 /* the flow of the barriers: confirmed, IPv4 */
#define FRAMES	   ROUNDS(40000)
#define MTU_LONG   1700

/* What a flow's ends are, by its number: most are confirmed and of IPv4. */
static bool is6(uint32_t n)
{
	return n % 6 == 1;
}

static bool is_crossing(uint32_t n)
{
	return n % 6 == 2;
}

static enum zs_flow_life life_of(uint32_t n)
{
	return n % 6 == 3 ? n / 6 % 2 : ZS_FLOW_CONFIRMED;
}

static struct zs_endpoint client(uint32_t n)
{
	return cid_peer(is6(n) ? "fd00:1::2" : "10.1.0.2", (uint16_t)(1000 + n));
}

static struct zs_endpoint published(uint32_t n)
{
	return is6(n) ? cid_peer("fd00:1::1", PORT6)
		      : cid_peer("10.1.0.1", is_crossing(n) ? PORT_CROSS : RIG_CLIENT_PORT);
}

static struct zs_endpoint target(uint32_t n)
{
	return is6(n) || is_crossing(n) ? cid_peer("fd00:1::2", 443) : cid_peer("10.2.0.2", 443);
}

static uint8_t iface_of(uint32_t n, enum zs_flow_way way)
{
	return way == ZS_FLOW_TO_CLIENT && !is6(n) && !is_crossing(n);
}

static struct zs_flow *flow_of(const struct cid_rig *c, uint32_t n)
{
	const struct zs_flow_table *t = &c->r->dp.partition[0];
	struct zs_endpoint from = client(n), at = published(n);
	uint8_t local = is6(n) ? 2 : 0;
	uint32_t id = zs_flow_find_client(t, zs_flow_hash(t, &from, at.port, local), &from, at.port, local);

	return id == ZS_FLOW_NONE ? NULL : &t->flow[id];
}

static struct rte_mbuf *frame_of(const struct zs_endpoint *src, const struct zs_endpoint *dst, uint8_t iface,
				 uint16_t len, uint8_t ecn)
{
	struct rte_mbuf *m = fake_new();
	uint8_t *payload = (uint8_t *)m->buf_addr + 256;
	struct zs_header h = { *src, *dst, zs_csum_add(0, payload, len), ecn };
	struct zs_item it = { .m = m };

	m->nb_segs = 1;
	m->port = iface;
	memcpy(it.hop.dmac, express_mac, sizeof(express_mac));
	assert_true(zs_header_put(&it, &h, payload, len));
	return m;
}

/* A packet of flow n; of one that is not there to its client from somebody. */
static struct rte_mbuf *make(const struct cid_rig *c, uint32_t n, enum zs_flow_way way, uint16_t len,
			     uint8_t ecn)
{
	const struct zs_flow *f = flow_of(c, n);
	struct zs_endpoint src = client(n), dst = published(n);

	if (way == ZS_FLOW_TO_CLIENT) {
		src = target(n);
		dst = cid_peer(is6(n) || is_crossing(n) ? "fd00:1::1" : "10.2.0.1",
			       f ? f->source_port : 20000);
	}
	return frame_of(&src, &dst, iface_of(n, way), len, ecn);
}

/* The long way, from what parse and classify make of a good packet. true: it would leave. */
static bool long_way(struct zs_worker *w, struct rte_mbuf *m, struct zs_item *it)
{
	struct zs_item *at[1] = { it };
	int local;

	memset(it, 0, sizeof(*it));
	it->m = m;
	it->iface = (uint8_t)m->port;
	it->class = ZS_CLASS_FLOW;
	it->frame = rte_pktmbuf_mtod(m, uint8_t *);
	if (zs_packet_parse(it->frame, m->data_len, &it->p) != ZS_PARSE_OK ||
	    zs_packet_hygiene(&it->p) >= 0 || memcmp(it->frame, express_mac, sizeof(express_mac)) ||
	    it->p.dst.port == CID_SERVICE || it->p.dst.port == CID_SERVICE + 1 || it->p.vlan)
		return false;
	it->ip = it->frame + it->p.l3_off;
	it->l4 = it->frame + it->p.l4_off;
	it->ip_len = it->p.ip_len;
	it->l4_len = (uint16_t)(it->p.ip_len - (it->p.l4_off - it->p.l3_off));
	local = zs_locals_find(&w->locals, &it->p.dst.addr, it->iface, 0);
	it->local = (uint8_t)local;
	it->side = zs_stage_published(w, it, it->p.dst.port) ? ZS_SIDE_CLIENT : ZS_SIDE_TARGET;
	if (local == ZS_LOCAL_NONE ||
	    (it->side == ZS_SIDE_TARGET && zs_flow_partition_of(w->dp, it->p.dst.port) < 0))
		return false;
	return zs_stage_flow(w, at, 1) == 1 && zs_stage_police(w, at, 1) == 1 &&
	       zs_stage_rewrite(w, at, 1) == 1;
}

static bool go_long(struct zs_worker *w, struct rte_mbuf *m)
{
	struct zs_item it;
	bool went = long_way(w, m, &it);

	fake_free(m);
	return went;
}

static void publish(struct cid_rig *c, uint16_t port, uint32_t generation, struct zs_endpoint to)
{
	struct zs_published p = {
		.used = 1, .generation = generation, .target = to.addr, .target_port = to.port
	};

	assert_int_equal(zs_tables_set_published(&c->r->writer, port, &p), 0);
}

static void drain(struct cid_rig *c, uint16_t port, bool on)
{
	struct zs_published p;

	assert_true(zs_tables_published(&c->r->writer, port, &p));
	p.drain = on;
	assert_int_equal(zs_tables_set_published(&c->r->writer, port, &p), 0);
}

static void world(struct cid_rig *c)
{
	struct zs_worker *w = &c->r->worker[0];

	express_ports(c);
	publish(c, PORT6, 1, target(1));
	publish(c, PORT_CROSS, 1, target(2));
	rig_settings(c->r, 0, 100);
	for (uint32_t n = 0; n < FLOWS; n++) {
		assert_true(go_long(w, make(c, n, ZS_FLOW_TO_TARGET, 40, 0)));
		if (life_of(n) != ZS_FLOW_ASKING)
			assert_true(go_long(w, make(c, n, ZS_FLOW_TO_CLIENT, 40, 0)));
		if (life_of(n) == ZS_FLOW_CONFIRMED)
			assert_true(go_long(w, make(c, n, ZS_FLOW_TO_TARGET, 40, 0)));
		assert_int_equal(flow_of(c, n)->answered, life_of(n));
	}
}

/* What it sent is what the long way would have sent. */
static void same_as_long(const struct zs_worker *w, const struct rte_mbuf *m, const struct rte_mbuf *other,
			 const struct zs_item *it)
{
	const struct zs_txbuf *t = &w->tx[it->hop.iface];

	assert_int_equal(t->count, 1);
	assert_ptr_equal(t->mbuf[0], m);
	assert_ptr_equal(t->sent[0].flow, &it->table->flow[it->flow]);
	assert_int_equal(t->sent[0].way, it->side);
	assert_int_equal(t->sent[0].from, 0);
	assert_int_equal(t->sent[0].to, 0);
	assert_int_equal(t->sent[0].kind, ZS_SENT_PLAIN);
	assert_int_equal(t->sent[0].payload, it->l4_len - ZS_UDP_LEN);
	assert_int_equal(t->sent[0].ip_len, it->ip_len);
	express_same(m, other);
}

static void test_same_as_the_long_way(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	uint64_t rng = c->r->scratch->rng;
	uint32_t sent[ZS_FLOW_WAYS] = { 0 }, left = 0, refused[ZS_DROPS] = { 0 };

	world(c);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t n = draw(&rng) % (FLOWS + 2);
		enum zs_flow_way way = draw(&rng) % 2;
		uint16_t len = (uint16_t)(draw(&rng) % 50 ? draw(&rng) % 100 : draw(&rng) % MTU_LONG);
		struct rte_mbuf *m = make(c, n, way, len, (uint8_t)(draw(&rng) % 4)), *whole, *other;
		struct zs_item it;
		enum zs_drop why;
		uint32_t used;

		w->flood.on = draw(&rng) % 2;
		if (draw(&rng) % 2)
			express_damage(&rng, m);
		if (draw(&rng) % 100 == 0)
			drain(c, PORT6, draw(&rng) % 2);
		w->now_ms += draw(&rng) % 100 == 0;
		whole = express_copy(m);
		other = express_copy(m);
		c->drop = ZS_DROPS;
		used = atomic_load(&c->r->dp.partition[0].head->used);
		if (express_one(w, m)) {
			express_same(m, whole);
			long_way(w, other, &it);
			left++;
		} else if ((why = express_why(w)) != ZS_DROPS) {
			memset(w->drop, 0, ZS_DROPS * sizeof(*w->drop));
			assert_false(long_way(w, other, &it));
			assert_true(c->drop == why ||
				    it.p.dst.port == CID_SERVICE); /* test_express.c has the others */
			refused[why] += c->drop == why;
		} else {
			assert_true(long_way(w, other, &it));
			same_as_long(w, m, other, &it);
			assert_int_equal(it.table->flow[it.flow].last_ms, w->now_ms);
			assert_int_equal(used, atomic_load(&c->r->dp.partition[0].head->used));
			sent[it.side]++;
		}
		fake_free(m);
		fake_free(whole);
		fake_free(other);
	}
	assert_true(sent[ZS_FLOW_TO_TARGET] > FRAMES / 10 && sent[ZS_FLOW_TO_CLIENT] > FRAMES / 10 &&
		    left > FRAMES / 10 && refused[ZS_DROP_stranger] > FRAMES / 100 &&
		    refused[ZS_DROP_flood] > FRAMES / 400 && refused[ZS_DROP_draining]);
}

/* Every confirmed flow takes it, both ways, wherever the index has put it; no other does. */
static void test_all_of_them(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];

	world(c);
	for (uint32_t n = 0; n < FLOWS; n++)
		for (enum zs_flow_way way = 0; way < ZS_FLOW_WAYS; way++) {
			struct rte_mbuf *m = make(c, n, way, 30, 1);
			bool goes = life_of(n) == ZS_FLOW_CONFIRMED && !is_crossing(n);

			if (goes) /* the neighbour is at hand */
				go_long(w, express_copy(m));
			assert_int_equal(express_one(w, m), !goes);
			fake_free(m);
		}
}

/* A burst of flows and of the service port: each packet ends once, those of one flow in order. */
static void test_burst(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	struct zs_endpoint stranger = cid_peer("10.1.0.2", 9), service = cid_peer("10.1.0.1", CID_SERVICE);
	struct rte_mbuf *m[ZS_BURST], *left[ZS_BURST];
	uint32_t rest, others = 0, next = 0;

	world(c);
	for (uint32_t i = 0; i < ZS_BURST; i++)
		left[i] = m[i] = i % 4 == 3 ? frame_of(&stranger, &service, 0, 40, 0)
					    : make(c, i % 4 == 2 ? 3 : PLAIN, ZS_FLOW_TO_TARGET, 30, 0);
	w->tx[0].count = w->tx[1].count = c->drops = 0;
	rest = zs_stage_express(w, left, ZS_BURST);
	assert_int_equal(w->tx[1].count, ZS_BURST / 2);
	assert_int_equal(rest + c->drops, ZS_BURST / 2);
	for (uint32_t i = 0; i < ZS_BURST; i++)
		if (i % 4 < 2)
			assert_ptr_equal(w->tx[1].mbuf[next++], m[i]);
	for (uint32_t i = 2; i < ZS_BURST; i += 4)
		for (uint32_t k = 0; k < rest; k++)
			others += left[k] == m[i];
	assert_int_equal(others, ZS_BURST / 4);
	for (uint32_t i = 0; i < ZS_BURST; i++)
		fake_free(m[i]);
}

/* --- barriers --- */

static void not_confirmed(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	flow_of(c, PLAIN)->answered = on ? ZS_FLOW_ANSWERED : ZS_FLOW_CONFIRMED;
}

static void resting(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	static struct zs_flow *f; /* it is not found while it rests */

	if (on)
		f = flow_of(c, PLAIN);
	f->used = on ? ZS_FLOW_RESTING : ZS_FLOW_LIVE;
}

static void aimed_elsewhere(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	rig_publish(c->r, on ? 2 : 1, 0, false);
}

static void withdrawn(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	if (on)
		assert_int_equal(zs_tables_set_published(&c->r->writer, RIG_CLIENT_PORT, NULL), 0);
	else
		rig_publish(c->r, 1, 0, false);
}

static void being_written(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	_Atomic uint32_t *seq = &c->r->writer.published[RIG_CLIENT_PORT].seq;

	if (on)
		zs_seqlock_write_begin(seq);
	else
		zs_seqlock_write_end(seq);
}

static void other_tables(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	c->r->worker[0].stamp += on ? 2 : -2u;
}

static void tables_changed(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	atomic_fetch_add(c->r->writer.change, on ? 1 : -1ull);
}

static void way_not_found(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	flow_of(c, PLAIN)->nexthop[ZS_FLOW_TO_TARGET] ^= 0xffff;
}

static void found_in_others(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	flow_of(c, PLAIN)->as_of ^= 2;
}

static void no_local(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	c->r->worker[0].locals.entry[flow_of(c, PLAIN)->local_target].used = !on;
}

static void other_family(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	flow_of(c, PLAIN)->local_target = on ? 2 : 1;
}

static void behind_a_tunnel(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	flow_of(c, PLAIN)->local_target = on ? ZS_LOCAL_ATTACHED : 1;
}

static void target_of_other_family(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	flow_of(c, PLAIN)->target = target(on);
}

static void another_workers(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	c->r->dp.partition_owner[0] = on;
}

static void too_long(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	struct zs_worker *w = &c->r->worker[0];

	w->hop[flow_of(c, PLAIN)->nexthop[ZS_FLOW_TO_TARGET] % ZS_HOPS].hop.mtu = on ? 20 : 1500;
}

static void by_a_tagged_way(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	struct zs_worker *w = &c->r->worker[0];

	w->hop[flow_of(c, PLAIN)->nexthop[ZS_FLOW_TO_TARGET] % ZS_HOPS].hop.vlan = on ? 7 : 0;
}

static void became_ours(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	struct zs_local l = { .used = 1, .iface = 0, .prefix_len = 120, .addr = client(PLAIN).addr };
	struct zs_worker *w = &c->r->worker[0];

	assert_int_equal(zs_tables_set_local(&c->r->writer, 3, on ? &l : NULL), 0);
	atomic_fetch_sub(c->r->writer.change, 1); /* as if it had always been so */
	zs_locals_load(&w->locals, &c->r->writer, c->r->dp.conf);
}

static void denied(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	struct zs_acl_rule rule = { .prefix = { client(PLAIN).addr, 128 }, .deny = ZS_ACL_IN };
	uint64_t epoch;

	assert_int_equal(zs_tables_put_rules(&c->r->writer, &rule, on, &epoch), 0);
	atomic_fetch_sub(c->r->writer.change, 1);
	c->r->worker[0].acl = zs_acl_look(&c->r->writer.acl);
}

static const struct express_barrier barriers[] = {
	{ "a flow that is not confirmed", not_confirmed },
	{ "a flow that has ended", resting },
	{ "a port that leads elsewhere by now", aimed_elsewhere },
	{ "a port that was withdrawn", withdrawn },
	{ "a port that is being written", being_written },
	{ "other tables", other_tables },
	{ "a change of the tables", tables_changed },
	{ "a way that is not found", way_not_found },
	{ "a way that was found in other tables", found_in_others },
	{ "an own address that went", no_local },
	{ "an own address of the other family", other_family },
	{ "a target behind a tunnel", behind_a_tunnel },
	{ "a target of the other family", target_of_other_family },
	{ "another worker's flow", another_workers },
	{ "a way it is too long for", too_long },
	{ "a way with a tag", by_a_tagged_way },
	{ "a source that became ours", became_ours },
	{ "a source that is denied", denied },
};

static void test_not_by_it(void **state)
{
	struct cid_rig *c = *state;
	struct rte_mbuf *m;

	world(c);
	m = make(c, PLAIN, ZS_FLOW_TO_TARGET, 30, 0);
	express_barriers(c, m, express_common, ZS_ARRAY_LEN(express_common));
	express_barriers(c, m, barriers, ZS_ARRAY_LEN(barriers));
	fake_free(m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cid_setup, cid_teardown)
	const struct CMUnitTest tests[] = { T(test_same_as_the_long_way), T(test_all_of_them), T(test_burst),
					    T(test_not_by_it) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
