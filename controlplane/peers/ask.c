/* What zsctl asks of one peer: resolve its name, connect, ping or wait for identify, answer. Time-outs are the admin
 * server's, which cancels. An address that was told is dialled itself and not learnt: it may be good this once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "cli/view.h"
#include "node/dnsaddr.h"
#include "peers/internal.h"

#define ASKS 16 /* at a time; the admin server has 32 connections */

struct peers_ask {
	struct peers_ask *next;
	struct zs_peers *peers;
	enum zs_peers_ask what;
	struct zs_peer_id peer;
	struct zs_later *later; /* NULL: nobody waits any more, a ping still runs */
	struct zs_resolve *query;
	struct zs_dnsaddr *search;
	struct zs_dial_target target;
	struct zs_endpoint at[ZS_DNSADDR_ENDPOINTS]; /* of the target; none: by what is known of the peer */
	uint32_t addrs, tried;
	struct zs_host_conn *dial; /* to one of them, under way */
	bool pinging;
	uint64_t since_ns;
};

/* Gives its waiting up; what a ping still points to lives until that ends. */
static void drop(struct peers_ask *a)
{
	struct peers_ask **at = &a->peers->asks;

	a->later = NULL;
	if (a->query)
		zs_resolve_cancel(a->query);
	a->query = NULL;
	if (a->search)
		zs_dnsaddr_cancel(a->search);
	a->search = NULL;
	if (a->dial) {
		zs_host_close(a->dial, ZS_HOST_NONE, "given up");
		zs_shell_soon(a->peers->node.shell);
	}
	a->dial = NULL;
	if (a->pinging)
		return;
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	free(a);
}

static void cancel(void *ctx)
{
	drop(ctx);
}

static void answer(struct peers_ask *a, int rc, json_t *result, const struct zs_error *err)
{
	struct zs_later *later = a->later;

	drop(a);
	if (later)
		zs_later_done(later, rc, result, err);
	else
		json_decref(result);
}

static void fail(struct peers_ask *a, const char *text)
{
	struct zs_error err = { 0 };

	zs_error_set(&err, -EHOSTUNREACH, ZS_EXIT_FAILED, "%s", text);
	answer(a, err.code, NULL, &err);
}

/* --- answers ---------------------------------------------------------------------------------- */

struct finder {
	struct zs_peers *peers;
	const struct zs_peer_id *peer;
	struct zs_endpoint remote;
	json_t *found;
};

static void find(void *user, const struct zs_host_conn_view *v)
{
	struct finder *f = user;

	if (!f->found && zs_peer_id_eq(&v->peer, f->peer) && v->remote.port == f->remote.port &&
	    zs_addr_eq(&v->remote.addr, &f->remote.addr))
		f->found = zs_peers_view(f->peers, v);
}

/* The best connection as `peers` shows it. */
static json_t *view_of(struct zs_peers *p, const struct zs_peer_id *peer)
{
	struct zs_host_conn *conn = zs_host_conn_to(p->node.host, peer);
	struct finder f = { .peers = p, .peer = peer };

	if (!conn)
		return json_object();
	f.remote = zs_host_conn_remote(conn);
	zs_host_each(p->node.host, find, &f);
	return f.found ? f.found : json_object();
}

static json_t *addresses_of(struct zs_peers *p, const struct zs_peer_id *peer, json_t *out)
{
	static const char *const known[] = { [ZS_KNOWN_LEARNT] = "learnt",
					     [ZS_KNOWN_RECENT] = "recent",
					     [ZS_KNOWN_CONNECTED] = "connected",
					     [ZS_KNOWN_PERMANENT] = "permanent" };
	const struct zs_peer_info *info = zs_peerstore_get(zs_host_peerstore(p->node.host), peer,
							   peers_now(p));
	json_t *list = json_array();

	for (uint32_t i = 0; info && i < info->addresses; i++) {
		struct zs_multiaddr addr;
		char text[ZS_MULTIADDR_TEXT];

		if (zs_multiaddr_decode(&addr, info->address[i].bytes, info->address[i].len) ||
		    !zs_multiaddr_format(&addr, text))
			continue;
		json_array_append_new(list, json_pack("{s:s,s:s,s:b}", "address", text, "known",
						      known[info->address[i].known], "signed",
						      info->address[i].certified));
	}
	json_object_set_new(out, "addresses", list);
	json_object_set_new(out, "signed_record", json_boolean(info && info->envelope_len));
	return out;
}

static void on_pong(void *user, uint64_t rtt_ns, const char *text)
{
	struct peers_ask *a = user;
	json_t *result;

	a->pinging = false;
	if (!a->later) {
		drop(a);
		return;
	}
	if (!rtt_ns) {
		fail(a, text);
		return;
	}
	result = view_of(a->peers, &a->peer);
	json_object_set_new(result, "ping_us", json_integer((json_int_t)(rtt_ns / 1000)));
	answer(a, 0, result, &(struct zs_error){ 0 });
}

/* --- the way there ---------------------------------------------------------------------------- */

/* Begins with the next address that may be dialled; err is why not, when there is none. */
static int dial_next(struct peers_ask *a, struct zs_error *err)
{
	struct zs_peers *p = a->peers;
	enum zs_gater_origin origin = a->target.host == ZS_DIAL_IP ? ZS_GATER_CONFIGURED : ZS_GATER_LEARNT;

	while (a->tried < a->addrs) {
		const struct zs_endpoint at = a->at[a->tried++];
		char text[ZS_GATER_TEXT];
		enum zs_special class;
		enum zs_gate gate = zs_gater_judge(&p->gater, &at, origin, &class);

		if (gate != ZS_GATE_OPEN)
			zs_error_set(err, -EPERM, ZS_EXIT_REFUSED, "%s",
				     zs_gate_text(gate, class, &at, text));
		else if (!zs_host_dial(p->node.host, &at, &a->peer, NULL, peers_now(p), &a->dial, err))
			return -EINPROGRESS;
	}
	return err->code;
}

/* 0: *result is the answer; -EINPROGRESS: it comes later. */
static int proceed(struct peers_ask *a, json_t **result, struct zs_error *err)
{
	struct zs_peers *p = a->peers;
	struct zs_host_conn *conn = zs_host_conn_to(p->node.host, &a->peer);
	int rc;

	if (!conn) {
		rc = a->addrs ? dial_next(a, err)
			      : zs_host_connect(p->node.host, &a->peer, true, peers_now(p), err);
		zs_shell_soon(p->node.shell);
		return rc ? rc : -EINPROGRESS;
	}
	switch (a->what) {
	case ZS_PEERS_DIAL:
		*result = view_of(p, &a->peer);
		json_object_set_new(*result, "ms",
				    json_integer((json_int_t)((peers_now(p) - a->since_ns) / ZS_NS_PER_MS)));
		return 0;
	case ZS_PEERS_PING:
		if (a->pinging)
			return -EINPROGRESS;
		a->pinging = true;
		rc = zs_host_ping(p->node.host, &a->peer, ZS_LATER_NS, peers_now(p), on_pong, a, err);
		zs_shell_soon(p->node.shell);
		if (!rc)
			return -EINPROGRESS;
		a->pinging = false;
		return rc;
	case ZS_PEERS_IDENTIFY:
		if (!zs_host_conn_is_identified(conn))
			return -EINPROGRESS;
		*result = addresses_of(p, &a->peer, view_of(p, &a->peer));
		return 0;
	}
	ZS_CHECK(false, "a question there is");
}

static void proceed_later(struct peers_ask *a)
{
	struct zs_error err = { 0 };
	json_t *result = NULL;
	int rc = a->later ? proceed(a, &result, &err) : -EINPROGRESS;

	if (rc != -EINPROGRESS)
		answer(a, rc, result, &err);
}

/* --- the host's word -------------------------------------------------------------------------- */

/* Answering ends one; the list may be another then. */
static void each(struct zs_peers *p, const struct zs_peer_id *peer,
		 void (*fn)(struct peers_ask *, const char *), const char *text)
{
	for (struct peers_ask *a = p->asks, *next; a; a = next) {
		next = a->next;
		if (a->later && !a->query && !a->search && zs_peer_id_eq(&a->peer, peer))
			fn(a, text);
	}
}

static void one_connected(struct peers_ask *a, const char *text)
{
	a->dial = NULL;
	if (a->what != ZS_PEERS_IDENTIFY)
		proceed_later(a);
}

void peers_ask_connected(struct zs_peers *p, struct zs_host_conn *conn)
{
	each(p, zs_host_conn_peer(conn), one_connected, NULL);
}

static void one_identified(struct peers_ask *a, const char *text)
{
	if (a->what == ZS_PEERS_IDENTIFY)
		proceed_later(a);
}

void peers_ask_identified(struct zs_peers *p, struct zs_host_conn *conn)
{
	each(p, zs_host_conn_peer(conn), one_identified, NULL);
}

/* With a dial of its own it is told of that one; a ping tells by itself. */
static void one_failed(struct peers_ask *a, const char *text)
{
	if (!a->dial && !a->pinging)
		fail(a, text);
}

void peers_ask_failed(struct zs_peers *p, const struct zs_peer_id *peer, const char *text)
{
	each(p, peer, one_failed, text);
}

void peers_ask_disconnected(struct zs_peers *p, struct zs_host_conn *conn, const char *text)
{
	for (struct peers_ask *a = p->asks, *next; a; a = next) {
		struct zs_error err = { 0 };

		next = a->next;
		if (a->dial != conn)
			continue;
		a->dial = NULL;
		if (dial_next(a, &err) != -EINPROGRESS)
			fail(a, text);
	}
	if (!zs_host_conn_to(p->node.host, zs_host_conn_peer(conn)))
		each(p, zs_host_conn_peer(conn), one_failed, text);
}

/* --- the question ----------------------------------------------------------------------------- */

static void found(void *ctx, const struct zs_endpoint *at, uint32_t count, const char *why)
{
	struct peers_ask *a = ctx;

	a->search = NULL;
	memcpy(a->at, at, count * sizeof(*at));
	a->addrs = count;
	if (count)
		proceed_later(a);
	else
		fail(a, why);
}

static void resolved(void *ctx, const struct zs_addr *addrs, uint32_t count, const char *why)
{
	struct peers_ask *a = ctx;
	struct zs_endpoint at[ZS_RESOLVE_ADDRS];

	a->query = NULL;
	for (uint32_t i = 0; i < count; i++)
		at[i] = (struct zs_endpoint){ .addr = addrs[i], .port = a->target.port };
	found(a, at, count, why);
}

static int start(struct peers_ask *a, json_t **result, struct zs_error *err)
{
	int rc;

	if (a->target.host == ZS_DIAL_IP) {
		if (a->target.port) /* else a peer id: by what is known of it */
			a->at[a->addrs++] = (struct zs_endpoint){ .addr = a->target.addr,
								  .port = a->target.port };
		return proceed(a, result, err);
	}
	rc = a->target.host == ZS_DIAL_DNSADDR
		 ? zs_dnsaddr_start(&a->search, a->peers->resolver, a->target.name, &a->peer, found, a)
		 : zs_node_resolve(&a->query, a->peers->resolver, &a->target, resolved, a);
	if (rc == -EINVAL)
		return zs_error_set(err, rc, ZS_EXIT_USAGE, "the name is too long for a /dnsaddr");
	return rc ? zs_error_set(err, rc, ZS_EXIT_RESOURCE, "out of memory") : -EINPROGRESS;
}

static int read_who(struct peers_ask *a, const char *who, struct zs_error *err)
{
	struct zs_multiaddr addr;

	if (who[0] != '/')
		return zs_peer_id_parse(&a->peer, who)
			   ? zs_error_set(
				 err, -EINVAL, ZS_EXIT_USAGE,
				 "neither a peer id nor a multiaddr; write ID (12D3KooW…, 16Uiu2…, Qm…) or "
				 "/ip4/ADDR/udp/PORT/quic-v1/p2p/ID")
			   : 0;
	if (zs_multiaddr_parse(&addr, who) || zs_multiaddr_dial(&addr, &a->target))
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "no address of a QUIC host; write /ip4/ADDR/udp/PORT/quic-v1/p2p/ID, "
				    "/dns/NAME/udp/… or /dnsaddr/NAME/p2p/ID");
	if (!a->target.peer.len)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "the address names no peer; end it with /p2p/ID");
	a->peer = a->target.peer;
	return 0;
}

static unsigned waiting(const struct zs_peers *p)
{
	unsigned n = 0;

	for (const struct peers_ask *a = p->asks; a; a = a->next)
		n++;
	return n;
}

int zs_peers_ask(struct zs_peers *p, enum zs_peers_ask what, const char *who, struct zs_later *later,
		 json_t **result, struct zs_error *err)
{
	struct peers_ask *a;
	int rc;

	if (waiting(p) >= ASKS)
		return zs_error_set(err, -EBUSY, ZS_EXIT_RESOURCE, "%d such calls wait already; try again",
				    ASKS);
	a = calloc(1, sizeof(*a));
	if (!a)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	*a = (struct peers_ask){
		.next = p->asks, .peers = p, .what = what, .later = later, .since_ns = peers_now(p)
	};
	p->asks = a;
	later->cancel = cancel;
	later->ctx = a;
	rc = read_who(a, who, err);
	if (!rc && zs_peer_id_eq(&a->peer, zs_host_id(p->node.host)))
		rc = zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "this is the relay itself");
	if (!rc)
		rc = start(a, result, err);
	if (rc != -EINPROGRESS)
		drop(a);
	return rc;
}
