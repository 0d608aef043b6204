/* The table itself: look-up, the little language of argument specs, usage lines. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "cli/command.h"

static const struct zs_command commands[] = {
#define LEVEL(l)    ZS_LEVEL_##l
#define MUTATING(m) m
#define SERVED(s)   s
#define MODULE(m)   ZS_MODULE_##m
#define ZS_COMMAND(id, verb, level, mutating, served, module, args, help, text)                              \
	[ZS_COMMAND_##id] = { ZS_COMMAND_##id, verb, level, mutating, served, module, args, help, text },
#include "defs/commands.def"
#undef ZS_COMMAND
#undef LEVEL
#undef MUTATING
#undef SERVED
#undef MODULE
};

static const struct {
	const char *name, *text;
} arguments[] = {
#define ZS_ARGUMENT(name, text) { #name, text },
#include "defs/commands.def"
#undef ZS_ARGUMENT
};

const char *zs_level_name(enum zs_level level)
{
	static const char *const names[] = { "none", "user", "admin", "owner" };

	return (unsigned)level < ZS_ARRAY_LEN(names) ? names[level] : "none";
}

const struct zs_command *zs_command_get(enum zs_command_id id)
{
	return (unsigned)id < ZS_COMMANDS ? &commands[id] : NULL;
}

const struct zs_command *zs_command_find(const char *verb)
{
	for (unsigned i = 0; i < ZS_COMMANDS; i++)
		if (strcmp(commands[i].verb, verb) == 0)
			return &commands[i];
	return NULL;
}

const struct zs_command *zs_command_match(int argc, char *const *argv, int *used)
{
	char two[64];
	const struct zs_command *found;

	if (argc > 1) {
		snprintf(two, sizeof(two), "%s %s", argv[0], argv[1]);
		found = zs_command_find(two);
		if (found) {
			*used = 2;
			return found;
		}
	}
	*used = 1;
	/* One word alone must be a whole verb: "publish" without its second word is none. */
	return argc > 0 && !strchr(argv[0], ' ') ? zs_command_find(argv[0]) : NULL;
}

/* Edit distance with swapped neighbours as one step; texts are cut at 24 bytes. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[25][25];
	size_t n = strnlen(a, 24), m = strnlen(b, 24);

	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[n][m];
}

const char *zs_command_nearest(const char *typed)
{
	const char *best = NULL;
	unsigned least = 3 + (unsigned)strlen(typed) / 6; /* a typo or two, not another word */

	for (unsigned i = 0; i < ZS_COMMANDS; i++) {
		const char *verb = commands[i].verb;
		unsigned d = distance(typed, verb);
		size_t len = strlen(typed);

		if (len >= 3 && strncmp(verb, typed, len) == 0)
			d = 1;
		if (d < least && d < strlen(verb)) {
			least = d;
			best = verb;
		}
	}
	return best;
}

static const struct {
	const char *word;
	enum zs_arg_type type;
} types[] = {
	{ "flag", ZS_ARG_FLAG },   { "word", ZS_ARG_WORD },	    { "port", ZS_ARG_PORT },
	{ "count", ZS_ARG_COUNT }, { "endpoint", ZS_ARG_ENDPOINT }, { "file", ZS_ARG_FILE },
	{ "words", ZS_ARG_WORDS },
};

/* One word of a spec: [--name:TYPE]. The table is ours, so a wrong one is a bug. */
static void read_arg(struct zs_arg *arg, const char *word, size_t len)
{
	const char *colon;
	size_t type_len;

	memset(arg, 0, sizeof(*arg));
	arg->required = word[0] != '[';
	if (!arg->required) {
		ZS_CHECK(word[len - 1] == ']', "bracket in commands.def");
		word++;
		len -= 2;
	}
	if (len > 2 && memcmp(word, "--", 2) == 0) {
		arg->option = true;
		word += 2;
		len -= 2;
	}
	colon = memchr(word, ':', len);
	ZS_CHECK(colon && colon - word < ZS_ARG_NAME, "name in commands.def");
	memcpy(arg->name, word, (size_t)(colon - word));
	type_len = len - (size_t)(colon - word) - 1;
	ZS_CHECK(type_len > 0 && type_len < ZS_ARG_CHOICES, "type in commands.def");
	memcpy(arg->choices, colon + 1, type_len);
	arg->type = ZS_ARG_CHOICE;
	for (unsigned i = 0; i < ZS_ARRAY_LEN(types); i++)
		if (strcmp(arg->choices, types[i].word) == 0)
			arg->type = types[i].type;
}

unsigned zs_command_args(const struct zs_command *cmd, struct zs_arg out[ZS_ARGS_MAX])
{
	const char *at = cmd->args;
	unsigned count = 0;

	for (;;) {
		size_t len;

		at += strspn(at, " ");
		len = strcspn(at, " ");
		if (len == 0)
			return count;
		ZS_CHECK(count < ZS_ARGS_MAX, "too many arguments in commands.def");
		read_arg(&out[count++], at, len);
		at += len;
	}
}

const char *zs_argument_text(const char *name)
{
	for (unsigned i = 0; i < ZS_ARRAY_LEN(arguments); i++)
		if (strcmp(arguments[i].name, name) == 0)
			return arguments[i].text;
	return "";
}

static void placeholder(const struct zs_arg *arg, char out[ZS_ARG_CHOICES])
{
	const char *from = arg->type == ZS_ARG_CHOICE || arg->option ? arg->choices : arg->name;
	size_t i;

	for (i = 0; from[i] && i < ZS_ARG_CHOICES - 1; i++)
		out[i] = arg->type == ZS_ARG_CHOICE ? from[i] : (char)toupper((unsigned char)from[i]);
	out[i] = '\0';
}

const char *zs_command_usage(const struct zs_command *cmd, char *buf, size_t cap)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args);
	size_t at = (size_t)snprintf(buf, cap, "%s", cmd->verb);

	for (unsigned i = 0; i < count && at < cap; i++) {
		char value[ZS_ARG_CHOICES] = "";
		const char *open = args[i].required ? "" : "[", *close = args[i].required ? "" : "]";

		if (args[i].type != ZS_ARG_FLAG)
			placeholder(&args[i], value);
		if (args[i].option)
			at += (size_t)snprintf(buf + at, cap - at, " %s--%s%s%s%s", open, args[i].name,
					       value[0] ? " " : "", value, close);
		else
			at += (size_t)snprintf(buf + at, cap - at, " %s%s%s%s", open, value,
					       args[i].type == ZS_ARG_WORDS ? "…" : "", close);
	}
	return buf;
}
