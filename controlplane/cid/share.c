/* Configurations as text, from PoP to PoP. One line each, in this order, and a digest against damage (it proves nobody):
 *
 *   zerostate-cid-keys 1
 *   pop 1
 *   configuration 3 created 1763752000 start 1763752060 key 8f95f09245765f80256934e50c66207f
 *   sha256 64 hex digits over all the lines before
 *
 * Invariant: a number means one key wherever configurations are shared. A configuration of ours from which nothing was ever
 * minted gives way to another PoP's of the same number. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "cid/internal.h"

#define TITLE  "zerostate-cid-keys 1\n"
#define DIGEST "sha256 "
#define FUTURE_S                                                                                             \
	(8 * 86400) /* a start farther ahead is a wrong clock: it would hold up every later rotation */

/* --- export --- */

static void hash_hex(const char *text, size_t len, char hex[65])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const uint8_t *)text, len);
	sodium_bin2hex(hex, 65, hash, sizeof(hash));
}

size_t zs_cids_export(const struct zs_cids *s, char out[ZS_CIDS_EXPORT])
{
	char hex[65];
	int n = snprintf(out, ZS_CIDS_EXPORT, TITLE "pop %u\n", s->c->conf->attach.pop);

	for (unsigned i = 0; i < ZS_CID_ROTATIONS; i++) {
		const struct config *c = &s->config[i];

		if (!c->live)
			continue;
		sodium_bin2hex(hex, sizeof(hex), c->key, sizeof(c->key));
		n += snprintf(out + n, (size_t)(ZS_CIDS_EXPORT - n),
			      "configuration %u created %llu start %llu key %s\n", i,
			      (unsigned long long)c->created_s, (unsigned long long)c->start_s, hex);
	}
	hash_hex(out, (size_t)n, hex);
	n += snprintf(out + n, (size_t)(ZS_CIDS_EXPORT - n), DIGEST "%s\n", hex);
	ZS_CHECK(n < ZS_CIDS_EXPORT, "an export has room for every configuration");
	return (size_t)n;
}

/* --- reading --- */

struct text {
	const char *at, *end;
};

static bool word(struct text *t, const char *want)
{
	size_t len = strlen(want);

	if ((size_t)(t->end - t->at) < len || memcmp(t->at, want, len))
		return false;
	t->at += len;
	return true;
}

static bool number(struct text *t, uint64_t max, uint64_t *out)
{
	const char *start = t->at;

	for (*out = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9' && t->at - start < 18; t->at++)
		*out = *out * 10 + (uint64_t)(*t->at - '0');
	return t->at > start && *out <= max;
}

static bool key(struct text *t, uint8_t out[ZS_AES_KEY])
{
	size_t len;

	if (t->end - t->at < 2 * ZS_AES_KEY ||
	    sodium_hex2bin(out, ZS_AES_KEY, t->at, 2 * ZS_AES_KEY, NULL, &len, NULL) || len != ZS_AES_KEY)
		return false;
	t->at += 2 * ZS_AES_KEY;
	return true;
}

static bool digest_good(const char *text, size_t len)
{
	const size_t tail = strlen(DIGEST) + 65; /* 64 digits and the end of the line */
	char hex[65];

	if (len < tail || memcmp(text + len - tail, DIGEST, strlen(DIGEST)) || text[len - 1] != '\n')
		return false;
	hash_hex(text, len - tail, hex);
	return !memcmp(text + len - 65, hex, 64);
}

static bool read_line(struct text *t, struct config file[ZS_CID_ROTATIONS])
{
	struct config c = { .live = true };
	uint64_t rotation;

	if (!word(t, "configuration ") || !number(t, ZS_CID_ROTATIONS - 1, &rotation) ||
	    !word(t, " created ") || !number(t, NEVER, &c.created_s) || !word(t, " start ") ||
	    !number(t, NEVER, &c.start_s) || !word(t, " key ") || !key(t, c.key) || !word(t, "\n"))
		return false;
	zs_config_name(c.key, c.name);
	if (file[rotation].live)
		return false;
	file[rotation] = c;
	sodium_memzero(&c, sizeof(c));
	return true;
}

static bool read_export(const char *text, size_t len, uint64_t *pop, struct config file[ZS_CID_ROTATIONS])
{
	struct text t = { text, text + len };

	if (len >= ZS_CIDS_EXPORT || !digest_good(text, len) || !word(&t, TITLE) || !word(&t, "pop ") ||
	    !number(&t, UINT32_MAX, pop) || !word(&t, "\n"))
		return false;
	while (!word(&t, DIGEST))
		if (!read_line(&t, file))
			return false;
	return t.end - t.at == 65;
}

/* --- import --- */

static int conflict(unsigned n, const struct config *have, struct zs_error *err)
{
	if (have->live)
		return zs_error_set(
		    err, -EEXIST, ZS_EXIT_REFUSED,
		    "configuration %u has another key here, and connection IDs of it are out; "
		    "zsctl keys rotate, and import again when it is withdrawn",
		    n);
	return zs_error_set(err, -EEXIST, ZS_EXIT_REFUSED,
			    "the number of configuration %u rests here after another key; import again later "
			    "(zsctl keys list says when)",
			    n);
}

/* One of the file into `next`; `out` tells what became of it. */
static int merge(struct zs_cids *s, struct config *next, unsigned n, const struct config *file,
		 struct zs_cids_imported *out, struct zs_error *err)
{
	struct limits l = zs_cids_limits(s->c->conf);
	struct config *have = &next[n];
	bool same = have->serial && !memcmp(have->name, file->name, NAME), mints;

	if (have->live && same) {
		out->known |= (uint8_t)(1u << n);
		return 0;
	}
	if (file->start_s > s->wall_s + FUTURE_S || file->created_s > s->wall_s + FUTURE_S)
		return zs_error_set(err, -EPERM, ZS_EXIT_REFUSED,
				    "configuration %u begins more than a week from now; look at both clocks",
				    n);
	if (!same && (have->live ? have->used || !have->mints : zs_config_rests(have, s->wall_s, &l)))
		return conflict(n, have, err);
	have->live = false; /* one that gives way is no rival */
	mints = file->created_s > s->born_s && zs_config_newest(next, file);
	*have = *file;
	have->mints = mints;
	have->serial = ++s->last_serial;
	have->here_s = s->wall_s;
	out->added |= (uint8_t)(1u << n);
	return 0;
}

static int merge_all(struct zs_cids *s, struct config *next, const struct config *file, uint64_t pop,
		     struct zs_cids_imported *out, struct zs_error *err)
{
	uint8_t drawn;
	int rc = 0;

	for (unsigned n = 0; !rc && n < ZS_CID_ROTATIONS; n++)
		if (file[n].live)
			rc = merge(s, next, n, &file[n], out, err);
	if (!rc && out->added && pop == s->c->conf->attach.pop)
		return zs_error_set(
		    err, -EPERM, ZS_EXIT_REFUSED,
		    "it was exported by a PoP with our number %u; give every PoP an attach.pop "
		    "of its own",
		    s->c->conf->attach.pop);
	/* What gave way was the last one to mint from. */
	if (!rc && zs_config_current(next, s->wall_s) < 0 && zs_cids_draw(s, next, s->wall_s, &drawn))
		return zs_error_set(err, -EBUSY, ZS_EXIT_REFUSED,
				    "no number is left for a configuration of our own; import again later");
	return rc;
}

int zs_cids_import(struct zs_cids *s, const char *text, size_t len, struct zs_cids_imported *out,
		   struct zs_error *err)
{
	struct config file[ZS_CID_ROTATIONS] = { 0 }, next[ZS_CID_ROTATIONS];
	uint64_t pop;
	int rc;

	*out = (struct zs_cids_imported){ 0 };
	memcpy(next, s->config, sizeof(next));
	if (read_export(text, len, &pop, file))
		rc = merge_all(s, next, file, pop, out, err);
	else
		rc = zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				  "this is no export, or it is damaged; make one with zsctl keys export");
	if (!rc && out->added)
		rc = zs_cids_commit(s, next, err);
	if (!rc)
		ZS_LOG(&s->c->log, CID_IMPORTED, "pop=%llu added=%d known=%d", (unsigned long long)pop,
		       __builtin_popcount(out->added), __builtin_popcount(out->known));
	sodium_memzero(file, sizeof(file));
	sodium_memzero(next, sizeof(next));
	return rc;
}
