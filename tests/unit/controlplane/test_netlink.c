/* What becomes of rtnetlink messages in the tables' wanted lists. */
#include <errno.h>
#include "netlink_internal.h"
#include "netlink_messages.h"
#include "rig.h"

struct view {
	struct zs_conf *conf;
	struct zs_kernel k;
};

static int view_setup(void **state)
{
	static const char text[] =
	    "dataplane:\n  ports:\n"
	    "    - {name: p0, driver: af_xdp, device: veth0, addresses: [198.51.100.1/24]}\n"
	    "    - {name: p1, driver: null, addresses: [203.0.113.1/24],\n"
	    "       neighbours: [{address: 203.0.113.9, mac: '02:00:00:00:00:99'}]}\n";
	struct view *v = calloc(1, sizeof(*v));
	struct zs_error err = { 0 };

	v->conf = malloc(sizeof(*v->conf));
	if (zs_conf_parse(v->conf, "unit.yaml", text, strlen(text), &err))
		fail_msg("%s", err.text);
	assert_int_equal(zs_kernel_new(&v->k, v->conf, 8, 8), 0);
	*state = v;
	return 0;
}

static int view_teardown(void **state)
{
	struct view *v = *state;

	zs_kernel_delete(&v->k);
	free(v->conf);
	free(v);
	return 0;
}

static enum zs_kernel_change feed(struct view *v, const struct msg *m, uint64_t now)
{
	struct zs_nl_message out;

	assert_int_equal(zs_nl_parse(m->b, m->len, &out), m->len);
	return zs_kernel_feed(&v->k, &out, now);
}

static enum zs_kernel_change feed_route(struct view *v, uint16_t type, uint16_t flags, const char *dest,
					uint8_t len, const char *via, uint32_t oif, uint32_t metric)
{
	struct msg m;

	make_route(&m, type, flags, dest, len, via, oif, metric);
	return feed(v, &m, 0);
}

static enum zs_kernel_change feed_neigh(struct view *v, uint16_t type, const char *ip, int index,
					uint16_t state, uint8_t mac_end, uint64_t now)
{
	struct msg m;

	make_neigh(&m, type, ip, index, state, mac_end);
	return feed(v, &m, now);
}

static void feed_veth0(struct view *v)
{
	struct msg m;

	make_link(&m, RTM_NEWLINK, 3, "veth0", 0x33, true);
	assert_int_equal(feed(v, &m, 0), ZS_KERNEL_RESYNC);
	assert_int_equal(feed(v, &m, 0), ZS_KERNEL_SAME);
}

static const struct zs_nexthop *hop_of(const struct zs_kernel_want *w, const char *ip)
{
	struct zs_addr a = addr(ip);

	for (uint32_t i = 0; i < w->nexthops; i++)
		if (zs_addr_eq(&w->nexthop[i].addr, &a))
			return &w->nexthop[i];
	return NULL;
}

static const struct zs_route *route_of(const struct zs_kernel_want *w, const char *dest, uint32_t len)
{
	struct zs_addr a = addr(dest);

	for (uint32_t i = 0; i < w->routes; i++)
		if (zs_addr_eq(&w->route[i].dest, &a) && w->route[i].len == len)
			return &w->route[i];
	return NULL;
}

static void test_want(void **state)
{
	struct view *v = *state;
	struct zs_kernel_want w;
	const struct zs_nexthop *h;

	feed_veth0(v);
	assert_int_equal(feed_route(v, RTM_NEWROUTE, 0, "0.0.0.0", 0, "198.51.100.9", 3, 0),
			 ZS_KERNEL_CHANGED);
	assert_int_equal(feed_route(v, RTM_NEWROUTE, 0, "10.0.0.0", 8, "192.0.2.9", 77, 0),
			 ZS_KERNEL_SAME); /* not ours */
	assert_int_equal(feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_REACHABLE, 9, 0),
			 ZS_KERNEL_CHANGED);
	assert_int_equal(feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_STALE, 9, 0), ZS_KERNEL_SAME);
	assert_int_equal(feed_neigh(v, RTM_NEWNEIGH, "198.51.100.8", 3, NUD_INCOMPLETE, 0, 0),
			 ZS_KERNEL_SAME);
	assert_int_equal(zs_kernel_want(&v->k, v->conf, NULL, &w), 0);
	h = hop_of(&w, "198.51.100.9");
	assert_non_null(h);
	assert_true(h->valid);
	assert_int_equal(h->mtu, 1400);
	assert_int_equal(h->smac[5], 0x33);
	assert_int_equal(h->dmac[5], 9);
	assert_null(hop_of(&w, "198.51.100.8")); /* nobody's stranger */
	h = hop_of(&w, "203.0.113.9");
	assert_non_null(h);
	assert_false(h->valid); /* its port's own address is not known yet */
	assert_int_equal(h->iface, 1);
	assert_non_null(route_of(&w, "0.0.0.0", 96));
	assert_false(route_of(&w, "0.0.0.0", 96)->onlink);
	assert_true(route_of(&w, "198.51.100.0", 120)->onlink);
	assert_true(route_of(&w, "203.0.113.0", 120)->onlink);
	assert_null(route_of(&w, "10.0.0.0", 104));
	zs_kernel_want_free(&w);
}

static void test_neighbour_life(void **state)
{
	struct view *v = *state;
	struct zs_addr a = addr("198.51.100.9");

	feed_veth0(v);
	feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_REACHABLE, 9, 0);
	assert_int_equal(feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_REACHABLE, 10, 0),
			 ZS_KERNEL_CHANGED);
	/* The collector takes it: it is used on while the kernel asks again. */
	assert_int_equal(feed_neigh(v, RTM_DELNEIGH, "198.51.100.9", 3, NUD_STALE, 10, 1000), ZS_KERNEL_SAME);
	assert_int_equal(feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_INCOMPLETE, 0, 1001),
			 ZS_KERNEL_SAME);
	assert_true(zs_kernel_find(&v->k, &a, 3)->valid);
	assert_false(zs_kernel_expire(&v->k, 1000 + ZS_KERNEL_LINGER_NS - 1));
	assert_true(zs_kernel_expire(&v->k, 1000 + ZS_KERNEL_LINGER_NS));
	assert_null(zs_kernel_find(&v->k, &a, 3));
	/* It answers no more. */
	feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_REACHABLE, 9, 0);
	assert_int_equal(feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_FAILED, 0, 0), ZS_KERNEL_CHANGED);
	assert_false(zs_kernel_find(&v->k, &a, 3)->valid);
	assert_int_equal(feed_neigh(v, RTM_DELNEIGH, "198.51.100.9", 3, NUD_FAILED, 0, 5), ZS_KERNEL_CHANGED);
	assert_null(zs_kernel_find(&v->k, &a, 3));
}

static void test_routes_replaced_and_deleted(void **state)
{
	struct view *v = *state;
	struct zs_kernel_want w;

	feed_veth0(v);
	feed_route(v, RTM_NEWROUTE, 0, "10.0.0.0", 8, "198.51.100.9", 3, 0);
	assert_int_equal(feed_route(v, RTM_NEWROUTE, NLM_F_REPLACE, "10.0.0.0", 8, "198.51.100.7", 3, 0),
			 ZS_KERNEL_CHANGED);
	assert_int_equal(v->k.routes.count, 1);
	zs_kernel_want(&v->k, v->conf, NULL, &w);
	assert_int_equal(route_of(&w, "10.0.0.0", 104)->gateway.ip[15], 7);
	zs_kernel_want_free(&w);
	assert_int_equal(feed_route(v, RTM_DELROUTE, 0, "10.0.0.0", 8, "198.51.100.9", 3, 0), ZS_KERNEL_SAME);
	assert_int_equal(feed_route(v, RTM_DELROUTE, 0, "10.0.0.0", 8, "198.51.100.7", 3, 0),
			 ZS_KERNEL_CHANGED);
	assert_int_equal(v->k.routes.count, 0);
}

static void test_mark_and_sweep(void **state)
{
	struct view *v = *state;

	feed_veth0(v);
	feed_route(v, RTM_NEWROUTE, 0, "10.0.0.0", 8, NULL, 3, 0);
	feed_route(v, RTM_NEWROUTE, 0, "11.0.0.0", 8, NULL, 3, 0);
	feed_neigh(v, RTM_NEWNEIGH, "198.51.100.9", 3, NUD_REACHABLE, 9, 0);
	feed_neigh(v, RTM_NEWNEIGH, "198.51.100.8", 3, NUD_REACHABLE, 8, 0);
	zs_kernel_mark(&v->k);
	feed_route(v, RTM_NEWROUTE, 0, "11.0.0.0", 8, NULL, 3, 0);
	feed_neigh(v, RTM_NEWNEIGH, "198.51.100.8", 3, NUD_REACHABLE, 8, 0);
	zs_kernel_sweep(&v->k);
	assert_int_equal(v->k.routes.count, 1);
	assert_int_equal(v->k.neighs.count, 1);
	struct zs_addr a = addr("198.51.100.8");
	assert_non_null(zs_kernel_find(&v->k, &a, 3));
}

static void test_bounds(void **state)
{
	struct view *v = *state;

	feed_veth0(v);
	for (int i = 0; i < 20; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.%d.0.0", i);
		feed_route(v, RTM_NEWROUTE, 0, text, 16, NULL, 3, 0);
		snprintf(text, sizeof(text), "198.51.100.%d", i + 2);
		feed_neigh(v, RTM_NEWNEIGH, text, 3, NUD_REACHABLE, 9, 0);
	}
	assert_int_equal(v->k.routes.count, 8);
	assert_int_equal(v->k.neighs.count, 8);
	assert_int_equal(v->k.refused, 24);
}

static void test_link_gone(void **state)
{
	struct view *v = *state;
	struct msg m;

	feed_veth0(v);
	make_link(&m, RTM_NEWLINK, 3, "renamed", 0x33, true);
	assert_int_equal(feed(v, &m, 0), ZS_KERNEL_RESYNC);
	assert_null(zs_kernel_device_of(&v->k, v->conf, 0, 0));
	make_link(&m, RTM_NEWLINK, 9, "veth0", 0x34, true);
	assert_int_equal(feed(v, &m, 0), ZS_KERNEL_RESYNC);
	assert_int_equal(zs_kernel_device_of(&v->k, v->conf, 0, 0)->index, 9);
	assert_null(zs_kernel_device_of(&v->k, v->conf, 0, 5));
	assert_null(zs_kernel_device_of(&v->k, v->conf, 99, 0));
	make_link(&m, RTM_DELLINK, 9, "veth0", 0x34, true);
	assert_int_equal(feed(v, &m, 0), ZS_KERNEL_RESYNC);
	assert_null(zs_kernel_device_of(&v->k, v->conf, 0, 0));
}

/* The set against a naive model. */
static void test_keyset(void **state)
{
	struct zs_keyset s;
	uint8_t model[256] = { 0 };
	unsigned seed = (unsigned)zs_clock_ns(), count = 0;

	print_message("seed %u\n", seed);
	assert_int_equal(zs_keyset_new(&s, 8, 4, 100), 0);
	for (int i = 0; i < 200000; i++) {
		uint32_t key = (uint32_t)rand_r(&seed) % 256;

		if (rand_r(&seed) % 2) {
			void *e = zs_keyset_put(&s, &key);
			assert_int_equal(e != NULL, model[key] || count < 100);
			count += e && !model[key];
			model[key] |= e != NULL;
		} else {
			zs_keyset_del(&s, &key);
			count -= model[key];
			model[key] = 0;
		}
		key = (uint32_t)rand_r(&seed) % 256;
		assert_int_equal(zs_keyset_find(&s, &key) != NULL, model[key]);
		assert_int_equal(s.count, count);
	}
	zs_keyset_delete(&s);
}

/* The whole, against the kernel this runs on: the first dump ends and the tables follow. */
static void test_live_dump(void **state)
{
	struct rig *r = *state;
	struct zs_nexthop missing;
	struct zs_addr far = addr("9.9.9.9");

	r->c.conf = rig_conf(r, "");
	rig_open(r);
	assert_int_equal(zs_netlink_new(&r->c.netlink, &r->c, &r->err), 0);
	rig_run(r, 200 * ZS_NS_PER_MS);
	zs_tables_resolve(zs_program_tables(r->c.program), &far, &missing);
	assert_int_equal(zs_program_tables(r->c.program)->route[0].used, 1);
	rig_close(r);
}

/* A target without a way to it is told after a while; an attached port leads to no address. */
static void test_missing_way(void **state)
{
	const struct zs_publication attached = { .port = 5000,
						 .attached = { .id = 1, .generation = 7, .service = 1 } },
				    unreached = { .port = 5001, .target = { addr("2600::1"), 443 } };
	struct rig *r = *state;
	uint64_t now = zs_clock_ns();

	r->c.conf = rig_conf(r, "");
	rig_open(r);
	assert_int_equal(zs_netlink_new(&r->c.netlink, &r->c, &r->err), 0);
	assert_int_equal(zs_program_reserve(r->c.program, &attached, &r->err), 0);
	for (int s = 0; s < 10; s++)
		zs_resolve_second(r->c.netlink, now += ZS_NS_PER_S);
	assert_false(rig_raised(r, ZS_HEALTH_neighbour_missing));
	if (zs_program_publish(r->c.program, &unreached, &r->err))
		fail_msg("%s", r->err.text);
	for (int s = 0; s < 10; s++)
		zs_resolve_second(r->c.netlink, now += ZS_NS_PER_S);
	assert_true(rig_raised(r, ZS_HEALTH_neighbour_missing));
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keyset),
		cmocka_unit_test_setup_teardown(test_want, view_setup, view_teardown),
		cmocka_unit_test_setup_teardown(test_neighbour_life, view_setup, view_teardown),
		cmocka_unit_test_setup_teardown(test_routes_replaced_and_deleted, view_setup, view_teardown),
		cmocka_unit_test_setup_teardown(test_mark_and_sweep, view_setup, view_teardown),
		cmocka_unit_test_setup_teardown(test_bounds, view_setup, view_teardown),
		cmocka_unit_test_setup_teardown(test_link_gone, view_setup, view_teardown),
		cmocka_unit_test_setup_teardown(test_live_dump, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_missing_way, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
