/* Help, the manual page and the completion script, all from the command table. */
#include <ctype.h>
#include <string.h>
#include "zsctl.h"

static bool hidden(const struct zs_command *cmd)
{
	return cmd->id == ZS_COMMAND_man;
}

void zsctl_usage(FILE *to)
{
	fprintf(to, "usage: zsctl [--instance NAME | --socket PATH] [--json] VERB ...\n\n");
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const struct zs_command *cmd = zs_command_get(id);

		if (!hidden(cmd))
			fprintf(to, "  %-16s %s\n", cmd->verb, cmd->help);
	}
	fprintf(to, "\nzsctl help VERB tells more.\n");
}

void zsctl_usage_of(FILE *to, const struct zs_command *cmd)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args);
	char usage[256];

	fprintf(to, "usage: zsctl %s\n", zs_command_usage(cmd, usage, sizeof(usage)));
	for (unsigned i = 0; i < count; i++)
		fprintf(to, "  %s%-14s %s\n", args[i].option ? "--" : "  ", args[i].name,
			zs_argument_text(args[i].name));
}

static int help_of(const char *verb)
{
	const struct zs_command *cmd = zs_command_find(verb);
	const char *near;

	if (!cmd) {
		near = zs_command_nearest(verb);
		fprintf(stderr, near ? "zsctl: no verb '%s'; did you mean '%s'?\n" : "zsctl: no verb '%s'\n",
			verb, near);
		return ZS_EXIT_USAGE;
	}
	zsctl_usage_of(stdout, cmd);
	printf("\n%c%s.%s%s\nLevel: %s.%s\n", toupper((unsigned char)cmd->help[0]), cmd->help + 1,
	       cmd->text[0] ? " " : "", cmd->text, zs_level_name(cmd->level),
	       cmd->mutating ? " Recorded in the audit file." : "");
	return ZS_EXIT_OK;
}

int zsctl_help(const struct zsctl *z)
{
	const char *verb = json_string_value(json_object_get(z->args, "verb"));
	const char *noun = json_string_value(json_object_get(z->args, "noun"));
	char both[2 * ZS_ARG_WORD_MAX + 2];

	if (!verb) {
		zsctl_usage(stdout);
		return ZS_EXIT_OK;
	}
	snprintf(both, sizeof(both), "%s%s%s", verb, noun ? " " : "", noun ? noun : "");
	return help_of(both);
}

/* roff reads a leading dot or quote as a request and a bare hyphen as a dash. */
static void roff(const char *text)
{
	for (const char *at = text; *at; at++) {
		if (*at == '-')
			fputs("\\-", stdout);
		else if (*at == '\\')
			fputs("\\e", stdout);
		else
			putchar(*at);
	}
}

static void man_command(const struct zs_command *cmd)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args);
	char usage[256];

	printf(".SS \"");
	roff(zs_command_usage(cmd, usage, sizeof(usage)));
	printf("\"\n%c", toupper((unsigned char)cmd->help[0]));
	roff(cmd->help + 1);
	printf(". ");
	roff(cmd->text);
	printf("%sLevel: %s.%s\n", cmd->text[0] ? " " : "", zs_level_name(cmd->level),
	       cmd->mutating ? " Audited." : "");
	for (unsigned i = 0; i < count; i++) {
		printf(".TP\n.B %s", args[i].option ? "\\-\\-" : "");
		roff(args[i].name);
		printf("\n");
		roff(zs_argument_text(args[i].name));
		printf("\n");
	}
}

static void man_exits(void)
{
	static const int values[] = {
#define ZS_EXIT(name, value, text) value,
#include "defs/exits.def"
#undef ZS_EXIT
	};

	printf(".SH EXIT STATUS\n");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		printf(".TP\n.B %d\n", values[i]);
		roff(zs_exit_text(values[i]));
		printf("\n");
	}
}

int zsctl_man(void)
{
	printf(".TH ZSCTL 8 \"\" \"ZeroState Relay\" \"Operator's manual\"\n.SH NAME\nzsctl \\- control and "
	       "look into a relay\n"
	       ".SH SYNOPSIS\n.B zsctl\n[\\-\\-instance NAME | \\-\\-socket PATH] [\\-\\-json] VERB ...\n"
	       ".SH DESCRIPTION\nAsks the control plane of an instance over its UNIX socket. What a caller "
	       "may do follows from "
	       "who it is: root and the service's own user are owner, the configured groups are admin and "
	       "user.\n"
	       ".SH OPTIONS\n.TP\n.B \\-\\-instance NAME\nThe instance, relay unless told.\n.TP\n.B "
	       "\\-\\-socket PATH\n"
	       "The socket, /run/zerostate/NAME/admin.sock unless told.\n.TP\n.B \\-\\-json\nPrint JSON with "
	       "a member schema, "
	       "zsctl.VERB/1, instead of text.\n.SH VERBS\n");
	for (int id = 0; id < ZS_COMMANDS; id++)
		if (!hidden(zs_command_get(id)))
			man_command(zs_command_get(id));
	man_exits();
	printf(".SH FILES\n.I /etc/zerostate/NAME.yaml\n.br\n.I /run/zerostate/NAME/admin.sock\n.br\n"
	       ".I /var/lib/zerostate/NAME/audit.log\n");
	return ZS_EXIT_OK;
}

/* The words that may follow a first word: second words of verbs. */
static void completion_nouns(void)
{
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const char *verb = zs_command_get(id)->verb, *space = strchr(verb, ' ');
		size_t len = space ? (size_t)(space - verb) : 0;

		if (!space || (id > 0 && strncmp(zs_command_get(id - 1)->verb, verb, len + 1) == 0))
			continue;
		printf("\t%.*s) words=\"", (int)len, verb);
		for (int other = id; other < ZS_COMMANDS; other++)
			if (strncmp(zs_command_get(other)->verb, verb, len + 1) == 0)
				printf("%s ", zs_command_get(other)->verb + len + 1);
		printf("\" ;;\n");
	}
}

static void completion_options(void)
{
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const struct zs_command *cmd = zs_command_get(id);
		struct zs_arg args[ZS_ARGS_MAX];
		unsigned count = zs_command_args(cmd, args);
		bool file = false;

		if (count == 0)
			continue;
		/* One-word verbs may be followed by a word of the caller's, which stands in the second place. */
		printf("\t\"%s\"%s) words=\"", cmd->verb, strchr(cmd->verb, ' ') ? "" : "*");
		for (unsigned i = 0; i < count; i++) {
			file |= args[i].type == ZS_ARG_FILE;
			if (args[i].option)
				printf("--%s ", args[i].name);
			for (const char *at = args[i].choices; args[i].type == ZS_ARG_CHOICE && *at; at++)
				putchar(*at == '|' ? ' ' : *at);
			if (args[i].type == ZS_ARG_CHOICE)
				putchar(' ');
		}
		printf("\"%s ;;\n", file ? "; files=1" : "");
	}
}

int zsctl_completion(void)
{
	char last[32] = "";

	printf("# bash completion of zsctl, made by: zsctl completion bash\n_zsctl() {\n"
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
		printf("%s ", last);
	}
	printf("\" ;;\n");
	completion_nouns();
	completion_options();
	printf("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "\t[ -n \"$files\" ] && COMPREPLY+=($(compgen -f -- \"$cur\"))\n\treturn 0\n}\n"
	       "complete -o filenames -F _zsctl zsctl\n");
	return ZS_EXIT_OK;
}
