/* A file that shrinks under a mapping is SIGBUS for whoever reads it. This handler maps a zero
 * page over the hole, counts it in the segment's `faulted` word and lets the process go on:
 * whoever uses the segment looks at the word, raises a health code and stops using it.
 *
 * A signal handler has no argument, so one pointer per process stands outside of any context:
 * set once by zs_fault_install, never changed afterwards. The seccomp filter must allow mmap. */
#ifndef ZS_SHM_FAULT_H
#define ZS_SHM_FAULT_H

#include <signal.h>
#include "shm/segment.h"

#define ZS_FAULT_SEGMENTS 16 /* a process maps four or five; migration and tests a few more */

struct zs_fault_slot {
	_Atomic uintptr_t base; /* 0: free */
	size_t size;
	int prot;
	_Atomic uint32_t *faulted;
};

struct zs_fault {
	struct zs_fault_slot slot[ZS_FAULT_SEGMENTS];
	struct sigaction before; /* gets what is not ours */
};

/* Main thread, before workers start; `f` lives as long as the process. -EALREADY: installed. */
int zs_fault_install(struct zs_fault *f);
/* Main thread. Watches a mapped segment, which stays where it is until it is left
 * (zs_segment_leave forgets it). Mapping does so by itself; call it after the struct moved. -ENOSYS: no handler installed; -ENOSPC: too many. */
int zs_fault_watch(struct zs_segment *seg);
void zs_fault_forget(const struct zs_segment *seg);

/* Looks whether the file is as long as it was mapped; a shorter one counts as a fault at once, before
 * anybody reads beyond its end. One fstat(2): main threads, now and then. True from the first fault on. */
bool zs_segment_damaged(struct zs_segment *seg);

/* A process names the segments it maps (seg NULL: not now); the first that is damaged, or NULL. */
struct zs_segment_named {
	const char *name;
	struct zs_segment *seg;
};
const char *zs_segments_damaged(const struct zs_segment_named *list, uint32_t count);

static inline bool zs_segment_faulted(const struct zs_segment *seg)
{
	return atomic_load_explicit(&seg->faulted, memory_order_relaxed) != 0;
}

#endif
