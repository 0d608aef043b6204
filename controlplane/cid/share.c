/* Configurations go from PoP to PoP as text (text.c).
 *
 * Invariant: a number means one key wherever configurations are shared. A configuration of ours from which nothing was ever
 * minted gives way to another PoP's of the same number. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "cid/internal.h"

#define FUTURE_S                                                                                             \
	(8 * 86400) /* a start farther ahead is a wrong clock: it would hold up every later rotation */

size_t zs_cids_export(const struct zs_cids *s, char out[ZS_CIDS_EXPORT])
{
	return zs_config_export(s->config, s->c->conf->attach.pop, out);
}

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
	if (zs_config_import(text, len, &pop, file))
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
