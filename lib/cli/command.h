/* The command table: verbs, levels and arguments of lib/defs/commands.def, and the parsing that
 * zsctl (words of a command line) and the admin API (a JSON object) share. Pure functions. */
#ifndef ZS_CLI_COMMAND_H
#define ZS_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "base/error.h"
#include "base/log.h"
#include "conf/modules.h"

enum zs_level { ZS_LEVEL_none, ZS_LEVEL_user, ZS_LEVEL_admin, ZS_LEVEL_owner };
const char *zs_level_name(enum zs_level level);

enum zs_command_id {
#define ZS_COMMAND(id, verb, level, mutating, served, module, args, help, text) ZS_COMMAND_##id,
#include "defs/commands.def"
#undef ZS_COMMAND
	ZS_COMMANDS
};

struct zs_command {
	enum zs_command_id id;
	const char *verb;
	enum zs_level level;
	bool mutating, served;
	enum zs_module module; /* whose it is */
	const char *args, *help, *text;
};

#define ZS_ARGS_MAX	 16 /* arguments of one verb */
#define ZS_ARG_NAME	 24
#define ZS_ARG_CHOICES	 64
#define ZS_ARG_WORD_MAX	 255 /* bytes of a word, a file's name, an endpoint */
#define ZS_ARG_WORDS_MAX 16
#define ZS_ARG_COUNT_MAX UINT32_MAX

enum zs_arg_type {
	ZS_ARG_FLAG,
	ZS_ARG_WORD,
	ZS_ARG_PORT,
	ZS_ARG_COUNT,
	ZS_ARG_ENDPOINT,
	ZS_ARG_FILE,
	ZS_ARG_WORDS, /* one or more words, the last by position: an array */
	ZS_ARG_CHOICE
};

struct zs_arg {
	char name[ZS_ARG_NAME];
	enum zs_arg_type type;
	bool option, required;
	char choices[ZS_ARG_CHOICES]; /* "a|b|c" */
};

const struct zs_command *zs_command_get(enum zs_command_id id); /* NULL: no such id */
const struct zs_command *zs_command_find(const char *verb);	/* "publish add"; NULL: none */
/* The command whose verb the first words are; *used is how many words. NULL: none. */
const struct zs_command *zs_command_match(int argc, char *const *argv, int *used);
/* The verb nearest to what was typed, or NULL when nothing is near. */
const char *zs_command_nearest(const char *typed);
/* The command's arguments out of its spec; returns how many. */
unsigned zs_command_args(const struct zs_command *cmd, struct zs_arg out[ZS_ARGS_MAX]);
const char *zs_argument_text(const char *name); /* never NULL */
/* "publish add PORT TARGET [--max-flows COUNT]"; writes at most cap bytes, returns buf. */
const char *zs_command_usage(const struct zs_command *cmd, char *buf, size_t cap);

/* Words after the verb → object. Options may stand anywhere, `--name value` or `--name=value`; `--` ends them.
 * -EINVAL: unknown option, missing or surplus argument, bad value (exit USAGE). */
int zs_command_parse(const struct zs_command *cmd, int argc, char *const *argv, json_t **out,
		     struct zs_error *err);
/* Is `args` (NULL: empty) what the spec says? Files are {"name":text,"text":text} here. The same errors. */
int zs_command_check(const struct zs_command *cmd, json_t *args, struct zs_error *err);

#endif
