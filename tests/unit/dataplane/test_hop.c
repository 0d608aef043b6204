/* Next hops of flows: kept while the tables stand still, asked for with patience. */
#include "dp_rig.h"

static void point(struct rig *r, uint8_t last, bool valid)
{
	struct zs_nexthop n = {
		.used = 1, .iface = 1, .valid = valid, .mtu = 1500, .addr = rig_addr("10.2.0.2")
	};

	n.addr.ip[15] = last;
	assert_int_equal(zs_tables_put_nexthop(&r->writer, &n), 0);
	r->worker[0].stamp++; /* what the loop does when the tables' change moves */
}

static struct zs_item flow_toward_target(struct rig *r)
{
	struct zs_item it;

	rig_state(r, 1, 64);
	rig_settings(r, 0, 100);
	it = rig_item(r, 0, 1, 1);
	assert_int_equal(zs_flow_make(&r->worker[0], &it), ZS_DROPS);
	it.side = ZS_SIDE_CLIENT;
	return it;
}

static void known(void **state)
{
	struct rig *r = *state;
	struct zs_item it = flow_toward_target(r);
	uint32_t events = r->events;

	assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROPS);
	assert_int_equal(it.hop.iface, 1);
	assert_int_equal(r->events, events);
	/* The client's side has no route: 198.51/16 is nowhere. */
	it.side = ZS_SIDE_TARGET;
	assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROP_no_route);
}

/* A list that comes while flows are there: each is judged again by its next packet. */
static void denied(void **state)
{
	struct rig *r = *state;
	struct zs_acl_rule out = { .prefix = { rig_addr("10.2.0.0"), 120 }, .deny = ZS_ACL_OUT };
	struct zs_item it = flow_toward_target(r), other;
	struct zs_worker *w = &r->worker[0];
	uint64_t epoch;

	assert_int_equal(zs_hop_find(w, &it), ZS_DROPS);
	assert_int_equal(zs_tables_put_rules(&r->writer, &out, 1, &epoch), 0);
	w->acl = zs_acl_look(&r->writer.acl);
	w->stamp++;
	assert_int_equal(zs_hop_find(w, &it), ZS_DROP_deny_out);
	other = rig_item(r, 0, 2, 2);
	assert_int_equal(zs_flow_make(w, &other), ZS_DROP_deny_out);
	out.deny = ZS_ACL_IN; /* which is not looked at here */
	assert_int_equal(zs_tables_put_rules(&r->writer, &out, 1, &epoch), 0);
	w->acl = zs_acl_look(&r->writer.acl);
	w->stamp++;
	assert_int_equal(zs_hop_find(w, &it), ZS_DROPS);
	assert_int_equal(zs_flow_make(w, &other), ZS_DROPS);
	/* Nor is a flow made for a client that nothing may be sent to. */
	out = (struct zs_acl_rule){ .prefix = { rig_addr("198.51.3.0"), 120 }, .deny = ZS_ACL_OUT };
	assert_int_equal(zs_tables_put_rules(&r->writer, &out, 1, &epoch), 0);
	w->acl = zs_acl_look(&r->writer.acl);
	other = rig_item(r, 0, 3, 3);
	assert_int_equal(zs_flow_make(w, &other), ZS_DROP_deny_out);
}

/* An entry that stops being resolved is asked for once in 100 ms, and used again when it is. */
static void lost_and_found(void **state)
{
	struct rig *r = *state;
	struct zs_item it = flow_toward_target(r);
	uint32_t events = r->events;

	point(r, 2, false);
	for (int i = 0; i < 50; i++)
		assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROP_no_neighbour);
	assert_int_equal(r->events, events + 1);
	assert_int_equal(r->last.kind, ZS_EVENT_NEIGHBOUR_MISSING);
	assert_int_equal(r->last.iface, 1);
	r->worker[0].now_ms += 99;
	zs_hop_find(&r->worker[0], &it);
	assert_int_equal(r->events, events + 1);
	r->worker[0].now_ms += 1;
	zs_hop_find(&r->worker[0], &it);
	assert_int_equal(r->events, events + 2);
	point(r, 2, true);
	assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROPS);
}

/* No entry at all: the flow asks again by itself, for the answer may have come before it was asked. */
static void never_seen(void **state)
{
	struct rig *r = *state;
	struct zs_nexthop key = { .iface = 1, .addr = rig_addr("10.2.0.2") };
	struct zs_item it = flow_toward_target(r);
	uint32_t events = r->events;

	assert_int_equal(zs_tables_del_nexthop(&r->writer, &key), 0);
	r->worker[0].stamp++;
	assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROP_no_neighbour);
	assert_int_equal(r->events, events + 1);
	r->worker[0].now_ms += 50;
	assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROP_no_neighbour);
	assert_int_equal(r->events, events + 1);
	r->worker[0].now_ms += 100;
	assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROP_no_neighbour);
	assert_int_equal(r->events, events + 2);
	assert_true(zs_addr_eq(&r->last.client.addr, &key.addr));
}

/* An interface that the dataplane does not have is no way out. */
static void beyond_the_ports(void **state)
{
	struct rig *r = *state;
	struct zs_item it = flow_toward_target(r);

	r->dp.ports = 1;
	assert_int_equal(zs_hop_find(&r->worker[0], &it), ZS_DROP_no_neighbour);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(known), T(lost_and_found), T(never_seen), T(denied),
					    T(beyond_the_ports) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
