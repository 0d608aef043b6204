/* What verbs and tests ask. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "base/check.h"
#include "cid/internal.h"

const char *zs_cids_state_name(enum zs_cids_state state)
{
	static const char *const names[] = { "staged", "minting", "decoding", "resting" };

	return names[state];
}

void zs_cids_decode(const struct zs_cids *s, const uint8_t cid[ZS_CID], struct zs_cid *out)
{
	struct zs_cid_ref ref = { cid, ZS_CID };

	zs_cidset_decode(&s->set, &ref, 1, out);
}

static enum zs_cids_state state_of(const struct zs_cids *s, unsigned n)
{
	if (!s->config[n].live)
		return ZS_CIDS_RESTING;
	if ((int)n == zs_config_current(s->config, s->wall_s))
		return ZS_CIDS_MINTING;
	return zs_config_started(&s->config[n]) > s->wall_s ? ZS_CIDS_STAGED : ZS_CIDS_DECODING;
}

bool zs_cids_info(const struct zs_cids *s, uint8_t rotation, struct zs_cids_info *out)
{
	struct limits l = zs_cids_limits(s->c->conf);
	const struct config *c = &s->config[rotation];
	uint64_t due = zs_config_due(s->config, rotation, &l);

	if (zs_config_free(c, s->wall_s, &l))
		return false;
	*out = (struct zs_cids_info){ .rotation = rotation,
				      .state = state_of(s, rotation),
				      .mints = c->mints,
				      .created_s = c->created_s,
				      .start_s = zs_config_started(c),
				      .end_s = !c->live	      ? c->withdrawn_s + l.rest
					       : due != NEVER ? due
							      : 0 };
	sodium_bin2hex(out->name, sizeof(out->name), c->name, NAME);
	return true;
}

/* --- the walker --- */

static const char *walk_config(const struct zs_cids *s, uint8_t n)
{
	const struct config *c = &s->config[n];
	struct zs_cid_config v;
	bool there = zs_sessions_cid_config(s->shm, n, &v);
	uint8_t name[NAME];

	if (c->live != there || c->live != (s->set.live >> n & 1))
		return "a configuration that not all know of";
	if (c->live && memcmp(v.key, c->key, sizeof(c->key)))
		return "another key in the segment";
	if (!c->live && !sodium_is_zero(c->key, sizeof(c->key)))
		return "the key of a withdrawn configuration";
	if (c->live && (c->withdrawn_s || !c->serial || c->serial > s->last_serial))
		return "a live configuration that was withdrawn, or of no serial";
	zs_config_name(c->key, name);
	return c->live && memcmp(name, c->name, NAME) ? "a name of another key" : NULL;
}

int zs_cids_walk(const struct zs_cids *s, const char **where)
{
	int current = zs_config_current(s->config, s->wall_s);

	*where = current < 0 ? "nothing to mint from" : NULL;
	for (uint8_t n = 0; !*where && n < ZS_CID_ROTATIONS; n++)
		*where = walk_config(s, n);
	for (unsigned a = 0; !*where && a < ZS_CID_ROTATIONS; a++)
		for (unsigned b = 0; b < a; b++)
			if (s->config[a].serial && s->config[a].serial == s->config[b].serial)
				*where = "two configurations of one serial";
	for (uint32_t id = 0; !*where && id < s->shm->attachments; id++)
		if (s->stock[id].next > s->stock[id].end)
			*where = "nonces given out beyond what is reserved";
	return *where ? -EUCLEAN : 0;
}
