/* Life, the loop's turns and the host's upcalls. */
#include "peers/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attach/attach.h"
#include "ident.h"
#include "peers/internal.h"

#define AGAIN_NS (5 * ZS_NS_PER_S)
#define SAVE_NS	 (2 * ZS_NS_PER_S) /* 8,192 peers that all changed are through in four minutes */

/* --- turns ------------------------------------------------------------------------------------ */

static void work(void *ctx, uint64_t now)
{
	struct zs_peers *p = ctx;

	if (p->c->attach)
		peers_link_work(p);
}

static const struct zs_node_ops node_ops = { .work = work };

static void try_again(void *ctx)
{
	struct zs_peers *p = ctx;

	peers_listen(p);
	zs_timer_after(p->again, AGAIN_NS);
}

static void save(void *ctx)
{
	struct zs_peers *p = ctx;

	peers_book_write(p);
	zs_timer_after(p->save, SAVE_NS);
}

/* --- upcalls ---------------------------------------------------------------------------------- */

static void connected(void *ctx, struct zs_host_conn *conn)
{
	struct zs_peers *p = ctx;
	char peer[ZS_PEER_ID_TEXT], at[ZS_ENDPOINT_TEXT];
	struct zs_endpoint remote = zs_host_conn_remote(conn);

	ZS_LOG(&p->c->log, PEER_CONNECTED, "peer=%s remote=%s direction=%s group=%s",
	       zs_peer_id_format(zs_host_conn_peer(conn), peer), zs_endpoint_format(&remote, at),
	       zs_host_conn_is_dialled(conn) ? "out" : "in", zs_host_conn_group(conn));
	peers_qlog_judge(p, conn);
	peers_ask_connected(p, conn);
}

static void disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	struct zs_peers *p = ctx;
	char peer[ZS_PEER_ID_TEXT];

	ZS_LOG(&p->c->log, PEER_DISCONNECTED, "peer=%s why=\"%s\"",
	       zs_peer_id_format(zs_host_conn_peer(conn), peer), why->text);
	peers_ask_disconnected(p, conn, why->text);
}

static void identified(void *ctx, struct zs_host_conn *conn, const struct zs_identify *id, bool push)
{
	peers_ask_identified(ctx, conn);
}

static void unreached(void *ctx, const struct zs_peer_id *peer, const char *text)
{
	peers_ask_failed(ctx, peer, text);
}

static void refused(void *ctx, const struct zs_refusal *why, const char *text, uint64_t since)
{
	struct zs_peers *p = ctx;

	ZS_LOG(&p->c->log, PEER_REFUSED, "scope=%s resource=%s times=%llu text=\"%s\"",
	       zs_scope_name(why->scope), zs_resource_name(why->resource), (unsigned long long)since, text);
}

static void qlog(void *ctx, const void *which, const void *bytes, size_t len, bool last)
{
	peers_qlog_write(ctx, which, bytes, len, last);
}

static const struct zs_host_ops host_ops = { .connected = connected,
					     .disconnected = disconnected,
					     .identified = identified,
					     .unreached = unreached,
					     .refused = refused,
					     .qlog = qlog };

/* --- life ------------------------------------------------------------------------------------- */

static int make_node(struct zs_peers *p, struct zs_error *err)
{
	struct zs_host_config *config = malloc(sizeof(*config));
	uint32_t places = 0;
	int rc = config ? peers_configure(p, config, err) : -ENOMEM;

	if (!rc) {
		rc = zs_node_open(&p->node, p->c->loop, config, zs_ident_key(p->c->ident), &host_ops,
				  &node_ops, p);
		if (rc == -EINVAL)
			zs_error_set(err, rc, ZS_EXIT_CONFIG, "p2p: limits that do not go together");
	}
	if (!rc)
		places = config->peerstore.peers;
	free(config);
	if (!rc && p->c->attach)
		rc = peers_link_register(p);
	if (!rc)
		peers_book_load(p, places);
	return rc;
}

int zs_peers_new(struct zs_peers **out, struct zs_control *c, struct zs_pulse *pulse, struct zs_error *err)
{
	struct zs_error why = { 0 };
	struct zs_peers *p;
	int rc;

	*out = NULL;
	if (!zs_module_on(c->conf, ZS_MODULE_p2p)) {
		peers_listen(NULL);
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	p->c = c;
	p->pulse = pulse;
	p->qlog.dir = -1;
	rc = zs_timer_new(&p->again, c->loop, try_again, p);
	if (!rc)
		rc = zs_timer_new(&p->save, c->loop, save, p);
	if (!rc)
		rc = zs_resolver_new(&p->resolver, c->loop, NULL, &why);
	if (!rc)
		rc = make_node(p, &why);
	if (rc) {
		zs_peers_delete(p);
		if (!why.code)
			zs_error_set(&why, rc, ZS_EXIT_RESOURCE, "p2p: %s", strerror(-rc));
		*err = why;
		return rc;
	}
	peers_listen(p);
	peers_announce(p);
	zs_timer_after(p->again, AGAIN_NS);
	zs_timer_after(p->save, SAVE_NS);
	zs_shell_turn(p->node.shell);
	*out = p;
	return 0;
}

void zs_peers_delete(struct zs_peers *p)
{
	if (!p)
		return;
	while (p->node.host && p->c->peers == p && peers_book_write(p)) /* it was read whole */
		;
	zs_node_close(&p->node);
	if (p->c->attach)
		zs_attach_serve(p->c->attach, NULL, NULL);
	if (p->resolver)
		zs_resolver_delete(p->resolver);
	if (p->save)
		zs_timer_delete(p->save);
	if (p->again)
		zs_timer_delete(p->again);
	peers_qlog_close(p);
	free(p);
}

void zs_peers_apply(struct zs_peers *p)
{
	peers_announce(p);
	zs_shell_turn(p->node.shell);
}

struct zs_host *zs_peers_host(struct zs_peers *p)
{
	return p->node.host;
}

struct zs_udp *zs_peers_socket(const struct zs_peers *p, unsigned index)
{
	return zs_shell_socket(p->node.shell, index);
}
