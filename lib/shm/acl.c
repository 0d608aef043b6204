/* Region: head, then two halves of {start6, start4, index6, index4, denied6, denied4}, each on a line of its own.
 *
 * Invariants of a filled half: start[0] = 0; starts ascend strictly up to the number of ranges, which the index's last
 * entry holds; index entries ascend. Readers trust none of them: positions are bounded by this process's own count, so
 * garbage costs wrong answers alone. */
#include "shm/acl.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "base/prefetch.h"

#define FORMAT	   1
#define DEPTH	   129		       /* prefixes inside each other, /0 to /128 */
#define INDEX_LEN  (ZS_ACL_INDEX + 16) /* one more than values; whole lines */
#define RANGE_LINE 64

typedef unsigned __int128 key;

/* A rule of n prefixes makes at most two ranges, and there is the one from 0 on. */
static uint32_t ranges_of(uint32_t rules)
{
	return (2 * rules + 1 + RANGE_LINE - 1) / RANGE_LINE * RANGE_LINE;
}

static size_t half_size(uint32_t ranges)
{
	return ranges * (sizeof(struct zs_acl_key6) + sizeof(uint32_t) + 2) +
	       2 * INDEX_LEN * sizeof(uint32_t);
}

size_t zs_acl_footprint(uint32_t rules)
{
	return sizeof(struct zs_acl_head) + 2 * half_size(ranges_of(rules));
}

static void lay(struct zs_acl_half *h, uint8_t *at, uint32_t ranges)
{
	h->ranges = ranges;
	h->start6 = (const void *)at;
	at += ranges * sizeof(*h->start6);
	h->start4 = (const void *)at;
	at += ranges * sizeof(*h->start4);
	h->index6 = (const void *)at;
	at += INDEX_LEN * sizeof(*h->index6);
	h->index4 = (const void *)at;
	at += INDEX_LEN * sizeof(*h->index4);
	h->denied6 = at;
	h->denied4 = at + ranges;
}

int zs_acl_bind(struct zs_acl *acl, void *region, size_t size)
{
	size_t fixed = sizeof(struct zs_acl_head) + 2 * half_size(0);
	size_t each = 2 * (half_size(1) - half_size(0));
	uint32_t ranges;

	*acl = (struct zs_acl){ 0 };
	if (!region || size <= fixed || (size - fixed) % (each * RANGE_LINE) ||
	    (size - fixed) / each > ranges_of(ZS_ACL_RULES_MAX))
		return -EPROTO;
	ranges = (uint32_t)((size - fixed) / each);
	acl->head = region;
	acl->rules_max = (ranges - 1) / 2;
	for (int i = 0; i < 2; i++)
		lay(&acl->half[i], (uint8_t *)region + sizeof(*acl->head) + (size_t)i * half_size(ranges),
		    ranges);
	return 0;
}

void zs_acl_new(struct zs_acl *acl)
{
	acl->head->format = FORMAT;
	atomic_store(&acl->head->turn, 0);
}

/* --- keys: the family's bits, as a number --- */

static key key_of(const struct zs_addr *a)
{
	uint64_t be[2];

	if (zs_addr_is4(a))
		return be32toh(zs_addr_get4(a));
	memcpy(be, a->ip, sizeof(be));
	return (key)be64toh(be[0]) << 64 | be64toh(be[1]);
}

/* --- writer --- */

static bool is4(const struct zs_acl_rule *r)
{
	return zs_addr_is4(&r->prefix.addr) && r->prefix.len >= 96;
}

static int compare(const void *a, const void *b)
{
	const struct zs_acl_rule *x = a, *y = b;
	int diff = is4(x) - is4(y);

	if (!diff)
		diff = memcmp(x->prefix.addr.ip, y->prefix.addr.ip, sizeof(x->prefix.addr.ip));
	return diff ? diff : x->prefix.len - y->prefix.len;
}

static bool good(const struct zs_acl_rule *r, const struct zs_acl_rule *before)
{
	uint8_t ways = ZS_ACL_IN | ZS_ACL_OUT;

	return r->prefix.len <= 128 && (r->deny | r->allow) && !((r->deny | r->allow) & ~ways) &&
	       !(r->deny & r->allow) && zs_prefix_has(&r->prefix, &r->prefix.addr) &&
	       (!before || compare(before, r) != 0);
}

/* A half being filled, one family at a time. Ranges come in ascending order. */
struct fill {
	bool is4;
	void *start;
	uint8_t *denied;
	uint32_t count;
	int depth;
	struct {
		key last;
		uint8_t denied;
	} open[DEPTH]; /* prefixes around the place reached; [0] is everything */
};

static key start_at(const struct fill *f, uint32_t i)
{
	const struct zs_acl_key6 *k = f->start;

	return f->is4 ? ((const uint32_t *)f->start)[i] : (key)k[i].hi << 64 | k[i].lo;
}

static void emit(struct fill *f, key start, uint8_t denied)
{
	if (f->count && start_at(f, f->count - 1) == start)
		f->count--; /* the longer prefix begins at the same place, and wins there */
	if (f->count && f->denied[f->count - 1] == denied)
		return;
	f->denied[f->count] = denied;
	if (f->is4)
		((uint32_t *)f->start)[f->count++] = (uint32_t)start;
	else
		((struct zs_acl_key6 *)f->start)[f->count++] = (struct zs_acl_key6){ (uint64_t)(start >> 64),
										     (uint64_t)start };
}

/* Leaves the prefixes that end before `start`. */
static void leave(struct fill *f, key start, bool all)
{
	while (f->depth && (all || f->open[f->depth].last < start)) {
		key last = f->open[f->depth--].last;

		/* Nothing begins here where the prefix around, or the space, ends too. */
		if (last != f->open[f->depth].last)
			emit(f, last + 1, f->open[f->depth].denied);
	}
}

static void enter(struct fill *f, const struct zs_acl_rule *r)
{
	key start = key_of(&r->prefix.addr), size;
	unsigned bits = 128u - r->prefix.len; /* 32 at most for IPv4 */
	uint8_t denied;

	leave(f, start, false);
	size = bits == 128 ? 0 : (key)1 << bits;
	denied = (uint8_t)((f->open[f->depth].denied & ~r->allow) | r->deny);
	f->depth++;
	f->open[f->depth].last = start + size - 1;
	f->open[f->depth].denied = denied;
	emit(f, start, denied);
}

static void fill_index(uint32_t *index, const struct fill *f)
{
	uint32_t n = 0, next = 0;

	for (; n < f->count; n++) {
		key k = start_at(f, n);
		uint32_t part = f->is4 ? zs_acl_part4((uint32_t)k) : zs_acl_part6((uint64_t)(k >> 64));

		for (; next <= part; next++) /* `n` ranges begin before those parts */
			index[next] = n << 2 | (n ? f->denied[n - 1] : 0);
	}
	for (; next <= ZS_ACL_INDEX; next++)
		index[next] = n << 2 | f->denied[n - 1];
}

static void fill_family(struct zs_acl_half *h, bool four, const struct zs_acl_rule *rules, uint32_t count)
{
	struct fill f = { .is4 = four,
			  .start = four ? (void *)h->start4 : (void *)h->start6,
			  .denied = (uint8_t *)(four ? h->denied4 : h->denied6) };

	f.open[0].last = four ? UINT32_MAX : ~(key)0;
	emit(&f, 0, 0);
	for (uint32_t i = 0; i < count; i++)
		if (is4(&rules[i]) == four)
			enter(&f, &rules[i]);
	leave(&f, 0, true);
	fill_index((uint32_t *)(four ? h->index4 : h->index6), &f);
}

int zs_acl_put(struct zs_acl *acl, struct zs_acl_rule *rules, uint32_t count)
{
	uint64_t turn = atomic_load_explicit(&acl->head->turn, memory_order_relaxed);
	uint64_t next = turn ? turn + 1 : 2;

	if (count > acl->rules_max)
		return -E2BIG;
	if (count)
		qsort(rules, count, sizeof(*rules), compare);
	for (uint32_t i = 0; i < count; i++)
		if (!good(&rules[i], i ? &rules[i - 1] : NULL))
			return -EINVAL;
	fill_family(&acl->half[next & 1], true, rules, count);
	fill_family(&acl->half[next & 1], false, rules, count);
	atomic_store_explicit(&acl->head->rules[next & 1], count, memory_order_relaxed);
	atomic_store_explicit(&acl->head->turn, next, memory_order_release);
	return 0;
}

/* --- readers --- */

zs_acl_view zs_acl_look(const struct zs_acl *acl)
{
	uint64_t turn;

	if (!acl->head || acl->head->format != FORMAT)
		return NULL;
	turn = atomic_load_explicit(&acl->head->turn, memory_order_acquire);
	if (!turn || !atomic_load_explicit(&acl->head->rules[turn & 1], memory_order_relaxed))
		return NULL;
	return &acl->half[turn & 1];
}

uint32_t zs_acl_rules(const struct zs_acl *acl)
{
	uint64_t turn = acl->head ? atomic_load_explicit(&acl->head->turn, memory_order_acquire) : 0;

	return turn ? atomic_load_explicit(&acl->head->rules[turn & 1], memory_order_relaxed) : 0;
}

void zs_acl_prefetch(zs_acl_view v, const struct zs_addr *addr)
{
	zs_prefetch(zs_acl_at(v, addr));
}

/* Ranges before `from` begin below the address. Returns the number of the range it lies in, or -1. */
static int64_t search(zs_acl_view v, bool four, key k, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		key start = four ? v->start4[middle] : (key)v->start6[middle].hi << 64 | v->start6[middle].lo;

		if (start <= k)
			from = middle + 1;
		else
			to = middle;
	}
	return (int64_t)from - 1;
}

uint8_t zs_acl_search(zs_acl_view v, const struct zs_addr *addr, uint32_t from, uint32_t to)
{
	bool four = zs_addr_is4(addr);
	int64_t found;

	if (from > to || to > v->ranges)
		return 0;
	found = search(v, four, key_of(addr), from, to);
	return found < 0 ? 0 : (four ? v->denied4 : v->denied6)[found] & (ZS_ACL_IN | ZS_ACL_OUT);
}

/* --- walker --- */

static bool family_ok(const struct zs_acl_half *h, bool four)
{
	const uint32_t *index = four ? h->index4 : h->index6;
	uint32_t count = index[ZS_ACL_INDEX] >> 2;
	struct fill f = { .is4 = four, .start = four ? (void *)h->start4 : (void *)h->start6 };

	if (!count || count > h->ranges || start_at(&f, 0) != 0)
		return false;
	for (uint32_t i = 1; i < count; i++)
		if (start_at(&f, i) <= start_at(&f, i - 1))
			return false;
	for (uint32_t i = 1; i <= ZS_ACL_INDEX; i++)
		if (index[i] >> 2 < index[i - 1] >> 2)
			return false;
	return true;
}

int zs_acl_check(const struct zs_acl *acl)
{
	zs_acl_view v = zs_acl_look(acl);

	return !v || (family_ok(v, true) && family_ok(v, false)) ? 0 : -EUCLEAN;
}
