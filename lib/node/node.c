#include "node/node.h"

#include <openssl/rand.h>
#include "base/check.h"
#include "base/clock.h"

/* --- turns ------------------------------------------------------------------------------------ */

static void receive(void *ctx, const struct zs_udp_datagram *in, size_t count, uint64_t now)
{
	struct zs_node *n = ctx;

	zs_host_receive(n->host, in, count, now);
}

static void advance(void *ctx, uint64_t now)
{
	struct zs_node *n = ctx;

	zs_host_advance(n->host, now);
	if (n->ops->advance)
		n->ops->advance(n->ctx, now);
}

static void work(void *ctx, uint64_t now)
{
	struct zs_node *n = ctx;

	if (n->ops->work)
		n->ops->work(n->ctx, now);
}

static size_t pull(void *ctx, struct zs_udp_datagram *out, size_t max, void *buf, size_t capacity,
		   uint64_t now)
{
	struct zs_node *n = ctx;

	return zs_host_pull(n->host, out, max, buf, capacity, now);
}

static uint64_t deadline(void *ctx)
{
	struct zs_node *n = ctx;
	uint64_t host = zs_host_deadline(n->host),
		 owner = n->ops->deadline ? n->ops->deadline(n->ctx) : UINT64_MAX;

	return host < owner ? host : owner;
}

static const struct zs_shell_ops shell_ops = {
	.receive = receive, .advance = advance, .work = work, .pull = pull, .deadline = deadline
};

/* --- the machine ------------------------------------------------------------------------------ */

static int64_t wall(void *ctx)
{
	return (int64_t)(zs_clock_wall_ns() / ZS_NS_PER_S);
}

static void fill(void *ctx, void *out, size_t len)
{
	ZS_CHECK(RAND_bytes(out, len) == 1, "BoringSSL has random bytes or ends the process");
}

struct zs_random zs_node_random(void)
{
	return (struct zs_random){ .fill = fill };
}

void zs_node_fill(void *out, size_t len)
{
	fill(NULL, out, len);
}

/* --- life ------------------------------------------------------------------------------------- */

int zs_node_open(struct zs_node *n, struct zs_loop *loop, const struct zs_host_config *config,
		 const struct zs_identity *identity, const struct zs_host_ops *host_ops,
		 const struct zs_node_ops *node_ops, void *ctx)
{
	static const struct zs_node_ops none;
	struct zs_host_ops ops = *host_ops;
	int rc;

	*n = (struct zs_node){ .ops = node_ops ? node_ops : &none, .ctx = ctx };
	if (!ops.wall)
		ops.wall = wall;
	rc = zs_shell_new(&n->shell, loop, &shell_ops, n);
	return rc ? rc : zs_host_new(&n->host, config, identity, zs_node_random(), &ops, ctx);
}

void zs_node_close(struct zs_node *n)
{
	if (n->host) {
		zs_host_shutdown(n->host);
		zs_shell_turn(n->shell);
		zs_host_delete(n->host);
	}
	zs_shell_delete(n->shell);
	*n = (struct zs_node){ 0 };
}
