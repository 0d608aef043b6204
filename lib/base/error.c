/* Errors told to people: always one line, cut rather than broken. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

int zs_error_set(struct zs_error *err, int code, enum zs_exit exit, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	err->exit = exit;
	err->line = 0;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	for (char *p = err->text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	return code;
}

bool zs_error_lacks(int code)
{
	switch (code) {
	case -EDQUOT:
	case -EIO:
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
	case -ENOSPC:
		return true;
	default:
		return false;
	}
}

static const struct {
	int status;
	const char *name, *text;
} exits[] = {
#define ZS_EXIT(name, value, text) { value, #name, text },
#include "defs/exits.def"
#undef ZS_EXIT
};

const char *zs_exit_name(int status)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(exits); i++)
		if (exits[i].status == status)
			return exits[i].name;
	return "UNKNOWN";
}

const char *zs_exit_text(int status)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(exits); i++)
		if (exits[i].status == status)
			return exits[i].text;
	return "ended with a status that is not in the table";
}
