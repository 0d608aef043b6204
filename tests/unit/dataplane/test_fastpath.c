/* The worker's hand on the kernel's fast path, its maps in plain memory: what is offered, what voids it, what the kernel counted. */
#include "cid_rig.h"

#include <sys/mman.h>
#include "fastpath.h"

#define FROM	3
#define TO	5
#define FLOWS	64
#define FLOW	7
#define IFINDEX 40

static struct zs_fast *maps_of(struct cid_rig *c)
{
	return &c->r->dp.fast->maps;
}

static void map_memory(struct zs_fast *f)
{
	struct zs_fast_shape shape = { .attachments = CID_ATTACHMENTS, .flows = FLOWS };
	int fd[ZS_FAST_MAPS];

	for (int m = 0; m < ZS_FAST_MAPS; m++) {
		fd[m] = memfd_create("map", 0);
		assert_true(fd[m] >= 0 && ftruncate(fd[m], 1 << 20) == 0);
	}
	assert_int_equal(zs_fast_map(f, &shape, fd), 0);
	for (int m = 0; m < ZS_FAST_MAPS; m++)
		close(fd[m]);
}

static struct zs_worker *worker(struct cid_rig *c)
{
	return &c->r->worker[0];
}

static int setup(void **state)
{
	struct cid_rig *c;

	assert_int_equal(cid_setup(state), 0);
	c = *state;
	c->r->dp.fast = calloc(1, sizeof(*c->r->dp.fast));
	map_memory(maps_of(c));
	for (uint32_t i = 0; i < 2; i++) {
		c->r->dp.port[i].steered = true;
		c->r->dp.port[i].steer.ifindex = IFINDEX + (int)i;
	}
	c->r->dp.ports = 2;
	cid_workers(c, 1);
	zs_fastpath_begin(worker(c));
	zs_fastpath_keep(worker(c));
	cid_attach(c, FROM, CID_GENERATION, ZS_STRANGERS_LIMITED);
	cid_attach(c, TO, CID_GENERATION, ZS_STRANGERS_LIMITED);
	cid_bind(c, FROM, cid_peer("10.1.0.2", 6000), 0);
	cid_bind(c, TO, cid_peer("10.2.0.2", 7000), 1);
	return 0;
}

static int teardown(void **state)
{
	struct cid_rig *c = *state;

	zs_fast_unmap(maps_of(c));
	free(c->r->dp.fast);
	c->r->dp.fast = NULL;
	return cid_teardown(state);
}

/* A packet of FROM, or of whoever else is there, to TO: through the worker. */
static void send_cid(struct cid_rig *c, struct zs_endpoint from)
{
	struct cid_packet p;

	assert_true(cid_send(c, &p, from, 0, TO, CID_GENERATION));
	zs_fastpath_offer(worker(c), &p.it);
}

static void offer_both(struct cid_rig *c)
{
	send_cid(c, cid_peer("10.1.0.2", 6000));
	assert_true(zs_fast_has_to(maps_of(c), TO) && zs_fast_has_from(maps_of(c), FROM));
}

static void test_offer(void **state)
{
	struct cid_rig *c = *state;
	const struct zs_fast_attachment *to = &maps_of(c)->attachments[TO];
	const struct zs_fast_hop *hop;

	assert_false(zs_fast_held(maps_of(c)));
	offer_both(c);
	assert_false(zs_fast_has_from(maps_of(c), TO)); /* nothing of what it sends was judged */
	assert_false(zs_fast_has_to(maps_of(c), FROM));
	assert_int_equal(to->generation, CID_GENERATION);
	assert_int_equal(to->port, 7000);
	assert_memory_equal(&to->addr, rig_addr("10.2.0.2").ip, 16);
	assert_int_equal(to->local, 1);
	assert_int_equal(to->expires_ns, worker(c)->now_ns + 75 * ZS_NS_PER_S);
	assert_int_equal(to->limited, 0);
	hop = &maps_of(c)->hops[to->hop];
	assert_int_equal(hop->ifindex, IFINDEX + 1);
	assert_int_equal(hop->mtu, 1500);
	assert_memory_equal(&maps_of(c)->config->local[1].addr, rig_addr("10.2.0.1").ip, 16);
	assert_int_equal(maps_of(c)->config->local[1].ifindex, IFINDEX + 1);
	assert_int_equal(maps_of(c)->config->pop, CID_POP);
	assert_int_equal(maps_of(c)->config->service_port, CID_SERVICE);
}

static void test_strangers_stay(void **state)
{
	struct cid_rig *c = *state;

	c->r->conf.flood.strangers_s = 100;
	send_cid(c, cid_peer("10.1.0.77", 6000));
	assert_false(zs_fast_has_to(maps_of(c), TO));
}

static void test_voids(void **state)
{
	struct cid_rig *c = *state;

	offer_both(c);
	cid_bind(c, TO, cid_peer("10.2.0.2", 7001), 1);
	assert_false(zs_fast_has_to(maps_of(c), TO));
	assert_true(zs_fast_has_from(maps_of(c), FROM));
	cid_attach(c, FROM, CID_GENERATION + 1, ZS_STRANGERS_NOTHING);
	assert_false(zs_fast_has_from(maps_of(c), FROM));
}

static void test_renew(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = worker(c);

	offer_both(c);
	zs_fastpath_keep(w);
	assert_true(zs_fast_has_to(maps_of(c), TO)); /* nothing has changed */
	rig_publish(c->r, 1, 0, false);
	zs_fastpath_keep(w);
	assert_false(zs_fast_has_to(maps_of(c), TO));
	offer_both(c);
	w->stamp++;
	zs_fastpath_keep(w);
	assert_false(zs_fast_has_from(maps_of(c), FROM));
	offer_both(c);
	zs_tables_set_stop(&c->r->writer, true);
	zs_fastpath_keep(w);
	assert_true(zs_fast_held(maps_of(c)));
	send_cid(c, cid_peer("10.1.0.2", 6000)); /* offers nothing */
	zs_tables_set_stop(&c->r->writer, false);
	zs_fastpath_keep(w);
	assert_false(zs_fast_held(maps_of(c)));
	assert_false(zs_fast_has_to(maps_of(c), TO));
	w->trace = &w->tracer;
	zs_fastpath_keep(w);
	assert_true(zs_fast_held(maps_of(c)));
}

static void test_alive(void **state)
{
	struct cid_rig *c = *state;

	worker(c)->now_ns += 77;
	zs_fastpath_keep(worker(c));
	assert_int_equal(maps_of(c)->config->alive_until_ns,
			 worker(c)->now_ns + ZS_FAST_ALIVE_MS * ZS_NS_PER_MS);
}

static void test_counts(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = worker(c);
	uint64_t *there = maps_of(c)->counts[1].count, rx = w->count[ZS_COUNTER_rx],
		 tx = w->count[ZS_COUNTER_tx];

	for (int i = 0; i < ZS_FAST_COUNTS; i++)
		there[i] = 10 + (uint64_t)i;
	maps_of(c)->counts[0].count[ZS_FAST_FORWARDED] = 5;
	for (int i = 0; i < 2; i++) { /* once */
		zs_fastpath_keep(w);
		assert_int_equal(w->count[ZS_COUNTER_tx], tx + 15);
		assert_int_equal(w->count[ZS_COUNTER_rx], rx + 15 + 14 + 15 + 16 + 17);
		assert_int_equal(w->count[ZS_COUNTER_in_kernel], 15 + 14 + 15 + 16 + 17);
		assert_int_equal(w->count[ZS_COUNTER_cid_routed], 11);
		assert_int_equal(w->drop[ZS_DROP_cid_stale], 14);
		assert_int_equal(w->drop[ZS_DROP_cid_malformed], 15);
		assert_int_equal(w->drop[ZS_DROP_self], 16);
		assert_int_equal(w->drop[ZS_DROP_policed], 17);
	}
	zs_fastpath_begin(w); /* another process: what was counted stays counted */
	there[ZS_FAST_FORWARDED]++;
	zs_fastpath_keep(w);
	assert_int_equal(w->count[ZS_COUNTER_tx], tx + 16);
}

static void test_meters(void **state)
{
	struct cid_rig *c = *state;
	struct zs_worker *w = worker(c);
	struct zs_fast_attachment *a = maps_of(c)->attachments;

	a[TO].to = (struct zs_fast_meter){ 1000, 10 };
	a[FROM].from = (struct zs_fast_meter){ 900, 9 };
	for (uint32_t i = 0; i < 2 * CID_ATTACHMENTS; i++) /* once round, and no more comes of another */
		zs_fastpath_keep(w);
	assert_int_equal(w->hot[TO].meter[ZS_TO_EDGE].bytes, 1000);
	assert_int_equal(w->hot[TO].meter[ZS_TO_EDGE].packets, 10);
	assert_int_equal(w->hot[TO].meter[ZS_FROM_EDGE].packets, 0);
	assert_int_equal(w->hot[FROM].meter[ZS_FROM_EDGE].bytes, 900);
	assert_int_equal(a[TO].to.packets, 0);
}

/* Both engines draw from one bucket. */
static void test_one_bucket(void **state)
{
	struct cid_rig *c = *state;

	assert_ptr_equal(worker(c)->policer.v.bucket, maps_of(c)->buckets);
	assert_ptr_equal(worker(c)->policer.v.tenant, maps_of(c)->shared);
	assert_ptr_equal(c->r->dp.senders.bucket, maps_of(c)->senders);
	assert_int_equal(c->r->dp.senders.mask, maps_of(c)->config->sender_mask);
}

static void test_limits(void **state)
{
	struct cid_rig *c = *state;
	struct zs_police_limits limits = { .bit_s = 1000000 };
	struct zs_tenant t = { .used = 1, .members = 1 };
	struct zs_attachment a;

	assert_true(zs_sessions_attachment(&c->shm, TO, &a));
	zs_police_of(&a.police, &limits);
	a.tenant = 9;
	a.mark = 1;
	zs_police_of(&t.police, &limits);
	assert_int_equal(zs_sessions_set_tenant(&c->shm, 9, &t), 0);
	assert_int_equal(zs_sessions_set_attachment(&c->shm, TO, &a), 0);
	cid_refresh(c);
	offer_both(c);
	zs_fastpath_keep(worker(c));
	assert_int_equal(maps_of(c)->attachments[TO].limited, 1);
	assert_int_equal(maps_of(c)->attachments[TO].policed, 1);
	assert_int_equal(maps_of(c)->attachments[TO].tenant, 9);
	assert_int_equal(maps_of(c)->attachments[TO].mark, 1);
	assert_memory_equal(&maps_of(c)->attachments[TO].police, &a.police, sizeof(a.police));
	assert_memory_equal(&maps_of(c)->tenants[9].police, &t.police, sizeof(t.police));
	assert_int_equal(maps_of(c)->attachments[FROM].policed, 0);
}

/* --- flows --- */

static struct zs_item flow_item(struct cid_rig *c, enum zs_side side)
{
	struct zs_flow_table *t = &c->r->dp.partition[0];
	struct zs_flow *f = &t->flow[FLOW];
	struct zs_item it = { .class = ZS_CLASS_FLOW, .side = (uint8_t)side, .flow = FLOW, .table = t };

	f->client = cid_peer("10.1.0.2", 5000);
	f->target = cid_peer("10.2.0.2", 443);
	f->port = RIG_CLIENT_PORT;
	f->source_port = 20100;
	f->local_target = 1;
	it.hop.iface = side == ZS_SIDE_CLIENT;
	return it;
}

static void test_flow(void **state)
{
	struct cid_rig *c = *state;
	struct zs_item it = flow_item(c, ZS_SIDE_CLIENT);
	struct zs_flow *f = &it.table->flow[FLOW];
	const struct zs_fast_way *way = maps_of(c)->flows[FLOW].way;

	f->answered = ZS_FLOW_ANSWERED;
	zs_fastpath_offer(worker(c), &it);
	assert_false(zs_fast_has_way(maps_of(c), FLOW, ZS_FAST_CLIENT));
	f->answered = ZS_FLOW_CONFIRMED;
	zs_fastpath_offer(worker(c), &it);
	assert_true(zs_fast_has_way(maps_of(c), FLOW, ZS_FAST_CLIENT));
	assert_false(zs_fast_has_way(maps_of(c), FLOW, ZS_FAST_TARGET));
	assert_int_equal(way[ZS_FAST_CLIENT].port, RIG_CLIENT_PORT);
	assert_int_equal(way[ZS_FAST_CLIENT].local, 0);
	assert_int_equal(way[ZS_FAST_CLIENT].out, 1);
	assert_int_equal(way[ZS_FAST_TARGET].from.port, 443);
	assert_int_equal(way[ZS_FAST_TARGET].port, 20100);
	assert_int_equal(maps_of(c)->hops[way[ZS_FAST_CLIENT].hop].ifindex, IFINDEX + 1);
	it = flow_item(c, ZS_SIDE_TARGET);
	it.sealed = 1;
	zs_fastpath_offer(worker(c), &it);
	assert_false(zs_fast_has_way(maps_of(c), FLOW, ZS_FAST_TARGET));
}

/* What passed in the kernel keeps a flow alive and is counted to it; when it ends it is no more. */
static void test_flow_ends(void **state)
{
	struct cid_rig *c = *state;
	struct zs_item it = flow_item(c, ZS_SIDE_CLIENT);
	const struct zs_flow_rest *rest = &it.table->rest[FLOW];
	struct zs_flow *f = &it.table->flow[FLOW];
	struct zs_fast_way *way = maps_of(c)->flows[FLOW].way;

	f->answered = ZS_FLOW_CONFIRMED;
	f->last_ms = worker(c)->now_ms;
	zs_fastpath_offer(worker(c), &it);
	way[ZS_FAST_CLIENT].last_ms += 5000;
	way[ZS_FAST_CLIENT].meter = (struct zs_fast_meter){ 100, 2 };
	way[ZS_FAST_TARGET].meter = (struct zs_fast_meter){ 50, 1 };
	zs_fastpath_flow(worker(c), it.table, FLOW, false);
	assert_int_equal(f->last_ms, worker(c)->now_ms + 5000);
	assert_int_equal(rest->bytes[ZS_FLOW_TO_TARGET], 100);
	assert_int_equal(rest->packets[ZS_FLOW_TO_CLIENT], 1);
	way[ZS_FAST_CLIENT].last_ms -= 9000; /* never back */
	zs_fastpath_flow(worker(c), it.table, FLOW, true);
	assert_int_equal(f->last_ms, worker(c)->now_ms + 5000);
	assert_int_equal(rest->bytes[ZS_FLOW_TO_TARGET], 100);
	assert_false(zs_fast_has_way(maps_of(c), FLOW, ZS_FAST_CLIENT));
	for (uint32_t i = 0; i <= maps_of(c)->ways.mask; i++)
		for (int k = 0; k < ZS_SENDER_WORDS; k++)
			assert_int_equal(maps_of(c)->index[i].word[k], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_offer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_voids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_meters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_bucket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flow_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
