/* The state segment: shapes, adoption after a kill and across builds, growth, sums, and the names of its tables. */
#include "unit/lib/state_fixture.h"

#include <arpa/inet.h>
#include "base/check.h"
#include "shm/state.h"

static const uint8_t key[16] = "a hash key, 16 b";
static const struct zs_state_shape small = {
	.flow_capacity = 256, .event_capacity = 64, .partitions = 2, .attachments = 64
};

static void open_writer(struct zs_state *st, struct scratch *s, const struct zs_state_shape *shape,
			bool fresh)
{
	struct zs_error err = { 0 };
	bool is_fresh;
	int rc = zs_state_open_writer(st, s->dir, shape, &is_fresh, &err);
	if (rc)
		fail_msg("%d: %s", rc, err.text);
	assert_int_equal(is_fresh, fresh);
}

static struct zs_endpoint endpoint(uint32_t n)
{
	return (struct zs_endpoint){ zs_addr_from4(n), (uint16_t)(1000 + n) };
}

static uint32_t find(const struct zs_flow_table *t, uint32_t n)
{
	struct zs_endpoint e = endpoint(n);
	return zs_flow_find_client(t, zs_flow_hash(t, &e, 443, 0), &e, 443, 0);
}

static void fill(struct zs_flow_table *t, uint32_t from, uint32_t count)
{
	uint32_t id;
	for (uint32_t i = from; i < from + count; i++) {
		struct zs_flow_new want = { .client = endpoint(i), .target = endpoint(i % 3), .port = 443 };
		assert_int_equal(zs_flow_add(t, &want, i, &id, NULL), ZS_FLOW_OK);
		t->rest[id].bytes[ZS_FLOW_TO_TARGET] = i;
	}
}

static void test_life(void **state)
{
	struct scratch *s = *state;
	struct zs_state w, r, w2;
	struct zs_flow_table t, tr;
	struct zs_error err;
	bool fresh;

	assert_int_equal(zs_state_open_reader(&r, s->dir, &err), -ENOENT);
	open_writer(&w, s, &small, true);
	assert_int_equal(w.partitions, 2);
	assert_int_equal(w.flow_capacity, 256);
	assert_int_equal(zs_state_open_writer(&w2, s->dir, &small, &fresh, &err), -EBUSY);
	assert_int_equal(zs_state_flow_table(&w, 2, key, true, &t), -EINVAL);
	assert_int_equal(zs_state_flow_table(&w, 1, key, true, &t), 0);
	zs_flow_table_set_ports(&t, 20000, 21000);
	fill(&t, 0, 100);
	assert_int_equal(zs_state_open_reader(&r, s->dir, &err), 0);
	assert_int_equal(r.partitions, 2);
	assert_int_equal(zs_state_flow_table(&r, 1, key, false, &tr), 0); /* read-only: must not write */
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(find(&tr, i), find(&t, i));
		assert_int_equal(tr.rest[find(&tr, i)].bytes[ZS_FLOW_TO_TARGET], i);
	}
	zs_state_close(&r);
	zs_state_close(&w);
}

static void die_with_flows(void *arg)
{
	struct zs_state w;
	struct zs_flow_table t;

	open_writer(&w, arg, &small, true);
	for (uint32_t i = 0; i < 2; i++) {
		zs_state_flow_table(&w, i, key, true, &t);
		zs_flow_table_set_ports(&t, 20000, 21000);
		fill(&t, i * 1000, 200);
		t.head->dirty = i == 1; /* killed inside a change */
	}
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++) {
		w.worker[i].counters.counter[ZS_COUNTER_rx] = 1000 + i;
		w.worker[i].counters.drop[ZS_DROP_ttl] = i;
		w.worker[i].counters.stage_cycles[ZS_STAGE_tx] = 1;
		w.worker[i].counters.stage_packets[ZS_STAGE_rx] = 2;
		atomic_store(&w.worker[i].running, 1);
		atomic_store(&w.worker[i].qsbr.seen, 99);
	}
	zs_health_raise(w.health, ZS_HEALTH_iface_down, "port0");
	strcpy(w.iface[3].name, "wan0");
}

static void check_contents(const struct zs_state *st, uint32_t partitions)
{
	struct zs_worker_counters sum;
	struct zs_health_cell cell;
	struct zs_flow_table t;

	zs_state_sum(st, &sum);
	assert_int_equal(sum.counter[ZS_COUNTER_rx], 16 * 1000 + 120);
	assert_int_equal(sum.counter[ZS_COUNTER_tx], 0);
	assert_int_equal(sum.drop[ZS_DROP_ttl], 120);
	assert_int_equal(sum.stage_cycles[ZS_STAGE_tx], 16);
	assert_int_equal(sum.stage_packets[ZS_STAGE_rx], 32);
	assert_string_equal(st->iface[3].name, "wan0");
	zs_health_read(st->health, ZS_HEALTH_iface_down, &cell);
	assert_int_equal(cell.raised, 1);
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++) {
		assert_int_equal(atomic_load(&st->worker[i].running), 0);
		assert_int_equal(atomic_load(&st->worker[i].qsbr.seen), ZS_QSBR_OFFLINE);
	}
	assert_int_equal(st->partitions, partitions);
	for (uint32_t p = 0; p < partitions; p++) {
		const char *where = "";
		assert_int_equal(zs_state_flow_table(st, p, key, false, &t), 0);
		if (zs_flow_table_check(&t, &where))
			fail_msg("partition %u: %s", p, where);
		assert_int_equal(atomic_load(&t.head->used), p < 2 ? 200 : 0);
		for (uint32_t i = 0; p < 2 && i < 200; i++) {
			uint32_t id = find(&t, p * 1000 + i);
			assert_int_not_equal(id, ZS_FLOW_NONE);
			assert_int_equal(t.rest[id].bytes[ZS_FLOW_TO_TARGET], p * 1000 + i);
		}
	}
}

static void test_adopts_after_a_kill(void **state)
{
	struct scratch *s = *state;
	struct zs_state w;

	in_killed_child(die_with_flows, s);
	open_writer(&w, s, &small, false);
	check_contents(&w, 2);
	zs_state_close(&w);
}

static void test_grows(void **state)
{
	static const struct zs_state_shape more = { .flow_capacity = 1000,
						    .partitions = 5,
						    .attachments = 64 };
	static const struct zs_state_shape less = { .flow_capacity = 16, .partitions = 1, .attachments = 64 };
	struct scratch *s = *state;
	struct zs_state w, r;
	struct zs_flow_table t;
	struct zs_error err;

	in_killed_child(die_with_flows, s);
	assert_int_equal(zs_state_open_reader(&r, s->dir, &err), 0);
	open_writer(&w, s, &more, false);
	assert_int_equal(w.flow_capacity, 1000);
	check_contents(&w, 5);
	assert_true(zs_segment_replaced(&r.seg));
	assert_true(zs_segment_writer_alive(&w.seg));
	assert_int_equal(zs_state_flow_table(&w, 0, key, false, &t), 0);
	fill(&t, 5000, 800); /* up to the new capacity */
	for (uint32_t i = 0; i < 800; i++)
		zs_flow_remove(&t, find(&t, 5000 + i));
	zs_state_close(&w);
	open_writer(&w, s, &less, false); /* less is not wanted: nothing shrinks */
	assert_int_equal(w.flow_capacity, 1000);
	check_contents(&w, 5);
	zs_state_close(&r);
	zs_state_close(&w);
}

static void fill_relay(struct zs_state *st)
{
	for (uint32_t i = 0; i < st->attachments; i++) {
		st->binding[i].counter[0] = i + 1;
		atomic_store(&st->bucket[i].to[0].bytes, i + 1);
		for (uint32_t k = 0; k < st->partitions; k++) {
			zs_state_hot(st, k)[i].generation = (uint16_t)(i + k);
			zs_state_hot(st, k)[i].meter[0].bytes = i + k;
			zs_state_account(st, k)[i].flows = i + k;
		}
	}
	atomic_store(&st->tenant[7].to[1].bytes, 9);
}

static void check_relay(const struct zs_state *st, uint32_t filled)
{
	for (uint32_t i = 0; i < st->attachments; i++) {
		assert_int_equal(st->binding[i].counter[0], filled ? i + 1 : 0);
		assert_int_equal(atomic_load(&st->bucket[i].to[0].bytes), filled ? i + 1 : 0);
		for (uint32_t k = 0; k < st->partitions; k++) {
			assert_int_equal(zs_state_hot(st, k)[i].generation, k < filled ? i + k : 0);
			assert_int_equal(zs_state_hot(st, k)[i].meter[0].bytes, k < filled ? i + k : 0);
			assert_int_equal(zs_state_account(st, k)[i].flows, k < filled ? i + k : 0);
		}
	}
	assert_int_equal(atomic_load(&st->tenant[7].to[1].bytes), filled ? 9 : 0);
}

/* Attachments go on under more workers, counters and all; another capacity begins them anew, and tells by the incarnation. */
static void test_attachments(void **state)
{
	struct zs_state_shape shape = small;
	struct scratch *s = *state;
	struct zs_state w;
	uint64_t before;

	open_writer(&w, s, &shape, true);
	assert_int_equal(w.attachments, 64);
	fill_relay(&w);
	before = w.seg.base->incarnation;
	zs_state_close(&w);
	open_writer(&w, s, &shape, false);
	check_relay(&w, 2);
	zs_state_close(&w);
	shape.partitions = 4;
	open_writer(&w, s, &shape, false);
	assert_true(w.seg.base->incarnation == before);
	check_relay(&w, 2);
	zs_state_close(&w);
	shape.attachments = 128;
	open_writer(&w, s, &shape, false);
	assert_int_equal(w.attachments, 128);
	assert_true(w.seg.base->incarnation != before);
	check_relay(&w, 0);
	zs_state_close(&w);
}

static void check_other_flow(const struct zs_state *st, uint32_t partition, uint8_t n)
{
	struct zs_flow_table t;
	struct zs_endpoint client = { zs_addr_from4(htonl(0xc6336400 + n)), (uint16_t)(40000 + n) },
			   target = { zs_addr_from4(htonl(0xc6336463)), 443 };
	uint32_t id;

	assert_int_equal(zs_state_flow_table(st, partition, key, false, &t), 0);
	id = zs_flow_find_client(&t, zs_flow_hash(&t, &client, 4433, 3), &client, 4433, 3);
	assert_int_not_equal(id, ZS_FLOW_NONE);
	assert_int_equal(zs_flow_find_target(&t, zs_flow_hash(&t, &target, (uint16_t)(20000 + n), 5), &target,
					     (uint16_t)(20000 + n), 5),
			 id);
	assert_int_equal(t.flow[id].answered, n & 1);
	assert_int_equal(t.flow[id].last_ms, n + 70);
	assert_int_equal(t.flow[id].as_of, 0);
	assert_int_equal(t.rest[id].published_generation, n + 5);
	assert_int_equal(t.rest[id].created_ms, n + 60);
	assert_int_equal(t.rest[id].packets[ZS_FLOW_TO_TARGET], n + 1);
	assert_int_equal(t.rest[id].bytes[ZS_FLOW_TO_TARGET], n * 1000);
	assert_int_equal(t.rest[id].packets[ZS_FLOW_TO_CLIENT], n + 2);
	assert_int_equal(t.rest[id].bytes[ZS_FLOW_TO_CLIENT], n * 2000);
}

static void check_other_flows(const struct zs_state *st, uint64_t rx)
{
	struct zs_worker_counters sum;
	struct zs_flow_table t;

	check_other_flow(st, 0, 7);
	check_other_flow(st, 0, 8);
	check_other_flow(st, 1, 101);
	assert_int_equal(zs_state_flow_table(st, 0, key, false, &t), 0);
	assert_int_equal(atomic_load(&t.head->used), 2);
	assert_int_equal(t.head->port_first, 20000);
	zs_state_sum(st, &sum);
	assert_int_equal(sum.counter[ZS_COUNTER_rx], rx);
	assert_int_equal(sum.counter[ZS_COUNTER_tx], 0);
	for (int i = 0; i < ZS_DROPS; i++)
		assert_int_equal(sum.drop[i], 0);
}

/* Version 2, by a build with other counters, drops, stages and codes, was here: flows go on, counts begin anew. */
static void test_takes_flows_of_another_build(void **state)
{
	static const struct zs_state_shape more = { .flow_capacity = 300, .partitions = 3 };
	static const struct zs_state_shape less = { .flow_capacity = 16, .partitions = 1 };
	struct scratch *s = *state;
	struct zs_state w, r;
	struct zs_error err;

	other_write(s->dir, OTHER_ROWS, other_rows[0]);
	assert_int_equal(zs_state_open_reader(&r, s->dir, &err), -EPROTO);
	open_writer(&w, s, &less, false);
	assert_int_equal(w.partitions, 2);
	assert_int_equal(w.flow_capacity, OTHER_FLOWS);
	check_other_flows(&w, 0);
	assert_true(zs_segment_writer_alive(&w.seg));
	assert_int_equal(zs_state_open_reader(&r, s->dir, &err), 0);
	check_other_flows(&r, 0);
	zs_state_close(&r);
	w.worker[0].counters.counter[ZS_COUNTER_rx] = 17;
	zs_state_close(&w);
	open_writer(&w, s, &less, false); /* ours by now: nothing is lost */
	check_other_flows(&w, 17);
	zs_state_close(&w);
	assert_int_equal(zs_segment_delete(s->dir, &zs_state_kind), 0);
	other_write(s->dir, OTHER_ROWS, other_rows[0]);
	open_writer(&w, s, &more, false);
	assert_int_equal(w.partitions, 3);
	assert_int_equal(w.flow_capacity, 300);
	check_other_flows(&w, 0);
	zs_state_close(&w);
}

/* What a flow is has changed, or the file is damaged: refused, and left as it was found. */
static void test_refuses_other_flows(void **state)
{
	static const struct {
		size_t row;
		struct fixture_row is;
		const char *told;
	} rows[] = {
		{ OTHER_PORT_ROW, { "flow.port", 38, 2 }, "layout version 2" },
		{ OTHER_PORT_ROW, { "flow.port", 36, 4 }, "layout version 2" },
		{ OTHER_PORT_ROW, { "flow.mark", 36, 2 }, "layout version 2" },
		{ 0, { "flow.more", 112, 8 }, "layout version 2" },
		{ OTHER_REGION_ROW, { "@flow", OTHER_FLOW, 2 * OTHER_FLOWS * 128 - 1 }, "impossible size" },
		{ OTHER_REGION_ROW, { "@flow", OTHER_FLOW, 0 }, "impossible size" },
		{ OTHER_REGION_ROW, { "@flows", OTHER_FLOW, 2 * OTHER_FLOWS * 128 }, "missing" },
	};
	struct scratch *s = *state;
	struct zs_state w;
	struct zs_error err;
	bool fresh;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		for (int again = 0; again < 2; again++) {
			if (!again)
				other_write(s->dir, rows[i].row, rows[i].is);
			assert_int_equal(zs_state_open_writer(&w, s->dir, &small, &fresh, &err), -EPROTO);
			assert_int_equal(err.exit, ZS_EXIT_LAYOUT);
			if (!strstr(err.text, rows[i].told))
				fail_msg("row %zu: %s", i, err.text);
		}
	}
}

/* Sizes that do not divide: refused, not trusted. */
static void test_impossible_sizes(void **state)
{
	static const char *const regions[] = { "@worker",	"@iface",	  "@health",
					       "@flow_head",	"@by_client",	  "@flow",
					       "@binding",	"@sender",	  "@hot",
					       "@account",	"@bucket",	  "@tenant_bucket",
					       "@binding_head", "@binding_change" };
	struct scratch *s = *state;
	struct zs_state w, r;
	struct zs_error err;

	for (size_t k = 0; k < ZS_ARRAY_LEN(regions); k++) {
		open_writer(&w, s, &small, true);
		for (uint32_t i = 0; i < w.seg.base->field_count; i++)
			if (strcmp(w.seg.base->field[i].name, regions[k]) == 0)
				w.seg.base->field[i].size -= 1;
		zs_state_close(&w);
		int rc = zs_state_open_reader(&r, s->dir, &err);
		if (rc != -EPROTO || err.exit != ZS_EXIT_LAYOUT)
			fail_msg("%s: %d", regions[k], rc);
		assert_int_equal(zs_segment_delete(s->dir, &zs_state_kind), 0);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(zs_counter_name(ZS_COUNTER_rx), "rx");
	assert_string_equal(zs_counter_name(ZS_COUNTER_events_lost), "events_lost");
	assert_string_equal(zs_drop_name(ZS_DROP_no_mbuf), "no_mbuf");
	assert_string_equal(zs_stage_name(ZS_STAGE_parse), "parse");
	for (int i = 0; i < ZS_COUNTERS; i++)
		assert_true(zs_counter_text(i)[0] != '?' && zs_counter_text(i)[0]);
	for (int i = 0; i < ZS_DROPS; i++)
		assert_true(zs_drop_text(i)[0] != '?' && zs_drop_text(i)[0]);
	assert_string_equal(zs_counter_name(ZS_COUNTERS), "?");
	assert_string_equal(zs_drop_text(-1), "?");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_life),
		T(test_adopts_after_a_kill),
		T(test_grows),
		T(test_attachments),
		T(test_impossible_sizes),
		T(test_takes_flows_of_another_build),
		T(test_refuses_other_flows),
		T(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
