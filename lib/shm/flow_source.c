/* Groups of ports, a line each, found by a hash of target and group number: a bit for each port that is taken. Of each target there is
 * one more group, with a bit for each group that is full. So a search reads that one, and of the others what it needs to
 * come to a group with a free bit: of the groups that are not full only the first and the last of the range may have none in it.
 *
 * Two targets with one 64-bit hash would share their bits: ports of the one are not given to the other. */
#include "shm/flow_source.h"

#include <string.h>
#include "base/bitmap.h"
#include "shm/tables.h"

#define GROUP  384 /* ports of a group: what a line has room for */
#define ALL    0   /* number of the group of groups; the others are 1 + port / GROUP */
#define STEPS  6   /* the start's group, the last, the first, one between, the start's again */
#define NOBODY UINT32_MAX

struct group {
	uint64_t key;
	uint32_t next; /* in its chain, or of the free ones */
	uint32_t used; /* ports; in the group of groups those of all */
	uint64_t bits[ZS_BITMAP_WORDS(GROUP)];
};
_Static_assert(sizeof(struct group) == 64, "one line");
_Static_assert(ZS_UDP_PORTS / GROUP < GROUP, "the groups of all ports have a bit each");

/* When no source port was found. */
struct none {
	uint32_t given, stamp;
};

struct zs_flow_sources {
	uint64_t looked;
	uint32_t given;			/* ports that came free, and one */
	struct none none[ZS_UDP_PORTS]; /* by published port */
	uint32_t room, made, free, mask;
	struct group *group;
	uint32_t chain[]; /* groups follow */
};

/* A group for each flow, and one for each target: no more than there are published ports, or flows. */
static uint32_t room_for(uint32_t capacity)
{
	return capacity + (capacity < ZS_UDP_PORTS ? capacity : ZS_UDP_PORTS);
}

static uint32_t chains_for(uint32_t capacity)
{
	uint32_t n = 16;

	while (n < capacity)
		n *= 2;
	return n;
}

static size_t head_bytes(uint32_t capacity)
{
	size_t bytes = sizeof(struct zs_flow_sources) + chains_for(capacity) * sizeof(uint32_t);

	return (bytes + sizeof(struct group) - 1) / sizeof(struct group) * sizeof(struct group);
}

size_t zs_flow_sources_bytes(uint32_t capacity)
{
	return head_bytes(capacity) + (size_t)room_for(capacity) * sizeof(struct group);
}

/* --- groups --- */

static uint64_t key_of(const struct zs_flow_table *t, const struct zs_endpoint *target, uint8_t local,
		       uint32_t number)
{
	return zs_flow_hash(t, target, (uint16_t)number, local);
}

static struct group *find(struct zs_flow_sources *s, uint64_t key)
{
	uint32_t at = s->chain[key & s->mask];

	while (at != NOBODY) {
		s->looked++;
		if (s->group[at].key == key)
			return &s->group[at];
		at = s->group[at].next;
	}
	return NULL;
}

/* NULL: there is no room. */
static struct group *find_or_make(struct zs_flow_sources *s, uint64_t key)
{
	struct group *g = find(s, key);
	uint32_t at = s->free;

	if (g)
		return g;
	if (at != NOBODY)
		s->free = s->group[at].next;
	else if (s->made < s->room)
		at = s->made++;
	else
		return NULL;
	s->group[at] = (struct group){ .key = key, .next = s->chain[key & s->mask] };
	s->chain[key & s->mask] = at;
	return &s->group[at];
}

static void drop_empty(struct zs_flow_sources *s, struct group *g)
{
	uint32_t *link = &s->chain[g->key & s->mask], at = (uint32_t)(g - s->group);

	if (g->used)
		return;
	while (*link != at)
		link = &s->group[*link].next;
	*link = g->next;
	g->next = s->free;
	s->free = at;
}

/* --- ports --- */

void zs_flow_sources_take(struct zs_flow_table *t, const struct zs_flow *f)
{
	uint32_t number = f->source_port / GROUP, bit = f->source_port % GROUP;
	struct group *all, *g;

	if (!t->sources)
		return;
	all = find_or_make(t->sources, key_of(t, &f->target, f->local_target, ALL));
	g = all ? find_or_make(t->sources, key_of(t, &f->target, f->local_target, 1 + number)) : NULL;
	if (g && !zs_bitmap_get(g->bits, bit)) {
		zs_bitmap_set(g->bits, bit);
		all->used++;
		if (++g->used == GROUP)
			zs_bitmap_set(all->bits, number);
	}
	if (all)
		drop_empty(t->sources, all);
}

void zs_flow_sources_give(struct zs_flow_table *t, const struct zs_flow *f)
{
	uint32_t number = f->source_port / GROUP, bit = f->source_port % GROUP;
	struct group *all, *g;

	if (!t->sources)
		return;
	all = find(t->sources, key_of(t, &f->target, f->local_target, ALL));
	g = all ? find(t->sources, key_of(t, &f->target, f->local_target, 1 + number)) : NULL;
	if (!g || !zs_bitmap_get(g->bits, bit))
		return;
	zs_bitmap_clear(g->bits, bit);
	zs_bitmap_clear(all->bits, number);
	g->used--;
	all->used--;
	t->sources->given++;
	drop_empty(t->sources, g);
	drop_empty(t->sources, all);
}

/* Where to go on after a group without a free one: at the next that is not full, and round. */
static uint32_t next_group(const struct group *all, uint32_t number, uint32_t first, uint32_t last)
{
	uint32_t end = last / GROUP + 1, at = zs_bitmap_find(all->bits, end, number + 1, false);

	if (at == end)
		at = zs_bitmap_find(all->bits, end, first / GROUP, false);
	return at * GROUP > first ? at * GROUP : first;
}

uint16_t zs_flow_sources_find(const struct zs_flow_table *t, const struct zs_endpoint *target, uint8_t local,
			      uint16_t first, uint16_t last, uint16_t start)
{
	const struct group *all = t->sources ? find(t->sources, key_of(t, target, local, ALL)) : NULL;
	uint32_t port = start;

	if (!all)
		return start;
	for (int i = 0; i < STEPS && port <= last && all->used <= (uint32_t)(last - first); i++) {
		uint32_t base = port / GROUP * GROUP, end = last - base < GROUP ? last - base + 1u : GROUP;
		const struct group *g = find(t->sources, key_of(t, target, local, 1 + port / GROUP));
		uint32_t bit = g ? zs_bitmap_find(g->bits, end, port - base, false) : port - base;

		if (bit < end)
			return (uint16_t)(base + bit);
		port = next_group(all, port / GROUP, first, last);
	}
	return 0;
}

void zs_flow_sources_note_none(struct zs_flow_table *t, uint16_t published, uint32_t stamp)
{
	if (t->sources)
		t->sources->none[published] = (struct none){ t->sources->given, stamp };
}

bool zs_flow_sources_none(const struct zs_flow_table *t, uint16_t published, uint32_t stamp)
{
	const struct none *n = t->sources ? &t->sources->none[published] : NULL;

	return n && n->given == t->sources->given && n->stamp == stamp;
}

uint64_t zs_flow_sources_looked(const struct zs_flow_table *t)
{
	return t->sources->looked;
}

bool zs_flow_sources_right(const struct zs_flow_table *t, const struct zs_flow *f)
{
	const struct group *g;

	if (!t->sources)
		return true;
	g = find(t->sources, key_of(t, &f->target, f->local_target, 1u + f->source_port / GROUP));
	return g && zs_bitmap_get(g->bits, f->source_port % GROUP);
}

void zs_flow_sources_bind(struct zs_flow_table *t, void *memory)
{
	struct zs_flow_sources *s = memory;

	memset(s->none, 0, sizeof(s->none));
	s->looked = s->made = 0;
	s->given = 1;
	s->free = NOBODY;
	s->room = room_for(t->capacity);
	s->mask = chains_for(t->capacity) - 1;
	s->group = (void *)((uint8_t *)memory + head_bytes(t->capacity));
	memset(s->chain, 0xff, ((size_t)s->mask + 1) * sizeof(s->chain[0]));
	t->sources = s;
	for (uint32_t id = 0; id < t->capacity; id++)
		if (t->flow[id].used)
			zs_flow_sources_take(t, &t->flow[id]);
}
