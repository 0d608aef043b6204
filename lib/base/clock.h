/* Time. Protocol code takes `now` as an argument; only shells read a clock. */
#ifndef ZS_BASE_CLOCK_H
#define ZS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define ZS_NS_PER_S  1000000000ull
#define ZS_NS_PER_MS 1000000ull

static inline uint64_t zs_clock_read(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * ZS_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Monotonic ns, the same in every process of the machine: what segments store. */
static inline uint64_t zs_clock_ns(void)
{
	return zs_clock_read(CLOCK_MONOTONIC);
}
/* Unix time in ns, for records people read. */
static inline uint64_t zs_clock_wall_ns(void)
{
	return zs_clock_read(CLOCK_REALTIME);
}

#endif
