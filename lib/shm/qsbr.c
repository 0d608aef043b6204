/* The writer's half of QSBR. A cell holds the epoch its worker saw plus one, so 0 is free to
 * mean offline, and "has seen target" is cell > target.
 *
 * Order: the writer unlinks, raises the epoch, fences, reads cells. A worker in its loop loads
 * the epoch with acquire before it stores the cell; one that comes from offline fences after the
 * store. So a cell that is offline or new enough belongs to a worker that sees the unlink. */
#include "shm/qsbr.h"

uint64_t zs_qsbr_start(_Atomic uint64_t *epoch)
{
	return atomic_fetch_add_explicit(epoch, 1, memory_order_seq_cst) + 1;
}

bool zs_qsbr_passed(const struct zs_qsbr_cell *cells, uint32_t count, uint64_t target)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t seen = atomic_load_explicit(&cells[i].seen, memory_order_acquire);
		if (seen != ZS_QSBR_OFFLINE && seen <= target)
			return false;
	}
	return true;
}
