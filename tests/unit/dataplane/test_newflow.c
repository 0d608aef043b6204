/* May this flow be? Each refusal has its reason, and limits count what there is. */
#include "dp_rig.h"
#include "shm/flow_source.h"

static enum zs_drop make(struct rig *r, uint8_t net, uint8_t n)
{
	struct zs_item it = rig_item(r, 0, net, n);

	return zs_flow_make(&r->worker[0], &it);
}

static struct zs_flow *flow_of(struct rig *r, uint8_t net, uint8_t n)
{
	struct zs_item it = rig_item(r, 0, net, n);
	uint64_t hash = zs_flow_hash(it.table, &it.p.src, it.p.dst.port, 0);
	uint32_t id = zs_flow_find_client(it.table, hash, &it.p.src, it.p.dst.port, 0);

	return id == ZS_FLOW_NONE ? NULL : &it.table->flow[id];
}

static void made(void **state)
{
	struct rig *r = *state;

	rig_state(r, 1, 64);
	rig_settings(r, 0, 100);
	assert_int_equal(make(r, 1, 1), ZS_DROPS);
	struct zs_flow *f = flow_of(r, 1, 1);
	assert_non_null(f);
	assert_int_equal(f->answered, ZS_FLOW_ASKING);
	assert_int_equal(f->local_target, 1); /* the own address that faces the target */
	assert_int_equal(f->as_of, zs_flow_as_of(r->worker[0].stamp, 1));
	assert_int_equal(r->worker[0].count[ZS_COUNTER_flows_new], 1);
	assert_int_equal(r->last.kind, ZS_EVENT_FLOW_NEW);
	assert_int_equal(zs_limit_port_flows(&r->limits, RIG_CLIENT_PORT), 1);
	zs_flow_end(&r->worker[0], &r->dp.partition[0], (uint32_t)(f - r->dp.partition[0].flow),
		    ZS_FLOW_END_IDLE);
	assert_int_equal(r->last.kind, ZS_EVENT_FLOW_END);
	assert_int_equal(zs_limit_port_flows(&r->limits, RIG_CLIENT_PORT), 0);
	assert_null(flow_of(r, 1, 1));
}

static void refused(void **state)
{
	struct rig *r = *state;
	struct zs_published p = {
		.used = 1, .target = rig_addr("127.0.0.1"), .target_port = 443, .generation = 2
	};

	rig_state(r, 1, 64);
	assert_int_equal(make(r, 1, 1), ZS_DROP_target_denied); /* nothing lifts 10/8 yet */
	rig_settings(r, 0, 100);
	assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, &p), 0);
	assert_int_equal(make(r, 1, 1), ZS_DROP_target_denied);
	p.target = rig_addr("10.1.0.1"); /* our own */
	assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, &p), 0);
	assert_int_equal(make(r, 1, 1), ZS_DROP_target_denied);
	p.target = rig_addr("10.9.0.1");
	assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, &p), 0);
	assert_int_equal(make(r, 1, 1), ZS_DROP_no_route);
	rig_publish(r, 3, 0, true);
	assert_int_equal(make(r, 1, 1), ZS_DROP_draining);
	assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, NULL), 0);
	assert_int_equal(make(r, 1, 1), ZS_DROP_not_published);
	assert_int_equal(r->events, 0);
	assert_int_equal(atomic_load(&r->dp.partition[0].head->used), 0);
}

/* Where the source ports toward a target are used up, whoever comes next is refused by one word, which costs its prefix nothing,
 * until one comes free. */
static void ports_used_up(void **state)
{
	struct zs_flow_table *t;
	struct rig *r = *state;
	uint64_t looked;

	rig_state(r, 1, 256);
	rig_settings(r, 0, 100);
	t = &r->dp.partition[0];
	zs_flow_table_set_ports(t, 20000, 20019);
	for (uint8_t n = 1; n <= 20; n++) {
		assert_int_equal(make(r, 1, n), ZS_DROPS);
		flow_of(r, 1, n)->answered = ZS_FLOW_CONFIRMED;
	}
	assert_int_equal(make(r, 2, 1), ZS_DROP_flow_ports);
	looked = zs_flow_sources_looked(t);
	for (uint32_t n = 0; n < 5000; n++) /* more than a prefix may ask for */
		assert_int_equal(make(r, 2, 2), ZS_DROP_flow_ports);
	assert_int_equal(zs_flow_sources_looked(t), looked);
	zs_flow_end(&r->worker[0], t, (uint32_t)(flow_of(r, 1, 7) - t->flow), ZS_FLOW_END_IDLE);
	assert_int_equal(make(r, 2, 3), ZS_DROPS);
	assert_int_equal(make(r, 2, 4), ZS_DROPS); /* for that one, which nobody confirmed */
	assert_null(flow_of(r, 2, 3));
	flow_of(r, 2, 4)->answered = ZS_FLOW_CONFIRMED;
	assert_int_equal(make(r, 2, 5), ZS_DROP_flow_ports);
	r->worker[0].stamp++; /* other tables: the target may be another */
	assert_int_equal(make(r, 2, 5), ZS_DROP_flow_ports);
	assert_true(zs_flow_sources_looked(t) > looked);
}

/* A prefix's flows have a limit of their own, and another prefix does not feel it. */
static void prefix_cap(void **state)
{
	struct rig *r = *state;

	rig_state(r, 1, 256);
	rig_settings(r, 20, 100);
	for (uint8_t n = 1; n <= 20; n++)
		assert_int_equal(make(r, 1, n), ZS_DROPS);
	assert_int_equal(make(r, 1, 21), ZS_DROP_flow_limit_prefix);
	assert_int_equal(make(r, 2, 1), ZS_DROPS);
	struct zs_flow *f = flow_of(r, 1, 7);
	zs_flow_end(&r->worker[0], &r->dp.partition[0], (uint32_t)(f - r->dp.partition[0].flow),
		    ZS_FLOW_END_IDLE);
	assert_int_equal(make(r, 1, 21), ZS_DROPS);
	assert_int_equal(make(r, 1, 22), ZS_DROP_flow_limit_prefix);
}

/* A port at its share: unconfirmed flows make room for new ones, confirmed ones never do. */
static void port_share(void **state)
{
	struct rig *r = *state;

	rig_state(r, 1, 128);
	rig_settings(r, 0, 50);
	for (uint8_t n = 0; n < 64; n++)
		assert_int_equal(make(r, n, 1), ZS_DROPS);
	assert_int_equal(make(r, 100, 1), ZS_DROPS);
	assert_null(flow_of(r, 0, 1)); /* the oldest went */
	assert_int_equal(zs_limit_port_flows(&r->limits, RIG_CLIENT_PORT), 64);
	assert_int_equal(r->worker[0].count[ZS_COUNTER_flows_evicted], 1);
	for (uint32_t id = 0; id < 128; id++)
		r->dp.partition[0].flow[id].answered = ZS_FLOW_CONFIRMED;
	assert_int_equal(make(r, 101, 1), ZS_DROP_flow_limit_port);
	rig_settings(r, 0, 100); /* the whole table is no limit */
	assert_int_equal(make(r, 102, 1), ZS_DROPS);
	rig_publish(r, 1, 66, false); /* a limit of its own counts instead */
	assert_int_equal(make(r, 101, 1), ZS_DROPS);
}

/* What fills a port may all lie with one worker: the others' clients go there. */
static void room_with_another_worker(void **state)
{
	struct rig *r = *state;
	struct zs_item at1;

	rig_state(r, 2, 128);
	rig_settings(r, 0, 100);
	rig_publish(r, 1, 20, false);
	at1 = rig_item(r, 1, 200, 1);
	for (uint8_t n = 0; n < 20; n++)
		assert_int_equal(make(r, n, 1), ZS_DROPS);
	assert_int_equal(zs_flow_make(&r->worker[1], &at1), ZS_DROP_flow_limit_port);
	assert_int_equal(zs_flow_room_elsewhere(&r->worker[1], RIG_CLIENT_PORT), r->dp.home[0]);
	assert_int_equal(zs_flow_room_elsewhere(&r->worker[0], RIG_CLIENT_PORT),
			 -1); /* it has looked at its own */
	assert_int_equal(zs_flow_room_elsewhere(&r->worker[1], RIG_CLIENT_PORT + 1), -1);
	assert_int_equal(make(r, 200, 1), ZS_DROPS);
	assert_int_equal(zs_limit_port_flows(&r->limits, RIG_CLIENT_PORT), 20);
}

/* A target's endpoint is no client, of its own port at once and of any other when the index has followed;
 * another port of the same host is one. */
static void targets_are_no_clients(void **state)
{
	struct rig *r = *state;
	struct zs_published other = {
		.used = 1, .target = rig_addr("198.51.7.9"), .target_port = 5000, .generation = 1
	};
	struct zs_item own;

	rig_state(r, 1, 64);
	rig_settings(r, 0, 100);
	own = rig_item(r, 0, 1, 1);
	own.p.src = (struct zs_endpoint){ rig_addr("10.2.0.2"), 443 };
	assert_int_equal(zs_flow_make(&r->worker[0], &own), ZS_DROP_src_target);
	assert_int_equal(zs_tables_set_published(&r->writer, 4447, &other), 0);
	zs_targets_sync(&r->targets, &r->writer);
	assert_int_equal(make(r, 7, 9), ZS_DROP_src_target);
	assert_int_equal(make(r, 7, 8), ZS_DROPS);
	own.p.src.port = 444;
	assert_int_equal(zs_flow_make(&r->worker[0], &own), ZS_DROPS);
	assert_int_equal(zs_tables_set_published(&r->writer, 4447, NULL), 0);
	assert_int_equal(make(r, 7, 9), ZS_DROPS); /* what the index still has is looked up */
	zs_targets_sync(&r->targets, &r->writer);
}

/* As many targets as ports: each is found, and nothing else is. */
static void every_target_is_found(void **state)
{
	struct rig *r = *state;
	struct zs_published p = {
		.used = 1, .target = rig_addr("198.51.7.9"), .target_port = 443, .generation = 1
	};

	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++) {
		p.target.ip[14] = (uint8_t)(port >> 8);
		p.target.ip[15] = (uint8_t)port;
		assert_int_equal(zs_tables_set_published(&r->writer, (uint16_t)port, &p), 0);
	}
	for (int i = 0; i < 2; i++) {
		zs_targets_sync(&r->targets, &r->writer);
		for (uint32_t port = 1; port < ZS_UDP_PORTS; port++) {
			struct zs_endpoint e = { p.target, 443 };

			e.addr.ip[14] = (uint8_t)(port >> 8);
			e.addr.ip[15] = (uint8_t)port;
			assert_true(zs_targets_have(&r->targets, &r->writer, &e));
			e.port++;
			assert_false(zs_targets_have(&r->targets, &r->writer, &e));
		}
		rig_publish(r, 2, 0, false); /* a change */
		rig_publish(r, 2, 0, false);
		p.target.ip[14] = RIG_CLIENT_PORT >> 8;
		p.target.ip[15] = RIG_CLIENT_PORT & 0xff;
		assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, &p), 0);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(made),
					    T(refused),
					    T(ports_used_up),
					    T(prefix_cap),
					    T(port_share),
					    T(room_with_another_worker),
					    T(targets_are_no_clients),
					    T(every_target_is_found) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
