/* What went wrong: one line for people, and an object of its own for --json. */
#include <stdarg.h>
#include "cli/view.h"
#include "zsctl.h"

#define ERROR_LINE 640 /* an error's text and a verb's usage */

int zsctl_fail(const struct zsctl *z, enum zs_exit status, const char *fmt, ...)
{
	char text[ERROR_LINE];
	json_t *out;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "zsctl: %s\n", text);
	if (!z->json)
		return (int)status;
	out = json_pack("{s:s,s:{s:i,s:s,s:o}}", "schema", "zsctl.error/1", "error", "exit", (int)status,
			"name", zs_exit_name((int)status), "text", zs_view_text(text, sizeof(text)));
	json_dumpf(out, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(out);
	return (int)status;
}
