/* What ngtcp2 holds for a connection, to the byte as the allocator sees it: a peer decides how many gaps its data has
 * and how many packets it leaves unacknowledged, so its owner has to be told. */
#include <malloc.h>
#include <stdlib.h>
#include "p2p/quic/internal.h"

static void *counted(struct zs_quic_conn *conn, void *p)
{
	conn->memory += malloc_usable_size(p);
	return p;
}

static void *take(size_t size, void *conn)
{
	return counted(conn, malloc(size));
}

static void *take_zeroed(size_t n, size_t size, void *conn)
{
	return counted(conn, calloc(n, size));
}

static void give(void *p, void *user)
{
	struct zs_quic_conn *conn = user;

	conn->memory -= malloc_usable_size(p);
	free(p);
}

static void *resize(void *p, size_t size, void *user)
{
	struct zs_quic_conn *conn = user;
	size_t before = malloc_usable_size(p);
	void *grown = realloc(p, size);

	if (!grown)
		return NULL;
	conn->memory -= before;
	return counted(conn, grown);
}

const ngtcp2_mem *zs_conn_mem(struct zs_quic_conn *conn)
{
	conn->mem = (ngtcp2_mem){ conn, take, give, take_zeroed, resize };
	return &conn->mem;
}

void zs_conn_weigh(struct zs_quic_conn *conn)
{
	uint64_t now = conn->memory, told = conn->memory_told;

	if ((now > told ? now - told : told - now) < ZS_QUIC_MEMORY_STEP || !conn->q->ops.memory)
		return;
	conn->memory_told = now;
	conn->q->ops.memory(conn->q->ctx, conn, now);
}
