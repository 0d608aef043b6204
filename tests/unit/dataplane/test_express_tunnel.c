/* The short way of tunnel datagrams in a flood against the long one: what it refuses has the same reason, all else it leaves as it came, and
 * no window, session or account is touched by it. Without a flood it takes none. */
#include "tunnel_rig.h"

#define ROUNDS_MADE 4000
#define KEPT	    16

static uint64_t draw_one(struct tunnel_rig *t)
{
	uint64_t v;

	rig_fill(&t->seed, &v, sizeof(v));
	return v;
}

/* A datagram that the edge just made, not sent yet. */
static struct frame say(struct tunnel_rig *t)
{
	uint8_t bytes[ZS_EDGE_HEADROOM + 64] = { 0 };
	struct frame f;

	assert_int_equal(
	    zs_edge_tunnel_data(t->edge, &t->heard.flow, 0, bytes + ZS_EDGE_HEADROOM, 20, rig_now(t)),
	    ZS_DROPS);
	assert_int_equal(t->ups, 1);
	f = t->up[--t->ups];
	return f;
}

/* New or said before, whole or with some bits of its header or tag flipped, or cut. */
static struct frame next(struct tunnel_rig *t, struct frame *kept)
{
	struct frame *at = &kept[draw_one(t) % KEPT], f;

	if (draw_one(t) % 4 == 0)
		*at = say(t);
	f = *at;
	if (draw_one(t) % 2)
		f.bytes[draw_one(t) % 16] ^= (uint8_t)(1u << draw_one(t) % 8);
	if (draw_one(t) % 8 == 0)
		f.bytes[f.len - 1] ^= 1;
	if (draw_one(t) % 16 == 0)
		f.len = (uint32_t)draw_one(t) % f.len;
	return f;
}

static void ready(struct tunnel_rig *t)
{
	struct zs_port *p = &t->r->dp.port[0];

	rig_up(t, 1);
	p->vlans = 1;
	rig_client(t, 1, 0, "hello", 5);
}

static enum zs_drop dropped(const uint64_t *before, const uint64_t *now)
{
	for (int i = 0; i < ZS_DROPS; i++)
		if (now[i] != before[i])
			return (enum zs_drop)i;
	return ZS_DROPS;
}

/* One datagram by the short way and then by the long one. Returns why the short way refused it; ZS_DROPS: it was left. */
static enum zs_drop both(struct tunnel_rig *t, const struct zs_endpoint *from, const struct frame *f)
{
	struct rte_mbuf *m = rig_packet(t->r, 0, from, &t->relay, 0, f->bytes, (uint16_t)f->len),
			*other = rig_packet(t->r, 0, from, &t->relay, 0, f->bytes, (uint16_t)f->len);
	struct zs_worker *w = &t->r->worker[0];
	uint64_t before[ZS_DROPS];
	enum zs_drop why;

	m->nb_segs = 1;
	memcpy(before, w->drop, sizeof(before));
	if (zs_stage_express(w, &m, 1)) {
		assert_memory_equal(before, w->drop, sizeof(before));
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_mtod(other, uint8_t *),
				    m->data_len);
		fake_free(m);
	}
	why = dropped(before, w->drop);
	memcpy(w->drop, before, sizeof(before));
	t->arrived++;
	rig_stages(w, &other, 1, false);
	if (why != ZS_DROPS)
		assert_int_equal(dropped(before, w->drop), why);
	rig_settle(t);
	t->clients = t->sights = t->sayings = 0;
	return why;
}

static void same_as_the_long_way(void **state)
{
	static const enum zs_drop often[] = { ZS_DROP_tunnel_short,    ZS_DROP_tunnel_type,
					      ZS_DROP_tunnel_receiver, ZS_DROP_tunnel_epoch,
					      ZS_DROP_tunnel_replay,   ZS_DROP_flood };
	struct tunnel_rig *t = *state;
	struct zs_worker *w = &t->r->worker[0];
	struct zs_endpoint thief = { rig_addr("10.1.0.66"), 9 };
	uint32_t refused[ZS_DROPS + 1] = { 0 };
	struct frame kept[KEPT];

	ready(t);
	for (int i = 0; i < KEPT; i++)
		kept[i] = say(t);
	for (int i = 0; i < ROUNDS_MADE; i++) {
		struct frame f = next(t, kept);

		w->flood.on = true;
		w->flood.dear = draw_one(t) % 2;
		refused[both(t, draw_one(t) % 2 ? &t->at : &thief, &f)]++;
	}
	for (size_t i = 0; i < ZS_ARRAY_LEN(often); i++)
		if (refused[often[i]] < ROUNDS_MADE / 400)
			fail_msg("only %u refused as %d", refused[often[i]], often[i]);
	assert_true(refused[ZS_DROPS] > ROUNDS_MADE / 10);
	rig_conserved(t);
}

static void in_a_flood_alone(void **state)
{
	struct tunnel_rig *t = *state;
	struct frame f;

	ready(t);
	f = say(t);
	both(t, &t->at, &f);
	assert_int_equal(both(t, &t->at, &f), ZS_DROPS);
	t->r->worker[0].flood.on = true;
	assert_int_equal(both(t, &t->at, &f), ZS_DROP_tunnel_replay);
	t->r->worker[0].dp->partition_owner[0] = 1; /* whatever flows are whose */
	assert_int_equal(both(t, &t->at, &f), ZS_DROP_tunnel_replay);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, tunnel_setup, tunnel_teardown)
	const struct CMUnitTest tests[] = { T(same_as_the_long_way), T(in_a_flood_alone) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
