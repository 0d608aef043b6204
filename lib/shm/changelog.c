/* The ring of changed ids. While the writer is at `next`, the id that lies `capacity` before it may be half
 * overwritten: so a cursor is good for capacity − 1 ids. */
#include "shm/changelog.h"

void zs_changelog_append(struct zs_changelog *log, uint32_t id)
{
	uint64_t next = atomic_load_explicit(&log->head->next, memory_order_relaxed);

	atomic_thread_fence(memory_order_release); /* who reads this id sees at least that `next` */
	atomic_store_explicit(&log->id[next & (log->capacity - 1)], id, memory_order_relaxed);
	atomic_store_explicit(&log->head->next, next + 1, memory_order_release);
}

void zs_changelog_lose(struct zs_changelog *log)
{
	atomic_fetch_add_explicit(&log->head->next, log->capacity, memory_order_release);
}

uint64_t zs_changelog_now(const struct zs_changelog *log)
{
	return atomic_load_explicit(&log->head->next, memory_order_acquire);
}

static bool lost(const struct zs_changelog *log, uint64_t next, uint64_t cursor)
{
	return next - cursor >= log->capacity; /* a cursor beyond `next` wraps to far behind */
}

uint32_t zs_changelog_read(const struct zs_changelog *log, uint64_t *cursor, uint32_t *out, uint32_t max,
			   bool *overrun)
{
	uint64_t next = zs_changelog_now(log);
	uint32_t n = 0;

	*overrun = lost(log, next, *cursor);
	for (; !*overrun && n < max && *cursor + n != next; n++)
		out[n] = atomic_load_explicit(&log->id[(*cursor + n) & (log->capacity - 1)],
					      memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	next = atomic_load_explicit(&log->head->next, memory_order_relaxed);
	*overrun = *overrun || lost(log, next, *cursor);
	if (*overrun) {
		*cursor = next;
		return 0;
	}
	*cursor += n;
	return n;
}
