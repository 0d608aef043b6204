/* What leaves is counted by the worker whose port took it, once, and what no port took is not. */
#include "dp_rig.h"

#include <rte_ethdev.h>
#include <rte_ring.h>
#include "fake_port.h"

#define RING 64

/* DPDK's own, which is not linked here. */
struct rte_eth_fp_ops rte_eth_fp_ops[RTE_MAX_ETHPORTS];

uint16_t rte_eth_call_tx_callbacks(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n,
				   void *opaque)
{
	return n; /* there are none */
}

struct tx_rig {
	struct rig *r;
	uint16_t room; /* packets that the port still takes */
	void *queue[1];
	struct rte_ring *ring;
};

static uint16_t take(void *queue, struct rte_mbuf **m, uint16_t n)
{
	struct tx_rig *t = queue;
	uint16_t sent = n < t->room ? n : t->room;

	for (uint16_t i = 0; i < sent; i++) {
		assert_int_equal(m[i]->tx_offload, 0); /* a port would read it */
		fake_free(m[i]);
	}
	t->room -= sent;
	return sent;
}

/* Interface 0 has one queue, worker 1's; worker 0 reaches it by a ring. */
static int tx_setup(void **state)
{
	struct tx_rig *t = calloc(1, sizeof(*t));

	assert_int_equal(rig_setup((void **)&t->r), 0);
	rig_state(t->r, 2, 64);
	t->room = UINT16_MAX;
	t->queue[0] = t;
	rte_eth_fp_ops[0].tx_pkt_burst = take;
	rte_eth_fp_ops[0].txq.data = t->queue;
	rte_eth_fp_ops[0].txq.clbk = calloc(1, sizeof(void *));
	t->ring = aligned_alloc(64, sizeof(*t->ring) + RING * sizeof(void *));
	memset(t->ring, 0, sizeof(*t->ring));
	t->ring->size = RING;
	t->ring->mask = t->ring->capacity = RING - 1;
	t->ring->prod.sync_type = t->ring->cons.sync_type = RTE_RING_SYNC_ST;
	for (uint32_t i = 0; i < 2; i++)
		t->r->worker[i].out[0].worker = 1;
	t->r->worker[1].outbox[0] = t->ring;
	*state = t;
	return 0;
}

static int tx_teardown(void **state)
{
	struct tx_rig *t = *state;

	free(rte_eth_fp_ops[0].txq.clbk);
	free(t->ring);
	rig_teardown((void **)&t->r);
	free(t);
	return 0;
}

/* A packet of 300 bytes, 272 of them payload, or 200 in a tunnel's. */
static void leave_as(struct tx_rig *t, uint32_t worker, enum zs_class class, uint32_t from, uint32_t to,
		     bool sealed)
{
	struct zs_worker *w = &t->r->worker[worker];
	struct zs_item it = { .m = fake_new(),
			      .ip_len = 300,
			      .l4_len = 280,
			      .payload_len = 200,
			      .class = class,
			      .sealed = sealed,
			      .from = from,
			      .to = to,
			      .table = class == ZS_CLASS_CID ? NULL : &t->r->dp.partition[worker] };
	struct zs_item *at[1] = { &it };

	zs_stage_tx(w, at, 1);
	zs_tx_flush(w);
	zs_tx_outbox(&t->r->worker[1]);
	zs_tx_flush(&t->r->worker[1]);
}

static void leave(struct tx_rig *t, uint32_t worker, uint32_t from, uint32_t to, bool sealed)
{
	leave_as(t, worker, ZS_CLASS_FLOW, from, to, sealed);
}

static void metered(struct tx_rig *t, uint32_t worker, uint32_t id, enum zs_way way, uint64_t packets,
		    uint64_t bytes)
{
	const struct zs_meter *m = &zs_state_hot(&t->r->dp.state, worker)[id].meter[way];

	assert_int_equal(m->packets, packets);
	assert_int_equal(m->bytes, bytes);
}

static uint64_t counted(const struct tx_rig *t, uint32_t worker, enum zs_counter c)
{
	return t->r->worker[worker].count[c];
}

static void by_connection_id(void **state)
{
	struct tx_rig *t = *state;

	leave_as(t, 0, ZS_CLASS_CID, 4, 5, false);
	leave_as(t, 0, ZS_CLASS_CID, 4, 5, true);
	metered(t, 1, 4, ZS_FROM_EDGE, 2, 272 + 200);
	metered(t, 1, 5, ZS_TO_EDGE, 2, 272 + 200);
	assert_int_equal(counted(t, 1, ZS_COUNTER_overhead_out_bytes), 100);
	assert_int_equal(counted(t, 0, ZS_COUNTER_cid_routed), 2);
}

static void by_the_queue(void **state)
{
	struct tx_rig *t = *state;

	for (uint32_t worker = 0; worker < 2; worker++) {
		leave(t, worker, 4, ZS_SENDER_NONE, false);
		leave(t, worker, ZS_SENDER_NONE, 5, true);
		leave(t, worker, 0, RIG_ATTACHMENTS - 1, true);
		leave(t, worker, ZS_SENDER_NONE, ZS_SENDER_NONE, false);
	}
	for (uint32_t id = 0; id < RIG_ATTACHMENTS; id++) {
		metered(t, 0, id, ZS_TO_EDGE, 0, 0);
		metered(t, 0, id, ZS_FROM_EDGE, 0, 0);
	}
	metered(t, 1, 4, ZS_FROM_EDGE, 2, 544);
	metered(t, 1, 4, ZS_TO_EDGE, 0, 0);
	metered(t, 1, 5, ZS_TO_EDGE, 2, 400);
	metered(t, 1, 0, ZS_FROM_EDGE, 2, 400);
	metered(t, 1, RIG_ATTACHMENTS - 1, ZS_TO_EDGE, 2, 400);
	assert_int_equal(counted(t, 1, ZS_COUNTER_tx), 8);
	assert_int_equal(counted(t, 1, ZS_COUNTER_tx_bytes), 8 * 300);
	assert_int_equal(counted(t, 1, ZS_COUNTER_overhead_out_bytes), 4 * 100);
	assert_int_equal(counted(t, 0, ZS_COUNTER_tx) + counted(t, 0, ZS_COUNTER_overhead_out_bytes), 0);
}

/* What the port has no room for was not sent: a drop, and nobody pays. */
static void what_was_not_sent(void **state)
{
	struct tx_rig *t = *state;

	for (uint32_t worker = 0; worker < 2; worker++) {
		t->room = 1;
		leave(t, worker, 4, 5, true);
		leave(t, worker, 4, 5, true);
	}
	metered(t, 1, 4, ZS_FROM_EDGE, 2, 400);
	metered(t, 1, 5, ZS_TO_EDGE, 2, 400);
	assert_int_equal(counted(t, 1, ZS_COUNTER_tx), 2);
	assert_int_equal(t->r->worker[1].drop[ZS_DROP_tx_full], 2);
	assert_int_equal(counted(t, 1, ZS_COUNTER_overhead_out_bytes), 2 * 100);
}

static void own_words(void **state)
{
	struct tx_rig *t = *state;
	struct zs_sent sent = { .kind = ZS_SENT_CONTROL, .ip_len = 90 };

	for (uint32_t worker = 0; worker < 2; worker++) {
		zs_tx_put(&t->r->worker[worker], 0, fake_new(), &sent);
		zs_tx_flush(&t->r->worker[worker]);
	}
	zs_tx_outbox(&t->r->worker[1]);
	zs_tx_flush(&t->r->worker[1]);
	assert_int_equal(counted(t, 1, ZS_COUNTER_control_out_bytes), 180);
	assert_int_equal(counted(t, 1, ZS_COUNTER_overhead_out_bytes), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, tx_setup, tx_teardown)
	const struct CMUnitTest tests[] = { T(by_the_queue), T(by_connection_id), T(what_was_not_sent),
					    T(own_words) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
