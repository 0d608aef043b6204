/* config diff and apply: the file's text comes with the call, read with the caller's rights. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "admin/verbs.h"

static int parse(struct zs_control *c, json_t *args, struct zs_conf **out, struct zs_error *err)
{
	json_t *file = json_object_get(args, "file"), *text = json_object_get(file, "text");
	struct zs_conf *next = malloc(sizeof(*next));
	int rc;

	if (!next)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	zs_conf_defaults(next, c->conf->instance);
	rc = zs_conf_parse(next, json_string_value(json_object_get(file, "name")), json_string_value(text),
			   json_string_length(text), err);
	if (rc != 0) {
		free(next);
		err->exit = ZS_EXIT_CONFIG;
		return rc;
	}
	*out = next;
	return 0;
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
	struct zs_conf *next = NULL;
	int rc = parse(c, args, &next, err);

	if (rc != 0)
		return rc;
	*result = differences(c->conf, next);
	free(next);
	return 0;
}

int zs_verb_config_apply(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_conf *next = NULL;
	json_t *changes;
	int rc = parse(c, args, &next, err);

	if (rc != 0)
		return rc;
	changes = differences(c->conf, next);
	rc = zs_control_apply(c, next, err);
	if (rc != 0) {
		json_decref(changes);
		free(next);
		if (err->exit == ZS_EXIT_OK)
			err->exit = ZS_EXIT_REFUSED;
		return rc;
	}
	*result = changes;
	return 0;
}
