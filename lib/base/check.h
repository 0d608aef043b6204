/* Checks. ZS_CHECK is always on and ends the process with one line on stderr: use it for
 * what can only be a bug of ours. ZS_DCHECK vanishes in release builds: use it in hot paths.
 * Expected failures (input, files, peers) are return values, never checks. */
#ifndef ZS_BASE_CHECK_H
#define ZS_BASE_CHECK_H

#include <stddef.h>

__attribute__((noreturn, cold, format(printf, 4, 5))) void
zs_check_failed(const char *file, int line, const char *cond, const char *fmt, ...);

#define ZS_CHECK(cond, ...)                                                                                  \
	do {                                                                                                 \
		if (__builtin_expect(!(cond), 0))                                                            \
			zs_check_failed(__FILE__, __LINE__, #cond, "" __VA_ARGS__);                          \
	} while (0)

#ifdef ZS_DEBUG
#define ZS_DCHECK(cond, ...) ZS_CHECK(cond, __VA_ARGS__)
#else
#define ZS_DCHECK(cond, ...) ((void)sizeof(cond))
#endif

#define ZS_ARRAY_LEN(a)	  (sizeof(a) / sizeof((a)[0]))
#define ZS_LIKELY(x)	  __builtin_expect(!!(x), 1)
#define ZS_UNLIKELY(x)	  __builtin_expect(!!(x), 0)
#define ZS_COLD		  __attribute__((cold, noinline))
#define ZS_CACHE_LINE	  64
#define ZS_ALIGN_UP(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1))

#endif
