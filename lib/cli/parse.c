/* Arguments: words of a command line into JSON, and JSON from the socket against the same spec. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "net/addr.h"

#define USAGE(err, ...) zs_error_set((err), -EINVAL, ZS_EXIT_USAGE, __VA_ARGS__)

static int read_number(const char *text, unsigned long max, unsigned long *out)
{
	unsigned long value = 0;

	if (!text[0] || strlen(text) > 10)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned long)(*text - '0');
	}
	*out = value;
	return value <= max ? 0 : -ERANGE;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = choices; *at;) {
		size_t n = strcspn(at, "|");

		if (n == len && memcmp(at, text, n) == 0)
			return true;
		at += n + (at[n] == '|');
	}
	return false;
}

/* Texts go into one-line errors and logs: no control characters. */
static bool is_plain(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at; at++)
		if (*at < 0x20 || *at == 0x7f)
			return false;
	return text[0] && strlen(text) <= ZS_ARG_WORD_MAX;
}

static int check_number(const struct zs_arg *arg, json_int_t value, struct zs_error *err)
{
	if (arg->type == ZS_ARG_PORT && (value < 1 || value > 65535))
		return USAGE(err, "%s: must be a port, 1 to 65535", arg->name);
	if (value < 0 || value > (json_int_t)ZS_ARG_COUNT_MAX)
		return USAGE(err, "%s: must be a number, 0 to %u", arg->name, ZS_ARG_COUNT_MAX);
	return 0;
}

static int check_text(const struct zs_arg *arg, const char *text, struct zs_error *err)
{
	struct zs_endpoint ep;

	if (!is_plain(text))
		return USAGE(err, "%s: must be 1 to %d printable characters", arg->name, ZS_ARG_WORD_MAX);
	if (arg->type == ZS_ARG_ENDPOINT && zs_endpoint_parse(&ep, text) != 0)
		return USAGE(err, "%s: '%.60s' is no ADDR:PORT or [ADDR]:PORT", arg->name, text);
	if (arg->type == ZS_ARG_CHOICE && !is_choice(arg->choices, text))
		return USAGE(err, "%s: '%.60s' is none of %s", arg->name, text, arg->choices);
	return 0;
}

/* Text into JSON of its type: numbers for port and count, true for a flag, text otherwise (a file: its name). */
static int value_of(const struct zs_arg *arg, const char *text, json_t **out, struct zs_error *err)
{
	unsigned long value = 0;
	int rc;

	if (arg->type == ZS_ARG_PORT || arg->type == ZS_ARG_COUNT) {
		if (read_number(text, ZS_ARG_COUNT_MAX, &value) != 0)
			return USAGE(err, "%s: '%.60s' is no %s", arg->name, text,
				     arg->type == ZS_ARG_PORT ? "port, 1 to 65535"
							      : "number, 0 to 4294967295");
		rc = check_number(arg, (json_int_t)value, err);
		if (rc != 0)
			return rc;
		*out = json_integer((json_int_t)value);
	} else {
		rc = check_text(arg, text, err);
		if (rc != 0)
			return rc;
		*out = json_string(text);
	}
	return *out ? 0 : USAGE(err, "%s: not UTF-8, or out of memory", arg->name);
}

static const struct zs_arg *find_option(const struct zs_arg *args, unsigned count, const char *name,
					size_t len)
{
	for (unsigned i = 0; i < count; i++)
		if (args[i].option && strlen(args[i].name) == len && memcmp(args[i].name, name, len) == 0)
			return &args[i];
	return NULL;
}

static const struct zs_arg *next_positional(const struct zs_arg *args, unsigned count, json_t *have)
{
	for (unsigned i = 0; i < count; i++)
		if (!args[i].option && (args[i].type == ZS_ARG_WORDS || !json_object_get(have, args[i].name)))
			return &args[i];
	return NULL;
}

/* One more word of an array, which is made with the first. */
static int append(json_t *object, const struct zs_arg *arg, const char *text, struct zs_error *err)
{
	json_t *list = json_object_get(object, arg->name), *value = NULL;
	int rc = check_text(arg, text, err);

	if (rc != 0)
		return rc;
	if (!list && json_object_set_new(object, arg->name, list = json_array()) != 0)
		return USAGE(err, "out of memory");
	if (json_array_size(list) >= ZS_ARG_WORDS_MAX)
		return USAGE(err, "%s: %d words at most", arg->name, ZS_ARG_WORDS_MAX);
	value = json_string(text);
	return value ? json_array_append_new(list, value) : USAGE(err, "%s: not UTF-8", arg->name);
}

static int put(json_t *object, const struct zs_arg *arg, const char *text, struct zs_error *err)
{
	json_t *value = NULL;
	int rc;

	if (arg->type == ZS_ARG_WORDS)
		return append(object, arg, text, err);
	if (json_object_get(object, arg->name))
		return USAGE(err, "--%s: given twice", arg->name);
	if (arg->type == ZS_ARG_FLAG)
		return json_object_set_new(object, arg->name, json_true());
	rc = value_of(arg, text, &value, err);
	return rc != 0 ? rc : json_object_set_new(object, arg->name, value);
}

/* One option, *at on its word; moves *at over a value that stands apart. */
static int parse_option(const struct zs_arg *args, unsigned count, int argc, char *const *argv, int *at,
			json_t *object, struct zs_error *err)
{
	const char *name = argv[*at] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct zs_arg *arg = find_option(args, count, name, len);

	if (!arg)
		return USAGE(err, "--%.*s: no such option", (int)(len > 60 ? 60 : len), name);
	if (arg->type == ZS_ARG_FLAG)
		return equals ? USAGE(err, "--%s: takes no value", arg->name) : put(object, arg, NULL, err);
	if (equals)
		return put(object, arg, equals + 1, err);
	if (*at + 1 >= argc)
		return USAGE(err, "--%s: needs a value", arg->name);
	return put(object, arg, argv[++*at], err);
}

static int missing(const struct zs_arg *args, unsigned count, json_t *object, struct zs_error *err)
{
	for (unsigned i = 0; i < count; i++)
		if (args[i].required && !json_object_get(object, args[i].name))
			return USAGE(err, "%s is missing", args[i].name);
	return 0;
}

int zs_command_parse(const struct zs_command *cmd, int argc, char *const *argv, json_t **out,
		     struct zs_error *err)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args);
	json_t *object = json_object();
	bool words_only = false;
	int rc = object ? 0 : -ENOMEM;

	for (int i = 0; i < argc && rc == 0; i++) {
		const struct zs_arg *arg;

		if (!words_only && strcmp(argv[i], "--") == 0) {
			words_only = true;
			continue;
		}
		if (!words_only && argv[i][0] == '-' && argv[i][1] != '\0') {
			rc = argv[i][1] == '-' ? parse_option(args, count, argc, argv, &i, object, err)
					       : USAGE(err, "%.60s: no such option", argv[i]);
			continue;
		}
		arg = next_positional(args, count, object);
		rc = arg ? put(object, arg, argv[i], err)
			 : USAGE(err, "'%.60s' is one word too many", argv[i]);
	}
	if (rc == 0)
		rc = missing(args, count, object, err);
	if (rc != 0) {
		json_decref(object);
		return rc;
	}
	*out = object;
	return 0;
}

static int check_file(const struct zs_arg *arg, json_t *value, struct zs_error *err)
{
	json_t *name = json_object_get(value, "name"), *text = json_object_get(value, "text");

	if (!json_is_string(name) || !json_is_string(text) || json_object_size(value) != 2)
		return USAGE(err, "%s: must be {\"name\":text,\"text\":text}", arg->name);
	return check_text(arg, json_string_value(name), err);
}

static int check_words(const struct zs_arg *arg, json_t *value, struct zs_error *err)
{
	size_t count = json_array_size(value); /* 0: no array */
	int rc = 0;

	if (count < 1 || count > ZS_ARG_WORDS_MAX)
		return USAGE(err, "%s: must be a list of 1 to %d texts", arg->name, ZS_ARG_WORDS_MAX);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const char *text = json_string_value(json_array_get(value, i));

		rc = text ? check_text(arg, text, err) : USAGE(err, "%s: must hold text", arg->name);
	}
	return rc;
}

static int check_value(const struct zs_arg *arg, json_t *value, struct zs_error *err)
{
	switch (arg->type) {
	case ZS_ARG_FLAG:
		return json_is_true(value) ? 0 : USAGE(err, "%s: must be true", arg->name);
	case ZS_ARG_PORT:
	case ZS_ARG_COUNT:
		if (!json_is_integer(value))
			return USAGE(err, "%s: must be a number", arg->name);
		return check_number(arg, json_integer_value(value), err);
	case ZS_ARG_FILE:
		return check_file(arg, value, err);
	case ZS_ARG_WORDS:
		return check_words(arg, value, err);
	default:
		if (!json_is_string(value))
			return USAGE(err, "%s: must be text", arg->name);
		return check_text(arg, json_string_value(value), err);
	}
}

int zs_command_check(const struct zs_command *cmd, json_t *object, struct zs_error *err)
{
	struct zs_arg args[ZS_ARGS_MAX];
	unsigned count = zs_command_args(cmd, args), known = 0;

	if (object && !json_is_object(object))
		return USAGE(err, "args: must be an object");
	for (unsigned i = 0; i < count; i++) {
		json_t *value = json_object_get(object, args[i].name);
		int rc = value ? check_value(&args[i], value, err) : 0;

		if (rc != 0)
			return rc;
		known += value != NULL;
	}
	if (known != json_object_size(object))
		return USAGE(err, "args: holds a name that '%s' does not have", cmd->verb);
	return missing(args, count, object, err);
}
