/* A sequence lock for one writer and many readers: the reader copies, then asks whether the
 * copy is whole. Odd while the writer is inside. Never waits on the reading side: a reader
 * that meets a writer (or a segment somebody scribbled on) tries a bounded number of times. */
#ifndef ZS_SHM_SEQLOCK_H
#define ZS_SHM_SEQLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ZS_SEQLOCK_TRIES 64 /* a writer is inside for some 50 ns; one killed inside leaves it odd */

static inline uint32_t zs_seqlock_read(const _Atomic uint32_t *seq)
{
	return atomic_load_explicit(seq, memory_order_acquire);
}

static inline bool zs_seqlock_good(const _Atomic uint32_t *seq, uint32_t before)
{
	atomic_thread_fence(memory_order_acquire);
	return !(before & 1) && atomic_load_explicit(seq, memory_order_relaxed) == before;
}

static inline void zs_seqlock_write_begin(_Atomic uint32_t *seq)
{
	atomic_store_explicit(seq, atomic_load_explicit(seq, memory_order_relaxed) | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static inline void zs_seqlock_write_end(_Atomic uint32_t *seq)
{
	atomic_store_explicit(seq, (atomic_load_explicit(seq, memory_order_relaxed) | 1) + 1, memory_order_release);
}

#endif
