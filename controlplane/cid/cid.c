/* Life, time and rotation. A change is made on a copy, stored, and in force only then: what a worker decodes by, or an edge
 * was given, is never unknown after a kill.
 *
 * Invariant: one configuration at least is live and may be minted from. */
#include "cid/internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"

/* --- publication --- */

static uint64_t successor(const struct config *config, unsigned n, const struct limits *l)
{
	uint64_t due = zs_config_due(config, n, l);

	return due == NEVER ? 0 : due - l->live;
}

static void publish(struct zs_cids *s)
{
	struct limits l = zs_cids_limits(s->c->conf);

	for (uint8_t n = 0; n < ZS_CID_ROTATIONS; n++) {
		const struct config *c = &s->config[n];
		struct zs_cid_config v = { .used = 1,
					   .keyed = 1,
					   .server_id_len = 12,
					   .nonce_len = 4,
					   .created_s = c->created_s,
					   .successor_s = successor(s->config, n, &l) };

		memcpy(v.key, c->key, sizeof(v.key));
		zs_cidset_put(&s->set, n, c->live ? c->key : NULL);
		ZS_CHECK(!zs_sessions_set_cid_config(s->shm, n, c->live ? &v : NULL), "configuration %u", n);
		sodium_memzero(&v, sizeof(v));
	}
}

int zs_cids_commit(struct zs_cids *s, const struct config next[ZS_CID_ROTATIONS], struct zs_error *err)
{
	int rc = zs_cids_store(s, next, err);

	if (rc)
		return rc;
	memcpy(s->config, next, sizeof(s->config));
	publish(s);
	return 0;
}

/* --- changes --- */

int zs_cids_draw(struct zs_cids *s, struct config *config, uint64_t start_s, uint8_t *rotation)
{
	struct limits l = zs_cids_limits(s->c->conf);
	uint8_t at[ZS_CID_ROTATIONS], found = 0;
	struct config *c;

	for (uint8_t n = 0; n < ZS_CID_ROTATIONS; n++)
		if (zs_config_free(&config[n], s->wall_s, &l))
			at[found++] = n;
	if (!found)
		return -EBUSY;
	*rotation = at[zs_random_below(&s->random, found)];
	c = &config[*rotation];
	*c = (struct config){ .live = true,
			      .mints = true,
			      .serial = ++s->last_serial,
			      .created_s = s->wall_s,
			      .start_s = start_s,
			      .here_s = s->wall_s };
	s->random.fill(s->random.ctx, c->key, sizeof(c->key));
	zs_config_name(c->key, c->name);
	return 0;
}

/* When the next number will be free, NEVER: nobody can say. */
static uint64_t next_free(const struct zs_cids *s, const struct limits *l)
{
	uint64_t first = NEVER;

	for (unsigned n = 0; n < ZS_CID_ROTATIONS; n++) {
		uint64_t at = s->config[n].live ? zs_config_due(s->config, n, l) : s->config[n].withdrawn_s;

		if (at != NEVER && at + l->rest < first)
			first = at + l->rest;
	}
	return first;
}

int zs_cids_rotate(struct zs_cids *s, uint8_t *rotation, struct zs_error *err)
{
	struct limits l = zs_cids_limits(s->c->conf);
	struct config next[ZS_CID_ROTATIONS];
	uint64_t start_s = s->wall_s + l.stage;
	int rc;

	memcpy(next, s->config, sizeof(next));
	for (unsigned n = 0; n < ZS_CID_ROTATIONS; n++)
		if (next[n].live && next[n].start_s >= start_s)
			start_s = next[n].start_s + 1;
	rc = zs_cids_draw(s, next, start_s, rotation);
	if (rc)
		zs_error_set(err, rc, ZS_EXIT_REFUSED,
			     "all %d numbers of configurations live or rest; the next is free in %llu s",
			     ZS_CID_ROTATIONS, (unsigned long long)(next_free(s, &l) - s->wall_s));
	else
		rc = zs_cids_commit(s, next, err);
	if (!rc) {
		zs_control_clear(s->c, ZS_HEALTH_cids_spent);
		ZS_LOG(&s->c->log, CID_ROTATED, "configuration=%u start_s=%llu", *rotation,
		       (unsigned long long)start_s);
	}
	sodium_memzero(next, sizeof(next));
	return rc;
}

/* --- time --- */

bool zs_cids_advance(struct zs_cids *s, uint64_t wall_s)
{
	struct limits l = zs_cids_limits(s->c->conf);
	struct config next[ZS_CID_ROTATIONS];
	bool changed = false;

	s->wall_s = wall_s;
	memcpy(next, s->config, sizeof(next));
	for (unsigned n = 0; n < ZS_CID_ROTATIONS; n++) {
		if (!next[n].live || zs_config_due(s->config, n, &l) > wall_s)
			continue;
		zs_config_withdraw(&next[n], wall_s);
		changed = true;
	}
	if (changed && zs_cids_commit(s, next, NULL))
		changed = false; /* later: the disk is full, or worse */
	for (unsigned n = 0; n < ZS_CID_ROTATIONS; n++)
		if (changed && next[n].withdrawn_s == wall_s)
			ZS_LOG(&s->c->log, CID_WITHDRAWN, "configuration=%u", n);
	sodium_memzero(next, sizeof(next));
	return changed;
}

uint8_t zs_cids_retired(const struct zs_cids *s)
{
	struct limits l = zs_cids_limits(s->c->conf);
	uint8_t mask = 0;

	for (unsigned n = 0; n < ZS_CID_ROTATIONS; n++)
		mask |= (uint8_t)(zs_config_rests(&s->config[n], s->wall_s, &l) << n);
	return mask;
}

/* --- life --- */

/* A new store. What the segment still has was given out by the one that was lost: its nonces are unknown. */
static int begin(struct zs_cids *s, struct zs_error *err)
{
	struct config next[ZS_CID_ROTATIONS] = { 0 };
	struct zs_cid_config v;
	uint8_t rotation;
	int rc;

	s->born_s = s->wall_s;
	for (uint8_t n = 0; n < ZS_CID_ROTATIONS; n++) {
		if (!zs_sessions_cid_config(s->shm, n, &v))
			continue;
		next[n] = (struct config){ .serial = ++s->last_serial, .created_s = v.created_s };
		zs_config_name(v.key, next[n].name);
		zs_config_withdraw(&next[n], s->wall_s);
		ZS_LOG(&s->c->log, CID_WITHDRAWN, "configuration=%u cause=\"the store was lost\"", n);
	}
	sodium_memzero(&v, sizeof(v));
	rc = zs_cids_draw(s, next, s->wall_s, &rotation);
	if (rc) { /* every number was in use: one does not rest */
		next[0] = (struct config){ 0 };
		zs_cids_draw(s, next, s->wall_s, &rotation);
	}
	rc = zs_cids_commit(s, next, err);
	sodium_memzero(next, sizeof(next));
	return rc;
}

int zs_cids_new(struct zs_cids **out, struct zs_control *c, struct zs_random random, struct zs_sessions *shm,
		uint64_t wall_s, struct zs_error *err)
{
	struct zs_cids *s = calloc(1, sizeof(*s));
	int rc;

	if (!s || !(s->stock = calloc(shm->attachments, sizeof(*s->stock)))) {
		free(s);
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	}
	s->c = c;
	s->random = random;
	s->shm = shm;
	s->wall_s = wall_s;
	zs_cidset_init(&s->set, zs_aes_best());
	rc = zs_cids_load(s, err);
	if (rc == -ENOENT)
		rc = begin(s, err);
	if (rc) {
		zs_cids_delete(s);
		return rc;
	}
	publish(s);
	zs_cids_advance(s, wall_s);
	*out = s;
	return 0;
}

void zs_cids_delete(struct zs_cids *s)
{
	if (!s)
		return;
	sodium_memzero(&s->set, sizeof(s->set));
	sodium_memzero(s->config, sizeof(s->config));
	free(s->stock);
	free(s);
}
