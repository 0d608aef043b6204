/* support-bundle: one JSON file of what helps to find out what is wrong here. First what it holds, then the rest; nothing is
 * written before the list is shown, and then all of it or nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/check.h"
#include "base/file.h"
#include "cli/redact.h"
#include "support.h"

static const struct part {
	const char *name; /* NULL: the verb's */
	json_t *(*find)(const struct zsctl *z, struct zs_error *err);
	enum zs_command_id id;
	const char *args, *text;
} parts[] = {
#define ZS_SUPPORT(command, args, text)	  { NULL, NULL, ZS_COMMAND_##command, args, text },
#define ZS_SUPPORT_OWN(name, title, text) { title, support_##name, ZS_COMMAND_support_bundle, NULL, text },
#include "defs/support.def"
#undef ZS_SUPPORT
#undef ZS_SUPPORT_OWN
};

/* The verb's answer by whoever can give it, or NULL and err. */
static json_t *ask(const struct zsctl *z, const struct part *part, struct zs_error *err)
{
	const struct zs_command *cmd = zs_command_get(part->id);
	json_t *args = json_loads(part->args, 0, NULL), *result = NULL;

	ZS_CHECK(args, "arguments in support.def");
	if (part->id == ZS_COMMAND_doctor)
		result = zsctl_examine(z, err);
	else if (zsctl_call(z, cmd, args, &result, err) == ZS_EXIT_UNREACHABLE && !result)
		zsctl_offline(z, cmd, args, &result);
	if (!result && part->id == ZS_COMMAND_version)
		result = json_pack("{s:n}", "control");
	if (part->id == ZS_COMMAND_version)
		json_object_set_new(result, "zsctl", json_string(zsctl_version()));
	json_decref(args);
	return result;
}

static json_t *get(const struct zsctl *z, const struct part *part, struct zs_error *err)
{
	return part->find ? part->find(z, err) : ask(z, part, err);
}

static json_t *redacted(const struct part *part, json_t *result, bool addresses)
{
	json_t *text = json_object_get(result, "text");
	char *conf;

	if (part->id != ZS_COMMAND_config_show && part->find != support_conf)
		return zs_redact_json(result, addresses);
	conf = zs_redact_conf(json_string_value(text), json_string_length(text), addresses);
	json_object_set_new(result, "text", json_string(conf ? conf : ""));
	free(conf);
	return json_incref(result);
}

/* Adds the part to the bundle and a row to its list. */
static void add(const struct zsctl *z, const struct part *part, bool addresses, json_t *list, json_t *bundle)
{
	const char *name = part->name ? part->name : zs_command_get(part->id)->verb;
	struct zs_error err = { 0 };
	json_t *result = get(z, part, &err), *clean = result ? redacted(part, result, addresses) : NULL;
	char *why = zs_redact_text(err.text, strlen(err.text), addresses);
	size_t bytes = clean ? json_dumpb(clean, NULL, 0, JSON_COMPACT) : 0;

	json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:s}", "part", name, "text", part->text, "bytes",
					      (json_int_t)bytes, "missing",
					      clean ? ""
					      : why ? why
						    : "?"));
	if (clean)
		json_object_set_new(bundle, name, clean);
	json_decref(result);
	free(why);
}

static json_t *head(const struct zsctl *z, bool addresses, json_t *list)
{
	time_t now = time(NULL);
	char made[32];
	struct tm tm;

	strftime(made, sizeof(made), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return json_pack("{s:s,s:s,s:s,s:s,s:O}", "schema", "zsctl.support-bundle/1", "instance", z->instance,
			 "made", made, "addresses", addresses ? "full" : "truncated", "contents", list);
}

static int there_already(const struct zsctl *z, const char *into)
{
	return zsctl_fail(z, ZS_EXIT_REFUSED, "%s: is there already; name another file", into);
}

static int save(const struct zsctl *z, const char *into, json_t *bundle)
{
	char *text = json_dumps(bundle, JSON_INDENT(1));
	int rc = text ? zs_file_put(into, text, strlen(text), true) : -ENOMEM;

	free(text);
	if (rc == 0)
		return ZS_EXIT_OK;
	return rc == -EEXIST ? there_already(z, into)
			     : zsctl_fail(z, ZS_EXIT_RESOURCE, "%s: %s", into, strerror(-rc));
}

int zsctl_support(const struct zsctl *z)
{
	const char *into = json_string_value(json_object_get(z->args, "into"));
	bool addresses = json_object_get(z->args, "addresses") != NULL;
	json_t *list, *bundle, *r;
	int status = ZS_EXIT_OK;

	if (into && faccessat(AT_FDCWD, into, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return there_already(z, into);
	list = json_array();
	bundle = json_object();
	for (size_t i = 0; i < ZS_ARRAY_LEN(parts); i++)
		add(z, &parts[i], addresses, list, bundle);
	r = head(z, addresses, list);
	if (!z->json) {
		zsctl_table(list, "part:part,bytes:bytes,text:what it is,missing:left out because",
			    "nothing");
		printf("addresses are %s; keys, tokens, identities and flows are not in it\n",
		       addresses ? "FULL" : "cut to their networks (--addresses leaves them)");
		fflush(stdout);
	}
	if (into) {
		json_t *whole = json_copy(r);

		json_object_set(whole, "parts", bundle);
		status = save(z, into, whole);
		json_decref(whole);
	}
	if (z->json && status == ZS_EXIT_OK)
		zsctl_print_json(z, r);
	else if (into && status == ZS_EXIT_OK)
		printf("written to %s; read it before you give it away\n", into);
	json_decref(bundle);
	json_decref(list);
	json_decref(r);
	return status;
}
