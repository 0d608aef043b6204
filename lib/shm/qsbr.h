/* Quiescent-state based reclamation between processes: the writer of the tables reuses
 * memory only after every live worker has passed a point where it holds no reference.
 *
 * A worker stores the epoch it has seen once per loop in its own cell (state segment); the
 * control plane raises the epoch (tables segment) and waits until all online cells have
 * reached it. A worker that is idle or gone stores ZS_QSBR_OFFLINE; one that was killed is told by
 * its process being dead, which the caller checks (zs_segment_writer_alive). */
#ifndef ZS_SHM_QSBR_H
#define ZS_SHM_QSBR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ZS_QSBR_OFFLINE 0

struct zs_qsbr_cell {
	_Atomic uint64_t seen;
	uint64_t pad[7];
};
_Static_assert(sizeof(struct zs_qsbr_cell) == 64, "one line");

/* Writer: starts a grace period, returns the epoch to wait for (first is 1). */
uint64_t zs_qsbr_start(_Atomic uint64_t *epoch);
/* Writer: have all of `count` cells passed `target`? Never blocks. */
bool zs_qsbr_passed(const struct zs_qsbr_cell *cells, uint32_t count, uint64_t target);
/* Reader, once per loop with no reference held. */
static inline void zs_qsbr_quiescent(struct zs_qsbr_cell *cell, const _Atomic uint64_t *epoch)
{
	atomic_store_explicit(&cell->seen, atomic_load_explicit(epoch, memory_order_acquire) + 1,
			      memory_order_release);
}
/* Reader, after start or sleep and before it takes a reference: the fence keeps its reads behind the store. */
static inline void zs_qsbr_online(struct zs_qsbr_cell *cell, const _Atomic uint64_t *epoch)
{
	zs_qsbr_quiescent(cell, epoch);
	atomic_thread_fence(memory_order_seq_cst);
}
static inline void zs_qsbr_offline(struct zs_qsbr_cell *cell)
{
	atomic_store_explicit(&cell->seen, ZS_QSBR_OFFLINE, memory_order_release);
}

#endif
