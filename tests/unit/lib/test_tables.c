/* The tables: puts and copies, adoption after a kill, migration from version 1, a writer and a reader at once. */
#include "unit/lib/tables_rig.h"

#include <pthread.h>
#include "base/check.h"
#include "unit/lib/tables_v1_fixture.h"

static void test_life(void **state)
{
	struct scratch *s = *state;
	struct zs_tables w, r, w2;
	struct zs_error err;
	struct zs_settings a, b;
	bool fresh;

	assert_int_equal(zs_tables_open_reader(&r, s->dir, &err), -ENOENT);
	assert_int_equal(zs_tables_open_writer(&w, s->dir, NULL, true, &fresh, &err), 0);
	assert_true(fresh);
	assert_int_equal(w.routes, CONFIG_ROUTES);
	assert_int_equal(w.nexthops, CONFIG_NEXTHOPS);
	check(&w);
	assert_int_equal(zs_tables_open_writer(&w2, s->dir, NULL, false, &fresh, &err), -EBUSY);
	assert_int_equal(err.exit, ZS_EXIT_RUNNING);
	assert_int_equal(zs_tables_open_reader(&r, s->dir, &err), 0);
	assert_true(zs_tables_stopped(&r));
	zs_tables_set_stop(&w, false);
	assert_false(zs_tables_stopped(&r));
	assert_true(zs_tables_settings(&r, &a));
	assert_int_equal(a.flow_idle_answered_ms, 120000);
	assert_int_equal(a.flow_port_first, 20000);
	zs_tables_close(&w);
	open_writer(&w, s, &small, false); /* other sizes: adopted as they are */
	assert_int_equal(w.routes, CONFIG_ROUTES);
	assert_true(zs_tables_settings(&w, &b));
	assert_memory_equal(a.hash_key, b.hash_key, 16);
	zs_tables_close(&r);
	zs_tables_close(&w);
}

static void test_settings(void **state)
{
	struct scratch *s = *state;
	struct zs_tables w;
	struct zs_settings a, b;

	open_writer(&w, s, &small, true);
	assert_true(zs_tables_settings(&w, &a));
	b = a;
	b.flow_idle_answered_ms = 5;
	memset(b.hash_key, 7, sizeof(b.hash_key));
	assert_int_equal(zs_tables_set_settings(&w, &b), 0);
	assert_true(zs_tables_settings(&w, &b));
	assert_int_equal(b.flow_idle_answered_ms, 5);
	assert_memory_equal(a.hash_key, b.hash_key, 16);
	b = a;
	b.flow_port_first = 0;
	assert_int_equal(zs_tables_set_settings(&w, &b), -EINVAL);
	b.flow_port_first = b.flow_port_last + 1;
	assert_int_equal(zs_tables_set_settings(&w, &b), -EINVAL);
	b = a;
	b.deny.allowed_count = ZS_DENY_ALLOWED_MAX + 1;
	assert_int_equal(zs_tables_set_settings(&w, &b), -EINVAL);
	b.deny.allowed_count = 1;
	b.deny.allowed[0].len = 129;
	assert_int_equal(zs_tables_set_settings(&w, &b), -EINVAL);
	check(&w);
	zs_tables_close(&w);
}

static void try_attached(struct zs_tables *w)
{
	static const struct zs_published good = { .used = 1,
						  .kind = ZS_PUBLISHED_ATTACHED,
						  .service = 127,
						  .attachment = 9,
						  .attachment_generation = 1 };
	struct zs_published bad[4] = { good, good, good, good }, q;

	bad[0].service = 0;
	bad[1].service = 128;
	bad[2].attachment_generation = 0;
	bad[3].protection = 2;
	for (size_t i = 0; i < ZS_ARRAY_LEN(bad); i++)
		assert_int_equal(zs_tables_set_published(w, 4450, &bad[i]), -EINVAL);
	assert_int_equal(zs_tables_set_published(w, 4450, &good), 0);
	assert_true(zs_tables_published(w, 4450, &q));
	assert_int_equal(q.attachment, 9);
	w->published[4450].kind = 2;
	assert_false(zs_tables_published(w, 4450, &q));
	assert_int_equal(zs_tables_set_published(w, 4450, NULL), 0);
}

static void test_entries(void **state)
{
	struct scratch *s = *state;
	struct zs_tables w;
	struct zs_local l = {
		.used = 1, .iface = 3, .vlan = 4095, .addr = addr4(0x0a000001), .prefix_len = 128
	};
	struct zs_published p = { .used = 1, .target_port = 443, .target = addr4(0x0a000002) }, q;

	open_writer(&w, s, &small, true);
	assert_false(zs_tables_local(&w, 5, &l));
	l = (struct zs_local){
		.used = 1, .iface = 3, .vlan = 4095, .addr = addr4(0x0a000001), .prefix_len = 128
	};
	assert_int_equal(zs_tables_set_local(&w, 63, &l), 0);
	memset(&l, 0, sizeof(l));
	assert_true(zs_tables_local(&w, 63, &l));
	assert_int_equal(l.vlan, 4095);
	assert_false(zs_tables_local(&w, 64, &l));
	assert_int_equal(zs_tables_set_local(&w, 64, &l), -EINVAL);
	l.vlan = 4096;
	assert_int_equal(zs_tables_set_local(&w, 1, &l), -EINVAL);
	l.vlan = 0, l.iface = ZS_IFACES_MAX;
	assert_int_equal(zs_tables_set_local(&w, 1, &l), -EINVAL);
	l.iface = 0, l.prefix_len = 129;
	assert_int_equal(zs_tables_set_local(&w, 1, &l), -EINVAL);
	assert_int_equal(zs_tables_set_local(&w, 63, NULL), 0);
	assert_false(zs_tables_local(&w, 63, &l));

	assert_int_equal(zs_tables_set_published(&w, 65535, &p), 0);
	assert_true(zs_tables_published(&w, 65535, &q));
	assert_int_equal(q.target_port, 443);
	assert_false(zs_tables_published(&w, 65534, &q));
	assert_int_equal(zs_tables_set_published(&w, 0, &p), -EINVAL);
	p.target_port = 0;
	assert_int_equal(zs_tables_set_published(&w, 1, &p), -EINVAL);
	assert_int_equal(zs_tables_set_published(&w, 65535, NULL), 0);
	assert_false(zs_tables_published(&w, 65535, &q));
	try_attached(&w);
	check(&w);
	zs_tables_close(&w);
}

static void test_full_tables(void **state)
{
	struct scratch *s = *state;
	struct zs_tables w;
	struct zs_route r = { .len = 128 };
	uint32_t put = 0;

	open_writer(&w, s, &small, true);
	for (uint32_t i = 0; i < 64; i++) {
		r.dest = addr4(i);
		assert_int_equal(zs_tables_put_route(&w, &r), 0);
	}
	assert_int_equal(zs_tables_put_route(&w, &r), 0); /* replaces itself */
	r.dest = addr4(64);
	assert_int_equal(zs_tables_put_route(&w, &r), -ENOSPC);
	assert_int_equal(zs_tables_del_route(&w, &r), -ENOENT);
	r.dest = addr4(5);
	assert_int_equal(zs_tables_del_route(&w, &r), 0);
	r.dest = addr4(64);
	assert_int_equal(zs_tables_put_route(&w, &r), 0);
	r.len = 129;
	assert_int_equal(zs_tables_put_route(&w, &r), -EINVAL);
	for (uint32_t i = 0; i < 64; i++) {
		struct zs_nexthop n = { .addr = addr4(i), .iface = 1, .valid = 1 };
		put += zs_tables_put_nexthop(&w, &n) == 0;
	}
	assert_in_range(put, 40, 64);
	int rc = 0;
	for (uint32_t i = 64; i < 256 && rc == 0; i++) {
		struct zs_nexthop n = { .addr = addr4(i), .iface = 1, .valid = 1 };
		rc = zs_tables_put_nexthop(&w, &n);
	}
	assert_int_equal(rc, -ENOSPC);
	check(&w);
	zs_tables_close(&w);
}

/* --- a writer that was killed -------------------------------------------------------------- */

static void die_inside_puts(void *arg)
{
	struct scratch *s = arg;
	struct zs_tables w;
	struct zs_published p = { .used = 1, .target_port = 443, .target = addr4(1) };
	struct zs_local l = { .used = 1, .addr = addr4(2) };
	struct zs_nexthop n = { .addr = addr4(3) };

	open_writer(&w, s, &small, true);
	zs_tables_set_published(&w, 1000, &p);
	zs_tables_set_published(&w, 2000, &p);
	zs_tables_set_local(&w, 1, &l);
	zs_tables_put_nexthop(&w, &n);
	zs_seqlock_write_begin(&w.published[2000].seq);
	w.published[2000].target_port = 1;
	zs_seqlock_write_begin(&w.settings->seq);
	w.settings->flow_port_first = 0;
	zs_seqlock_write_begin(&w.local[1].seq);
	zs_seqlock_write_begin(&w.nexthop[zs_tables_find_nexthop(&w, &n.addr, 0, 0)].seq);
}

static void test_killed_inside_puts(void **state)
{
	struct scratch *s = *state;
	struct zs_tables r, w;
	struct zs_error err;
	struct zs_published p;
	struct zs_settings set;
	struct zs_local l;
	uint8_t key[16];

	in_killed_child(die_inside_puts, s);
	assert_int_equal(zs_tables_open_reader(&r, s->dir, &err), 0);
	memcpy(key, r.settings->hash_key, 16);
	assert_false(zs_tables_published(&r, 2000, &p)); /* bounded: it gives up */
	assert_false(zs_tables_settings(&r, &set));
	assert_true(zs_tables_published(&r, 1000, &p));
	open_writer(&w, s, &small, false);
	check(&w);
	assert_true(zs_tables_published(&r, 1000, &p));
	assert_false(zs_tables_published(&r, 2000, &p));
	assert_false(zs_tables_local(&r, 1, &l));
	assert_true(zs_tables_settings(&r, &set));
	assert_int_equal(set.flow_port_first, 20000);
	assert_memory_equal(key, set.hash_key, 16);
	zs_tables_close(&r);
	zs_tables_close(&w);
}

/* --- version 1 ----------------------------------------------------------------------------- */

static void test_migrates_version_1(void **state)
{
	struct scratch *s = *state;
	struct zs_tables w;
	struct zs_error err;
	struct zs_settings set;
	struct zs_published p;
	struct zs_local l;

	v1_write(s->dir);
	assert_int_equal(zs_tables_open_reader(&w, s->dir, &err), -EPROTO);
	assert_int_equal(err.exit, ZS_EXIT_LAYOUT);
	open_writer(&w, s, &small, false);
	check(&w);
	assert_true(zs_tables_stopped(&w));
	assert_true(zs_tables_settings(&w, &set));
	assert_int_equal(set.flow_idle_answered_ms, 60000);
	assert_int_equal(set.flow_port_first, 30000);
	assert_int_equal(set.flow_port_last, 31000);
	assert_int_equal(set.generation, 42);
	assert_int_equal(set.deny.allowed_count, 1); /* 127/8 may not be allowed */
	assert_int_equal(set.deny.allowed[0].addr.ip[12], 10);
	assert_memory_equal(set.hash_key, "0123456789abcdef", 16);
	assert_true(zs_tables_published(&w, 4433, &p));
	assert_int_equal(p.target_port, 443);
	assert_int_equal(p.target.ip[15], 7);
	assert_int_equal(p.generation, 3);
	assert_int_equal(p.new_flows_s + p.new_flows_burst + p.max_flows + p.drain, 0);
	assert_true(zs_tables_published(&w, 5000, &p));
	assert_false(zs_tables_published(&w, 6000, &p)); /* half written */
	assert_true(zs_tables_local(&w, 3, &l));
	assert_int_equal(l.iface, 2);
	assert_int_equal(l.vlan, 9);
	assert_int_equal(l.prefix_len, 120);
	assert_int_equal(w.seg.base->version, 2);
	zs_tables_close(&w);
	open_writer(&w, s, &small, false); /* now an ordinary one */
	zs_tables_close(&w);
}

static void patch(struct scratch *s, size_t at, const void *bytes, size_t len)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/tables", s->dir);
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0 && pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len);
	close(fd);
}

static void test_refuses_other_versions(void **state)
{
	struct scratch *s = *state;
	struct zs_error err;
	struct zs_tables w;
	bool fresh;

	v1_write(s->dir);
	patch(s, 24, &(uint32_t){ 0 }, 4);
	assert_int_equal(zs_tables_open_writer(&w, s->dir, NULL, false, &fresh, &err), -EPROTO);
	assert_int_equal(err.exit, ZS_EXIT_LAYOUT);
	patch(s, 24, &(uint32_t){ 3 }, 4);
	assert_int_equal(zs_tables_open_writer(&w, s->dir, NULL, false, &fresh, &err), -EPROTO);
	assert_int_equal(err.exit, ZS_EXIT_LAYOUT);
	/* Version 1, but not the one that was frozen. */
	v1_write(s->dir);
	patch(s, 88 + 19 * 48 + 32, &(uint64_t){ 25 }, 8);
	assert_int_equal(zs_tables_open_writer(&w, s->dir, NULL, false, &fresh, &err), -EPROTO);
	assert_non_null(strstr(err.text, "published.target_port"));
	/* Version 2 with another layout names the field. */
	v1_write(s->dir);
	patch(s, 24, &(uint32_t){ 2 }, 4);
	assert_int_equal(zs_tables_open_writer(&w, s->dir, NULL, false, &fresh, &err), -EPROTO);
	assert_non_null(strstr(err.text, "'stop.word'"));
}

/* --- a writer and a reader at once ---------------------------------------------------------- */

struct duo {
	struct zs_tables w, r;
	_Atomic bool done;
	_Atomic uint64_t seen;
	uint64_t torn;
};

static void *read_all(void *arg)
{
	struct duo *d = arg;
	struct zs_published p;
	struct zs_nexthop missing;
	struct zs_addr a = addr4(0x0a000001);

	while (!atomic_load(&d->done)) {
		if (zs_tables_published(&d->r, 443, &p)) {
			atomic_fetch_add_explicit(&d->seen, 1, memory_order_relaxed);
			d->torn += p.generation != p.new_flows_s || p.generation != p.max_flows ||
				   zs_addr_get4(&p.target) != p.generation;
		}
		zs_tables_resolve(&d->r, &a, &missing);
	}
	return NULL;
}

static void test_writer_and_reader(void **state)
{
	struct scratch *s = *state;
	static struct duo d;
	struct zs_error err;
	pthread_t thread;

	open_writer(&d.w, s, &small, true);
	assert_int_equal(zs_tables_open_reader(&d.r, s->dir, &err), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &d), 0);
	for (uint32_t i = 1; i < ROUNDS(2000000) || atomic_load(&d.seen) < 100; i++) {
		struct zs_published p = {
			.used = 1, .target_port = 1, .generation = i, .new_flows_s = i, .max_flows = i
		};
		p.target = zs_addr_from4(i);
		zs_tables_set_published(&d.w, 443, &p);
		if (i % 16 == 0) {
			struct zs_route r = { .len = 96, .onlink = 1, .dest = addr4(0) };
			struct zs_nexthop n = { .addr = addr4(0x0a000001), .valid = 1 };
			i % 32 ? zs_tables_put_route(&d.w, &r) : zs_tables_del_route(&d.w, &r);
			i % 32 ? zs_tables_put_nexthop(&d.w, &n) : zs_tables_del_nexthop(&d.w, &n);
		}
	}
	atomic_store(&d.done, true);
	pthread_join(thread, NULL);
	assert_int_equal(d.torn, 0);
	zs_tables_close(&d.r);
	zs_tables_close(&d.w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_life),
		T(test_settings),
		T(test_entries),
		T(test_full_tables),
		T(test_killed_inside_puts),
		T(test_migrates_version_1),
		T(test_refuses_other_versions),
		T(test_writer_and_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
