/* Hands out the indexes 0..capacity-1 of an array that the caller owns. The links live in a
 * second array of the caller's, so elements need no room for them. One thread.
 * Taking and giving back cost O(1), and so does making a pool: indexes that were never taken
 * are not chained, they follow a watermark. */
#ifndef ZS_BASE_POOL_H
#define ZS_BASE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_POOL_NONE UINT32_MAX

struct zs_pool {
	uint32_t *next;	   /* capacity words; of the caller */
	uint32_t capacity; /* at most ZS_POOL_NONE - 1 */
	uint32_t used, fresh, head;
};

/* Needs no clearing of `next`, which must outlive the pool. */
void zs_pool_init(struct zs_pool *pool, uint32_t *next, uint32_t capacity);
/* An index, ZS_POOL_NONE when all are taken. */
uint32_t zs_pool_take(struct zs_pool *pool);
/* Giving back what is not taken ends the process: it is a bug of ours. */
void zs_pool_give(struct zs_pool *pool, uint32_t index);
bool zs_pool_is_taken(const struct zs_pool *pool, uint32_t index);
/* Walks everything; false when counts and links disagree. For tests. */
bool zs_pool_check(const struct zs_pool *pool);

#endif
