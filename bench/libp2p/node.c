/* A host of the bench: a new identity, on a loopback socket of its own. */
#include <netinet/in.h>
#include "libp2p/p2p.h"

int zs_p2p_node_open(struct zs_node *n, struct zs_loop *loop, struct zs_host_config *config,
		     const struct zs_host_ops *host_ops, const struct zs_node_ops *node_ops, void *ctx,
		     struct zs_error *err)
{
	const struct zs_endpoint any = { .addr = zs_addr_from4(htonl(INADDR_LOOPBACK)) };
	struct zs_identity identity;
	uint8_t seed[32];

	zs_node_fill(seed, sizeof(seed));
	zs_node_fill(config->quic.secret, sizeof(config->quic.secret));
	zs_identity_from_seed(&identity, seed);
	int rc = zs_node_open(n, loop, config, &identity, host_ops, node_ops, ctx);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no host: out of memory");
	return zs_shell_open(n->shell, &any, 0, NULL, err);
}
