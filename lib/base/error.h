/* Errors told to people. Functions return 0 or -errno; those whose failure a person must
 * mend also fill a zs_error: one line that says what is wrong and what to do. */
#ifndef ZS_BASE_ERROR_H
#define ZS_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_ERROR_TEXT 256 /* one terminal line and a half; longer text is cut */

/* Exit statuses of every binary, from lib/defs/exits.def. */
enum zs_exit {
#define ZS_EXIT(name, value, text) ZS_EXIT_##name = value,
#include "defs/exits.def"
#undef ZS_EXIT
};

struct zs_error {
	int code;	   /* -errno, 0 while unset */
	enum zs_exit exit; /* the status a process should end with */
	uint32_t line;	   /* line of the input at fault, 0 when there is none */
	char text[ZS_ERROR_TEXT];
};

/* Fills err (which may be NULL) and returns code, so that `return zs_error_set(...)` reads well. */
__attribute__((format(printf, 4, 5))) int zs_error_set(struct zs_error *err, int code, enum zs_exit exit,
						       const char *fmt, ...);

/* Does the machine lack something for now, memory, descriptors, a disk that works? Then another try may go well, and the exit status
 * is ZS_EXIT_RESOURCE, after which service managers do try again. */
bool zs_error_lacks(int code);

/* The stable name and the text of an exit status; never NULL. */
const char *zs_exit_name(int status);
const char *zs_exit_text(int status);

#endif
