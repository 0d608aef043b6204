/* Options that stand before the verb, the verb, and who answers it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "zsctl.h"

/* An option before the verb; *at moves over its value. 0: not one of ours. */
static int common_option(struct zsctl *z, int argc, char **argv, int *at)
{
	const char *word = argv[*at], *value = NULL, *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	if (strcmp(word, "--json") == 0) {
		z->json = true;
		return 1;
	}
	if ((len != 10 || strncmp(word, "--instance", 10) != 0) &&
	    (len != 8 || strncmp(word, "--socket", 8) != 0))
		return 0;
	value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
	if (!value || !value[0])
		return -EINVAL;
	if (len == 10)
		z->instance = value;
	else if (snprintf(z->socket, sizeof(z->socket), "%s", value) >= (int)sizeof(z->socket))
		return -EINVAL;
	return 1;
}

/* Takes the common options out, wherever they stand before a "--". */
static int common_options(struct zsctl *z, int *argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		int rc;

		if (strcmp(argv[i], "--") == 0) {
			while (i < *argc)
				argv[kept++] = argv[i++];
			break;
		}
		rc = common_option(z, *argc, argv, &i);
		if (rc < 0)
			return zsctl_fail(z, ZS_EXIT_USAGE, "--instance and --socket need a value");
		if (rc == 0)
			argv[kept++] = argv[i];
	}
	*argc = kept;
	argv[kept] = NULL;
	return 0;
}

static int unknown_verb(const struct zsctl *z, int argc, char **argv)
{
	char typed[64];
	const char *near;

	snprintf(typed, sizeof(typed), "%.30s%s%.30s", argv[1], argc > 2 && argv[2][0] != '-' ? " " : "",
		 argc > 2 && argv[2][0] != '-' ? argv[2] : "");
	if (argc == 2 && zsctl_group(z, argv[1]))
		return ZS_EXIT_USAGE;
	near = zs_command_nearest(typed);
	if (!near)
		near = zs_command_nearest(argv[1]);
	return near ? zsctl_fail(z, ZS_EXIT_USAGE, "no verb '%s'; did you mean '%s'?", typed, near)
		    : zsctl_fail(z, ZS_EXIT_USAGE, "no verb '%s'; zsctl help lists them", typed);
}

/* A file argument becomes {"name","text"}, read with the caller's rights. */
static int read_file(json_t *args, struct zs_error *err)
{
	json_t *file = json_object_get(args, "file");
	const char *name = json_string_value(file);
	char *text = NULL;
	json_t *value;
	size_t len = 0;
	int rc = zsctl_read(name, &text, &len, err);

	if (rc != 0)
		return rc;
	value = len <= ZSCTL_FILE_MAX ? json_pack("{s:O,s:o}", "name", file, "text", json_stringn(text, len))
				      : NULL;
	free(text);
	if (len > ZSCTL_FILE_MAX)
		return zs_error_set(err, -EFBIG, ZS_EXIT_CONFIG,
				    "%s: larger than %u bytes; restart the service with it instead", name,
				    ZSCTL_FILE_MAX);
	if (!value)
		return zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "%s: is not UTF-8 text", name);
	return json_object_set_new(args, "file", value);
}

static int version_alone(json_t **result)
{
	*result = json_pack("{s:n}", "control");
	return ZS_EXIT_OK;
}

/* The arguments as the control plane wants them. */
static int prepare(struct zsctl *z, struct zs_error *err)
{
	json_t *file = json_object_get(z->args, "file");

	if (z->cmd->id == ZS_COMMAND_keys_import && zsctl_keys_guard(json_string_value(file), err) != 0)
		return err->code;
	return file ? read_file(z->args, err) : 0;
}

static int served(struct zsctl *z)
{
	struct zs_error err = { 0 };
	json_t *result = NULL;
	int status;

	if (prepare(z, &err) != 0)
		return zsctl_fail(z, err.exit, "%s", err.text);
	status = zsctl_call(z, z->cmd, z->args, &result, &err);
	if (status == ZS_EXIT_UNREACHABLE) {
		int rc = z->cmd->id == ZS_COMMAND_version ? version_alone(&result)
							  : zsctl_offline(z, z->cmd, z->args, &result);
		if (rc == 0 && z->cmd->id == ZS_COMMAND_version)
			status = ZS_EXIT_OK;
		else if (rc == 0)
			fprintf(stderr, "zsctl: %s\n", err.text); /* the answer follows, the status stays 7 */
	}
	if (!result && status == ZS_EXIT_UNREACHABLE && z->cmd->id == ZS_COMMAND_stop)
		return zsctl_fail(z, ZS_EXIT_UNREACHABLE,
				  "%s, or end zs-dataplane: nothing is forwarded then", err.text);
	if (!result)
		return zsctl_fail(z, (enum zs_exit)status, "%s", err.text);
	if (z->cmd->id == ZS_COMMAND_keys_export &&
	    zsctl_keys_save(json_string_value(json_object_get(z->args, "into")), result, &err) != 0) {
		json_decref(result);
		return zsctl_fail(z, err.exit, "%s", err.text);
	}
	if (z->cmd->id == ZS_COMMAND_drain && !json_object_get(z->args, "background"))
		status = zsctl_drain_wait(z, &result, &err);
	if (status != ZS_EXIT_OK && z->cmd->id == ZS_COMMAND_drain) {
		json_decref(result);
		return zsctl_fail(z, (enum zs_exit)status, "%s", err.text);
	}
	if (z->cmd->id == ZS_COMMAND_version)
		json_object_set_new(result, "zsctl", json_string(zsctl_version()));
	if (z->json)
		zsctl_print_json(z, result);
	else
		zsctl_print(z, result);
	json_decref(result);
	return fflush(stdout) == 0 ? status : ZS_EXIT_FAILED;
}

static int dispatch(struct zsctl *z)
{
	switch (z->cmd->id) {
	case ZS_COMMAND_top:
		return zsctl_top(z);
	case ZS_COMMAND_trace:
		return zsctl_trace(z);
	case ZS_COMMAND_support_bundle:
		return zsctl_support(z);
	case ZS_COMMAND_upgrade:
		return zsctl_upgrade(z);
	case ZS_COMMAND_doctor:
		return zsctl_doctor(z);
	case ZS_COMMAND_config_check:
		return zsctl_config_check(z);
	case ZS_COMMAND_completion:
		return zsctl_completion(z);
	case ZS_COMMAND_help:
		return zsctl_help(z);
	case ZS_COMMAND_explain:
		return zsctl_explain(z);
	case ZS_COMMAND_man:
		return zsctl_man(z);
	default:
		return served(z);
	}
}

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

/* zsctl help [VERB], asked for by --help. */
static int help_of(struct zsctl *z, const struct zs_command *cmd)
{
	z->args = cmd ? json_pack("{s:s}", "verb", cmd->verb) : json_object();
	z->cmd = zs_command_get(ZS_COMMAND_help);
	return zsctl_help(z);
}

static int parse(struct zsctl *z, int argc, char **argv)
{
	struct zs_error err = { 0 };
	char usage[256];

	if (zs_command_parse(z->cmd, argc, argv, &z->args, &err) == 0)
		return 0;
	return zsctl_fail(z, ZS_EXIT_USAGE, "%s; usage: zsctl %s", err.text,
			  zs_command_usage(z->cmd, usage, sizeof(usage)));
}

int main(int argc, char **argv)
{
	char version[] = "version";
	struct zsctl z = { .instance = "relay", .json = has_word(argc, argv, "--json") };
	int used = 0, status = common_options(&z, &argc, argv);

	if (status != 0)
		return status;
	if (argc < 2)
		return zsctl_fail(&z, ZS_EXIT_USAGE, "no verb; zsctl help lists them");
	if (!zs_segment_instance(z.instance))
		return zsctl_fail(&z, ZS_EXIT_USAGE, "--instance: " ZS_INSTANCE_RULE);
	if (!z.socket[0])
		snprintf(z.socket, sizeof(z.socket), "/run/zerostate/%s/admin.sock", z.instance);
	if (strcmp(argv[1], "--version") == 0)
		argv[1] = version;
	z.cmd = zs_command_match(argc - 1, argv + 1, &used);
	if (has_word(argc, argv, "--help") || has_word(argc, argv, "-h"))
		status = help_of(&z, z.cmd);
	else if (!z.cmd)
		status = unknown_verb(&z, argc, argv);
	else if ((status = parse(&z, argc - 1 - used, argv + 1 + used)) == 0)
		status = dispatch(&z);
	json_decref(z.args);
	return status;
}
