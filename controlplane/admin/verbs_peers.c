/* peers; p2p dial, ping, identify, qlog. */
#include <errno.h>
#include "admin/verbs.h"
#include "base/clock.h"
#include "cli/view.h"
#include "ident.h"
#include "peers/peers.h"

#define LISTED	      100
#define LISTED_MAX    10000
#define TIMEOUT_S     10
#define TIMEOUT_MAX_S (ZS_LATER_NS / ZS_NS_PER_S)

static int read_peer(json_t *args, const char *name, struct zs_peer_id *out, struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, name));

	*out = (struct zs_peer_id){ 0 };
	if (!text || zs_peer_id_parse(out, text) == 0)
		return 0;
	return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "'%.64s' is no peer id; zsctl peers lists them",
			    text);
}

/* --- peers ------------------------------------------------------------------------------------ */

struct lister {
	struct zs_control *c;
	struct zs_peer_id peer; /* len 0: all */
	uint32_t limit, total;
	json_t *list;
};

static void add(void *user, const struct zs_host_conn_view *v)
{
	struct lister *l = user;

	if (l->peer.len && !zs_peer_id_eq(&l->peer, &v->peer))
		return;
	if (l->total++ < l->limit)
		json_array_append_new(l->list, zs_peers_view(l->c->peers, v));
}

static json_t *listening(struct zs_control *c)
{
	json_t *list = json_array();
	struct zs_udp *udp;

	for (unsigned i = 0; (udp = zs_peers_socket(c->peers, i)); i++) {
		struct zs_endpoint at = zs_udp_local(udp);

		json_array_append_new(list, zs_view_endpoint(&at));
	}
	return list;
}

static json_t *announced(struct zs_control *c)
{
	const struct zs_multiaddr *addrs;
	uint32_t n = zs_host_addrs(zs_peers_host(c->peers), &addrs);
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++) {
		char text[ZS_MULTIADDR_TEXT];

		if (zs_multiaddr_format(&addrs[i], text))
			json_array_append_new(list, json_string(text));
	}
	return list;
}

int zs_verb_peers(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct lister l = { .c = c, .limit = zs_verb_number(args, "limit", LISTED) };
	int rc = read_peer(args, "peer", &l.peer, err);

	if (!rc && l.limit > LISTED_MAX)
		rc = zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "limit: at most %d", LISTED_MAX);
	if (rc)
		return rc;
	l.list = json_array();
	zs_host_each(zs_peers_host(c->peers), add, &l);
	*result = json_pack("{s:s,s:o,s:o,s:I,s:s?,s:o}", "peer", zs_ident_peer(c->ident), "listening",
			    listening(c), "announced", announced(c), "total", (json_int_t)l.total, "qlog",
			    zs_peers_qlog_dir(c->peers), "connections", l.list);
	return 0;
}

/* --- p2p -------------------------------------------------------------------------------------- */

static int ask(struct zs_control *c, enum zs_peers_ask what, json_t *args, struct zs_later *later,
	       json_t **result, struct zs_error *err)
{
	uint32_t timeout_s = zs_verb_number(args, "timeout", TIMEOUT_S);

	if (!timeout_s || timeout_s > TIMEOUT_MAX_S)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "timeout: 1 to %u seconds",
				    (unsigned)TIMEOUT_MAX_S);
	later->timeout_ns = timeout_s * ZS_NS_PER_S;
	return zs_peers_ask(c->peers, what, json_string_value(json_object_get(args, "who")), later, result,
			    err);
}

int zs_verb_p2p_dial(struct zs_control *c, json_t *args, struct zs_later *later, json_t **result,
		     struct zs_error *err)
{
	return ask(c, ZS_PEERS_DIAL, args, later, result, err);
}

int zs_verb_p2p_ping(struct zs_control *c, json_t *args, struct zs_later *later, json_t **result,
		     struct zs_error *err)
{
	return ask(c, ZS_PEERS_PING, args, later, result, err);
}

int zs_verb_p2p_identify(struct zs_control *c, json_t *args, struct zs_later *later, json_t **result,
			 struct zs_error *err)
{
	return ask(c, ZS_PEERS_IDENTIFY, args, later, result, err);
}

int zs_verb_p2p_qlog(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	bool on = strcmp(json_string_value(json_object_get(args, "state")), "on") == 0;
	struct zs_peer_id peer;
	int rc = read_peer(args, "peer", &peer, err);

	if (!rc)
		rc = zs_peers_qlog(c->peers, on, peer.len ? &peer : NULL, err);
	if (!rc)
		*result = json_pack("{s:s?}", "qlog", zs_peers_qlog_dir(c->peers));
	return rc;
}
