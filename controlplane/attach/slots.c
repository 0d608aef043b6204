/* Owners and their attachments. A slot is owned or free; free ones are a queue, oldest first, so that an id
 * rests as long as it can. Its generation is random when the slot is first used and goes one up with each
 * new owner, so that after a lost store nobody meets an id and generation of before but by chance; one
 * that would wrap rests until all that could remember it is gone.
 *
 * Invariant: owners[owned] = id ⇔ slot[id]->kept.owner; every id below `high` has a slot. */
#include "attach/internal.h"

#include <errno.h>
#include <stdlib.h>
#include "base/hash.h"
#include "program.h"

#define GENERATION_MAX 65535
#define STORE_AGAIN_NS (5 * ZS_NS_PER_S)

struct slot *zs_attach_slot_of(const struct zs_attach *s, const struct zs_peer_id *owner)
{
	uint32_t at = zs_peertable_find(&s->owners, owner);

	return at == ZS_PEER_NONE ? NULL : s->slot[s->owned[at]];
}

static void queue(struct zs_attach *s, struct slot *slot)
{
	slot->next_free = 0;
	if (s->free_tail)
		s->slot[s->free_tail]->next_free = slot->id;
	else
		s->free_head = slot->id;
	s->free_tail = slot->id;
}

static bool rests(const struct zs_attach *s, const struct slot *slot)
{
	return slot->kept.generation == GENERATION_MAX && s->wall_s < slot->kept.freed_s + ZS_ATTACH_REST_S;
}

/* The free slot that rested longest and may be used. */
static struct slot *unqueue(struct zs_attach *s)
{
	uint32_t before = 0, id = s->free_head;
	struct slot *slot;

	while (id && rests(s, s->slot[id])) {
		before = id;
		id = s->slot[id]->next_free;
	}
	if (!id)
		return NULL;
	slot = s->slot[id];
	if (before)
		s->slot[before]->next_free = slot->next_free;
	else
		s->free_head = slot->next_free;
	if (s->free_tail == id)
		s->free_tail = before;
	slot->kept.generation = slot->kept.generation == GENERATION_MAX
				    ? 1
				    : (uint16_t)(slot->kept.generation + 1);
	return slot;
}

static struct slot *fresh(struct zs_attach *s, uint32_t id)
{
	struct slot *slot = zs_budget_calloc(&s->c->memory[ZS_MEMORY_attach], 1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->id = id;
	slot->kept.generation = (uint16_t)(1 + zs_random_below(&s->random, GENERATION_MAX));
	slot->now.at = slot->before.at = ZS_SESSION_NONE;
	slot->last_bind_id = (uint8_t)zs_random_u64(&s->random);
	s->slot[id] = slot;
	return slot;
}

static struct slot **bucket_of(struct zs_attach *s, const struct zs_addr *prefix)
{
	return &s->bucket[zs_hash(s->bucket_key, prefix->ip, sizeof(prefix->ip)) & (BUCKETS - 1)];
}

/* Before there is a shell it is told of all by zs_attach_serve(). */
static void tell_shell(struct zs_attach *s, const struct zs_peer_id *owner, bool owns)
{
	if (s->ops)
		s->ops->own(s->shell, owner, owns);
}

/* The slot counts for that prefix until it is free. */
static void own(struct zs_attach *s, struct slot *slot, const struct zs_peer_id *owner,
		const struct zs_addr *prefix)
{
	struct slot **bucket = bucket_of(s, prefix);
	uint32_t at = zs_peertable_add(&s->owners, owner);

	ZS_CHECK(at != ZS_PEER_NONE, "as many owners as slots");
	s->owned[at] = slot->id;
	slot->kept.owner = *owner;
	slot->kept.freed_s = 0;
	slot->kept.prefix = *prefix;
	slot->near = *bucket;
	*bucket = slot;
	s->counts.attachments++;
	tell_shell(s, owner, true);
}

static void displace(struct zs_attach *s, struct slot *slot)
{
	struct slot **at = bucket_of(s, &slot->kept.prefix);

	while (*at != slot)
		at = &(*at)->near;
	*at = slot->near;
}

uint32_t zs_attach_slots_near(const struct zs_attach *s, const struct zs_addr *prefix)
{
	uint32_t n = 0;

	for (const struct slot *at = *bucket_of((struct zs_attach *)s, prefix); at; at = at->near)
		n += zs_addr_eq(&at->kept.prefix, prefix);
	return n;
}

static void disown(struct zs_attach *s, struct slot *slot)
{
	zs_deadlines_set(&s->slot_timers, &slot->timer, NEVER);
	displace(s, slot);
	memset(&slot->kept.prefix, 0, sizeof(slot->kept.prefix));
	zs_peertable_remove(&s->owners, zs_peertable_find(&s->owners, &slot->kept.owner));
	tell_shell(s, &slot->kept.owner, false);
	slot->kept.owner.len = 0;
	slot->kept.hashes = 0;
	slot->serial = 0;
	slot->used = 0;
	zs_attach_tenant_join(s, slot, 0);
	slot->kept.freed_s = s->wall_s ? s->wall_s : 1;
	s->counts.attachments--;
	queue(s, slot);
}

struct slot *zs_attach_slot_take(struct zs_attach *s, const struct zs_peer_id *owner,
				 const struct zs_addr *prefix)
{
	struct slot *slot = unqueue(s);

	if (!slot && s->high < s->shm.attachments && (slot = fresh(s, s->high)))
		s->high++;
	if (slot)
		own(s, slot, owner, prefix);
	return slot;
}

static int store(struct zs_attach *s, struct slot *slot, struct zs_error *err)
{
	struct zs_error why = { 0 };
	int rc = zs_attach_record_slot(s, slot, &why);

	if (!rc)
		return 0;
	zs_attach_wake_slot(s, slot, s->now_ns + STORE_AGAIN_NS);
	return zs_error_set(err, rc, why.exit, "the attachment has ended, but that is not stored yet: %.160s",
			    why.text);
}

void zs_attach_slot_store(struct zs_attach *s, struct slot *slot)
{
	if (slot->unstored)
		store(s, slot, NULL);
}

void zs_attach_slot_untake(struct zs_attach *s, struct slot *slot)
{
	disown(s, slot);
	if (slot->unstored)
		zs_attach_wake_slot(s, slot, s->now_ns + STORE_AGAIN_NS);
}

int zs_attach_slot_free(struct zs_attach *s, struct slot *slot, struct zs_error *err)
{
	struct zs_attach_conn *conn = slot->conn;
	int rc;

	zs_attach_sessions_end(s, slot);
	if (conn)
		zs_attach_conn_close(s, conn, "the attachment was ended");
	if (slot->rival)
		zs_attach_conn_close(s, slot->rival, "the attachment was ended");
	zs_attach_ports_release(s, slot);
	zs_sessions_set_attachment(&s->shm, slot->id, NULL);
	disown(s, slot);
	rc = store(s, slot, err);
	ZS_LOG(&s->c->log, ATTACH_ENDED, "attachment=%u generation=%u", slot->id, slot->kept.generation);
	return rc;
}

void zs_attach_slot_adopt(struct zs_attach *s, struct slot *slot)
{
	struct zs_peer_id owner = slot->kept.owner;
	struct zs_addr prefix = slot->kept.prefix;

	slot->now.at = slot->before.at = ZS_SESSION_NONE;
	slot->last_bind_id = (uint8_t)zs_random_u64(&s->random);
	s->slot[slot->id] = slot;
	if (slot->id >= s->high)
		s->high = slot->id + 1;
	if (!owner.len)
		return;
	if (zs_attach_slot_of(s, &owner)) { /* two records of one owner: none of our making */
		slot->kept = (struct kept){ .generation = slot->kept.generation, .freed_s = 1 };
		return;
	}
	own(s, slot, &owner, &prefix);
}

static int by_freed(const void *a, const void *b)
{
	const struct slot *const *x = a, *const *y = b;

	return (*x)->kept.freed_s < (*y)->kept.freed_s ? -1 : (*x)->kept.freed_s > (*y)->kept.freed_s;
}

/* The queue of free ones, in the order they became so. */
static int queue_free(struct zs_attach *s)
{
	struct slot **list = calloc(s->high, sizeof(struct slot *));
	uint32_t n = 0;

	if (!list)
		return -ENOMEM;
	for (uint32_t id = 1; id < s->high; id++) {
		if (!s->slot[id] && fresh(s, id)) /* never stored, or damaged */
			s->slot[id]->kept.freed_s = 1;
		if (!s->slot[id])
			break;
		if (!s->slot[id]->kept.owner.len)
			list[n++] = s->slot[id];
	}
	qsort(list, n, sizeof(struct slot *), by_freed);
	for (uint32_t i = 0; i < n; i++)
		queue(s, list[i]);
	free(list);
	return 0;
}

int zs_slots_load(struct zs_attach *s, struct zs_error *err)
{
	uint64_t key[2] = { zs_random_u64(&s->random), zs_random_u64(&s->random) };
	uint64_t lease_ns = (uint64_t)conf_of(s)->lease_s * ZS_NS_PER_S +
			    (uint64_t)conf_of(s)->spread_ms * ZS_NS_PER_MS;
	int rc;

	s->high = 1;
	s->slot = zs_budget_own(&s->c->memory[ZS_MEMORY_attach],
				calloc(s->shm.attachments, sizeof(struct slot *)));
	s->owned = zs_budget_own(&s->c->memory[ZS_MEMORY_attach],
				 calloc(s->shm.attachments, sizeof(*s->owned)));
	if (!s->slot || !s->owned || zs_peertable_new(&s->owners, s->shm.attachments, key) ||
	    zs_deadlines_reserve(&s->slot_timers, s->shm.attachments))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = zs_attach_records_slots(s, err);
	if (!rc && queue_free(s))
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	for (uint32_t id = 1; !rc && id < s->high; id++) {
		if (!s->slot[id]->kept.owner.len)
			continue;
		s->counts.ports += s->slot[id]->kept.ports.count;
		s->slot[id]->lease_ns = s->now_ns + lease_ns;
		zs_attach_wake_slot(s, s->slot[id], s->slot[id]->lease_ns);
		zs_attach_ports_reserve(s, s->slot[id]);
	}
	if (!rc)
		zs_program_release_rest(s->c->program);
	return rc;
}
