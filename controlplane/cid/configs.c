/* Which configuration does what. They have an order: by the time they are meant to be minted from, then by their keys'
 * names, so all PoPs that share them agree. One that this relay may not mint from replaces none. */
#include "cid/internal.h"

#include <sodium.h>
#include <string.h>

struct limits zs_cids_limits(const struct zs_conf *conf)
{
	return (struct limits){ .stage = conf->cids.stage_s,
				.live = conf->cids.live_s,
				.rest = conf->cids.rest_s,
				.expires = conf->cids.expires_s };
}

static bool newer(const struct config *a, const struct config *b)
{
	return a->start_s != b->start_s ? a->start_s > b->start_s : memcmp(a->name, b->name, NAME) > 0;
}

bool zs_config_newest(const struct config *config, const struct config *c)
{
	for (unsigned n = 0; n < ZS_CID_ROTATIONS; n++)
		if (config[n].live && config[n].mints && !newer(c, &config[n]))
			return false;
	return true;
}

uint64_t zs_config_started(const struct config *c)
{
	return c->start_s > c->here_s ? c->start_s : c->here_s;
}

/* The newest that has started. After a step back of the clock none may have: then the oldest. */
int zs_config_current(const struct config *config, uint64_t now_s)
{
	int best = -1, oldest = -1;

	for (int i = 0; i < ZS_CID_ROTATIONS; i++) {
		const struct config *c = &config[i];

		if (!c->live || !c->mints)
			continue;
		if (oldest < 0 || newer(&config[oldest], c))
			oldest = i;
		if (zs_config_started(c) <= now_s && (best < 0 || newer(c, &config[best])))
			best = i;
	}
	return best < 0 ? oldest : best;
}

uint64_t zs_config_due(const struct config *config, unsigned n, const struct limits *l)
{
	const struct config *c = &config[n];
	uint64_t due = NEVER;

	for (unsigned i = 0; i < ZS_CID_ROTATIONS; i++) {
		uint64_t start = zs_config_started(&config[i]);

		if (!config[i].live || !config[i].mints || !newer(&config[i], c))
			continue;
		start = (start > c->here_s ? start : c->here_s) + l->live;
		due = start < due ? start : due;
	}
	return due;
}

bool zs_config_rests(const struct config *c, uint64_t now_s, const struct limits *l)
{
	return !c->live && c->withdrawn_s && now_s < c->withdrawn_s + l->rest;
}

bool zs_config_free(const struct config *c, uint64_t now_s, const struct limits *l)
{
	return !c->live && !zs_config_rests(c, now_s, l);
}

void zs_config_name(const uint8_t key[ZS_AES_KEY], uint8_t name[NAME])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, key, ZS_AES_KEY);
	memcpy(name, hash, NAME);
}

void zs_config_withdraw(struct config *c, uint64_t now_s)
{
	c->live = false;
	c->withdrawn_s = now_s ? now_s : 1;
	sodium_memzero(c->key, sizeof(c->key));
}
