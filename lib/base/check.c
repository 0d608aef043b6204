/* The end of a process whose own invariants broke: one line on stderr, then a core.
 * Nothing here allocates: the heap may be what is broken. */
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK_LINE 512 /* longer lines are cut */

void zs_check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
	char buf[CHECK_LINE];
	va_list ap;
	int n = snprintf(buf, sizeof(buf), "%s:%d: check failed: %s: ", file, line, cond);

	if (n > 0 && n < CHECK_LINE) {
		va_start(ap, fmt);
		int m = vsnprintf(buf + n, sizeof(buf) - (size_t)n, fmt, ap);
		va_end(ap);
		n += m > 0 ? m : 0;
	}
	if (n > CHECK_LINE - 1)
		n = CHECK_LINE - 1;
	for (int i = 0; i < n; i++)
		if ((unsigned char)buf[i] < ' ')
			buf[i] = ' ';
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
		abort(); /* nobody to tell */
	abort();
}
