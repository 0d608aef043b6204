/* A line of memory that will be read soon, or written, is on its way. Any address will do.
 *
 * GCC takes a function that does nothing else for one without an effect, and drops calls to it where it does not inline them; the
 * empty statement is the effect. A core remembers some 20 lines that are on their way and forgets what it is told beyond them. */
#ifndef ZS_BASE_PREFETCH_H
#define ZS_BASE_PREFETCH_H

static inline void zs_prefetch(const void *p)
{
	__builtin_prefetch(p);
	__asm__ volatile("");
}
static inline void zs_prefetch_write(const void *p)
{
	__builtin_prefetch(p, 1);
	__asm__ volatile("");
}

#endif
