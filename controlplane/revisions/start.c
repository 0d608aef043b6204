/* The start: what holds?
 *
 *   the store says                         the file                       in force
 *   nothing                                any                            the file, as revision 1
 *   a trial whose time is not over         any                            the trial, for the rest of its time
 *   a trial whose time is over             any                            the one before it; the trial is marked as undone
 *   revision n                             as it was when n was put       n
 *                                          n's own text                   n, which is the file
 *                                          another                        the file, as a new revision
 *
 * Of what is kept the part that may change without a restart is taken, the rest is the file's: it is what the dataplane started
 * from, or will.
 */
#include "revisions/internal.h"

#include <errno.h>
#include <stdlib.h>
#include "attach/attach.h"
#include "base/clock.h"
#include "peers/peers.h"

/* The text of a revision, read again. The caller frees *out. */
static int read_revision(struct zs_revisions *r, uint32_t number, struct zs_revision *rev,
			 struct zs_conf **out, struct zs_error *err)
{
	struct zs_conf *conf = malloc(sizeof(*conf));
	char *text = NULL;
	int rc = conf ? zs_revisions_get(r, number, rev, &text, err)
		      : zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");

	if (rc == 0)
		rc = zs_conf_parse(conf, rev->name, text, rev->bytes, err);
	free(text);
	if (rc != 0)
		free(conf);
	else
		*out = conf;
	return rc;
}

static void first_restart(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	char *first = ctx;

	if (restart && !first[0])
		snprintf(first, 64, "%s", key);
}

/* A kept revision as it is used: `of_file` names a key that is the file's, as the dataplane's. What a file is asked for at a
 * start, it is asked for too. The caller frees *out. */
static int get_usable(struct zs_revisions *r, uint32_t number, struct zs_revision *rev, struct zs_conf **out,
		      char of_file[64], struct zs_error *err)
{
	struct zs_conf *used = malloc(sizeof(*used)), *kept = NULL;
	int rc = used ? read_revision(r, number, rev, &kept, err)
		      : zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");

	if (rc == 0)
		rc = zs_attach_conf_check(kept, err);
	if (rc == 0)
		rc = zs_peers_conf_check(kept, err);
	if (rc == 0) {
		memcpy(used, r->c->conf, sizeof(*used));
		zs_conf_take_live(used, kept);
		of_file[0] = '\0';
		zs_conf_diff(kept, used, first_restart, of_file);
		*out = used;
		used = NULL;
	}
	free(kept);
	free(used);
	return rc;
}

static int take_kept(struct zs_revisions *r, struct zs_error *err)
{
	struct zs_revision rev;
	struct zs_conf *conf;
	int rc = get_usable(r, r->now.number, &rev, &conf, r->of_file, err);

	if (rc != 0)
		return rc;
	free(r->c->conf);
	r->c->conf = conf;
	memcpy(r->digest, rev.digest, sizeof(r->digest));
	ZS_LOG(&r->c->log, CONFIG_REVISION, "revision=%u origin=%s", rev.number,
	       zs_revision_origin_name(rev.origin));
	return 0;
}

static int take_back(struct zs_revisions *r, struct zs_error *err)
{
	struct zs_revision rev;
	int rc = get_usable(r, r->now.previous, &rev, &r->back, r->back_of_file, err);

	if (rc == 0)
		memcpy(r->back_digest, rev.digest, sizeof(r->back_digest));
	return rc;
}

/* The file holds, and is a revision of its own. */
static void take_file(struct zs_revisions *r, const struct zs_offer *file,
		      const uint8_t digest[ZS_REVISION_DIGEST])
{
	struct zs_revision rev = zs_revision_of(file, r->now.last + 1, digest);
	struct zs_revisions_now now = { .last = rev.number, .number = rev.number, .previous = r->now.number };

	memcpy(now.file, digest, sizeof(now.file));
	memcpy(r->digest, digest, sizeof(r->digest));
	if (zs_revisions_store(r, &now, &rev, file->text, r->undone, NULL) == 0)
		r->undone = 0;
	r->now = now;
}

static bool is_due(const struct zs_revisions_now *now)
{
	return now->confirm_s && zs_clock_wall_ns() / ZS_NS_PER_S >= now->until_s;
}

static bool is_text(struct zs_revisions *r, uint32_t number, const uint8_t digest[ZS_REVISION_DIGEST])
{
	struct zs_revision rev;

	return zs_revisions_get(r, number, &rev, NULL, NULL) == 0 &&
	       memcmp(digest, rev.digest, sizeof(rev.digest)) == 0;
}

static int take(struct zs_revisions *r, const uint8_t file[ZS_REVISION_DIGEST], struct zs_error *err)
{
	int rc = r->now.confirm_s ? take_back(r, err) : 0;

	if (rc == 0 && !is_text(r, r->now.number, file))
		return take_kept(r, err);
	if (rc == 0)
		memcpy(r->digest, file, sizeof(r->digest));
	return rc;
}

/* Puts in force what is kept, which the file does when it was edited since. On trial it is kept in any case: if it cannot be
 * used, or had no way back, the one before it holds. -ENODATA: the file was edited, or nothing is kept. */
static int keep(struct zs_revisions *r, const uint8_t file[ZS_REVISION_DIGEST], struct zs_error *why)
{
	int rc;

	if (!r->now.number || (!r->now.confirm_s && !is_text(r, r->now.number, file) &&
			       memcmp(file, r->now.file, sizeof(r->now.file)) != 0))
		return -ENODATA;
	rc = take(r, file, why);
	if (rc == 0)
		return 0;
	zs_revisions_forget_back(r);
	ZS_LOG(&r->c->log, CONFIG_REJECTED, "revision=%u error=\"%s\"", r->now.number, why->text);
	if (!r->now.confirm_s)
		return rc;
	zs_revisions_step_back(r);
	return keep(r, file, why);
}

/* How the start ended a trial, or that it could not go back. */
static void tell_start(struct zs_revisions *r, uint32_t undone, int rc, const struct zs_error *why)
{
	if (rc == 0 && undone)
		zs_control_raise(r->c, ZS_HEALTH_config_rejected,
				 "revision %u was not confirmed; revision %u is in force", undone,
				 r->now.number);
	else if (rc != 0 && rc != -ENODATA)
		zs_control_raise(r->c, ZS_HEALTH_config_rejected, "the file is in force: revision %u: %.60s",
				 r->now.previous, why->text);
}

void zs_revisions_start(struct zs_revisions *r, const struct zs_offer *file)
{
	uint8_t digest[ZS_REVISION_DIGEST];
	struct zs_error why = { 0 };
	int rc;

	zs_revision_digest(digest, file->text, file->len);
	if (is_due(&r->now))
		zs_revisions_step_back(r);
	rc = keep(r, digest, &why);
	r->unrecorded = r->undone;
	if (rc != 0) {
		take_file(r, file, digest);
		r->unstored = false;
	} else if (memcmp(digest, r->now.file, sizeof(digest)) != 0) {
		memcpy(r->now.file, digest, sizeof(digest));
		r->unstored = true;
	}
	tell_start(r, r->unrecorded, rc, &why);
	zs_revisions_tell_unsaved(r);
}
