/* What hostile-segment tests share: seeded mutations of memory, and every reader function of every segment with its
 * answers judged. Included by test_hostile_shm.c alone. */
#ifndef ZS_TESTS_HOSTILE_H
#define ZS_TESTS_HOSTILE_H

#include "unit/lib/shm_test.h"

#include "base/check.h"
#include "net/deny.h"
#include "shm/senders_find.h"
#include "shm/events.h"
#include "shm/sessions.h"
#include "shm/state.h"

static const uint8_t key[16] = "a hash key, 16 b";

/* --- mutations ---------------------------------------------------------------------------- */

struct block {
	uint8_t *at;
	size_t size;
};

static uint64_t interesting(uint64_t *rng)
{
	static const uint64_t values[] = { 0,	       1,	   2,	       63,	    64,
					   65,	       127,	   128,	       129,	    255,
					   256,	       4095,	   4096,       65535,	    65536,
					   0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, INT64_MAX,
					   UINT64_MAX };
	uint64_t n = draw(rng) % (2 * ZS_ARRAY_LEN(values));
	return n < ZS_ARRAY_LEN(values) ? values[n] : draw(rng);
}

/* What TSan and C would call a race is the point here. */
__attribute__((no_sanitize("thread"))) static void mutate(const struct block *b, uint64_t *rng)
{
	size_t at = draw(rng) % b->size, len = b->size - at;
	uint64_t value = interesting(rng);

	switch (draw(rng) % 6) {
	case 0:
		b->at[at] ^= (uint8_t)(1u << draw(rng) % 8);
		break;
	case 1:
		b->at[at] = (uint8_t)value;
		break;
	case 2:
		at &= ~(size_t)3;
		memcpy(b->at + at, &value, b->size - at < 4 ? b->size - at : 4);
		break;
	case 3:
		at &= ~(size_t)7;
		memcpy(b->at + at, &value, b->size - at < 8 ? b->size - at : 8);
		break;
	case 4:
		len = len < 256 ? len : draw(rng) % 256;
		memset(b->at + at, (int)draw(rng), len);
		break;
	default: /* one entry over another, locks made even so that it is read */
		for (size_t i = 0; i < 64 && at + i < b->size; i++)
			b->at[at + i] = (uint8_t)draw(rng);
		b->at[at & ~(size_t)63] &= 0xfe;
	}
}

/* --- readers: every function, every answer judged ------------------------------------------- */

static struct zs_addr some_addr(uint64_t *rng)
{
	struct zs_addr a = zs_addr_from4((uint32_t)draw(rng) & 0x0300000a);
	if (draw(rng) % 4 == 0)
		for (int i = 0; i < 16; i++)
			a.ip[i] = (uint8_t)interesting(rng);
	return a;
}

static void read_tables(const struct zs_tables *t, uint64_t *rng)
{
	struct zs_settings s;
	struct zs_local l;
	struct zs_published p;
	struct zs_route r;
	struct zs_nexthop n;
	struct zs_addr a = some_addr(rng);
	const char *where;

	zs_tables_stopped(t);
	if (zs_tables_settings(t, &s)) {
		assert_true(s.flow_port_first && s.flow_port_first <= s.flow_port_last);
		assert_true(s.deny.allowed_count <= ZS_DENY_ALLOWED_MAX);
		zs_deny_target(&s.deny, &a);
	}
	for (uint32_t i = 0; i < ZS_LOCALS_MAX + 2; i++)
		if (zs_tables_local(t, i, &l))
			assert_true(i < ZS_LOCALS_MAX && l.iface < ZS_IFACES_MAX && l.vlan < 4096 &&
				    l.prefix_len <= 128);
	for (uint32_t i = 0; i < 64; i++)
		if (zs_tables_published(t, (uint16_t)draw(rng), &p))
			assert_int_not_equal(p.target_port, 0);
	for (uint32_t i = 0; i < t->routes + 2; i++)
		if (zs_tables_route(t, i, &r))
			assert_true(i < t->routes && r.len <= 128 && r.iface < ZS_IFACES_MAX &&
				    r.vlan < 4096);
	for (uint32_t i = 0; i < t->nexthops + 2; i++)
		if (zs_tables_nexthop(t, i, &n))
			assert_true(i < t->nexthops && n.iface < ZS_IFACES_MAX && n.vlan < 4096 &&
				    n.valid <= 1);
	uint32_t id = zs_tables_resolve(t, &a, &n);
	assert_true(id == ZS_NEXTHOP_NONE || id < t->nexthops);
	assert_true(n.iface < ZS_IFACES_MAX && n.vlan < 4096);
	id = zs_tables_find_nexthop(t, &a, (uint8_t)draw(rng), (uint16_t)draw(rng));
	assert_true(id == ZS_NEXTHOP_NONE || id < t->nexthops);
	if (draw(rng) % 64 == 0)
		zs_tables_check(t, &where);
	zs_acl_view lists = zs_acl_look(&t->acl);
	if (lists)
		assert_true(zs_acl_denied(lists, &a) <= (ZS_ACL_IN | ZS_ACL_OUT));
}

static void read_flows(const struct zs_flow_table *t, uint64_t *rng)
{
	struct zs_endpoint e = { some_addr(rng), (uint16_t)interesting(rng) };
	const struct zs_flow *f = &t->flow[draw(rng) % t->capacity];
	const char *where;
	uint32_t id;

	if (draw(rng) % 2) /* something that may be there */
		memcpy(&e, draw(rng) % 2 ? &f->client : &f->target, sizeof(e));
	uint64_t hash = zs_flow_hash(t, &e, f->port, f->local_client);
	zs_flow_prefetch_client(t, hash);
	id = zs_flow_find_client(t, hash, &e, f->port, f->local_client);
	assert_true(id == ZS_FLOW_NONE || id < t->capacity);
	hash = zs_flow_hash(t, &e, f->source_port, f->local_target);
	zs_flow_prefetch_target(t, hash);
	id = zs_flow_find_target(t, hash, &e, f->source_port, f->local_target);
	assert_true(id == ZS_FLOW_NONE || id < t->capacity);
	zs_flow_table_check(t, &where);
}

static void read_log(const struct zs_changelog *log, uint64_t *rng)
{
	uint64_t cursor = draw(rng) % 2 ? interesting(rng) : zs_changelog_now(log) - draw(rng) % 8;
	uint32_t id[16];
	bool overrun;

	for (int i = 0; i < 4; i++) {
		uint32_t n = zs_changelog_read(log, &cursor, id, ZS_ARRAY_LEN(id), &overrun);

		assert_true(n <= ZS_ARRAY_LEN(id) && !(n && overrun));
	}
}

/* What a worker does with its neighbours' words. */
static void read_relay(const struct zs_state *s, uint64_t *rng)
{
	struct zs_senders senders = { s->sender, zs_senders_for(s->attachments) - 1, { 1, 2 } };
	struct zs_endpoint e = { some_addr(rng), (uint16_t)interesting(rng) };
	uint32_t id = zs_senders_find(&senders, zs_senders_hash(&senders, &e, (uint8_t)draw(rng)));
	struct zs_binding b;

	assert_true(id == ZS_SENDER_NONE || id < ZS_ATTACHMENTS_MAX);
	for (uint32_t i = 0; i < s->attachments; i++)
		zs_seqlock_get(&s->binding[i], &b, sizeof(b));
	read_log(&s->bindings, rng);
}

static void read_state(const struct zs_state *s, uint64_t *rng)
{
	struct zs_worker_counters sum;
	struct zs_health_cell cell;
	struct zs_flow_table t;

	zs_state_sum(s, &sum);
	read_relay(s, rng);
	for (int i = 0; i < ZS_HEALTHS; i++) {
		zs_health_read(s->health, i, &cell);
		assert_true(strlen(cell.detail) < sizeof(cell.detail));
	}
	for (uint32_t i = 0; i < s->partitions; i++) {
		assert_int_equal(zs_state_flow_table(s, i, key, false, &t), 0);
		read_flows(&t, rng);
	}
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		zs_qsbr_passed(&s->worker[i].qsbr, 1, draw(rng));
}

static void read_sessions(const struct zs_sessions *s, uint64_t *rng)
{
	struct zs_attachment a;
	struct zs_session v;
	struct zs_cid_config c;
	struct zs_cookie_secret cookie;
	struct zs_tenant t;
	uint32_t id = draw(rng) % 2 ? (uint32_t)interesting(rng) : (uint32_t)draw(rng) % 64;

	if (zs_sessions_attachment(s, id, &a))
		assert_true(id < s->attachments && a.generation && a.tenant < ZS_TENANTS &&
			    a.strangers <= ZS_STRANGERS_LIMITED);
	if (zs_sessions_find(s, id, &v) || zs_sessions_slot(s, id, &v))
		assert_true(v.attachment < s->attachments && v.generation &&
			    (v.mode == ZS_SESSION_TUNNEL || v.mode == ZS_SESSION_SOCKET));
	for (uint32_t i = 0; i < ZS_CID_CONFIGS + 2; i++)
		if (zs_sessions_cid_config(s, i, &c))
			assert_true(i < ZS_CID_CONFIGS - 1 && c.keyed <= 1 && c.server_id_len &&
				    c.nonce_len >= 4 && c.server_id_len + c.nonce_len <= 19);
	if (zs_sessions_cookie_secret(s, &cookie))
		assert_int_not_equal(cookie.step, 0);
	if (zs_sessions_tenant(s, id, &t))
		assert_in_range(id, 1, ZS_TENANTS - 1);
	read_log(&s->changes, rng);
}

/* Each side works its own half; on the heap one view holds both. */
static void read_rings(struct zs_events *push, struct zs_events *e, uint64_t *rng)
{
	struct zs_event event = { .kind = 1 };

	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++) {
		if (draw(rng) % 2)
			zs_ring_push(&push->ring[i], &event);
		for (uint32_t k = 0; zs_ring_pop(&e->ring[i], &event); k++)
			if (k > e->ring[i].capacity)
				fail_msg("ring %u never ends", i);
		if (e->ring[i].capacity)
			assert_in_range(zs_ring_count(&e->ring[i]), 0, e->ring[i].capacity);
	}
}

#endif
