/* A connection for people and programs. */
#include "cli/view.h"
#include "peers/internal.h"

/* What the peer speaks, as identify told; not what a stranger may have put into the text of a terminal. */
static json_t *protocols(const struct zs_peer_info *info)
{
	json_t *list = json_array();

	for (size_t at = 0; info && at < info->protocols_len; at += strlen(info->protocols + at) + 1)
		json_array_append_new(list, zs_view_text(info->protocols + at, strlen(info->protocols + at)));
	return list;
}

json_t *zs_peers_view(struct zs_peers *p, const struct zs_host_conn_view *v)
{
	char peer[ZS_PEER_ID_TEXT] = "";
	const struct zs_peer_info *info = zs_peerstore_get(zs_host_peerstore(p->node.host), &v->peer,
							   peers_now(p));

	if (v->peer.len)
		zs_peer_id_format(&v->peer, peer);
	return json_pack(
	    "{s:s,s:s,s:s,s:s,s:o,s:o,s:s,s:b,s:b,s:I,s:f,s:I,s:I,s:o,s:o,s:I,s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I}"
	    "}",
	    "peer", peer, "state", v->state, "transport", v->transport, "direction",
	    v->dialled ? "out" : "in", "remote", zs_view_endpoint(&v->remote), "local",
	    zs_view_endpoint(&v->local), "group", v->group, "limited", v->limited, "kept", v->kept, "age_s",
	    (json_int_t)(v->since_ns ? (peers_now(p) - v->since_ns) / ZS_NS_PER_S : 0), "rtt_ms",
	    (double)v->rtt_ns / 1e6, "rx_bytes", (json_int_t)v->rx_bytes, "tx_bytes", (json_int_t)v->tx_bytes,
	    "agent", zs_view_text(v->agent, sizeof(v->agent)), "protocols", protocols(info), "score",
	    (json_int_t)v->score, "limits", "streams_in", (json_int_t)v->streams_in, "streams_out",
	    (json_int_t)v->streams_out, "memory_bytes", (json_int_t)v->memory_bytes, "buffered_bytes",
	    (json_int_t)v->buffered, "credit_bytes", (json_int_t)v->credit, "streams_left",
	    (json_int_t)v->streams_left, "refusals", (json_int_t)v->refusals);
}
