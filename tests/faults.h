/* The N-th call that takes memory, or that asks the kernel for something that a machine can run out of, fails: once, or it and all
 * behind it. Linked with FAULTS_LINK of tests/build.mk, which wraps what our own objects call; libraries take what they want. */
#ifndef ZS_TESTS_FAULTS_H
#define ZS_TESTS_FAULTS_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/types.h>

struct faults {
	long left;    /* calls that still go well; below 0: all do */
	bool for_now; /* the calls behind the one that failed go well again */
	long hit;     /* how many failed */
	const char *last;
};
extern struct faults faults;

/* Before and behind what is tried with the n-th call failing, n from 0 on. disarm says whether any did: when none did, n was the
 * last that is worth a try. */
void faults_arm(long n, bool for_now);
bool faults_disarm(void);

#endif
