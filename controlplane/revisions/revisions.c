/* A revision's life: offered, stored, put in force, confirmed or undone.
 *
 * At a start, what holds?
 *
 *   the store says                         the file                       in force
 *   nothing                                any                            the file, as revision 1
 *   a trial whose time is not over         any                            the trial, for the rest of its time
 *   a trial whose time is over             any                            the one before it; the trial is marked as undone
 *   revision n                             as it was when n was put       n
 *                                          n's own text                   n, which is the file
 *                                          another                        the file, as a new revision
 *
 * A change is durable before it is in force. An undo is in force before it is durable: the store follows when it can, and a
 * start before that comes to the same. */
#include "revisions/internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "peers/peers.h"

const char *zs_revision_origin_name(enum zs_revision_origin origin)
{
	static const char *const names[] = { "start", "reload", "apply", "rollback" };

	return (unsigned)origin < ZS_ARRAY_LEN(names) ? names[origin] : "unknown";
}

uint32_t zs_revisions_now(const struct zs_revisions *r)
{
	return r->now.number;
}

uint32_t zs_revisions_before(const struct zs_revisions *r)
{
	return r->now.previous;
}

static void digest_of(uint8_t out[ZS_REVISION_DIGEST], const char *text, size_t len)
{
	crypto_hash_sha256(out, (const unsigned char *)text, len);
}

/* Of the file that the service starts from, as it is now; zeros: it cannot be read. */
static void digest_of_file(const struct zs_revisions *r, uint8_t out[ZS_REVISION_DIGEST])
{
	char *text = NULL;
	size_t len = 0;

	memset(out, 0, ZS_REVISION_DIGEST);
	if (r->c->conf_path[0] && zs_conf_read_file(r->c->conf_path, &text, &len, NULL) == 0)
		digest_of(out, text, len);
	free(text);
}

static void tell_unsaved(struct zs_revisions *r)
{
	if (memcmp(r->now.file, r->digest, ZS_REVISION_DIGEST) == 0)
		zs_control_clear(r->c, ZS_HEALTH_config_unsaved);
	else
		zs_control_raise(r->c, ZS_HEALTH_config_unsaved, "revision %u", r->now.number);
}

int zs_revisions_new(struct zs_revisions **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_revisions *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	r->c = c;
	rc = zs_revisions_load(r);
	if (rc == -EUCLEAN)
		ZS_LOG(&c->log, STORE_FAILED, "error=\"damaged record of the configuration in force\"");
	if (rc != 0 && rc != -ENOENT && rc != -EUCLEAN) {
		free(r);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "the revisions cannot be read: %s",
				    strerror(-rc));
	}
	*out = r;
	return 0;
}

void zs_revisions_delete(struct zs_revisions *r)
{
	if (!r)
		return;
	zs_timer_delete(r->timer);
	free(r);
}

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

/* --- the start --- */

static void first_restart(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	char *first = ctx;

	if (restart && !first[0])
		snprintf(first, 64, "%s", key);
}

/* What a file is asked for at a start, this text is asked for too; and the dataplane reads the file alone. */
static int usable(struct zs_revisions *r, const struct zs_conf *conf, struct zs_error *err)
{
	char key[64] = "";
	int rc = zs_attach_conf_check(conf, err);

	if (rc == 0)
		rc = zs_peers_conf_check(conf, err);
	if (rc != 0)
		return rc;
	zs_conf_diff(r->c->conf, conf, first_restart, key);
	return key[0] ? zs_error_set(err, -EBUSY, ZS_EXIT_CONFIG, "%s is another one in the file", key) : 0;
}

static int take_kept(struct zs_revisions *r, struct zs_error *err)
{
	struct zs_revision rev;
	struct zs_conf *conf;
	int rc = read_revision(r, r->now.number, &rev, &conf, err);

	if (rc != 0)
		return rc;
	rc = usable(r, conf, err);
	if (rc != 0) {
		free(conf);
		return rc;
	}
	free(r->c->conf);
	r->c->conf = conf;
	memcpy(r->digest, rev.digest, sizeof(r->digest));
	ZS_LOG(&r->c->log, CONFIG_REVISION, "revision=%u origin=%s", rev.number,
	       zs_revision_origin_name(rev.origin));
	return 0;
}

static struct zs_revision revision_of(const struct zs_offer *offer, uint32_t number,
				      const uint8_t digest[ZS_REVISION_DIGEST])
{
	struct zs_revision rev = { .number = number,
				   .origin = offer->origin,
				   .of = offer->of,
				   .at_s = zs_clock_wall_ns() / ZS_NS_PER_S,
				   .uid = offer->uid,
				   .bytes = (uint32_t)offer->len };

	memcpy(rev.digest, digest, sizeof(rev.digest));
	snprintf(rev.name, sizeof(rev.name), "%.255s", offer->name);
	return rev;
}

/* The file holds, and is a revision of its own. */
static void take_file(struct zs_revisions *r, const struct zs_offer *file,
		      const uint8_t digest[ZS_REVISION_DIGEST])
{
	struct zs_revision rev = revision_of(file, r->now.last + 1, digest);
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

/* In memory; the store follows. */
static void step_back(struct zs_revisions *r)
{
	r->undone = r->now.number;
	r->now.number = r->now.previous;
	r->now.previous = 0;
	r->now.confirm_s = 0;
	digest_of_file(r, r->now.file);
	r->unstored = true;
}

void zs_revisions_start(struct zs_revisions *r, const struct zs_offer *file)
{
	uint8_t digest[ZS_REVISION_DIGEST];
	struct zs_error why = { 0 };
	struct zs_revision rev;
	bool same, kept;

	digest_of(digest, file->text, file->len);
	if (is_due(&r->now)) {
		step_back(r);
		r->unrecorded = r->undone;
	}
	same = r->now.number && zs_revisions_get(r, r->now.number, &rev, NULL, NULL) == 0 &&
	       memcmp(digest, rev.digest, sizeof(digest)) == 0;
	kept = same ||
	       (r->now.number && (r->now.confirm_s || memcmp(digest, r->now.file, sizeof(digest)) == 0));
	if (same)
		memcpy(r->digest, digest, sizeof(digest));
	if (kept && !same && take_kept(r, &why) != 0) {
		ZS_LOG(&r->c->log, CONFIG_REJECTED, "revision=%u error=\"%s\"", r->now.number, why.text);
		zs_control_raise(r->c, ZS_HEALTH_config_rejected, "revision %u: %s", r->now.number, why.text);
		kept = false;
	}
	if (!kept) {
		take_file(r, file, digest);
		r->unstored = false;
	} else if (memcmp(digest, r->now.file, sizeof(digest)) != 0) {
		memcpy(r->now.file, digest, sizeof(digest));
		r->unstored = true;
	}
	tell_unsaved(r);
}

/* --- changes --- */

static int refuse_trial(const struct zs_revisions *r, struct zs_error *err)
{
	return zs_error_set(
	    err, -EBUSY, ZS_EXIT_REFUSED,
	    "revision %u is on trial for %u s more; zsctl config confirm keeps it, zsctl config "
	    "rollback undoes it",
	    r->now.number, zs_trial_left(r));
}

static int check_offer(struct zs_revisions *r, const struct zs_offer *offer, struct zs_error *err)
{
	struct zs_revision before;

	if (r->now.confirm_s)
		return refuse_trial(r, err);
	if (offer->confirm_s > ZS_CONFIRM_MAX_S)
		return zs_error_set(err, -ERANGE, ZS_EXIT_USAGE, "confirm: 1 to %u seconds",
				    ZS_CONFIRM_MAX_S);
	/* What an undo goes back to must be there. */
	return offer->confirm_s ? zs_revisions_get(r, r->now.number, &before, NULL, err) : 0;
}

/* The same text again: files that it names are read anew, and the file may have become it. */
static int put_same(struct zs_revisions *r, struct zs_conf *next, struct zs_error *err)
{
	struct zs_revisions_now now = r->now;
	int rc;

	digest_of_file(r, now.file);
	rc = zs_revisions_store(r, &now, NULL, NULL, r->undone, err);
	if (rc == 0)
		rc = zs_control_apply(r->c, next, err);
	if (rc != 0)
		return rc;
	r->now = now;
	tell_unsaved(r);
	return 0;
}

int zs_revisions_put(struct zs_revisions *r, const struct zs_offer *offer, struct zs_conf *next,
		     struct zs_error *err)
{
	struct zs_revisions_now old = r->now, now = old;
	uint8_t digest[ZS_REVISION_DIGEST];
	struct zs_revision rev;
	int rc = check_offer(r, offer, err);

	if (rc != 0)
		return rc;
	digest_of(digest, offer->text, offer->len);
	if (!offer->confirm_s && memcmp(digest, r->digest, sizeof(digest)) == 0)
		return put_same(r, next, err);
	rev = revision_of(offer, old.last + 1, digest);
	now.last = now.number = rev.number;
	now.previous = old.number;
	now.confirm_s = offer->confirm_s;
	now.until_s = offer->confirm_s ? rev.at_s + offer->confirm_s : 0;
	digest_of_file(r, now.file);
	rc = zs_revisions_store(r, &now, &rev, offer->text, r->undone, err);
	if (rc != 0)
		return rc;
	rc = zs_control_apply(r->c, next, err);
	if (rc != 0) {
		r->unstored = zs_revisions_take_back(r, &old, rev.number, NULL) != 0;
		return rc;
	}
	r->now = now;
	r->undone = 0;
	r->unstored = false;
	memcpy(r->digest, digest, sizeof(r->digest));
	tell_unsaved(r);
	if (now.confirm_s)
		zs_trial_begin(r);
	return 0;
}

int zs_revisions_confirm(struct zs_revisions *r, struct zs_error *err)
{
	struct zs_revisions_now now = r->now;
	int rc;

	if (!now.confirm_s)
		return zs_error_set(
		    err, -ENOENT, ZS_EXIT_REFUSED,
		    "no configuration is on trial; zsctl config history tells what became of it");
	now.confirm_s = 0;
	now.until_s = 0;
	digest_of_file(r, now.file);
	rc = zs_revisions_store(r, &now, NULL, NULL, 0, err);
	if (rc != 0)
		return rc;
	r->now = now;
	zs_trial_end(r);
	tell_unsaved(r);
	ZS_LOG(&r->c->log, CONFIG_CONFIRMED, "revision=%u", now.number);
	return 0;
}

void zs_revisions_settle(struct zs_revisions *r)
{
	if (!r->unstored || zs_revisions_store(r, &r->now, NULL, NULL, r->undone, NULL) != 0)
		return;
	r->unstored = false;
	r->undone = 0;
}

int zs_revisions_undo(struct zs_revisions *r, struct zs_error *err)
{
	uint32_t undone = r->now.number;
	struct zs_revision rev;
	struct zs_conf *conf;
	int rc = r->now.confirm_s
		     ? read_revision(r, r->now.previous, &rev, &conf, err)
		     : zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED, "no configuration is on trial");

	if (rc != 0)
		return rc;
	rc = zs_control_apply(r->c, conf, err);
	if (rc != 0) {
		free(conf);
		return rc;
	}
	memcpy(r->digest, rev.digest, sizeof(r->digest));
	step_back(r);
	zs_revisions_settle(r);
	zs_trial_end(r);
	tell_unsaved(r);
	ZS_LOG(&r->c->log, CONFIG_UNDONE, "revision=%u back_to=%u", undone, r->now.number);
	return 0;
}
