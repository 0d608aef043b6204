/* KEEP/upgrade.json: written before anything is replaced, and when the upgrade or its rollback has ended. What it says suffices
 * for a rollback by another process. */
#include "upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"

#define RECORD_MAX 65536

static void path_of(const struct upgrade *u, char out[ZS_FILE_PATH + 32])
{
	snprintf(out, ZS_FILE_PATH + 32, "%s/upgrade.json", u->keep);
}

static json_t *names(const struct upgrade *u)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < UPGRADE_FILES; i++)
		if (u->has[i])
			json_array_append_new(list, json_string(upgrade_file_name(i)));
	return list;
}

int upgrade_record_put(struct upgrade *u, bool done)
{
	json_t *o = json_pack("{s:s,s:b,s:s,s:s,s:s,s:s,s:o,s:O}", "schema", "zsctl.upgrade-record/1", "done",
			      done, "from", u->from, "to", u->to, "into", u->into, "restart", u->restart,
			      "files", names(u), "before", u->before);
	char *text = json_dumps(o, JSON_INDENT(1)), path[ZS_FILE_PATH + 32];
	int rc;

	path_of(u, path);
	rc = text ? zs_file_put(path, text, strlen(text), false) : -ENOMEM;
	free(text);
	json_decref(o);
	if (rc)
		return zs_file_refuse(&u->err, rc, path, strerror(-rc));
	return 0;
}

static bool copy_text(json_t *o, const char *name, char *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text && snprintf(out, cap, "%s", text) < (int)cap;
}

static void take_names(struct upgrade *u, json_t *list)
{
	for (unsigned i = 0; i < UPGRADE_FILES; i++) {
		json_t *one;
		size_t k;

		u->has[i] = false;
		json_array_foreach(list, k, one) if (json_string_value(one) &&
						     !strcmp(json_string_value(one), upgrade_file_name(i)))
		    u->has[i] = true;
	}
}

static bool take(struct upgrade *u, json_t *o)
{
	take_names(u, json_object_get(o, "files"));
	json_decref(u->before);
	u->before = json_incref(json_object_get(o, "before"));
	return copy_text(o, "from", u->from, sizeof(u->from)) && copy_text(o, "to", u->to, sizeof(u->to)) &&
	       copy_text(o, "into", u->into, sizeof(u->into)) &&
	       copy_text(o, "restart", u->restart, sizeof(u->restart)) && json_is_object(u->before);
}

int upgrade_record_get(struct upgrade *u)
{
	char path[ZS_FILE_PATH + 32], *text = malloc(RECORD_MAX);
	json_t *o = NULL;
	ssize_t n;
	int rc = 0;

	if (!text)
		return zs_error_set(&u->err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	path_of(u, path);
	n = zs_file_get(path, text, RECORD_MAX, &u->err);
	if (n >= 0)
		o = json_loadb(text, (size_t)n, 0, NULL);
	free(text);
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n;
	if (!json_is_true(json_object_get(o, "done")))
		rc = o && take(u, o) ? 1
				     : zs_error_set(&u->err, -EBADMSG, ZS_EXIT_FAILED,
						    "%s: damaged; put the programs beside it back by hand, "
						    "then remove it",
						    path);
	json_decref(o);
	return rc;
}

int upgrade_audit(struct upgrade *u, const char *state)
{
	json_t *args = json_pack("{s:s,s:s,s:s}", "state", state, "from", u->from, "to", u->to);
	json_t *result = NULL;
	int status = zsctl_call(u->z, zs_command_get(ZS_COMMAND_upgrade_record), args, &result, &u->err);

	json_decref(result);
	json_decref(args);
	return status;
}
