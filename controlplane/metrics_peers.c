#include "metrics_peers.h"

#include <inttypes.h>

static void series(FILE *out, const char *name, const char *type, const char *text, uint64_t value)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, text, name, type, name, value);
}

static void pair(FILE *out, const char *name, const char *type, const char *text, uint64_t in, uint64_t going)
{
	fprintf(out,
		"# HELP %s %s\n# TYPE %s %s\n%s{direction=\"in\"} %" PRIu64 "\n%s{direction=\"out\"} %" PRIu64
		"\n",
		name, text, name, type, name, in, name, going);
}

static void refusals(FILE *out, struct zs_host *h)
{
	fputs("# HELP zs_p2p_refused_total what a limit of ours refused, by scope and resource\n"
	      "# TYPE zs_p2p_refused_total counter\n",
	      out);
	for (int scope = 0; scope < ZS_SCOPES; scope++)
		for (int resource = 0; resource < ZS_RESOURCES; resource++)
			fprintf(out, "zs_p2p_refused_total{scope=\"%s\",resource=\"%s\"} %" PRIu64 "\n",
				zs_scope_name(scope), zs_resource_name(resource),
				zs_host_refused(h, scope, resource));
}

static void held(FILE *out, const struct zs_quic_stats *s)
{
	fputs("# HELP zs_p2p_replies_held_total answers without state that a rate held back, by kind\n"
	      "# TYPE zs_p2p_replies_held_total counter\n",
	      out);
	for (int kind = 0; kind < ZS_REPLY_KINDS; kind++)
		fprintf(out, "zs_p2p_replies_held_total{kind=\"%s\"} %" PRIu64 "\n", zs_reply_kind_name(kind),
			s->replies_held[kind]);
}

static void sockets(FILE *out, const struct zs_peers *p)
{
	uint64_t rx = 0, tx = 0, rx_bytes = 0, tx_bytes = 0, lost = 0;
	struct zs_udp *udp;

	for (unsigned i = 0; (udp = zs_peers_socket(p, i)); i++) {
		const struct zs_udp_stats *s = zs_udp_stats(udp);

		rx += s->rx;
		tx += s->tx;
		rx_bytes += s->rx_bytes;
		tx_bytes += s->tx_bytes;
		lost += s->rx_truncated + s->tx_blocked + s->tx_failed;
	}
	pair(out, "zs_p2p_datagrams_total", "counter", "datagrams of the libp2p sockets", rx, tx);
	pair(out, "zs_p2p_bytes_total", "counter", "bytes of these datagrams", rx_bytes, tx_bytes);
	series(out, "zs_p2p_datagrams_lost_total", "counter", "too large, or the kernel did not take them",
	       lost);
}

void zs_metrics_peers(FILE *out, struct zs_peers *p)
{
	struct zs_host *h = zs_peers_host(p);
	struct zs_host_stats s;

	zs_host_stats(h, &s);
	pair(out, "zs_p2p_connections", "gauge", "connections now, by who opened them", s.system.conns[ZS_IN],
	     s.system.conns[ZS_OUT]);
	pair(out, "zs_p2p_streams", "gauge", "streams now, by who opened them", s.system.streams[ZS_IN],
	     s.system.streams[ZS_OUT]);
	pair(out, "zs_p2p_handshakes_total", "counter", "handshakes begun", s.quic.accepted, s.quic.dialled);
	pair(out, "zs_p2p_streams_total", "counter", "streams so far", s.streams_in, s.streams_out);
	series(out, "zs_p2p_established_total", "counter", "handshakes completed", s.quic.established);
	series(out, "zs_p2p_handshakes", "gauge", "unfinished handshakes that came in", s.quic.handshakes);
	series(out, "zs_p2p_memory_bytes", "gauge", "memory counted for connections and streams",
	       s.system.memory_bytes);
	series(out, "zs_p2p_peers", "gauge", "peers with connections", s.peers);
	series(out, "zs_p2p_retries_total", "counter", "Retry sent before any state", s.quic.retries);
	series(out, "zs_p2p_resets_total", "counter", "stateless resets sent", s.quic.resets);
	series(out, "zs_p2p_versions_total", "counter", "version negotiations sent", s.quic.versions);
	held(out, &s.quic);
	series(out, "zs_p2p_arrivals_refused_total", "counter", "first packets sent away",
	       s.refused_arrivals);
	series(out, "zs_p2p_gated_total", "counter", "learnt addresses that the gater refused", s.gated);
	series(out, "zs_p2p_unreached_total", "counter", "dials that reached nobody", s.unreached);
	series(out, "zs_p2p_trimmed_total", "counter", "connections closed above the high mark", s.trimmed);
	sockets(out, p);
	refusals(out, h);
}
