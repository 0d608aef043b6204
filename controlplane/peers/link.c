/* Between the host's attach streams and the attach server: frames there and back, and what a server asks of a
 * connection. A connection has one such stream; a second is reset.
 *
 * The server's ops never call it back: what they find broken is told in the turn that follows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "attach/attach.h"
#include "p2p/frame.h"
#include "peers/internal.h"
#include "relay/keys.h"

#define FLUSH_NS ZS_NS_PER_S /* what was said to an edge before its end may take so long to leave */
#define PROTECT	 "attach"

/* A ping under way. */
struct probe {
	LIST_ENTRY(probe) of_link;
	struct peers_link *link; /* NULL: it is gone */
};

struct peers_link {
	LIST_ENTRY(peers_link) broken;
	struct zs_peers *peers;
	struct zs_host_conn *conn;
	struct zs_host_stream *stream; /* NULL: it is gone, and the link soon */
	struct zs_attach_conn *attach; /* NULL: the server knows that it ended */
	struct zs_frame frame;
	LIST_HEAD(, probe) probes;
	bool closing, is_broken;
	char why[ZS_QUIC_REASON];
};

static void drop(struct peers_link *l)
{
	struct probe *probe;

	LIST_FOREACH(probe, &l->probes, of_link)
	probe->link = NULL;
	if (l->is_broken)
		LIST_REMOVE(l, broken);
	zs_host_conn_set_user(l->conn, NULL);
	zs_frame_free(&l->frame);
	free(l);
}

static void tell_closed(struct peers_link *l)
{
	struct zs_attach_conn *attach = l->attach;

	l->attach = NULL;
	if (attach)
		zs_attach_closed(l->peers->c->attach, attach, peers_now(l->peers));
}

/* --- the host's upcalls ----------------------------------------------------------------------- */

static void on_ready(void *user, struct zs_host_stream *s)
{
	struct zs_peers *p = user;
	struct zs_host_conn *conn = zs_host_stream_conn(s);
	struct zs_attach_peer peer = { .id = *zs_host_conn_peer(conn),
				       .remote = zs_host_conn_remote(conn),
				       .group = zs_host_conn_group(conn) };
	struct peers_link *l = zs_host_conn_user(conn) ? NULL : calloc(1, sizeof(*l));

	if (!l) {
		zs_host_stream_reset(s, ZS_HOST_RESOURCES + 1);
		return;
	}
	*l = (struct peers_link){ .peers = p, .conn = conn, .stream = s };
	zs_frame_init(&l->frame, ZS_ATTACH_FRAME);
	zs_host_conn_set_user(conn, l);
	zs_host_stream_set_user(s, l);
	peer.hybrid = !strcmp(peer.group, ZS_TLS_HYBRID);
	peer.link = l;
	l->attach = zs_attach_opened(p->c->attach, &peer, peers_now(p));
	if (!l->attach)
		zs_host_close(conn, ZS_HOST_RESOURCES, "too many edges; come again later");
}

static void on_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct peers_link *l = user;
	struct zs_peers *p = l->peers;
	struct zs_reader in = zs_reader_of(bytes, len);
	const uint8_t *frame;
	size_t frame_len;
	int rc = 0;

	zs_host_stream_consume(s, len);
	while (l->attach && !l->closing && (rc = zs_frame_read(&l->frame, &in, &frame, &frame_len)) > 0)
		zs_attach_receive(p->c->attach, l->attach, frame, frame_len, peers_now(p));
	if (rc < 0 && l->attach)
		zs_attach_broken(p->c->attach, l->attach, peers_now(p));
	if (fin) {
		tell_closed(l);
		zs_host_stream_fin(s);
	}
}

static void on_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct peers_link *l = user;

	l->stream = NULL;
	tell_closed(l);
	if (l->closing)
		zs_host_close(l->conn, ZS_HOST_NONE, l->why);
	drop(l);
}

static const struct zs_stream_ops stream_ops = { .ready = on_ready, .data = on_data, .closed = on_closed };

/* --- the server's ops ------------------------------------------------------------------------- */

static int op_send(void *ctx, void *link, const void *frame, size_t len)
{
	struct peers_link *l = link;
	uint8_t bytes[ZS_ATTACH_FRAME + ZS_VARINT];
	struct zs_writer w = zs_writer_of(bytes, sizeof(bytes));

	if (!l->stream || l->is_broken)
		return -EPIPE;
	zs_frame_write(&w, frame, len);
	l->is_broken = w.failed || zs_host_stream_write(l->stream, bytes, zs_writer_len(&w)) !=
				       (ssize_t)zs_writer_len(&w);
	if (l->is_broken)
		LIST_INSERT_HEAD(&l->peers->broken, l, broken);
	zs_shell_soon(l->peers->node.shell);
	return l->is_broken ? -EPIPE : 0;
}

static int op_export(void *ctx, void *link, const void *context, size_t len, uint8_t out[32])
{
	struct peers_link *l = link;

	if (!l->stream)
		return -ENOTCONN;
	zs_host_conn_export(l->conn, ZS_ATTACH_EXPORTER, context, len, out, 32);
	return 0;
}

static void on_pong(void *user, uint64_t rtt_ns, const char *text)
{
	struct probe *probe = user;
	struct peers_link *l = probe->link;

	if (l)
		LIST_REMOVE(probe, of_link);
	free(probe);
	if (rtt_ns && l && l->attach)
		zs_attach_alive(l->peers->c->attach, l->attach, peers_now(l->peers));
}

/* Without an answer in time the server acts by itself. */
static void op_probe(void *ctx, void *link)
{
	struct peers_link *l = link;
	struct probe *probe = l->stream ? malloc(sizeof(*probe)) : NULL;
	struct zs_error err;

	if (!probe)
		return;
	probe->link = l;
	LIST_INSERT_HEAD(&l->probes, probe, of_link);
	if (zs_host_conn_ping(l->conn, ZS_ATTACH_PROBE_NS, peers_now(l->peers), on_pong, probe, &err) < 0) {
		LIST_REMOVE(probe, of_link);
		free(probe);
	}
	zs_shell_soon(l->peers->node.shell);
}

static void op_close(void *ctx, void *link, const char *why)
{
	struct peers_link *l = link;

	snprintf(l->why, sizeof(l->why), "%s", why);
	l->closing = true;
	if (!l->stream)
		return;
	zs_host_stream_fin(l->stream);
	zs_host_stream_deadline(l->stream, peers_now(l->peers) + FLUSH_NS);
	zs_shell_soon(l->peers->node.shell);
}

/* Who owns an attachment is not trimmed, and comes back however full its network is; it keeps its connection alive by
 * itself. */
static void op_own(void *ctx, const struct zs_peer_id *peer, bool owns)
{
	struct zs_peers *p = ctx;

	if (owns)
		zs_host_protect(p->node.host, peer, PROTECT, false);
	else
		zs_host_unprotect(p->node.host, peer, PROTECT);
	zs_shell_soon(p->node.shell);
}

static const struct zs_attach_ops attach_ops = {
	.send = op_send, .export = op_export, .probe = op_probe, .close = op_close, .own = op_own
};

/* --- life ------------------------------------------------------------------------------------- */

int peers_link_register(struct zs_peers *p)
{
	const struct zs_host_protocol attach = { .id = ZS_ATTACH_PROTOCOL,
						 .service = "attach",
						 .priority = ZS_PRIORITY_HIGH,
						 .ops = &stream_ops,
						 .user = p };

	zs_attach_serve(p->c->attach, &attach_ops, p);
	return zs_host_register(p->node.host, &attach);
}

void peers_link_work(struct zs_peers *p)
{
	struct peers_link *l;

	while ((l = LIST_FIRST(&p->broken))) {
		tell_closed(l);
		zs_host_stream_reset(l->stream, ZS_HOST_RATE + 1);
		zs_host_close(l->conn, ZS_HOST_RATE, "the edge does not read what it is sent");
		drop(l);
	}
	zs_pulse_set(p->pulse);
}
