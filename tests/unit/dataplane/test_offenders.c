/* Who is blocked before the worker: whom workers told of, unless somebody known is there, for a while, in all steering programs. */
#include "dp_rig.h"
#include "offenders.h"

/* What the steering programs were told. */
static struct {
	uint32_t blocks, unblocks, emptied;
	struct zs_steer_site last;
	uint64_t until_ns;
	int rc;
} said;

struct zs_steer_site zs_steer_site_of(const struct zs_addr *addr)
{
	struct zs_steer_site s = { .family = zs_addr_is4(addr) ? 4 : 6 };

	memcpy(s.net, addr->ip + (s.family == 4 ? 12 : 0), s.family == 4 ? 3 : 7);
	return s;
}

int zs_steer_block(struct zs_steer *s, const struct zs_steer_site *site, uint64_t until_ns)
{
	said.blocks++;
	said.last = *site;
	said.until_ns = until_ns;
	return said.rc;
}

int zs_steer_unblock(struct zs_steer *s, const struct zs_steer_site *site, uint64_t *dropped)
{
	said.unblocks++;
	said.last = *site;
	return 0;
}

int zs_steer_unblock_all(struct zs_steer *s)
{
	said.emptied++;
	return 0;
}

void zs_stage_drop(struct zs_worker *w, struct rte_mbuf *m, enum zs_drop reason) {}

static uint64_t now = 100 * ZS_NS_PER_S;

static void ready(struct rig *r)
{
	memset(&said, 0, sizeof(said));
	r->conf.attach.capacity = 64;
	r->conf.flood.block_s = 10;
	rig_state(r, 1, 64);
	rig_settings(r, 0, 100);
	r->dp.port[1].steered = true;
	r->dp.offenders = zs_offenders_new(&r->dp);
	assert_non_null(r->dp.offenders);
	assert_int_equal(said.emptied, 1);
}

static void tell(struct rig *r, const char *site)
{
	struct zs_flood *f = &r->worker[0].flood;

	f->told[f->head++ % ZS_FLOOD_TOLD] = rig_addr(site);
}

static uint32_t tick(struct rig *r, uint64_t ms)
{
	now += ms * ZS_NS_PER_MS;
	zs_offenders_tick(&r->dp, now);
	return r->dp.blocked;
}

static void test_blocked_and_let_in(void **state)
{
	struct rig *r = *state;

	ready(r);
	tell(r, "198.51.7.0");
	tell(r, "198.51.7.0");
	assert_int_equal(tick(r, 100), 1);
	assert_int_equal(said.blocks, 1); /* port 1 alone is steered */
	assert_true(said.last.family == 4 && said.last.net[0] == 198 && said.last.net[2] == 7 &&
		    !said.last.net[3]);
	assert_int_equal(said.until_ns, now + 10 * ZS_NS_PER_S);
	tell(r, "2001:db8:0:100::");
	tell(r, "198.51.7.0");
	assert_int_equal(tick(r, 100), 1); /* once a second */
	assert_int_equal(tick(r, 900), 2);
	assert_int_equal(said.blocks, 2);
	assert_true(said.last.family == 6 && said.last.net[0] == 0x20 && said.last.net[6] == 1);
	assert_int_equal(tick(r, 8999), 2);
	assert_int_equal(tick(r, 1), 1);
	assert_int_equal(said.unblocks, 1);
	assert_int_equal(tick(r, 1000), 0);
	free(r->dp.offenders);
}

static void test_somebody_known(void **state)
{
	struct rig *r = *state;
	struct zs_item it;

	ready(r);
	it = rig_item(r, 0, 1, 1); /* 198.51.1.1 */
	assert_int_equal(zs_flow_make(&r->worker[0], &it), ZS_DROPS);
	tell(r, "198.51.1.0");
	assert_int_equal(tick(r, 1000), 1); /* its flow has no answer */
	zs_flow_answers(&it.table->flow[it.flow]);
	tell(r, "10.2.0.0"); /* nor is whom it leads to */
	tell(r, "198.51.1.0");
	r->dp.state.binding[5].port = 5000;
	r->dp.state.binding[5].addr = rig_addr("203.0.5.9");
	tell(r, "203.0.5.0");
	r->dp.state.tunnel_session[3].roam.has_current = 1;
	r->dp.state.tunnel_session[3].roam.current.remote.addr = rig_addr("2001:db8:0:177::5");
	tell(r, "2001:db8:0:100::");
	tell(r, "2001:db8:0:200::");
	assert_int_equal(tick(r, 10000), 1);
	assert_int_equal(said.blocks, 2);
	assert_true(said.last.family == 6 && said.last.net[6] == 2);
	free(r->dp.offenders);
}

static void test_bounds(void **state)
{
	struct rig *r = *state;
	char text[32];

	ready(r);
	for (uint32_t i = 0; i < 2 * ZS_STEER_BLOCKS_MAX; i += ZS_FLOOD_TOLD) {
		for (uint32_t k = 0; k < ZS_FLOOD_TOLD; k++) {
			snprintf(text, sizeof(text), "9.%u.%u.0", (i + k) >> 8, (i + k) & 255);
			tell(r, text);
		}
		tick(r, 50);
	}
	r->conf.flood.block_s = 3600;
	for (uint32_t i = 0; i < 2 * ZS_STEER_BLOCKS_MAX; i += ZS_FLOOD_TOLD) {
		for (uint32_t k = 0; k < ZS_FLOOD_TOLD; k++) {
			snprintf(text, sizeof(text), "9.%u.%u.0", (i + k) >> 8, (i + k) & 255);
			tell(r, text);
		}
		tick(r, 1000);
	}
	assert_int_equal(r->dp.blocked, ZS_STEER_BLOCKS_MAX);
	free(r->dp.offenders);
	/* A steering program that takes no more. */
	ready(r);
	said.rc = -7;
	tell(r, "198.51.7.0");
	assert_int_equal(tick(r, 1000), 0);
	/* And none at all. */
	r->dp.port[1].steered = false;
	said.blocks = 0;
	tell(r, "198.51.7.0");
	assert_int_equal(tick(r, 1000), 0);
	assert_int_equal(said.blocks, 0);
	free(r->dp.offenders);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(test_blocked_and_let_in), T(test_somebody_known),
					    T(test_bounds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
