#include "relay/flow_number.h"

#include <errno.h>

#include "base/check.h"

void zs_flow_numbers_init(struct zs_flow_numbers *n, struct zs_flow_resting *rest, uint16_t first,
			  uint32_t count, uint32_t start, uint64_t idle_ns)
{
	ZS_CHECK(count && first + count <= 65536);
	*n = (struct zs_flow_numbers){ .rest = rest,
				       .rest_ns = 2 * idle_ns,
				       .count = count,
				       .start = start % count,
				       .fresh = count,
				       .first = first };
}

int zs_flow_numbers_take(struct zs_flow_numbers *n, uint64_t now_ns, uint16_t *number)
{
	if (n->fresh) {
		*number = (uint16_t)(n->first + (n->start + n->count - n->fresh) % n->count);
		n->fresh--;
		return 0;
	}
	if (!n->resting || n->rest[n->head].until_ns > now_ns)
		return -EAGAIN;
	*number = n->rest[n->head].number;
	n->head = (n->head + 1) % n->count;
	n->resting--;
	return 0;
}

void zs_flow_numbers_give(struct zs_flow_numbers *n, uint16_t number, uint64_t now_ns)
{
	ZS_CHECK(n->resting < n->count);
	n->rest[(n->head + n->resting++) % n->count] = (struct zs_flow_resting){
		.until_ns = now_ns + n->rest_ns, .number = number
	};
}
