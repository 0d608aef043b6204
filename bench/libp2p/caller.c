/* One dialler of the bench. Its host is small: thousands of them stand in the process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "libp2p/p2p.h"

#define PEERS	      4
#define KEEP_ALIVE_NS (10 * ZS_NS_PER_S) /* either end gives up after 30 s */
#define PATIENCE_NS   (30 * ZS_NS_PER_S)
#define TURN_NS	      (20 * ZS_NS_PER_MS)

static void on_disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	struct zs_p2p_caller *c = ctx;

	if (c->state != ZS_P2P_CALL_NONE)
		c->state = ZS_P2P_CALL_LOST;
	c->conn = NULL;
	snprintf(c->why, sizeof(c->why), "%s", why->text);
}

static const struct zs_host_ops host_ops = { .disconnected = on_disconnected };

/* Both identify streams are over: ours, and the one on which the listener asked. */
static void look(void *ctx, uint64_t now)
{
	struct zs_p2p_caller *c = ctx;
	struct zs_host_stats stats;

	if (c->state != ZS_P2P_CALL_DIALLING || !zs_host_conn_is_identified(c->conn))
		return;
	zs_host_stats(c->node.host, &stats);
	if (stats.streams_in && !stats.streams)
		c->state = ZS_P2P_CALL_READY;
}

static const struct zs_node_ops node_ops = { .work = look };

static void configure(struct zs_host_config *c)
{
	zs_host_defaults(c);
	c->agent = "zs-bench";
	c->quic.max_connections = PEERS;
	c->quic.max_handshakes = 1;
	c->quic.tombstones = PEERS;
	c->quic.keep_alive_ns = KEEP_ALIVE_NS;
	c->limits.peers = PEERS;
	c->connmgr.conns = c->connmgr.high = PEERS;
	c->connmgr.low = PEERS / 2;
	c->connmgr.peers = 2 * PEERS;
	c->connmgr.silence_ns = KEEP_ALIVE_NS;
	c->peerstore.peers = PEERS;
	c->prefix.sources = PEERS;
	c->dial.dials = c->dial.remembered = PEERS;
	c->cert_cache = PEERS;
	c->waiting = PEERS;
}

int zs_p2p_caller_new(struct zs_p2p_caller **out, struct zs_loop *loop, struct zs_error *err)
{
	struct zs_p2p_caller *c = calloc(1, sizeof(*c));
	struct zs_host_config *config = malloc(sizeof(*config)); /* its gater has kilobytes */
	static const char *const protocols[] = { ZS_P2P_SOURCE, ZS_P2P_DISCARD };
	int rc = c && config ? 0 : zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");

	if (rc == 0) {
		configure(config);
		rc = zs_p2p_node_open(&c->node, loop, config, &host_ops, &node_ops, c, err);
	}
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = zs_host_register(c->node.host, &(struct zs_host_protocol){ .id = protocols[i] });
	free(config);
	if (rc == 0)
		*out = c;
	else if (c)
		zs_p2p_caller_delete(c);
	return rc;
}

void zs_p2p_caller_delete(struct zs_p2p_caller *c)
{
	if (!c)
		return;
	c->state = ZS_P2P_CALL_NONE;
	zs_node_close(&c->node);
	free(c);
}

int zs_p2p_caller_dial(struct zs_p2p_caller *c, const struct zs_p2p_peer *to, struct zs_error *err)
{
	int rc = zs_host_dial(c->node.host, &to->at, &to->id, NULL, zs_clock_ns(), &c->conn, err);

	if (rc)
		return rc;
	c->state = ZS_P2P_CALL_DIALLING;
	zs_shell_turn(c->node.shell);
	return 0;
}

void zs_p2p_caller_hang_up(struct zs_p2p_caller *c)
{
	c->state = ZS_P2P_CALL_NONE;
	if (c->conn)
		zs_host_close(c->conn, ZS_HOST_NONE, NULL);
	zs_shell_turn(c->node.shell);
}

int zs_p2p_caller_wait(struct zs_p2p_caller *c, struct zs_loop *loop, struct zs_error *err)
{
	uint64_t until = zs_clock_ns() + PATIENCE_NS;

	while (c->state == ZS_P2P_CALL_DIALLING && zs_clock_ns() < until)
		zs_loop_turn(loop, TURN_NS);
	if (c->state == ZS_P2P_CALL_READY)
		return 0;
	if (c->state == ZS_P2P_CALL_LOST)
		return zs_error_set(err, -ECONNREFUSED, ZS_EXIT_FAILED, "a connection was lost: %s", c->why);
	return zs_error_set(err, -ETIMEDOUT, ZS_EXIT_FAILED,
			    "a listener did not identify within %llu s; is the machine overloaded?",
			    PATIENCE_NS / ZS_NS_PER_S);
}

void zs_p2p_idle(struct zs_loop *loop, uint64_t ns)
{
	uint64_t until = zs_clock_ns() + ns, now;

	while ((now = zs_clock_ns()) < until)
		zs_loop_turn(loop, until - now < TURN_NS ? until - now : TURN_NS);
}
