/* The time stamp counter, which runs at one rate whatever the core does. */
#ifndef ZS_BENCH_TSC_H
#define ZS_BENCH_TSC_H

#include <stdint.h>

static inline uint64_t zs_tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
#error "no cycle counter is known for this machine"
#endif
}

#endif
