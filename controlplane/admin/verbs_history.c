/* config history, show, confirm. */
#include <stdlib.h>
#include <sodium.h>
#include <time.h>
#include "admin/verbs.h"
#include "revisions/revisions.h"

static json_t *time_text(uint64_t at_s)
{
	time_t at = (time_t)at_s;
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
	return json_string(text);
}

json_t *zs_verb_trial(const struct zs_control *c)
{
	struct zs_trial trial = { 0 };

	if (c->revisions)
		zs_revisions_trial(c->revisions, &trial);
	if (!trial.number)
		return json_null();
	return json_pack("{s:I,s:I,s:I,s:o}", "revision", (json_int_t)trial.number, "back_to",
			 (json_int_t)trial.previous, "left_s", (json_int_t)trial.left_s, "until",
			 time_text(trial.until_s));
}

struct listing {
	json_t *list;
	uint32_t now;
	struct zs_trial trial;
};

static const char *state_of(const struct listing *l, const struct zs_revision *rev)
{
	if (rev->number == l->trial.number)
		return "on trial";
	return rev->number == l->now ? "in force" : rev->undone ? "undone" : "";
}

static void add(void *ctx, const struct zs_revision *rev)
{
	char digest[2 * ZS_REVISION_DIGEST + 1];
	struct listing *l = ctx;
	json_t *name = json_string(rev->name); /* NULL: a file system's name is no UTF-8 */

	sodium_bin2hex(digest, sizeof(digest), rev->digest, sizeof(rev->digest));
	json_array_append_new(
	    l->list, json_pack("{s:I,s:s,s:o,s:I,s:s,s:o,s:s,s:I,s:o}", "revision", (json_int_t)rev->number,
			       "state", state_of(l, rev), "time", time_text(rev->at_s), "uid",
			       (json_int_t)rev->uid, "by", zs_revision_origin_name(rev->origin), "of",
			       rev->of ? json_integer(rev->of) : json_null(), "sha256", digest, "bytes",
			       (json_int_t)rev->bytes, "file", name ? name : json_string("?")));
}

int zs_verb_config_history(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct listing l = { .list = json_array(), .now = zs_revisions_now(c->revisions) };
	int rc;

	zs_revisions_trial(c->revisions, &l.trial);
	rc = zs_revisions_each(c->revisions, add, &l);
	if (rc != 0) {
		json_decref(l.list);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "the revisions cannot be read from the store");
	}
	*result = json_pack("{s:I,s:I,s:o,s:o}", "in_force", (json_int_t)l.now, "kept",
			    (json_int_t)c->conf->admin.revisions, "trial", zs_verb_trial(c), "revisions",
			    l.list);
	return 0;
}

int zs_verb_config_show(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint32_t number = zs_verb_number(args, "revision", zs_revisions_now(c->revisions));
	struct zs_revision rev;
	char *text = NULL;
	int rc = zs_revisions_get(c->revisions, number, &rev, &text, err);

	if (rc != 0)
		return rc;
	*result = json_pack("{s:I,s:s%}", "revision", (json_int_t)number, "text", text, (size_t)rev.bytes);
	free(text);
	return 0;
}

int zs_verb_config_confirm(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint32_t number = zs_verb_number(args, "revision", 0);
	int rc = zs_revisions_confirm(c->revisions, number, err);

	if (rc == 0)
		*result = json_pack("{s:I}", "revision", (json_int_t)number);
	return rc;
}
