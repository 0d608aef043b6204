/* Rounds: every second all cursors are looked at, a slice at a time, and what moved is stored with the sums it moved,
 * in one write a slice. Counting is one thing, in count(): value − last, or the value under a new incarnation.
 *
 * Invariant: sum + what is beyond `last` in the cells = all that was sent, for every owner, in memory and in the store. */
#include "usage/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "shm/fault.h"
#include "store.h"

/* --- cursors and owners --- */

/* The owner's place, with one more cursor. ZS_PEER_NONE: there are more than attachments. */
static uint32_t take_owner(struct zs_usage *u, const struct zs_peer_id *id)
{
	uint32_t at = zs_peertable_find(&u->owners, id);

	if (at == ZS_PEER_NONE) {
		at = zs_peertable_add(&u->owners, id);
		if (at == ZS_PEER_NONE)
			return at;
		u->owner[at] = (struct owner){ 0 };
		u->owner[at].known = zs_usage_record_sum(u, id, &u->owner[at].sum);
	}
	u->owner[at].cursors++;
	return at;
}

struct cursor *zs_usage_cursor_new(struct zs_usage *u, uint32_t attachment, const struct zs_peer_id *owner,
				   uint32_t workers)
{
	struct cursor *k = zs_budget_calloc(&u->c->memory[ZS_MEMORY_usage], 1,
					    sizeof(*k) + workers * sizeof(k->last[0]));

	if (!k)
		return NULL;
	k->attachment = attachment;
	k->workers = workers;
	k->owner = take_owner(u, owner);
	if (k->owner != ZS_PEER_NONE)
		return k;
	zs_budget_free(&u->c->memory[ZS_MEMORY_usage], k);
	return NULL;
}

static void cursor_free(struct zs_usage *u, struct cursor *k)
{
	if (k && !--u->owner[k->owner].cursors)
		zs_peertable_remove(&u->owners, k->owner);
	zs_budget_free(&u->c->memory[ZS_MEMORY_usage], k);
}

/* --- counting --- */

static void add(uint64_t *to, uint64_t n)
{
	if (__builtin_add_overflow(*to, n, to))
		*to = UINT64_MAX;
}

static void add_sum(struct zs_usage_sum *sum, uint32_t dir, struct zs_meter n, uint64_t wall_s)
{
	add(&sum->to[dir].bytes, n.bytes);
	add(&sum->to[dir].packets, n.packets);
	if (!sum->first_s)
		sum->first_s = wall_s;
	if (wall_s > sum->last_s)
		sum->last_s = wall_s;
}

/* A word that went back is of a damaged segment: it counts for nothing. */
static uint64_t since(uint64_t value, uint64_t last)
{
	return value > last ? value - last : 0;
}

static void count_cell(struct zs_usage *u, struct cursor *k, uint32_t worker, uint32_t dir,
		       const struct zs_meter *cell, uint64_t wall_s)
{
	struct zs_meter v = { __atomic_load_n(&cell->bytes, __ATOMIC_RELAXED),
			      __atomic_load_n(&cell->packets, __ATOMIC_RELAXED) };
	struct zs_meter *last = &k->last[worker][dir],
			n = { since(v.bytes, last->bytes), since(v.packets, last->packets) };

	if (v.bytes == last->bytes && v.packets == last->packets)
		return;
	*last = v;
	k->changed = true;
	add_sum(&u->owner[k->owner].sum, dir, n, wall_s);
	add_sum(&u->total, dir, n, wall_s);
	if (k->tenant)
		add_sum(&u->tenant[k->tenant].sum, dir, n, wall_s);
}

/* The state segment, if there is one whose cells can be read. */
static const struct zs_state *cells(const struct zs_usage *u)
{
	const struct zs_state *s = u->c->state;

	return s && s->attachments && !zs_segment_faulted(&s->seg) ? s : NULL;
}

/* A cursor with room for every worker of the segment; u->at has the new one. */
static struct cursor *widen(struct zs_usage *u, struct cursor *k, uint32_t workers)
{
	struct cursor *wider;

	if (k->workers >= workers)
		return k;
	wider = zs_budget_realloc(&u->c->memory[ZS_MEMORY_usage], k,
				  sizeof(*k) + workers * sizeof(k->last[0]));
	if (!wider)
		return k; /* the others wait: what is not read stays in the cells */
	memset(&wider->last[wider->workers], 0, (workers - wider->workers) * sizeof(wider->last[0]));
	wider->workers = workers;
	return u->at[wider->attachment] = wider;
}

/* The tenant that its owner has now. A number may be another tenant's since a reload. */
static void place(struct zs_usage *u, struct cursor *k)
{
	const struct zs_peer_id *owner = &u->owners.id[k->owner];
	const char *name = "";
	struct tenant_sum *t;

	k->tenant = u->c->attach ? zs_attach_tenant_of(u->c->attach, k->attachment, owner, &name) : 0;
	t = &u->tenant[k->tenant];
	if (!k->tenant || !strcmp(t->name, name))
		return;
	*t = (struct tenant_sum){ 0 };
	snprintf(t->name, sizeof(t->name), "%s", name);
	zs_usage_record_tenant(u, name, &t->sum);
}

static struct cursor *count(struct zs_usage *u, struct cursor *k, uint64_t wall_s)
{
	const struct zs_state *s = cells(u);
	uint64_t incarnation = s ? s->seg.base->incarnation : 0;

	if (!s || k->attachment >= s->attachments)
		return k;
	k = widen(u, k, s->partitions);
	place(u, k);
	if (k->incarnation != incarnation) {
		memset(k->last, 0, k->workers * sizeof(k->last[0]));
		k->incarnation = incarnation;
		k->changed = true;
	}
	for (uint32_t w = 0; w < k->workers && w < s->partitions; w++)
		for (uint32_t d = 0; d < ZS_DIRECTIONS; d++)
			count_cell(u, k, w, d, &zs_state_hot(s, w)[k->attachment].meter[d], wall_s);
	return k;
}

/* --- storing --- */

static uint64_t larger(const struct zs_usage_sum *sum)
{
	const struct zs_meter *to = sum->to;

	return to[0].bytes > to[1].bytes ? to[0].bytes : to[1].bytes;
}

static void tell(struct zs_usage *u, const struct cursor *k)
{
	if (!u->c->attach)
		return;
	zs_attach_used(u->c->attach, k->attachment, &u->owners.id[k->owner], larger(&u->owner[k->owner].sum));
	if (k->tenant)
		zs_attach_tenant_used(u->c->attach, k->tenant, u->tenant[k->tenant].name,
				      larger(&u->tenant[k->tenant].sum));
}

static int store_range(struct zs_usage *u, uint32_t from, uint32_t to)
{
	struct zs_store_batch *b = NULL;
	int rc;

	for (uint32_t id = from; id < to; id++) {
		if (!u->at[id] || !u->at[id]->changed)
			continue;
		if (!b)
			b = zs_store_begin(u->c->store);
		zs_usage_record(u, b, u->at[id]);
	}
	rc = b ? zs_control_commit(u->c, b, NULL) : 0;
	u->failed = rc != 0;
	for (uint32_t id = from; b && id < to; id++) {
		if (!u->at[id] || !u->at[id]->changed)
			continue;
		if (!rc)
			zs_usage_recorded(u, u->at[id]);
		tell(u, u->at[id]);
	}
	return rc;
}

/* Cursors that changed, in one write. A sum may have come from cursors of several slices: after a failure all of them are
 * written, so that no sum is stored without the cursors that made it. */
static int store(struct zs_usage *u, uint32_t from, uint32_t to)
{
	return u->failed ? store_range(u, 0, u->high) : store_range(u, from, to);
}

/* --- rounds --- */

static void slice(struct zs_usage *u, uint64_t wall_s)
{
	uint32_t from = u->next, to = u->high - from > ZS_USAGE_SLICE ? from + ZS_USAGE_SLICE : u->high;

	for (uint32_t id = from; id < to; id++)
		if (u->at[id])
			count(u, u->at[id], wall_s);
	store(u, from, to);
	u->next = to;
}

uint64_t zs_usage_deadline(const struct zs_usage *u)
{
	return u->due_ns;
}

void zs_usage_advance(struct zs_usage *u, uint64_t now_ns, uint64_t wall_s)
{
	if (now_ns < u->due_ns)
		return;
	if (!u->next)
		u->round_ns = now_ns;
	slice(u, wall_s);
	if (u->next < u->high) {
		u->due_ns = now_ns + ZS_USAGE_PAUSE_NS;
		return;
	}
	u->next = 0;
	u->due_ns = u->round_ns + ZS_USAGE_ROUND_NS;
	if (u->due_ns <= now_ns)
		u->due_ns = now_ns + ZS_USAGE_PAUSE_NS;
}

int zs_usage_settle(struct zs_usage *u, uint64_t now_ns, uint64_t wall_s)
{
	int rc;

	for (uint32_t id = 0; id < u->high; id++)
		if (u->at[id])
			count(u, u->at[id], wall_s);
	rc = store(u, 0, u->high);
	u->next = 0;
	u->due_ns = now_ns + ZS_USAGE_ROUND_NS;
	return rc;
}

/* --- owners --- */

/* The cells as they stand: where a new owner begins. */
static void begin_here(struct zs_usage *u, struct cursor *k)
{
	const struct zs_state *s = cells(u);

	for (uint32_t w = 0; s && k->attachment < s->attachments && w < k->workers; w++)
		for (uint32_t d = 0; d < ZS_DIRECTIONS; d++) {
			const struct zs_meter *cell = &zs_state_hot(s, w)[k->attachment].meter[d];

			k->last[w][d] = (struct zs_meter){ __atomic_load_n(&cell->bytes, __ATOMIC_RELAXED),
							   __atomic_load_n(&cell->packets,
									   __ATOMIC_RELAXED) };
		}
	k->incarnation = s ? s->seg.base->incarnation : 0;
}

static struct cursor *fresh(struct zs_usage *u, uint32_t attachment, uint16_t generation,
			    const struct zs_peer_id *owner)
{
	const struct zs_state *s = cells(u);
	struct cursor *k = zs_usage_cursor_new(u, attachment, owner, s ? s->partitions : 1);

	if (!k)
		return NULL;
	k->generation = generation;
	begin_here(u, k);
	return k;
}

static void put(struct zs_usage *u, struct cursor *k)
{
	cursor_free(u, u->at[k->attachment]);
	u->at[k->attachment] = k;
	if (k->attachment >= u->high)
		u->high = k->attachment + 1;
}

/* The old one's last count and the new one in its place, in one write. */
static int hand_over(struct zs_usage *u, struct cursor *old, struct cursor *next)
{
	struct zs_store_batch *b = zs_store_begin(u->c->store);
	int rc;

	if (old)
		zs_usage_record(u, b, old);
	zs_usage_record(u, b, next);
	rc = zs_control_commit(u->c, b, NULL);
	if (rc) {
		u->failed = true;
		cursor_free(u, next);
		return rc;
	}
	if (old)
		zs_usage_recorded(u, old);
	put(u, next);
	return 0;
}

int zs_usage_own(struct zs_usage *u, uint32_t attachment, uint16_t generation, const struct zs_peer_id *owner,
		 uint64_t wall_s)
{
	struct cursor *old = attachment < u->attachments ? u->at[attachment] : NULL, *next;
	int rc = u->failed ? store(u, 0, u->high) : 0;

	if (attachment >= u->attachments)
		return -EINVAL;
	if (old && old->generation == generation && zs_peer_id_eq(&u->owners.id[old->owner], owner))
		return 0;
	if (rc)
		return rc;
	if (old)
		old = count(u, old, wall_s);
	next = fresh(u, attachment, generation, owner);
	return next ? hand_over(u, old, next) : -ENOMEM;
}

/* --- life, questions --- */

int zs_usage_new(struct zs_usage **out, struct zs_control *c, uint32_t attachments, struct zs_random *random,
		 struct zs_error *err)
{
	struct zs_usage *u = calloc(1, sizeof(*u));
	uint64_t key[2] = { zs_random_u64(random), zs_random_u64(random) };
	int rc;

	if (!u)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	u->c = c;
	u->attachments = attachments;
	u->at = zs_budget_own(&u->c->memory[ZS_MEMORY_usage], calloc(attachments, sizeof(struct cursor *)));
	u->owner = zs_budget_own(
	    &u->c->memory[ZS_MEMORY_usage],
	    calloc(attachments + 1, sizeof(*u->owner))); /* one more while an attachment is handed over */
	if (!u->at || !u->owner || zs_peertable_new(&u->owners, attachments + 1, key))
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	else
		rc = zs_usage_records_load(u, err);
	if (rc) {
		zs_usage_delete(u);
		return rc;
	}
	for (uint32_t id = 0; id < u->high; id++)
		if (u->at[id]) {
			place(u, u->at[id]);
			tell(u, u->at[id]);
		}
	*out = u;
	return 0;
}

void zs_usage_delete(struct zs_usage *u)
{
	if (!u)
		return;
	for (uint32_t id = 0; u->at && id < u->high; id++)
		zs_budget_free(&u->c->memory[ZS_MEMORY_usage], u->at[id]);
	zs_peertable_delete(&u->owners);
	zs_budget_free(&u->c->memory[ZS_MEMORY_usage], u->owner);
	zs_budget_free(&u->c->memory[ZS_MEMORY_usage], u->at);
	free(u);
}

bool zs_usage_of(const struct zs_usage *u, const struct zs_peer_id *owner, struct zs_usage_sum *out)
{
	uint32_t at = zs_peertable_find(&u->owners, owner);

	if (at == ZS_PEER_NONE)
		return zs_usage_record_sum(u, owner, out);
	*out = u->owner[at].sum;
	return out->first_s != 0;
}

const struct zs_usage_sum *zs_usage_total(const struct zs_usage *u)
{
	return &u->total;
}
