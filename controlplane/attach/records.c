/* What survives in the store, reader and writer side by side. Numbers big-endian.
 *
 *   "att/slot/" be32 id   {u8 2, u16 generation, u64 freed (Unix time, 0: owned), u8 length, owner, 16 prefix, u8 hashes,
 *                         hashes, u8 ports, each {u8 length, name, u16 port, u8 service, u8 protection}}; version 1: no prefix
 *   "att/rule/" peer id   {u8 1, u8 denied, three texts {u8 length, text}: name, policy, tenant}
 *   "att/caps/" peer id   {u8 1, u8 count, each {text, u64 value}}: limits by command, by their names in attach_limits.def */
#include <errno.h>
#include <stdlib.h>
#include "attach/internal.h"
#include "base/cursor.h"
#include "store.h"

#define SLOT_PREFIX  "att/slot/"
#define RULE_PREFIX  "att/rule/"
#define CAPS_PREFIX  "att/caps/"
#define PREFIX_LEN   9
#define SLOT_KEY     (PREFIX_LEN + 4)
#define PEER_KEY     (PREFIX_LEN + ZS_PEER_ID)
#define SLOT_VERSION 2
#define RULE_VERSION 1
#define CAPS_VERSION 1

static void write_text(struct zs_writer *w, const char *text)
{
	size_t len = strlen(text);

	zs_write_u8(w, (uint8_t)len);
	zs_write_bytes(w, text, len);
}

/* At most cap - 1 bytes, none of them zero. */
static void read_text(struct zs_reader *r, char *out, size_t cap)
{
	size_t len = zs_read_u8(r);
	const uint8_t *at = len < cap ? zs_read_span(r, len) : NULL;

	if (!at || memchr(at, '\0', len)) {
		r->failed = true;
		return;
	}
	memcpy(out, at, len);
	out[len] = '\0';
}

static void slot_key(uint8_t key[SLOT_KEY], uint32_t id)
{
	struct zs_writer w = zs_writer_of(key, SLOT_KEY);

	zs_write_bytes(&w, SLOT_PREFIX, PREFIX_LEN);
	zs_write_u32(&w, id);
}

size_t zs_attach_record_write_slot(const struct kept *k, uint8_t out[ATTACH_RECORD])
{
	struct zs_writer w = zs_writer_of(out, ATTACH_RECORD);

	zs_write_u8(&w, SLOT_VERSION);
	zs_write_u16(&w, k->generation);
	zs_write_u64(&w, k->freed_s);
	zs_write_u8(&w, k->owner.len);
	zs_write_bytes(&w, k->owner.bytes, k->owner.len);
	zs_write_bytes(&w, k->prefix.ip, sizeof(k->prefix.ip));
	zs_write_u8(&w, k->hashes);
	zs_write_bytes(&w, k->hash, k->hashes * sizeof(k->hash[0]));
	zs_write_u8(&w, k->ports.count);
	for (uint32_t i = 0; i < k->ports.count; i++) {
		const struct zs_attach_port *p = &k->ports.at[i];

		write_text(&w, p->name);
		zs_write_u16(&w, p->port);
		zs_write_u8(&w, p->service);
		zs_write_u8(&w, p->protection);
	}
	ZS_CHECK(!w.failed, "a slot's record has room for every slot");
	return zs_writer_len(&w);
}

/* One name, one port, one service number each. */
static bool is_new(const struct ports *ports, const struct zs_attach_port *p)
{
	for (uint32_t i = 0; i < ports->count; i++)
		if (!strcmp(ports->at[i].name, p->name) || ports->at[i].port == p->port ||
		    ports->at[i].service == p->service)
			return false;
	return true;
}

/* One whose name cannot be told to its edge is left out: the attachment and its other ports are sound. */
static bool read_port(struct zs_reader *r, struct kept *k)
{
	struct ports *ports = &k->ports;
	struct zs_attach_port *p = &ports->at[ports->count];

	read_text(r, p->name, sizeof(p->name));
	p->port = zs_read_u16(r);
	p->service = zs_read_u8(r);
	p->protection = zs_read_u8(r);
	if (r->failed || !p->name[0] || !p->port || p->service < 1 || p->service > ZS_SERVICE_MAX ||
	    p->protection > 1 || !is_new(ports, p))
		return false;
	if (zs_attach_name_ok(p->name))
		ports->count++;
	else
		k->untold++;
	return true;
}

static bool read_ports(struct zs_reader *r, struct kept *k)
{
	uint8_t count = zs_read_u8(r);

	if (count > ZS_ATTACH_PORTS)
		return false;
	while (count--)
		if (!read_port(r, k))
			return false;
	return true;
}

/* Owned, or freed at some time; a free one has nothing. */
static bool is_whole(const struct kept *k)
{
	return k->generation &&
	       (k->owner.len ? !k->freed_s : k->freed_s && !k->hashes && !k->ports.count && !k->untold);
}

bool zs_attach_record_read_slot(struct kept *k, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), owner;
	const uint8_t *at;

	*k = (struct kept){ .generation = zs_read_u16(&r) };
	k->freed_s = zs_read_u64(&r);
	owner = zs_read_u8(&r);
	at = zs_read_span(&r, owner);
	if (!at || version < 1 || version > SLOT_VERSION ||
	    (owner && zs_peer_id_decode(&k->owner, at, owner)))
		return false;
	if (version > 1)
		zs_read_bytes(&r, k->prefix.ip, sizeof(k->prefix.ip));
	k->hashes = zs_read_u8(&r);
	if (k->hashes > ZS_ARRAY_LEN(k->hash) || !zs_read_bytes(&r, k->hash, k->hashes * sizeof(k->hash[0])))
		return false;
	return read_ports(&r, k) && zs_reader_done(&r) && is_whole(k);
}

int zs_attach_record_slot(struct zs_attach *s, struct slot *slot, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(s->c->store);
	uint8_t key[SLOT_KEY], value[ATTACH_RECORD];
	int rc;

	slot_key(key, slot->id);
	zs_store_put(b, key, sizeof(key), value, zs_attach_record_write_slot(&slot->kept, value));
	rc = zs_control_commit(s->c, b, err);
	slot->unstored = rc != 0;
	return rc;
}

static void damaged(struct zs_attach *s, const char *what)
{
	ZS_LOG(&s->c->log, STORE_FAILED, "error=\"damaged record of %s\"", what);
}

struct each_slot {
	struct zs_attach *s;
	uint32_t beyond; /* sound ones that this relay has no room for */
};

static int each_slot(void *ctx, const void *key, size_t key_len, const void *value, size_t len)
{
	struct each_slot *e = ctx;
	struct zs_attach *s = e->s;
	struct zs_reader id = zs_reader_of((const uint8_t *)key + PREFIX_LEN, key_len - PREFIX_LEN);
	struct slot *slot = zs_budget_own(&s->c->memory[ZS_MEMORY_attach], calloc(1, sizeof(*slot)));
	bool sound;

	if (!slot)
		return -ENOMEM;
	slot->id = zs_read_u32(&id);
	sound = zs_reader_done(&id) && slot->id && zs_attach_record_read_slot(&slot->kept, value, len);
	if (!sound)
		damaged(s, "an attachment");
	else if (slot->kept.untold)
		damaged(s, "a port's name");
	if (sound && slot->id < s->shm.attachments) {
		zs_attach_slot_adopt(s, slot);
		return 0;
	}
	e->beyond += sound && slot->kept.owner.len;
	zs_budget_free(&s->c->memory[ZS_MEMORY_attach], slot);
	return 0;
}

static int unreadable(int rc, struct zs_error *err)
{
	if (rc && err && !err->code)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE,
				    "the attachments cannot be read from the store: %s", strerror(-rc));
	return rc;
}

int zs_attach_records_slots(struct zs_attach *s, struct zs_error *err)
{
	struct each_slot e = { .s = s };
	int rc = unreadable(zs_store_each(s->c->store, SLOT_PREFIX, PREFIX_LEN, each_slot, &e), err);

	if (e.beyond)
		ZS_LOG(&s->c->log, ATTACH_BEYOND, "attachments=%u capacity=%u", e.beyond,
		       conf_of(s)->capacity);
	return rc;
}

size_t zs_attach_record_write_rule(const struct zs_attach_rule *rule, uint8_t out[ATTACH_RECORD])
{
	struct zs_writer w = zs_writer_of(out, ATTACH_RECORD);

	zs_write_u8(&w, RULE_VERSION);
	zs_write_u8(&w, rule->denied);
	write_text(&w, rule->name);
	write_text(&w, rule->policy);
	write_text(&w, rule->tenant);
	return zs_writer_len(&w);
}

bool zs_attach_record_read_rule(struct zs_attach_rule *out, const void *peer, size_t peer_len,
				const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), denied = zs_read_u8(&r);

	*out = (struct zs_attach_rule){ .denied = denied };
	read_text(&r, out->name, sizeof(out->name));
	read_text(&r, out->policy, sizeof(out->policy));
	read_text(&r, out->tenant, sizeof(out->tenant));
	return version == RULE_VERSION && zs_reader_done(&r) && denied <= 1 &&
	       !zs_peer_id_decode(&out->peer, peer, peer_len);
}

static size_t peer_key(uint8_t key[PEER_KEY], const char *prefix, const struct zs_peer_id *peer)
{
	memcpy(key, prefix, PREFIX_LEN);
	memcpy(key + PREFIX_LEN, peer->bytes, peer->len);
	return PREFIX_LEN + peer->len;
}

int zs_attach_record_rule(struct zs_attach *s, const struct zs_attach_rule *rule, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(s->c->store);
	uint8_t key[PEER_KEY], value[ATTACH_RECORD];

	zs_store_put(b, key, peer_key(key, RULE_PREFIX, &rule->peer), value,
		     zs_attach_record_write_rule(rule, value));
	return zs_control_commit(s->c, b, err);
}

int zs_attach_record_no_rule(struct zs_attach *s, const struct zs_peer_id *peer, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(s->c->store);
	uint8_t key[PEER_KEY];

	zs_store_del(b, key, peer_key(key, RULE_PREFIX, peer));
	return zs_control_commit(s->c, b, err);
}

struct each_rule {
	struct zs_attach *s;
	record_rule_fn *fn;
};

static int each_rule(void *ctx, const void *key, size_t key_len, const void *value, size_t len)
{
	struct each_rule *e = ctx;
	struct zs_attach_rule rule;

	if (zs_attach_record_read_rule(&rule, (const uint8_t *)key + PREFIX_LEN, key_len - PREFIX_LEN, value,
				       len))
		e->fn(e->s, &rule);
	else
		damaged(e->s, "who may attach");
	return 0;
}

int zs_attach_records_rules(struct zs_attach *s, record_rule_fn *fn, struct zs_error *err)
{
	struct each_rule e = { s, fn };

	return unreadable(zs_store_each(s->c->store, RULE_PREFIX, PREFIX_LEN, each_rule, &e), err);
}

size_t zs_attach_record_write_limits(const struct zs_attach_limits *l, uint8_t out[ATTACH_RECORD])
{
	struct zs_writer w = zs_writer_of(out, ATTACH_RECORD);

	zs_write_u8(&w, CAPS_VERSION);
	zs_write_u8(&w, (uint8_t)__builtin_popcount(l->set));
	for (uint32_t i = 0; i < ZS_ATTACH_LIMITS; i++) {
		if (!(l->set & 1u << i))
			continue;
		write_text(&w, zs_attach_limit_name(i));
		zs_write_u64(&w, l->value[i]);
	}
	ZS_CHECK(!w.failed, "a record has room for every limit");
	return zs_writer_len(&w);
}

int zs_attach_record_limits(struct zs_attach *s, const struct zs_peer_id *peer,
			    const struct zs_attach_limits *l, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(s->c->store);
	uint8_t key[PEER_KEY], value[ATTACH_RECORD];
	size_t len = peer_key(key, CAPS_PREFIX, peer);

	if (l->set)
		zs_store_put(b, key, len, value, zs_attach_record_write_limits(l, value));
	else
		zs_store_del(b, key, len);
	return zs_control_commit(s->c, b, err);
}

/* One that this build does not know is passed over. */
static void read_limit(struct zs_reader *r, struct zs_attach_limits *l)
{
	char name[33];
	uint64_t value;

	read_text(r, name, sizeof(name));
	value = zs_read_u64(r);
	for (uint32_t i = 0; !r->failed && i < ZS_ATTACH_LIMITS; i++) {
		if (strcmp(name, zs_attach_limit_name(i)))
			continue;
		l->set |= 1u << i;
		l->value[i] = value;
	}
}

bool zs_attach_record_read_limits(struct zs_attach_limits *out, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), count = zs_read_u8(&r);

	*out = (struct zs_attach_limits){ 0 };
	while (!r.failed && count--)
		read_limit(&r, out);
	return version == CAPS_VERSION && zs_reader_done(&r);
}

struct each_limits {
	struct zs_attach *s;
	record_limits_fn *fn;
};

static int each_limits(void *ctx, const void *key, size_t key_len, const void *value, size_t len)
{
	struct each_limits *e = ctx;
	struct zs_attach_limits l;
	struct zs_peer_id peer;

	if (zs_attach_record_read_limits(&l, value, len) &&
	    !zs_peer_id_decode(&peer, (const uint8_t *)key + PREFIX_LEN, key_len - PREFIX_LEN))
		e->fn(e->s, &peer, &l);
	else
		damaged(e->s, "a limit");
	return 0;
}

int zs_attach_records_limits(struct zs_attach *s, record_limits_fn *fn, struct zs_error *err)
{
	struct each_limits e = { s, fn };

	return unreadable(zs_store_each(s->c->store, CAPS_PREFIX, PREFIX_LEN, each_limits, &e), err);
}
