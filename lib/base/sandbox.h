/* Least privilege of a process: capabilities and system calls that it gives up for good. Each plane keeps a
 * table of the calls it goes on making; what neither ever makes (new programs, other processes, mounts,
 * modules) kills it; any other call fails with EPERM, so a rare path of a library is an error message and
 * not an outage. Linked with libseccomp by who uses it alone. */
#ifndef ZS_BASE_SANDBOX_H
#define ZS_BASE_SANDBOX_H

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_SANDBOX_ARGS 2

/* A call that is allowed when all its conditions hold. A call may have several rows: any of them will do. */
struct zs_sandbox_call {
	int number;
	struct scmp_arg_cmp when[ZS_SANDBOX_ARGS]; /* all zero: whatever its arguments */
};
#define ZS_CALL(name)                                                                                        \
	{                                                                                                    \
		.number = SCMP_SYS(name)                                                                     \
	}
#define ZS_CALL_IF(name, ...)                                                                                \
	{                                                                                                    \
		.number = SCMP_SYS(name), .when = { __VA_ARGS__ }                                            \
	}
#define ZS_ARG_IS(n, value)                                                                                  \
	{                                                                                                    \
		.arg = (n), .op = SCMP_CMP_EQ, .datum_a = (value)                                            \
	}
/* The bits of `mask` are those of `value`. */
#define ZS_ARG_BITS(n, mask, value)                                                                          \
	{                                                                                                    \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value)                  \
	}

/* The calling thread's effective capabilities (1 << CAP_…). */
uint64_t zs_sandbox_has(void);
/* The calling thread, and threads it makes later: no_new_privs, and of its capabilities those in `keep`
 * (1 << CAP_…) alone; what it never had is no error. The process leaves no core and is nobody's to trace, but for debug
 * builds. 0 or -errno. */
int zs_sandbox_keep(uint64_t keep);
/* All threads of the process: the filter. 0 or -errno; then there is none. */
int zs_sandbox_filter(const struct zs_sandbox_call *calls, size_t count);

#endif
