/* config diff and apply: the file's text comes with the call, read with the caller's rights. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "admin/verbs.h"
#include "revisions/revisions.h"

static int parse(struct zs_control *c, const struct zs_offer *offer, struct zs_conf **out,
		 struct zs_error *err)
{
	struct zs_conf *next = malloc(sizeof(*next));
	int rc;

	if (!next)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	zs_conf_defaults(next, c->conf->instance);
	rc = zs_conf_parse(next, offer->name, offer->text, offer->len, err);
	if (rc != 0) {
		free(next);
		err->exit = ZS_EXIT_CONFIG;
		return rc;
	}
	*out = next;
	return 0;
}

static struct zs_offer offer_of(const struct zs_control *c, json_t *args)
{
	json_t *file = json_object_get(args, "file"), *text = json_object_get(file, "text");

	return (struct zs_offer){ .name = json_string_value(json_object_get(file, "name")),
				  .text = json_string_value(text),
				  .len = json_string_length(text),
				  .origin = ZS_REVISION_APPLY,
				  .uid = c->caller->uid };
}

struct differences {
	json_t *list;
	bool restart;
};

static void add_difference(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	struct differences *d = ctx;

	d->restart |= restart;
	json_array_append_new(d->list, json_pack("{s:s,s:s,s:s,s:b}", "key", key, "old", old ? old : "",
						 "new", new ? new : "", "restart", restart));
}

static json_t *differences(const struct zs_conf *old, const struct zs_conf *next)
{
	struct differences d = { .list = json_array() };

	zs_conf_diff(old, next, add_difference, &d);
	return json_pack("{s:b,s:o}", "restart", d.restart, "changes", d.list);
}

int zs_verb_config_diff(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_offer offer = offer_of(c, args);
	struct zs_conf *next = NULL;
	int rc = parse(c, &offer, &next, err);

	if (rc != 0)
		return rc;
	*result = differences(c->conf, next);
	free(next);
	return 0;
}

/* --confirm 0 would be a trial that nobody can pass. */
static int read_confirm(json_t *args, uint32_t *out, struct zs_error *err)
{
	*out = zs_verb_number(args, "confirm", 0);
	if (*out == 0 && json_object_get(args, "confirm"))
		return zs_error_set(err, -ERANGE, ZS_EXIT_USAGE, "confirm: 1 to %u seconds",
				    ZS_CONFIRM_MAX_S);
	return 0;
}

static int put(struct zs_control *c, const struct zs_offer *offer, json_t **result, struct zs_error *err)
{
	struct zs_conf *next = NULL;
	json_t *changes;
	int rc = parse(c, offer, &next, err);

	if (rc != 0)
		return rc;
	changes = differences(c->conf, next);
	rc = zs_revisions_put(c->revisions, offer, next, err);
	if (rc != 0) {
		json_decref(changes);
		free(next);
		if (err->exit == ZS_EXIT_OK)
			err->exit = ZS_EXIT_REFUSED;
		return rc;
	}
	json_object_set_new(changes, "revision", json_integer(zs_revisions_now(c->revisions)));
	json_object_set_new(changes, "confirm_s", json_integer(offer->confirm_s));
	*result = changes;
	return 0;
}

int zs_verb_config_apply(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_offer offer = offer_of(c, args);
	int rc = read_confirm(args, &offer.confirm_s, err);

	return rc != 0 ? rc : put(c, &offer, result, err);
}

/* The operator's own undo: the trial's time is over. */
static int undo(struct zs_control *c, json_t **result, struct zs_error *err)
{
	uint32_t undone = zs_revisions_now(c->revisions);
	int rc = zs_revisions_undo(c->revisions, err);

	if (rc == 0)
		*result = json_pack("{s:I,s:I}", "revision", (json_int_t)zs_revisions_now(c->revisions),
				    "undone", (json_int_t)undone);
	else if (err->exit == ZS_EXIT_OK)
		err->exit = ZS_EXIT_REFUSED;
	return rc;
}

static int put_again(struct zs_control *c, uint32_t number, uint32_t confirm_s, json_t **result,
		     struct zs_error *err)
{
	struct zs_revision rev;
	char *text = NULL;
	struct zs_offer offer;
	int rc = zs_revisions_get(c->revisions, number, &rev, &text, err);

	if (rc != 0)
		return rc;
	offer = (struct zs_offer){ .name = rev.name,
				   .text = text,
				   .len = rev.bytes,
				   .origin = ZS_REVISION_ROLLBACK,
				   .of = number,
				   .uid = c->caller->uid,
				   .confirm_s = confirm_s };
	rc = put(c, &offer, result, err);
	free(text);
	return rc;
}

int zs_verb_config_rollback(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint32_t number = zs_verb_number(args, "revision", zs_revisions_before(c->revisions)), confirm_s;
	struct zs_trial trial;
	int rc = read_confirm(args, &confirm_s, err);

	zs_revisions_trial(c->revisions, &trial);
	if (rc != 0)
		return rc;
	if (trial.number && number == trial.previous)
		return undo(c, result, err);
	if (number == 0)
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
				    "nothing was in force before; name a revision of zsctl config history");
	return put_again(c, number, confirm_s, result, err);
}
