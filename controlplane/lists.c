/* Stored rules lie in an array sorted by prefix, as in the store.
 *
 * The tables' two halves: see shm/acl.h. `epoch` is the grace period that began when the half in force came into
 * force; until it has passed the other one is left alone and the timer looks again. */
#include "lists.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "program.h"
#include "shm/qsbr.h"
#include "store.h"

#define AGAIN_NS (10 * ZS_NS_PER_MS) /* until workers have gone round: they sleep 1 ms at most unless told */

struct zs_lists {
	struct zs_control *c;
	struct zs_timer *timer;
	uint64_t epoch;
	bool wanted; /* the tables do not say yet what they should */
	uint32_t count, room;
	struct zs_listed *rule; /* the stored ones, sorted */
};

/* --- order --- */

static int order(const struct zs_prefix *a, const struct zs_prefix *b)
{
	int diff = memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));

	return diff ? diff : a->len - b->len;
}

static int compare(const void *a, const void *b)
{
	return order(&((const struct zs_listed *)a)->prefix, &((const struct zs_listed *)b)->prefix);
}

/* Where the prefix is, or belongs. */
static uint32_t place(const struct zs_lists *l, const struct zs_prefix *p, bool *there)
{
	uint32_t from = 0, to = l->count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (order(&l->rule[middle].prefix, p) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	*there = from < l->count && !order(&l->rule[from].prefix, p);
	return from;
}

/* --- the configuration's --- */

static uint8_t ways(const char *direction)
{
	if (!strcmp(direction, "in"))
		return ZS_ACL_IN;
	return !strcmp(direction, "out") ? ZS_ACL_OUT : ZS_ACL_IN | ZS_ACL_OUT;
}

static struct zs_listed configured(const struct zs_conf_rule *r, bool deny)
{
	struct zs_listed one = { .prefix = r->prefix, .from_config = true };

	*(deny ? &one.deny : &one.allow) = ways(r->direction);
	memcpy(one.comment, r->comment, sizeof(one.comment));
	return one;
}

/* Both lists as one, sorted, a prefix once. Returns how many. */
static uint32_t of_config(const struct zs_conf *conf, struct zs_listed *out)
{
	uint32_t n = 0, kept = 0;

	for (uint32_t i = 0; i < conf->denies; i++)
		out[n++] = configured(&conf->deny[i], true);
	for (uint32_t i = 0; i < conf->allows; i++)
		out[n++] = configured(&conf->allow[i], false);
	qsort(out, n, sizeof(*out), compare);
	for (uint32_t i = 0; i < n; i++) {
		if (!kept || compare(&out[kept - 1], &out[i])) {
			out[kept++] = out[i];
			continue;
		}
		out[kept - 1].deny |= out[i].deny;
		out[kept - 1].allow |= out[i].allow;
	}
	return kept;
}

/* All rules in force, sorted; the caller frees them. NULL: no memory. */
static struct zs_listed *merged(const struct zs_lists *l, uint32_t *count)
{
	const struct zs_conf *conf = l->c->conf;
	uint32_t most = conf->denies + conf->allows, at = 0, n = 0, theirs;
	struct zs_listed *config = calloc(most + 1, sizeof(*config));
	struct zs_listed *all = calloc(most + l->count + 1, sizeof(*all));

	if (!config || !all) {
		free(config);
		free(all);
		*count = 0;
		return NULL;
	}
	theirs = of_config(conf, config);
	for (uint32_t i = 0; i < theirs; i++) {
		while (at < l->count && compare(&l->rule[at], &config[i]) < 0)
			all[n++] = l->rule[at++];
		at += at < l->count && !compare(&l->rule[at], &config[i]);
		all[n++] = config[i];
	}
	while (at < l->count)
		all[n++] = l->rule[at++];
	free(config);
	*count = n;
	return all;
}

static bool is_configured(const struct zs_lists *l, const struct zs_prefix *p)
{
	const struct zs_conf *conf = l->c->conf;

	for (uint32_t i = 0; i < conf->denies; i++)
		if (!order(&conf->deny[i].prefix, p))
			return true;
	for (uint32_t i = 0; i < conf->allows; i++)
		if (!order(&conf->allow[i].prefix, p))
			return true;
	return false;
}

/* --- into the tables --- */

static void tell_full(struct zs_lists *l)
{
	zs_control_raise(l->c, ZS_HEALTH_table_full, "deny and allow lists: %u", zs_lists_room(l));
	ZS_LOG(&l->c->log, TABLE_FULL, "table=acl entries=%u", zs_lists_room(l));
}

/* With more rules than there is room for those by command give way, from the last: a configuration that comes back finds its
 * place. Returns how many are left. */
static uint32_t make_room(struct zs_listed *all, uint32_t n, uint32_t room)
{
	uint32_t surplus = n > room ? n - room : 0, kept = n;

	for (uint32_t i = n; i-- > 0 && surplus;) {
		if (all[i].from_config)
			continue;
		memmove(&all[i], &all[i + 1], (kept - i - 1) * sizeof(*all));
		kept--;
		surplus--;
	}
	return kept;
}

static int put(struct zs_lists *l)
{
	struct zs_tables *t = zs_program_tables(l->c->program);
	uint32_t n, fit;
	struct zs_listed *all = merged(l, &n);
	struct zs_acl_rule *rules = calloc(n + 1, sizeof(*rules));
	int rc;

	if (!all || !rules) {
		free(rules);
		free(all);
		return -ENOMEM;
	}
	fit = make_room(all, n, zs_lists_room(l));
	for (uint32_t i = 0; i < fit; i++)
		rules[i] = (struct zs_acl_rule){ all[i].prefix, all[i].deny, all[i].allow };
	rc = zs_tables_put_rules(t, rules, fit, &l->epoch);
	free(rules);
	free(all);
	if (rc || fit < n)
		tell_full(l);
	return rc;
}

static void settle(void *ctx)
{
	struct zs_lists *l = ctx;

	if (!zs_state_graced(l->c->state, l->epoch) || put(l) == -ENOMEM)
		zs_timer_after(l->timer, AGAIN_NS);
	else
		l->wanted = false;
}

void zs_lists_apply(struct zs_lists *l)
{
	l->wanted = true;
	settle(l);
}

bool zs_lists_in_force(const struct zs_lists *l)
{
	return !l->wanted;
}

/* --- records --- */

static void record(struct zs_store_batch *b, const struct zs_listed *r)
{
	uint8_t key[ZS_LISTED_KEY], value[ZS_LISTED_RECORD];
	size_t len = zs_listed_write(r, key, value);

	zs_store_put(b, key, sizeof(key), value, len);
}

static int grow(struct zs_lists *l, uint32_t to)
{
	struct zs_listed *more;

	if (to <= l->room)
		return 0;
	to = to < 2 * l->room ? 2 * l->room : to;
	more = zs_budget_realloc(&l->c->memory[ZS_MEMORY_lists], l->rule, to * sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->rule = more;
	l->room = to;
	return 0;
}

/* The store's order is ours. */
static int restore(void *ctx, const void *key, size_t key_len, const void *value, size_t len)
{
	struct zs_lists *l = ctx;
	struct zs_listed r;

	if (!zs_listed_read(&r, key, key_len, value, len)) {
		ZS_LOG(&l->c->log, STORE_FAILED, "error=\"damaged record of a deny list\" bytes=%zu", len);
		return 0;
	}
	if (grow(l, l->count + 1))
		return -ENOMEM;
	l->rule[l->count++] = r;
	return 0;
}

/* --- life --- */

int zs_lists_new(struct zs_lists **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_lists *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	l->c = c;
	rc = zs_store_each(c->store, ZS_LISTED_PREFIX, strlen(ZS_LISTED_PREFIX), restore, l);
	if (rc)
		zs_error_set(err, rc, ZS_EXIT_RESOURCE, "the deny list cannot be read from the store: %s",
			     strerror(-rc));
	else if ((rc = zs_timer_new(&l->timer, c->loop, settle, l)))
		zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
	if (rc) {
		zs_lists_delete(l);
		return rc;
	}
	/* The process before may have turned the halves a moment ago. */
	l->epoch = zs_qsbr_start(zs_program_tables(c->program)->epoch);
	zs_lists_apply(l);
	*out = l;
	return 0;
}

void zs_lists_delete(struct zs_lists *l)
{
	if (!l)
		return;
	if (l->timer)
		zs_timer_delete(l->timer);
	zs_budget_free(&l->c->memory[ZS_MEMORY_lists], l->rule);
	free(l);
}

/* --- changes --- */

static void insert(struct zs_lists *l, const struct zs_listed *r)
{
	bool there;
	uint32_t at = place(l, &r->prefix, &there);

	if (!there) {
		memmove(&l->rule[at + 1], &l->rule[at], (l->count++ - at) * sizeof(*l->rule));
		l->rule[at] = *r;
		return;
	}
	l->rule[at].deny = (uint8_t)((l->rule[at].deny & ~r->allow) | r->deny);
	l->rule[at].allow = (uint8_t)((l->rule[at].allow & ~r->deny) | r->allow);
	if (r->comment[0])
		memcpy(l->rule[at].comment, r->comment, sizeof(r->comment));
}

static int refuse(struct zs_error *err, int code, const struct zs_prefix *p, const char *what)
{
	char text[ZS_ADDR_TEXT];
	unsigned len = zs_addr_is4(&p->addr) && p->len >= 96 ? p->len - 96u : p->len;

	return zs_error_set(err, code, ZS_EXIT_REFUSED, "%s/%u %s", zs_addr_format(&p->addr, text), len,
			    what);
}

/* What the rules would be with the change, and as one batch of the store: none of it holds before that does. */
static int commit(struct zs_lists *l, struct zs_lists *next, struct zs_store_batch *b, struct zs_error *err)
{
	int rc = zs_control_commit(l->c, b, err);

	if (rc) {
		zs_budget_free(&l->c->memory[ZS_MEMORY_lists], next->rule);
		return rc;
	}
	zs_budget_free(&l->c->memory[ZS_MEMORY_lists], l->rule);
	l->rule = next->rule;
	l->count = next->count;
	l->room = next->room;
	zs_lists_apply(l);
	return 0;
}

/* To take rules away is never refused. */
static int copy(const struct zs_lists *l, uint32_t more, struct zs_lists *next, struct zs_error *err)
{
	struct zs_budget *budget = &l->c->memory[ZS_MEMORY_lists];
	uint32_t room = l->count + more + 1;

	*next = (struct zs_lists){ .c = l->c, .room = room };
	next->rule = more ? zs_budget_calloc(budget, room, sizeof(*next->rule))
			  : zs_budget_own(budget, calloc(room, sizeof(*next->rule)));
	if (!next->rule)
		return zs_control_no_memory(l->c, ZS_MEMORY_lists, err);
	next->count = l->count;
	if (l->count)
		memcpy(next->rule, l->rule, l->count * sizeof(*l->rule));
	return 0;
}

int zs_lists_add(struct zs_lists *l, const struct zs_listed *add, uint32_t count, struct zs_error *err)
{
	const struct zs_conf *conf = l->c->conf;
	struct zs_store_batch *b;
	struct zs_lists next;
	int rc = zs_program_writable(l->c->program, err);

	for (uint32_t i = 0; i < count && !rc; i++)
		if (is_configured(l, &add[i].prefix))
			rc = refuse(err, -EEXIST, &add[i].prefix,
				    "is in the configuration; change it there (zsctl config apply)");
	if (rc || (rc = copy(l, count, &next, err)))
		return rc;
	for (uint32_t i = 0; i < count; i++)
		insert(&next, &add[i]);
	if (next.count + conf->denies + conf->allows > zs_lists_room(l)) {
		zs_budget_free(&l->c->memory[ZS_MEMORY_lists], next.rule);
		return zs_error_set(err, -ENOSPC, ZS_EXIT_REFUSED,
				    "the lists hold %u rules; remove some or build with a larger ACL_RULES",
				    zs_lists_room(l));
	}
	b = zs_store_begin(l->c->store);
	for (uint32_t i = 0; i < count; i++) {
		bool there;
		record(b, &next.rule[place(&next, &add[i].prefix, &there)]);
	}
	return commit(l, &next, b, err);
}

int zs_lists_remove(struct zs_lists *l, const struct zs_prefix *gone, uint32_t count, struct zs_error *err)
{
	struct zs_store_batch *b;
	struct zs_lists next;
	int rc = zs_program_writable(l->c->program, err);

	if (rc || (rc = copy(l, 0, &next, err)))
		return rc;
	b = zs_store_begin(l->c->store);
	for (uint32_t i = 0; i < count && !rc; i++) {
		uint8_t key[ZS_LISTED_KEY];
		bool there;
		uint32_t at = place(&next, &gone[i], &there);

		if (is_configured(l, &gone[i]))
			rc = refuse(err, -EPERM, &gone[i],
				    "is in the configuration; take it out there (zsctl config apply)");
		else if (!there)
			rc = refuse(err, -ENOENT, &gone[i], "is in no list; zsctl deny list shows them");
		if (rc)
			break;
		next.count--;
		memmove(&next.rule[at], &next.rule[at + 1], (next.count - at) * sizeof(*next.rule));
		zs_listed_key(key, &gone[i]);
		zs_store_del(b, key, sizeof(key));
	}
	if (!rc)
		return commit(l, &next, b, err);
	zs_store_abort(b);
	zs_budget_free(&l->c->memory[ZS_MEMORY_lists], next.rule);
	return rc;
}

uint32_t zs_lists_all(const struct zs_lists *l, struct zs_listed *out, uint32_t cap)
{
	uint32_t n;
	struct zs_listed *all = merged(l, &n);

	if (all)
		memcpy(out, all, (n < cap ? n : cap) * sizeof(*out));
	free(all);
	return n;
}

uint32_t zs_lists_room(const struct zs_lists *l)
{
	return zs_program_tables(l->c->program)->acl.rules_max;
}
