/* A sequence lock for one writer and many readers: the reader copies, then asks whether the
 * copy is whole. Odd while the writer is inside. Never waits on the reading side: a reader
 * that meets a writer (or a segment somebody scribbled on) tries a bounded number of times. */
#ifndef ZS_SHM_SEQLOCK_H
#define ZS_SHM_SEQLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
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
	atomic_store_explicit(seq, (atomic_load_explicit(seq, memory_order_relaxed) | 1) + 1,
			      memory_order_release);
}

/* Copies whole words so that a race with the writer is a torn copy, never undefined. Entries
 * are 4-byte aligned and begin with their sequence word; `size` is a multiple of 4. */
static inline void zs_seqlock_copy_out(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size / 4; i++)
		((uint32_t *)to)[i] = __atomic_load_n((const uint32_t *)from + i, __ATOMIC_RELAXED);
}

/* Stores everything behind the sequence word. Between write_begin and write_end. */
static inline void zs_seqlock_copy_in(void *to, const void *from, size_t size)
{
	for (size_t i = 1; i < size / 4; i++)
		__atomic_store_n((uint32_t *)to + i, ((const uint32_t *)from)[i], __ATOMIC_RELAXED);
}

/* A whole copy of an entry that begins with its sequence word. false: not to be had. */
static inline bool zs_seqlock_get(const void *entry, void *out, size_t size)
{
	for (int i = 0; i < ZS_SEQLOCK_TRIES; i++) {
		uint32_t before = zs_seqlock_read((const _Atomic uint32_t *)entry);
		if (before & 1)
			continue;
		zs_seqlock_copy_out(out, entry, size);
		if (zs_seqlock_good((const _Atomic uint32_t *)entry, before))
			return true;
	}
	return false;
}

/* Writer: replaces an entry whole. */
static inline void zs_seqlock_put(void *entry, const void *value, size_t size)
{
	zs_seqlock_write_begin((_Atomic uint32_t *)entry);
	zs_seqlock_copy_in(entry, value, size);
	zs_seqlock_write_end((_Atomic uint32_t *)entry);
}

#endif
