/* next[i] is TAKEN for a taken index, the next free one (or ZS_POOL_NONE) for one given back,
 * and undefined from `fresh` on. used + length of the chain = fresh, always. */
#include "base/pool.h"

#include "base/check.h"

#define TAKEN (ZS_POOL_NONE - 1)

void zs_pool_init(struct zs_pool *pool, uint32_t *next, uint32_t capacity)
{
	ZS_CHECK(capacity < TAKEN, "capacity %u", capacity);
	*pool = (struct zs_pool){ .next = next, .capacity = capacity, .head = ZS_POOL_NONE };
}

uint32_t zs_pool_take(struct zs_pool *pool)
{
	uint32_t i = pool->head;

	if (i != ZS_POOL_NONE)
		pool->head = pool->next[i];
	else if (pool->fresh < pool->capacity)
		i = pool->fresh++;
	else
		return ZS_POOL_NONE;
	pool->next[i] = TAKEN;
	pool->used++;
	return i;
}

void zs_pool_give(struct zs_pool *pool, uint32_t index)
{
	ZS_CHECK(zs_pool_is_taken(pool, index), "index %u of %u", index, pool->capacity);
	pool->next[index] = pool->head;
	pool->head = index;
	pool->used--;
}

bool zs_pool_is_taken(const struct zs_pool *pool, uint32_t index)
{
	return index < pool->fresh && pool->next[index] == TAKEN;
}

bool zs_pool_check(const struct zs_pool *pool)
{
	uint32_t taken = 0, chained = 0;

	if (pool->fresh > pool->capacity || pool->used > pool->fresh)
		return false;
	for (uint32_t i = 0; i < pool->fresh; i++)
		taken += pool->next[i] == TAKEN;
	for (uint32_t i = pool->head; i != ZS_POOL_NONE; i = pool->next[i]) {
		if (i >= pool->fresh || pool->next[i] == TAKEN || ++chained > pool->fresh)
			return false;
	}
	return taken == pool->used && taken + chained == pool->fresh;
}
