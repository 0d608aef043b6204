/* The turn of the loop that every owner of a host has. */
#include <netinet/in.h>
#include <openssl/rand.h>
#include "base/check.h"
#include "base/clock.h"
#include "libp2p/p2p.h"

#define PULL 64 /* datagrams at once */

static void random_fill(void *ctx, void *out, size_t len)
{
	ZS_CHECK(RAND_bytes(out, len) == 1);
}

void zs_p2p_node_turn(struct zs_p2p_node *n)
{
	uint8_t buffer[PULL * ZS_QUIC_DATAGRAM];
	struct zs_udp_datagram out[PULL];
	size_t count;

	if (n->in_turn)
		return;
	n->in_turn = true;
	while ((count = zs_host_pull(n->host, out, PULL, buffer, sizeof(buffer), zs_clock_ns())))
		zs_udp_send(n->udp, out, count);
	n->in_turn = false;
	uint64_t at = zs_host_deadline(n->host);
	zs_timer_set(n->timer, at == UINT64_MAX ? 0 : at ? at : 1);
	if (n->turned)
		n->turned(n);
}

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct zs_p2p_node *n = ctx;

	zs_host_receive(n->host, in, count, zs_clock_ns());
	zs_p2p_node_turn(n);
}

static void on_timer(void *ctx)
{
	struct zs_p2p_node *n = ctx;

	zs_host_advance(n->host, zs_clock_ns());
	zs_p2p_node_turn(n);
}

int zs_p2p_node_open(struct zs_p2p_node *n, struct zs_loop *loop, struct zs_host_config *config,
		     const struct zs_host_ops *ops, struct zs_error *err)
{
	const struct zs_endpoint any = { .addr = zs_addr_from4(htonl(INADDR_LOOPBACK)) };
	struct zs_identity identity;
	uint8_t seed[32];
	int rc;

	random_fill(NULL, seed, sizeof(seed));
	random_fill(NULL, config->quic.secret, sizeof(config->quic.secret));
	zs_identity_from_seed(&identity, seed);
	rc = zs_udp_open(&n->udp, loop, &any, 0, on_datagrams, n, err);
	if (rc)
		return rc;
	rc = zs_timer_new(&n->timer, loop, on_timer, n);
	if (rc == 0)
		rc = zs_host_new(&n->host, config, &identity, (struct zs_random){ .fill = random_fill }, ops,
				 n);
	return rc ? zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no host: out of memory") : 0;
}

void zs_p2p_node_close(struct zs_p2p_node *n)
{
	zs_host_delete(n->host);
	zs_timer_delete(n->timer);
	zs_udp_close(n->udp);
	*n = (struct zs_p2p_node){ 0 };
}
