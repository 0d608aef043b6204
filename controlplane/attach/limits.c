/* Limits by command: of an owner, above the policy it has. Durable, and in memory by peer. */
#include "attach/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name;
	uint64_t max;
	const char *words;
} limits[] = {
#define ZS_ATTACH_LIMIT(name, max, words, text) { #name, max, words },
#include "defs/attach_limits.def"
#undef ZS_ATTACH_LIMIT
};

#define REFUSE(err, ...) zs_error_set((err), -EINVAL, ZS_EXIT_USAGE, __VA_ARGS__)

const char *zs_attach_limit_name(enum zs_attach_limit limit)
{
	return (unsigned)limit < ZS_ATTACH_LIMITS ? limits[limit].name : "?";
}

const char *zs_attach_limit_words(enum zs_attach_limit limit)
{
	return (unsigned)limit < ZS_ATTACH_LIMITS ? limits[limit].words : NULL;
}

/* Decimal, with k, M or G behind it for thousands, millions, milliards. */
static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
	static const char units[] = "kMG";
	char *end;
	const char *unit;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno)
		return false;
	unit = *end ? strchr(units, *end) : NULL;
	for (const char *u = units; unit && u <= unit; u++)
		if (__builtin_mul_overflow(*out, 1000u, out))
			return false;
	return !end[unit != NULL] && *out <= max;
}

/* The number of a word in "a|b". */
static bool read_word(const char *text, const char *words, uint64_t *out)
{
	size_t len = strlen(text), n;

	for (*out = 0; len; words += n + 1, ++*out) {
		n = strcspn(words, "|");
		if (n == len && !memcmp(words, text, n))
			return true;
		if (!words[n])
			break;
	}
	return false;
}

static int find(const char *name, size_t len)
{
	for (int i = 0; i < ZS_ATTACH_LIMITS; i++)
		if (strlen(limits[i].name) == len && !memcmp(limits[i].name, name, len))
			return i;
	return -1;
}

int zs_attach_limit_parse(struct zs_attach_limits *l, const char *text, struct zs_error *err)
{
	const char *equals = strchr(text, '='), *value = equals ? equals + 1 : "";
	int i = find(text, equals ? (size_t)(equals - text) : strlen(text));

	if (i < 0)
		return REFUSE(err, "'%.40s' is no limit; zsctl help attach limit names them", text);
	if ((l->set | l->lifted) & 1u << i)
		return REFUSE(err, "%s: given twice", limits[i].name);
	if (!strcmp(value, "default"))
		l->lifted |= 1u << i;
	else if (limits[i].words ? !read_word(value, limits[i].words, &l->value[i])
				 : !read_number(value, limits[i].max, &l->value[i]))
		return limits[i].words ? REFUSE(err, "%s: '%.40s' is none of %s, nor default", limits[i].name,
						value, limits[i].words)
				       : REFUSE(err,
						"%s: '%.40s' is no number; write 2500000, 2500k, 10M, 1G, 0 "
						"for unlimited, or default",
						limits[i].name, value);
	else
		l->set |= 1u << i;
	return 0;
}

static const struct zs_attach_limits *find_limits(const struct zs_attach *s, const struct zs_peer_id *peer)
{
	uint32_t at = zs_peertable_find(&s->limited, peer);

	return at == ZS_PEER_NONE ? NULL : &s->limits[at];
}

uint32_t zs_attach_limited(const struct zs_attach *s, const struct zs_peer_id *peer)
{
	const struct zs_attach_limits *l = find_limits(s, peer);

	return l ? l->set : 0;
}

/* In memory as in the store: nothing set is nothing kept. */
static void put(struct zs_attach *s, const struct zs_peer_id *peer, const struct zs_attach_limits *l)
{
	uint32_t at = zs_peertable_find(&s->limited, peer);

	if (at != ZS_PEER_NONE && !l->set)
		zs_peertable_remove(&s->limited, at);
	if (!l->set)
		return;
	if (at == ZS_PEER_NONE)
		at = zs_peertable_add(&s->limited, peer);
	if (at != ZS_PEER_NONE) /* a store with more than we ever write */
		s->limits[at] = *l;
}

int zs_attach_limits_load(struct zs_attach *s, struct zs_error *err)
{
	uint64_t key[2] = { zs_random_u64(&s->random), zs_random_u64(&s->random) };

	s->limits = calloc(ZS_ATTACH_RULES, sizeof(*s->limits));
	if (!s->limits || zs_peertable_new(&s->limited, ZS_ATTACH_RULES, key))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	return zs_attach_records_limits(s, put, err);
}

/* Of what is set by command; beside a policy's rate the burst is what that has room for (zs_attach_limits_apply). */
static int check_burst(const struct zs_attach_limits *l, struct zs_error *err)
{
	const uint32_t both = 1u << ZS_ATTACH_LIMIT_bit_s | 1u << ZS_ATTACH_LIMIT_burst;
	uint64_t bit_s = l->value[ZS_ATTACH_LIMIT_bit_s], burst = l->value[ZS_ATTACH_LIMIT_burst];

	if ((l->set & both) != both || !bit_s || burst <= zs_police_burst_max(bit_s))
		return 0;
	return REFUSE(err, "burst: %llu is more than %u s of bit_s (%llu); take %llu at most, or raise bit_s",
		      (unsigned long long)burst, ZS_POLICE_DEPTH_S, (unsigned long long)bit_s,
		      (unsigned long long)zs_police_burst_max(bit_s));
}

int zs_attach_limit(struct zs_attach *s, const struct zs_peer_id *peer, const struct zs_attach_limits *change,
		    uint64_t now, struct zs_error *err)
{
	const struct zs_attach_limits *before = find_limits(s, peer);
	struct zs_attach_limits next = before ? *before : (struct zs_attach_limits){ 0 };
	int rc;

	for (uint32_t i = 0; i < ZS_ATTACH_LIMITS; i++)
		if (change->set & 1u << i)
			next.value[i] = change->value[i];
	next.set = (next.set | change->set) & ~change->lifted;
	rc = check_burst(&next, err);
	if (rc)
		return rc;
	if (!before && s->limited.pool.used >= ZS_ATTACH_RULES)
		return zs_error_set(err, -ENOSPC, ZS_EXIT_REFUSED,
				    "%u peers have limits of their own already; give them a policy",
				    ZS_ATTACH_RULES);
	rc = zs_attach_record_limits(s, peer, &next, err);
	if (rc)
		return rc;
	put(s, peer, &next);
	zs_attach_judge(s, now);
	return 0;
}

void zs_attach_limits_apply(const struct zs_attach *s, const struct zs_peer_id *peer, struct terms *t)
{
	const struct zs_attach_limits *l = find_limits(s, peer);
	zs_pb_Policy *p = &t->policy;

	if (!l)
		return;
	for (uint32_t i = 0; i < ZS_ATTACH_LIMITS; i++) {
		uint64_t v = l->value[i];

		if (!(l->set & 1u << i))
			continue;
		switch ((enum zs_attach_limit)i) {
		case ZS_ATTACH_LIMIT_bit_s:
			p->bit_s = v;
			break;
		case ZS_ATTACH_LIMIT_pkt_s:
			p->pkt_s = v;
			break;
		case ZS_ATTACH_LIMIT_burst:
			p->burst = v;
			break;
		case ZS_ATTACH_LIMIT_flows:
			p->flows = (uint32_t)v;
			break;
		case ZS_ATTACH_LIMIT_new_flows_s:
			p->new_flows_s = (uint32_t)v;
			break;
		case ZS_ATTACH_LIMIT_bytes:
			p->bytes_left = v;
			break;
		case ZS_ATTACH_LIMIT_excess:
			t->mark = v != 0;
			break;
		case ZS_ATTACH_LIMIT_strangers:
			p->strangers = (uint32_t)v;
			break;
		case ZS_ATTACH_LIMITS:
			break;
		}
	}
	if (p->bit_s && p->burst > zs_police_burst_max(p->bit_s))
		p->burst = zs_police_burst_max(p->bit_s); /* told as it holds */
}
