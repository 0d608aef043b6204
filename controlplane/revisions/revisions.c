/* A revision's life: offered, stored, put in force, confirmed or undone.
 *
 * A change is durable before it is in force. An undo is in force before it is durable: the store follows when it can, and a
 * start before that comes to the same. */
#include "revisions/internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"

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

void zs_revision_digest(uint8_t out[ZS_REVISION_DIGEST], const char *text, size_t len)
{
	crypto_hash_sha256(out, (const unsigned char *)text, len);
}

void zs_revisions_digest_file(const struct zs_revisions *r, uint8_t out[ZS_REVISION_DIGEST])
{
	char *text = NULL;
	size_t len = 0;

	memset(out, 0, ZS_REVISION_DIGEST);
	if (r->c->conf_path[0] && zs_conf_read_file(r->c->conf_path, &text, &len, NULL) == 0)
		zs_revision_digest(out, text, len);
	free(text);
}

void zs_revisions_tell_unsaved(struct zs_revisions *r)
{
	if (memcmp(r->now.file, r->digest, ZS_REVISION_DIGEST) == 0)
		zs_control_clear(r->c, ZS_HEALTH_config_unsaved);
	else if (r->of_file[0])
		zs_control_raise(r->c, ZS_HEALTH_config_unsaved, "revision %u, but %s as in the file",
				 r->now.number, r->of_file);
	else
		zs_control_raise(r->c, ZS_HEALTH_config_unsaved, "revision %u", r->now.number);
}

void zs_revisions_forget_back(struct zs_revisions *r)
{
	free(r->back);
	r->back = NULL;
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
	zs_revisions_forget_back(r);
	free(r);
}

struct zs_revision zs_revision_of(const struct zs_offer *offer, uint32_t number,
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

struct search {
	uint32_t below, found;
};

static void look_before(void *ctx, const struct zs_revision *rev)
{
	struct search *s = ctx;

	if (rev->number < s->below && !rev->undone)
		s->found = rev->number;
}

/* The newest that is kept of those in force before; 0: none. */
static uint32_t before(struct zs_revisions *r, uint32_t number)
{
	struct search s = { .below = number };

	zs_revisions_each(r, look_before, &s);
	return s.found;
}

void zs_revisions_step_back(struct zs_revisions *r)
{
	r->undone = r->now.number;
	r->now.number = r->now.previous;
	r->now.previous = before(r, r->now.number);
	r->now.confirm_s = 0;
	r->now.until_s = 0;
	zs_revisions_digest_file(r, r->now.file);
	r->unstored = true;
}

static int refuse_trial(const struct zs_revisions *r, struct zs_error *err)
{
	return zs_error_set(
	    err, -EBUSY, ZS_EXIT_REFUSED,
	    "revision %u is on trial for %u s more; zsctl config confirm %u keeps it, zsctl config "
	    "rollback undoes it",
	    r->now.number, zs_trial_left(r), r->now.number);
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

	zs_revisions_digest_file(r, now.file);
	rc = zs_revisions_store(r, &now, NULL, NULL, r->undone, err);
	if (rc == 0)
		rc = zs_control_apply(r->c, next, err);
	if (rc != 0)
		return rc;
	r->now = now;
	r->of_file[0] = '\0';
	zs_revisions_tell_unsaved(r);
	return 0;
}

/* What is in force is where a trial goes back to: kept as it is, so that no store is asked then. */
static int hold_back(struct zs_revisions *r, struct zs_error *err)
{
	r->back = malloc(sizeof(*r->back));
	if (!r->back)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	memcpy(r->back, r->c->conf, sizeof(*r->back));
	memcpy(r->back_digest, r->digest, sizeof(r->back_digest));
	memcpy(r->back_of_file, r->of_file, sizeof(r->back_of_file));
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
	zs_revision_digest(digest, offer->text, offer->len);
	if (!offer->confirm_s && memcmp(digest, r->digest, sizeof(digest)) == 0)
		return put_same(r, next, err);
	rev = zs_revision_of(offer, old.last + 1, digest);
	now.last = now.number = rev.number;
	now.previous = old.number;
	now.confirm_s = offer->confirm_s;
	now.until_s = offer->confirm_s ? rev.at_s + offer->confirm_s : 0;
	zs_revisions_digest_file(r, now.file);
	rc = now.confirm_s ? hold_back(r, err) : 0;
	if (rc == 0)
		rc = zs_revisions_store(r, &now, &rev, offer->text, r->undone, err);
	if (rc != 0) {
		zs_revisions_forget_back(r);
		return rc;
	}
	rc = zs_control_apply(r->c, next, err);
	if (rc != 0) {
		zs_revisions_forget_back(r);
		r->unstored = zs_revisions_take_back(r, &old, rev.number, NULL) != 0;
		return rc;
	}
	r->now = now;
	r->undone = 0;
	r->unstored = false;
	memcpy(r->digest, digest, sizeof(r->digest));
	r->of_file[0] = '\0';
	zs_revisions_tell_unsaved(r);
	if (now.confirm_s)
		zs_trial_begin(r);
	return 0;
}

/* Who comes too late for one must not keep another's. */
static int refuse_confirm(const struct zs_revisions *r, uint32_t number, struct zs_error *err)
{
	if (!r->now.confirm_s)
		return zs_error_set(
		    err, -ENOENT, ZS_EXIT_REFUSED,
		    "no configuration is on trial; zsctl config history tells what became of revision %u",
		    number);
	return zs_error_set(
	    err, -ENOENT, ZS_EXIT_REFUSED,
	    "revision %u is not on trial, revision %u is; zsctl config history tells whose it is", number,
	    r->now.number);
}

int zs_revisions_confirm(struct zs_revisions *r, uint32_t number, struct zs_error *err)
{
	struct zs_revisions_now now = r->now;
	int rc;

	if (!now.confirm_s || now.number != number)
		return refuse_confirm(r, number, err);
	now.confirm_s = 0;
	now.until_s = 0;
	zs_revisions_digest_file(r, now.file);
	rc = zs_revisions_store(r, &now, NULL, NULL, 0, err);
	if (rc != 0)
		return rc;
	r->now = now;
	zs_revisions_forget_back(r);
	zs_trial_end(r);
	zs_revisions_tell_unsaved(r);
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
	int rc = r->now.confirm_s
		     ? zs_control_go_back(r->c, r->back, err)
		     : zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED, "no configuration is on trial");

	if (rc != 0)
		return rc;
	r->back = NULL;
	memcpy(r->digest, r->back_digest, sizeof(r->digest));
	memcpy(r->of_file, r->back_of_file, sizeof(r->of_file));
	zs_revisions_step_back(r);
	zs_revisions_settle(r);
	zs_trial_end(r);
	zs_revisions_tell_unsaved(r);
	ZS_LOG(&r->c->log, CONFIG_UNDONE, "revision=%u back_to=%u", undone, r->now.number);
	return 0;
}
