/* The short way against the long one: what it sends is the same frame to the same port for the same accounts, what it refuses has
 * the same reason, and what it leaves is as it came. */
#include "express_rig.h"

#define FIRST4	       1 /* at 10.1.0.2 */
#define FIRST6	       9 /* at fd00:1::2 */
#define UNBOUND	       13
#define BEYOND	       14 /* at 10.2.0.2, behind the other interface */
#define LIMITED	       15 /* to a packet a second … */
#define LIMITED_MARKED 16 /* … to a hundred, the next ones are marked */
#define PEERS	       17 /* 0 is a stranger */
#define FRAMES	       ROUNDS(40000)
#define MTU_LONG       1700

static bool is6(uint32_t id)
{
	return id >= FIRST6 && id < UNBOUND;
}

static struct zs_endpoint place(uint32_t id)
{
	return cid_peer(is6(id)	       ? "fd00:1::2"
			: id == BEYOND ? "10.2.0.2"
				       : "10.1.0.2",
			(uint16_t)(1000 + id));
}

static void limit(struct cid_rig *c, uint32_t id, uint32_t pkt_s)
{
	struct zs_police_limits limits = { .pkt_s = pkt_s };
	struct zs_attachment a;

	assert_true(zs_sessions_attachment(&c->shm, id, &a));
	a.mark = id == LIMITED_MARKED;
	zs_police_of(&a.police, &limits);
	assert_int_equal(zs_sessions_set_attachment(&c->shm, id, &a), 0);
	cid_refresh(c);
}

/* All that a look may change beside the packet and what is counted of it: it is put back, so that the other way finds it. */
struct world {
	struct zs_buckets bucket[PEERS];
	struct zs_account account[PEERS];
	uint32_t head, count;
};

static struct world keep(const struct zs_worker *w)
{
	struct world k = { .head = w->policer.head, .count = w->policer.count };

	memcpy(k.bucket, w->policer.v.bucket, sizeof(k.bucket));
	memcpy(k.account, w->policer.v.account, sizeof(k.account));
	return k;
}

static void put_back(struct zs_worker *w, const struct world *k)
{
	w->policer.head = k->head;
	w->policer.count = k->count;
	memcpy(w->policer.v.bucket, k->bucket, sizeof(k->bucket));
	memcpy(w->policer.v.account, k->account, sizeof(k->account));
	w->flood.nudges = UINT8_MAX;
	memset(w->dp->limits->prefix, 0, sizeof(w->dp->limits->prefix));
}

static void world(struct cid_rig *c)
{
	express_ports(c);
	for (uint32_t id = 1; id < PEERS; id++) {
		cid_attach(c, id, CID_GENERATION, id % 2 ? ZS_STRANGERS_NOTHING : ZS_STRANGERS_LIMITED);
		if (id != UNBOUND)
			cid_bind(c, id, place(id), is6(id) ? 2 : id == BEYOND);
	}
	limit(c, LIMITED, 1);
	limit(c, LIMITED_MARKED, 100);
}

/* A packet from one peer to another, by a short or a long header. */
static struct rte_mbuf *make(struct cid_rig *c, uint64_t *rng, uint32_t from, uint32_t to)
{
	struct rte_mbuf *m = fake_new();
	struct zs_endpoint src = place(from),
			   dst = cid_peer(is6(from) ? "fd00:1::1" : "10.1.0.1", CID_SERVICE);
	uint8_t *payload = (uint8_t *)m->buf_addr + 256, *cid = payload + 1;
	uint16_t len = (uint16_t)(draw(rng) % 50 ? 18 + draw(rng) % 100 : draw(rng) % MTU_LONG);
	bool longer = draw(rng) % 3 == 0;
	struct zs_item it = { .m = m };

	payload[0] = longer ? 0xc0 : 0x40;
	if (longer) {
		memcpy(payload + 1, "\0\0\0\1\x11", 5);
		cid = payload + 6;
		payload[6 + ZS_CID] = 0;
	}
	cid_mint(c, draw(rng) % 40 ? CID_POP : CID_POP + 1, to,
		 (uint16_t)(CID_GENERATION + (draw(rng) % 40 == 0)), cid);
	memcpy(it.hop.dmac, express_mac, sizeof(express_mac));
	assert_true(zs_header_put(&it,
				  &(struct zs_header){ .src = src,
						       .dst = dst,
						       .payload_sum = zs_csum_add(0, payload, len),
						       .ecn = (uint8_t)(draw(rng) % 4) },
				  payload, len));
	return m;
}

/* The long way, from what parse and classify make of a good packet. true: it would leave. */
static bool long_way(struct zs_worker *w, struct rte_mbuf *m, struct zs_item *it)
{
	struct zs_item *at[1] = { it };

	memset(it, 0, sizeof(*it));
	it->m = m;
	it->class = ZS_CLASS_CID;
	it->frame = rte_pktmbuf_mtod(m, uint8_t *);
	if (zs_packet_parse(it->frame, m->data_len, &it->p) != ZS_PARSE_OK ||
	    zs_packet_hygiene(&it->p) >= 0 || memcmp(it->frame, express_mac, sizeof(express_mac)) ||
	    it->p.dst.port != CID_SERVICE || it->p.vlan)
		return false;
	it->ip = it->frame + it->p.l3_off;
	it->l4 = it->frame + it->p.l4_off;
	it->ip_len = it->p.ip_len;
	it->l4_len = (uint16_t)(it->p.ip_len - (it->p.l4_off - it->p.l3_off));
	it->local = (uint8_t)zs_locals_find(&w->locals, &it->p.dst.addr, 0, 0);
	return it->local < ZS_LOCALS_MAX && zs_stage_cid(w, at, 1) == 1 && zs_stage_police(w, at, 1) == 1 &&
	       zs_stage_rewrite(w, at, 1) == 1;
}

static const enum zs_drop often[] = { ZS_DROP_cid_config, ZS_DROP_cid_stale, ZS_DROP_backhaul,
				      ZS_DROP_self,	  ZS_DROP_flood,     ZS_DROP_cid_stranger,
				      ZS_DROP_policed };

static void test_same_as_the_long_way(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	uint64_t rng = c->r->scratch->rng;
	uint32_t sent = 0, left = 0, refused[ZS_DROPS] = { 0 }, nudged = 0, marked = 0;

	world(c);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t from = draw(&rng) % PEERS, to = draw(&rng) % (PEERS + 2);
		struct rte_mbuf *m = make(c, &rng, from, to), *whole, *other;
		struct world before, after;
		uint32_t originated;
		struct zs_item it;
		enum zs_drop why;

		if (draw(&rng) % 2)
			express_damage(&rng, m);
		m->nb_segs = 1;
		whole = express_copy(m);
		other = express_copy(m);
		w->flood.on = draw(&rng) % 2;
		w->now_ns += draw(&rng) % ZS_NS_PER_MS;
		before = keep(w);
		put_back(w, &before);
		c->originated = 0;
		if (express_one(w, m)) {
			express_same(m, whole);
			after = keep(w);
			assert_memory_equal(&after, &before, sizeof(after));
			assert_int_equal(c->originated, 0);
			long_way(w, other, &it); /* after which the neighbour is at hand */
			left++;
			goto next;
		}
		after = keep(w);
		put_back(w, &before);
		originated = c->originated;
		nudged += originated;
		c->originated = 0;
		if ((why = express_why(w)) != ZS_DROPS) {
			c->drop = ZS_DROPS;
			assert_false(long_way(w, other, &it));
			assert_true(c->drop == why ||
				    it.p.dst.port != CID_SERVICE); /* test_express_flow.c has the others */
			refused[why] += c->drop == why;
		} else {
			const struct zs_txbuf *t;

			assert_true(long_way(w, other, &it));
			t = &w->tx[it.hop.iface];
			assert_int_equal(t->count, 1);
			assert_ptr_equal(t->mbuf[0], m);
			assert_int_equal(t->sent[0].from, it.from + 1);
			assert_int_equal(t->sent[0].to, it.to + 1);
			assert_int_equal(t->sent[0].payload, it.l4_len - ZS_UDP_LEN);
			assert_int_equal(t->sent[0].ip_len, it.ip_len);
			express_same(m, other);
			sent++;
			marked += it.p.ecn == 3 && (rte_pktmbuf_mtod(whole, uint8_t *)[15] & 3) != 3;
		}
		assert_int_equal(c->originated, originated);
		before = keep(w);
		assert_memory_equal(&after, &before, sizeof(after));
	next:
		fake_free(m);
		fake_free(whole);
		fake_free(other);
	}
	assert_true(sent > FRAMES / 10 && left > FRAMES / 10 && nudged > FRAMES / 400 &&
		    marked > FRAMES / 400);
	for (size_t i = 0; i < ZS_ARRAY_LEN(often); i++)
		if (refused[often[i]] < FRAMES / 4000)
			fail_msg("only %u refused as %d", refused[often[i]], often[i]);
}

/* A whole burst of the good, the bad and the left: each ends once, in order. */
static void test_burst(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	struct rte_mbuf *m[ZS_BURST], *left[ZS_BURST], *want[ZS_BURST], *other;
	struct zs_item it;
	uint64_t rng = c->r->scratch->rng, routed = w->count[ZS_COUNTER_cid_routed];
	uint32_t rest, good = 0, others = 0;

	world(c);
	for (uint32_t i = 0; i < ZS_BURST; i++) {
		m[i] = make(c, &rng, i % 5 ? FIRST4 : 0, FIRST4 + 1);
		m[i]->nb_segs = 1;
		left[i] = m[i];
	}
	for (uint32_t i = 0; i < ZS_BURST; i++) {
		other = express_copy(m[i]);
		long_way(w, other, &it); /* the neighbour is at hand */
		fake_free(other);
	}
	c->drops = 0;
	rest = zs_stage_express(w, left, ZS_BURST);
	assert_int_equal(rest + w->tx[0].count + c->drops, ZS_BURST);
	assert_int_equal(w->count[ZS_COUNTER_cid_routed] - routed, w->tx[0].count);
	for (uint32_t i = 0; i < ZS_BURST; i++)
		for (uint32_t k = 0; k < w->tx[0].count; k++)
			if (w->tx[0].mbuf[k] == m[i])
				want[good++] = w->tx[0].mbuf[k];
	assert_memory_equal(want, w->tx[0].mbuf, good * sizeof(*want));
	for (uint32_t i = 0; i < ZS_BURST; i += 5)
		for (uint32_t k = 0; k < rest; k++)
			others += left[k] == m[i];
	assert_true(good > ZS_BURST / 2 && others > 0);
	for (uint32_t i = 0; i < ZS_BURST; i++)
		fake_free(m[i]);
}

static void no_local(struct cid_rig *c, struct rte_mbuf *m, bool on)
{
	struct zs_worker *w = &c->r->worker[0];

	w->locals.entry[w->hot[FIRST4 + 1].local].used = !on;
}

static const struct express_barrier barriers[] = {
	{ "an own address that went", no_local },
};

static void test_not_by_it(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	struct rte_mbuf *m, *other;
	uint64_t rng = 1;
	struct zs_item it;

	world(c);
	do
		m = make(c, &rng, FIRST4, FIRST4 + 1);
	while (m->data_len > 300);
	m->nb_segs = 1;
	m->ol_flags = 0;
	other = express_copy(m);
	assert_true(long_way(w, other, &it)); /* the neighbour is at hand */
	fake_free(other);
	express_barriers(c, m, express_common, ZS_ARRAY_LEN(express_common));
	express_barriers(c, m, barriers, ZS_ARRAY_LEN(barriers));
	assert_true(express_takes(c, m));
	fake_free(m);
}

/* In a flood those who refused packets come from are told of, but not a peer, whatever it sends. */
static void test_told(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = &c->r->worker[0];
	uint64_t rng = c->r->scratch->rng;
	struct zs_addr site;

	world(c);
	c->r->conf.flood.block_pkt_s = 4000;
	for (int who = 1; who >= 0; who--)
		for (int on = 0; on < 2; on++) {
			w->flood.on = on;
			for (int i = 0; i < 8000; i++) {
				struct rte_mbuf *m = make(c, &rng, who ? FIRST4 : 0,
							  who ? FIRST4 : FIRST4 + 1);

				m->nb_segs = 1;
				express_one(w, m);
				fake_free(m);
			}
			assert_int_equal(zs_flood_told(&w->flood, &site), on && !who);
		}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cid_setup, cid_teardown)
	const struct CMUnitTest tests[] = { T(test_same_as_the_long_way), T(test_burst), T(test_not_by_it),
					    T(test_told) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
