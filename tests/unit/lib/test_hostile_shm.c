/* Segments full of garbage: seeded mutations of whole tables, state, sessions and events segments while
 * every reader function is called. Nothing may crash, hang or read out of bounds, and every
 * copy a reader hands out must be within its contract.
 *
 * Phase 1 puts each region into a heap block of its own, so that ASan sees one byte too far.
 * Phase 2 mutates the mapped files from a second thread, joins them again and again, and cuts
 * them short under the readers. Phase 3 lets writers adopt what is left.
 *
 * ZS_SEED=N repeats a run, ZS_SECONDS=N sets its length (default 3). */
#include "unit/lib/hostile.h"

#include <pthread.h>
#include "shm/fault.h"

#define HANG_S 60 /* far more than any round takes, even on a loaded machine */

static const struct zs_tables_shape tables_shape = { .routes = 64, .nexthops = 64, .rules = 64 };
static const struct zs_state_shape state_shape = {
	.flow_capacity = 64, .event_capacity = 64, .partitions = 2, .attachments = 64
};
static const struct zs_events_shape events_shape = { .capacity = 64 };
static const struct zs_sessions_shape sessions_shape = { .attachments = 64, .sessions = 64 };

/* --- owners: they work on garbage, wrong answers are fine --- */

static void write_flows(struct zs_flow_table *t, uint64_t *rng)
{
	struct zs_flow_new want = { .client = { some_addr(rng), (uint16_t)draw(rng) },
				    .target = { some_addr(rng), (uint16_t)draw(rng) },
				    .port = 443,
				    .now_ms = (uint32_t)draw(rng) };
	struct zs_flow_gone evicted;
	struct zs_flow_sweep sweep = { .now_ms = want.now_ms,
				       .idle_confirmed_ms = 1000,
				       .idle_unconfirmed_ms = 100 };
	uint32_t id, count = t->capacity;
	bool idle;

	if (zs_flow_add(t, &want, (uint32_t)draw(rng), &id, &evicted) == ZS_FLOW_OK)
		assert_true(id < t->capacity);
	zs_flow_remove(t, (uint32_t)interesting(rng));
	zs_flow_remove(t, (uint32_t)draw(rng) % t->capacity);
	id = zs_flow_sweep(t, &sweep, &count, &idle);
	assert_true(id == ZS_FLOW_NONE || id < t->capacity);
}

static void write_tables(struct zs_tables *t, uint64_t *rng)
{
	struct zs_route r = { .len = (uint8_t)draw(rng),
			      .iface = (uint8_t)draw(rng) % 32,
			      .dest = some_addr(rng) };
	struct zs_nexthop n = { .iface = (uint8_t)draw(rng) % 32, .addr = some_addr(rng) };

	zs_tables_put_route(t, &r);
	zs_tables_del_route(t, &r);
	zs_tables_put_nexthop(t, &n);
	zs_tables_del_nexthop(t, &n);
	struct zs_acl_rule deny = { .prefix = { n.addr, 128 }, .deny = ZS_ACL_IN };
	uint64_t epoch;
	if (t->acl.head)
		zs_tables_put_rules(t, &deny, 1, &epoch);
}

/* --- the segments, filled ------------------------------------------------------------- */

struct world {
	struct zs_tables tables;
	struct zs_state state;
	struct zs_sessions sessions;
	struct zs_events producer, consumer;
};

static void fill_tables(struct zs_tables *t)
{
	for (uint32_t i = 0; i < 40; i++) {
		struct zs_route r = { .len = (uint8_t)(96 + i % 33),
				      .iface = (uint8_t)(i % 4),
				      .metric = i,
				      .onlink = i % 2,
				      .dest = zs_addr_from4(10),
				      .gateway = zs_addr_from4(i) };
		struct zs_nexthop n = { .iface = (uint8_t)(i % 4), .addr = zs_addr_from4(i), .valid = 1 };
		struct zs_local l = { .used = 1, .iface = (uint8_t)(i % 4), .addr = zs_addr_from4(i) };
		struct zs_published p = { .used = 1, .target_port = 443, .target = zs_addr_from4(i) };
		zs_tables_put_route(t, &r);
		zs_tables_put_nexthop(t, &n);
		zs_tables_set_local(t, i, &l);
		zs_tables_set_published(t, (uint16_t)(i * 1000 + 1), &p);
	}
}

static void fill_state(struct zs_state *s)
{
	struct zs_flow_table t;
	uint32_t id;

	for (uint32_t k = 0; k < s->partitions; k++) {
		assert_int_equal(zs_state_flow_table(s, k, key, true, &t), 0);
		zs_flow_table_set_ports(&t, 20000, 29999);
		for (uint32_t i = 0; i < 50; i++) {
			struct zs_flow_new want = { .client = { zs_addr_from4(i), 1 },
						    .target = { zs_addr_from4(9), 2 },
						    .port = 443 };
			assert_int_equal(zs_flow_add(&t, &want, i, &id, NULL), ZS_FLOW_OK);
		}
	}
}

static void fill_sessions(struct zs_sessions *s)
{
	struct zs_cid_config c = { .used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4 };
	struct zs_cookie_secret cookie = { .step = 1 };
	struct zs_tenant t = { .used = 1 };

	for (uint32_t i = 0; i < 64; i++) {
		struct zs_attachment a = { .used = 1, .generation = 1, .session = i, .previous = i };
		struct zs_session v = { .used = 1,
					.mode = ZS_SESSION_SOCKET,
					.bind_id = 1,
					.attachment = i,
					.generation = 1,
					.receiver = i };
		assert_int_equal(zs_sessions_set_attachment(s, i, &a), 0);
		assert_int_equal(zs_sessions_set_session(s, i, &v), 0);
	}
	for (uint32_t i = 0; i < ZS_CID_CONFIGS - 1; i++)
		assert_int_equal(zs_sessions_set_cid_config(s, i, &c), 0);
	for (uint32_t i = 1; i < ZS_TENANTS; i++)
		assert_int_equal(zs_sessions_set_tenant(s, i, &t), 0);
	assert_int_equal(zs_sessions_set_cookie_secret(s, &cookie), 0);
}

static void wipe(const char *dir)
{
	zs_segment_delete(dir, &zs_sessions_kind);
	zs_segment_delete(dir, &zs_tables_kind);
	zs_segment_delete(dir, &zs_state_kind);
	zs_segment_delete(dir, &zs_events_kind);
	zs_segment_delete(dir, &zs_eventack_kind);
}

static void make(struct world *w, const char *dir)
{
	struct zs_error err;
	bool fresh;

	wipe(dir);
	assert_int_equal(zs_tables_open_writer(&w->tables, dir, &tables_shape, false, &fresh, &err), 0);
	assert_int_equal(zs_state_open_writer(&w->state, dir, &state_shape, &fresh, &err), 0);
	assert_int_equal(zs_sessions_open_writer(&w->sessions, dir, &sessions_shape, &fresh, &err), 0);
	assert_int_equal(zs_events_open_producer(&w->producer, dir, &events_shape, &err), 0);
	assert_int_equal(zs_events_open_consumer(&w->consumer, dir, &err), 0);
	assert_int_equal(zs_events_link(&w->producer, dir), 0);
	fill_tables(&w->tables);
	fill_state(&w->state);
	fill_sessions(&w->sessions);
}

static void leave(struct world *w)
{
	zs_tables_close(&w->tables);
	zs_state_close(&w->state);
	zs_sessions_close(&w->sessions);
	zs_events_close(&w->producer);
	zs_events_close(&w->consumer);
}

static uint64_t deadline(uint32_t share)
{
	const char *text = getenv("ZS_SECONDS");
	uint64_t seconds = text ? strtoull(text, NULL, 10) : 3;
	return zs_clock_ns() + seconds * ZS_NS_PER_S / share;
}

/* --- phase 1: heap blocks -------------------------------------------------------------------- */

#define BLOCKS 40
struct heap {
	struct block block[BLOCKS];
	uint32_t count;
};

/* A copy of `size` bytes with red zones around it; its owner's pointer goes there. */
static void *own(struct heap *h, const void *from, size_t size)
{
	uint8_t *at = NULL;
	assert_int_equal(posix_memalign((void **)&at, 64, size), 0);
	memcpy(at, from, size);
	assert_true(h->count < BLOCKS);
	h->block[h->count++] = (struct block){ at, size };
	return at;
}
#define OWN(h, pointer, count) ((pointer) = own(h, pointer, (count) * sizeof(*(pointer))))

static void to_heap(struct heap *h, struct world *w)
{
	struct zs_tables *t = &w->tables;
	struct zs_state *s = &w->state;
	struct zs_sessions *e = &w->sessions;
	size_t buckets = (size_t)s->partitions * s->flow_buckets;

	OWN(h, t->stop, 1);
	OWN(h, t->settings, 1);
	OWN(h, t->local, ZS_LOCALS_MAX);
	OWN(h, t->published, ZS_UDP_PORTS);
	OWN(h, t->route, t->routes);
	OWN(h, t->nexthop, t->nexthops);
	OWN(h, t->meta, 1);
	t->change = &t->meta->change;
	t->epoch = &t->meta->epoch;
	OWN(h, s->worker, ZS_WORKERS_MAX);
	OWN(h, s->iface, ZS_IFACES_MAX);
	OWN(h, s->health, ZS_HEALTHS);
	OWN(h, s->flow_head, s->partitions);
	OWN(h, s->by_client, buckets);
	OWN(h, s->by_target, buckets);
	OWN(h, s->flow, (size_t)s->partitions * s->flow_capacity);
	OWN(h, s->binding, s->attachments);
	OWN(h, s->bindings.head, 1);
	OWN(h, s->bindings.id, s->bindings.capacity);
	OWN(h, s->sender, zs_senders_for(s->attachments));
	OWN(h, e->attachment, e->attachments);
	OWN(h, e->session, e->sessions);
	OWN(h, e->cid_config, ZS_CID_CONFIGS);
	OWN(h, e->cookie_secret, 1);
	OWN(h, e->tenant, ZS_TENANTS);
	OWN(h, e->changes.head, 1);
	OWN(h, e->changes.id, e->changes.capacity);
	struct zs_ring *r = &w->producer.ring[0]; /* one ring is as good as sixteen */
	OWN(h, r->producer, 1);
	OWN(h, r->consumer, 1);
	OWN(h, r->entries, (size_t)r->capacity * ZS_RING_ENTRY);
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		w->producer.ring[i] = *r;
}

static void free_heap(struct heap *h)
{
	for (uint32_t i = 0; i < h->count; i++)
		free(h->block[i].at);
}

static void round_on_heap(struct world *w, struct heap *h, uint64_t *rng)
{
	struct zs_flow_table t;

	for (uint64_t i = 0; i < 1 + draw(rng) % 32; i++)
		mutate(&h->block[draw(rng) % h->count], rng);
	w->state.seg.writer = false; /* as a reader, which repairs nothing */
	read_tables(&w->tables, rng);
	read_state(&w->state, rng);
	read_sessions(&w->sessions, rng);
	read_rings(&w->producer, &w->producer, rng);
	if (draw(rng) % 8)
		return;
	assert_int_equal(zs_state_flow_table(&w->state, 0, key, false, &t), 0);
	write_flows(&t, rng);
	write_tables(&w->tables, rng);
	if (draw(rng) % 8 == 0) {
		w->state.seg.writer = true;
		int rc = zs_state_flow_table(&w->state, 1, key, false, &t);
		assert_true(rc == 0 || rc == -EUCLEAN);
	}
}

static void test_heap_blocks(void **state)
{
	struct scratch *s = *state;
	uint64_t until = deadline(3), rounds = 0, worlds = 0;

	while (zs_clock_ns() < until || worlds == 0) {
		struct world w, on_heap;
		struct heap h = { 0 };
		alarm(HANG_S);
		make(&w, s->dir);
		on_heap = w;
		to_heap(&h, &on_heap);
		for (uint32_t i = 0; i < 300; i++, rounds++)
			round_on_heap(&on_heap, &h, &s->rng);
		free_heap(&h);
		leave(&w);
		worlds++;
	}
	alarm(0);
	printf("# %lu rounds over %lu sets of segments\n", (unsigned long)rounds, (unsigned long)worlds);
}

/* --- phase 2: the mapped files, from a second thread ------------------------------------------ */

struct attack {
	struct block block[5];
	uint64_t rng;
	_Atomic bool done;
	uint64_t count;
};

static void *attack(void *arg)
{
	struct attack *a = arg;

	while (!atomic_load(&a->done)) {
		mutate(&a->block[draw(&a->rng) % ZS_ARRAY_LEN(a->block)], &a->rng);
		if (++a->count % 64 == 0)
			usleep(10);
	}
	return NULL;
}

static struct block whole(const struct zs_segment *seg)
{
	return (struct block){ (uint8_t *)seg->base, seg->size };
}

/* A reader that comes while all this goes on. */
static uint32_t join_all(const char *dir, uint64_t *rng)
{
	struct zs_tables t;
	struct zs_state s;
	struct zs_sessions e;
	struct zs_error err;
	uint32_t joined = 0;

	if (zs_tables_open_reader(&t, dir, &err) == 0) {
		read_tables(&t, rng);
		zs_tables_close(&t);
		joined++;
	}
	if (zs_state_open_reader(&s, dir, &err) == 0) {
		read_state(&s, rng);
		zs_state_close(&s);
		joined++;
	}
	if (zs_sessions_open_reader(&e, dir, &err) == 0) {
		read_sessions(&e, rng);
		zs_sessions_close(&e);
		joined++;
	}
	return joined;
}

static void cut(struct world *w, uint64_t *rng)
{
	struct zs_segment *seg[] = { &w->tables.seg, &w->state.seg, &w->producer.pair.own, &w->sessions.seg };
	struct zs_segment *victim = seg[draw(rng) % ZS_ARRAY_LEN(seg)];
	assert_int_equal(truncate(victim->path, (off_t)(draw(rng) % victim->size)), 0);
}

static void besiege(struct scratch *s, uint32_t *joined, uint64_t *mutations)
{
	struct world w;
	struct zs_tables t;
	struct zs_state st;
	struct zs_sessions e;
	struct zs_error err;
	pthread_t thread;

	make(&w, s->dir);
	assert_int_equal(zs_tables_open_reader(&t, s->dir, &err), 0);
	assert_int_equal(zs_state_open_reader(&st, s->dir, &err), 0);
	assert_int_equal(zs_sessions_open_reader(&e, s->dir, &err), 0);
	struct attack a = { .block = { whole(&w.tables.seg), whole(&w.state.seg), whole(&w.producer.pair.own),
				       whole(&w.consumer.pair.own), whole(&w.sessions.seg) },
			    .rng = draw(&s->rng) };
	assert_int_equal(pthread_create(&thread, NULL, attack, &a), 0);
	for (uint32_t i = 0; i < 60; i++) {
		read_tables(&t, &s->rng);
		read_state(&st, &s->rng);
		read_sessions(&e, &s->rng);
		read_rings(&w.producer, &w.consumer, &s->rng);
		*joined += join_all(s->dir, &s->rng);
		zs_segment_writer_alive(&t.seg);
		if (i == 40)
			cut(&w, &s->rng);
	}
	atomic_store(&a.done, true);
	pthread_join(thread, NULL);
	*mutations += a.count;
	zs_tables_close(&t);
	zs_state_close(&st);
	zs_sessions_close(&e);
	leave(&w);
}

static void test_mapped_files(void **state)
{
	static struct zs_fault fault;
	struct scratch *s = *state;
	uint64_t until = deadline(3), mutations = 0;
	uint32_t joined = 0, rounds = 0;

	assert_int_equal(zs_fault_install(&fault), 0);
	for (; zs_clock_ns() < until || rounds == 0; rounds++) {
		alarm(HANG_S);
		besiege(s, &joined, &mutations);
	}
	alarm(0);
	printf("# %u sieges, %lu mutations, %u joins that were let in\n", rounds, (unsigned long)mutations,
	       joined);
}

/* --- phase 3: writers adopt garbage ----------------------------------------------------------- */

static void scribble(const struct zs_segment *seg, uint64_t *rng)
{
	struct block b = { (uint8_t *)seg->base + ZS_SEGMENT_HEADER, seg->size - ZS_SEGMENT_HEADER };
	struct block head = { (uint8_t *)seg->base, sizeof(struct zs_segment_header) };

	for (uint64_t i = 0; i < draw(rng) % 200; i++)
		mutate(&b, rng);
	if (draw(rng) % 4 == 0)
		mutate(&head, rng);
}

static void adopt_all(struct scratch *s, uint32_t *adopted)
{
	struct zs_tables t;
	struct zs_state st;
	struct zs_flow_table flows;
	struct zs_sessions e;
	struct zs_error err;
	bool fresh;

	if (zs_tables_open_writer(&t, s->dir, &tables_shape, false, &fresh, &err) == 0) {
		read_tables(&t, &s->rng);
		write_tables(&t, &s->rng);
		zs_tables_close(&t);
		++*adopted;
	}
	struct zs_state_shape shape = state_shape;
	shape.partitions += draw(&s->rng) % 3;
	shape.flow_capacity += draw(&s->rng) % 3;
	if (zs_state_open_writer(&st, s->dir, &shape, &fresh, &err) == 0) {
		for (uint32_t i = 0; i < st.partitions; i++) {
			int rc = zs_state_flow_table(&st, i, key, false, &flows);
			if (rc == -EUCLEAN)
				rc = zs_state_flow_table(&st, i, key, true, &flows);
			assert_int_equal(rc, 0);
			write_flows(&flows, &s->rng);
		}
		zs_state_close(&st);
		++*adopted;
	}
	if (zs_sessions_open_writer(&e, s->dir, &sessions_shape, &fresh, &err) == 0) {
		read_sessions(&e, &s->rng);
		fill_sessions(&e);
		zs_sessions_close(&e);
		++*adopted;
	}
}

static void test_adoption(void **state)
{
	struct scratch *s = *state;
	uint64_t until = deadline(3);
	uint32_t adopted = 0, rounds = 0;

	for (; zs_clock_ns() < until || rounds == 0; rounds++) {
		struct world w;
		alarm(HANG_S);
		make(&w, s->dir);
		scribble(&w.tables.seg, &s->rng);
		scribble(&w.state.seg, &s->rng);
		scribble(&w.sessions.seg, &s->rng);
		leave(&w);
		adopt_all(s, &adopted);
	}
	alarm(0);
	printf("# %u rounds, %u segments adopted\n", rounds, adopted);
	assert_true(adopted > 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = { T(test_heap_blocks), T(test_mapped_files), T(test_adoption) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
