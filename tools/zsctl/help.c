/* Help and the completion script, from the command table. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "zsctl.h"

static bool hidden(const struct zs_command *cmd)
{
	return cmd->id == ZS_COMMAND_man;
}

/* Is it a verb of that group: "attach list" of "attach"? NULL: of all there are. */
static bool belongs(const struct zs_command *cmd, const char *group)
{
	size_t len = group ? strlen(group) : 0;

	return !hidden(cmd) && (!group || (!strncmp(cmd->verb, group, len) && cmd->verb[len] == ' '));
}

static bool is_group(const char *word)
{
	for (int id = 0; id < ZS_COMMANDS; id++)
		if (belongs(zs_command_get(id), word))
			return true;
	return false;
}

static void list_verbs(FILE *to, const char *group)
{
	fprintf(to, "usage: zsctl [--instance NAME | --socket PATH] [--json] %s ...\n\n",
		group ? group : "VERB");
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const struct zs_command *cmd = zs_command_get(id);

		if (belongs(cmd, group))
			fprintf(to, "  %-16s %s\n", cmd->verb, cmd->help);
	}
	fprintf(to, "\nzsctl help VERB tells more.\n");
}

static void usage_of(FILE *to, const struct zs_command *cmd)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args);
	char usage[256];

	fprintf(to, "usage: zsctl %s\n", zs_command_usage(cmd, usage, sizeof(usage)));
	for (unsigned i = 0; i < count; i++)
		fprintf(to, "  %s%-14s %s\n", args[i].option ? "--" : "  ", args[i].name,
			zs_argument_text(args[i].name));
}

static json_t *argument_object(const struct zs_arg *arg)
{
	return json_pack("{s:s,s:b,s:b,s:s}", "name", arg->name, "option", arg->option, "required",
			 arg->required, "text", zs_argument_text(arg->name));
}

static json_t *command_object(const struct zs_command *cmd)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args);
	json_t *list = json_array();
	char usage[256];

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, argument_object(&args[i]));
	return json_pack("{s:s,s:s,s:b,s:s,s:s,s:s,s:o}", "verb", cmd->verb, "level",
			 zs_level_name(cmd->level), "audited", cmd->mutating, "usage",
			 zs_command_usage(cmd, usage, sizeof(usage)), "help", cmd->help, "text", cmd->text,
			 "arguments", list);
}

static int help_json(const struct zsctl *z, const struct zs_command *one, const char *group)
{
	json_t *list = json_array(), *r = json_pack("{s:o}", "verbs", list);

	for (int id = 0; id < ZS_COMMANDS; id++)
		if (one ? one == zs_command_get(id) : belongs(zs_command_get(id), group))
			json_array_append_new(list, command_object(zs_command_get(id)));
	zsctl_print_json(z, r);
	json_decref(r);
	return ZS_EXIT_OK;
}

static int unknown(const struct zsctl *z, const char *verb)
{
	const char *near = zs_command_nearest(verb);

	return near ? zsctl_fail(z, ZS_EXIT_USAGE, "no verb '%.60s'; did you mean '%s'?", verb, near)
		    : zsctl_fail(z, ZS_EXIT_USAGE, "no verb '%.60s'; zsctl help lists them", verb);
}

int zsctl_group(const struct zsctl *z, const char *word)
{
	char list[256] = "";
	size_t n = 0;

	if (!is_group(word))
		return 0;
	for (int id = 0; id < ZS_COMMANDS; id++)
		if (belongs(zs_command_get(id), word) && n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      zs_command_get(id)->verb + strlen(word) + 1);
	return zsctl_fail(z, ZS_EXIT_USAGE, "%s is followed by one of: %s; zsctl help %s tells more", word,
			  list, word);
}

int zsctl_help(const struct zsctl *z)
{
	const char *verb = json_string_value(json_object_get(z->args, "verb"));
	const char *noun = json_string_value(json_object_get(z->args, "noun"));
	const struct zs_command *cmd;
	char both[2 * ZS_ARG_WORD_MAX + 2];
	bool group;

	snprintf(both, sizeof(both), "%s%s%s", verb ? verb : "", noun ? " " : "", noun ? noun : "");
	cmd = zs_command_find(both);
	group = verb && !cmd && is_group(both);
	if (verb && !cmd && !group)
		return unknown(z, both);
	if (z->json)
		return help_json(z, cmd, group ? both : NULL);
	if (!cmd) {
		list_verbs(stdout, group ? both : NULL);
		return ZS_EXIT_OK;
	}
	usage_of(stdout, cmd);
	printf("\n%c%s.%s%s\nLevel: %s.%s\n", toupper((unsigned char)cmd->help[0]), cmd->help + 1,
	       cmd->text[0] ? " " : "", cmd->text, zs_level_name(cmd->level),
	       cmd->mutating ? " Recorded in the audit file." : "");
	if (cmd->module)
		printf("Module: %s.\n", zs_module_name(cmd->module));
	return ZS_EXIT_OK;
}

/* The words that may follow a first word: second words of verbs. */
static void completion_nouns(FILE *to)
{
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const char *verb = zs_command_get(id)->verb, *space = strchr(verb, ' ');
		size_t len = space ? (size_t)(space - verb) : 0;

		if (!space || (id > 0 && strncmp(zs_command_get(id - 1)->verb, verb, len + 1) == 0))
			continue;
		fprintf(to, "\t%.*s) words=\"", (int)len, verb);
		for (int other = id; other < ZS_COMMANDS; other++)
			if (strncmp(zs_command_get(other)->verb, verb, len + 1) == 0)
				fprintf(to, "%s ", zs_command_get(other)->verb + len + 1);
		fprintf(to, "\" ;;\n");
	}
}

static void completion_options(FILE *to)
{
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const struct zs_command *cmd = zs_command_get(id);
		struct zs_arg args[ZS_ARGS_MAX];
		unsigned count = zs_command_args(cmd, args);
		bool file = false;

		if (count == 0)
			continue;
		/* One-word verbs may be followed by a word of the caller's, which stands in the second place. */
		fprintf(to, "\t\"%s\"%s) words=\"", cmd->verb, strchr(cmd->verb, ' ') ? "" : "*");
		for (unsigned i = 0; i < count; i++) {
			file |= args[i].type == ZS_ARG_FILE;
			if (args[i].option)
				fprintf(to, "--%s ", args[i].name);
			for (const char *at = args[i].choices; args[i].type == ZS_ARG_CHOICE && *at; at++)
				fputc(*at == '|' ? ' ' : *at, to);
			if (args[i].type == ZS_ARG_CHOICE)
				fputc(' ', to);
		}
		fprintf(to, "\"%s ;;\n", file ? "; files=1" : "");
	}
}

static void write_completion(FILE *to)
{
	char last[32] = "";

	fprintf(to, "# bash completion of zsctl, made by: zsctl completion bash\n_zsctl() {\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words= files= verb= i skip=\n"
		    "\tlocal -a said=()\n"
		    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		    "\t\tif [ -n \"$skip\" ]; then skip=; continue; fi\n"
		    "\t\tcase ${COMP_WORDS[i]} in\n\t\t--instance|--socket) skip=1 ;;\n\t\t-*) ;;\n"
		    "\t\t*) said+=(\"${COMP_WORDS[i]}\") ;;\n\t\tesac\n\tdone\n"
		    "\tcase \"${said[*]:0:2}\" in\n\t\"\") words=\"--instance --socket --json ");
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const char *verb = zs_command_get(id)->verb;
		size_t len = strcspn(verb, " ");

		if (hidden(zs_command_get(id)) || (strlen(last) == len && strncmp(last, verb, len) == 0))
			continue;
		snprintf(last, sizeof(last), "%.*s", (int)len, verb);
		fprintf(to, "%s ", last);
	}
	fprintf(to, "\" ;;\n");
	completion_nouns(to);
	completion_options(to);
	fprintf(to, "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		    "\t[ -n \"$files\" ] && COMPREPLY+=($(compgen -f -- \"$cur\"))\n\treturn 0\n}\n"
		    "complete -o filenames -F _zsctl zsctl\n");
}

int zsctl_completion(const struct zsctl *z)
{
	return zsctl_give(z, write_completion);
}
