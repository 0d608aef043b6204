/* What the data side says, as report.c does for the control side. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "report.h"

static const char *const drop_names[] = {
#define ZS_DROP(name, text) #name,
#include "defs/drops.def"
#undef ZS_DROP
};

static double ago(uint64_t now, uint64_t then)
{
	return now > then ? (double)(now - then) / ZS_NS_PER_S : 0;
}

/* One line: which way the traffic takes. */
static const char *tunnel_text(const struct zs_edge_data_state *s, uint64_t now, char buf[512])
{
	const struct zs_uplink_state *u = &s->uplink;
	char relay[ZS_ENDPOINT_TEXT], local[ZS_ENDPOINT_TEXT];

	if (!u->way.relay.port) {
		snprintf(buf, 512, "no session is in use; %u of %u flows", s->flows, s->most);
		return buf;
	}
	snprintf(
	    buf, 512,
	    "to %s over %s, from %s, path MTU %u%s (%u bytes of payload), %u of %u flows, last packet in "
	    "%.1f s ago, out %.1f s ago",
	    zs_endpoint_format(&u->way.relay, relay), zs_addr_is4(&u->way.relay.addr) ? "IPv4" : "IPv6",
	    zs_endpoint_format(&u->local, local), u->mtu, u->way.measured ? "" : " or more",
	    u->way.size - ZS_TUNNEL_OVERHEAD, s->flows, s->most, ago(now, u->way.heard_ns),
	    ago(now, u->sent_ns));
	return buf;
}

static uint64_t dropped(const struct zs_uplink_state *u)
{
	uint64_t sum = 0;

	for (int i = 0; i < ZS_DROPS; i++)
		sum += u->drops[i];
	return sum;
}

static json_t *drops_json(const struct zs_uplink_state *u)
{
	json_t *o = json_object();

	_Static_assert(ZS_ARRAY_LEN(drop_names) == ZS_DROPS, "one table");
	for (int i = 0; i < ZS_DROPS; i++)
		if (u->drops[i])
			json_object_set_new(o, drop_names[i], json_integer((json_int_t)u->drops[i]));
	return o;
}

static json_t *counters_json(const struct zs_edge_data_state *s)
{
	const struct zs_uplink_state *u = &s->uplink;

	return json_pack(
	    "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "in", (json_int_t)u->in,
	    "in_bytes", (json_int_t)u->in_bytes, "out", (json_int_t)u->out, "out_bytes",
	    (json_int_t)u->out_bytes, "sessions", (json_int_t)u->sessions, "begun", (json_int_t)s->begun,
	    "rebound", (json_int_t)s->rebound, "refused", (json_int_t)s->refused, "full", (json_int_t)s->full,
	    "unknown", (json_int_t)s->unknown, "strays", (json_int_t)s->strays, "socket_blocked",
	    (json_int_t)u->socket->tx_blocked, "socket_failed", (json_int_t)u->socket->tx_failed, "local_in",
	    (json_int_t)s->local->rx, "local_lost", (json_int_t)s->local->tx_lost, "drops", drops_json(u));
}

static json_t *tunnel_json(const struct zs_edge_data_state *s, const char *what, const char *text,
			   uint64_t now)
{
	const struct zs_uplink_state *u = &s->uplink;
	bool in_use = u->way.relay.port;
	char relay[ZS_ENDPOINT_TEXT], local[ZS_ENDPOINT_TEXT];

	zs_endpoint_format(&u->way.relay, relay);
	zs_endpoint_format(&u->local, local);
	return json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:i,s:i,s:i,s:b,s:i,s:i,s:I,s:I,s:o}", "schema",
			 "zs-edge.tunnel/1", "event", what, "text", text, "relay", in_use ? relay : NULL,
			 "local", in_use ? local : NULL, "family",
			 !in_use			   ? 0
			 : zs_addr_is4(&u->way.relay.addr) ? 4
							   : 6,
			 "path_mtu", (int)u->mtu, "payload",
			 in_use ? (int)(u->way.size - ZS_TUNNEL_OVERHEAD) : 0, "measured", u->way.measured,
			 "flows", (int)s->flows, "flows_most", (int)s->most, "heard_ms",
			 (json_int_t)(ago(now, u->way.heard_ns) * 1000), "sent_ms",
			 (json_int_t)(ago(now, u->sent_ns) * 1000), "counters", counters_json(s));
}

static bool is_way(const struct zs_edge_news *n)
{
	return n->kind == ZS_EDGE_TUNNEL && (!strcmp(n->what, "up") || !strcmp(n->what, "way"));
}

static void say(const struct zs_edge_news *n, const struct zs_edge_data_state *s, uint64_t now)
{
	char line[512];

	if (is_way(n))
		printf("tunnel: %s\n", tunnel_text(s, now, line));
	else if (n->kind == ZS_EDGE_TUNNEL)
		printf("tunnel: %s\n", n->text);
	else
		printf("%s%s: %s\n", n->kind == ZS_EDGE_FORWARD ? "forward " : "", n->name, n->text);
}

void zs_edge_report_news(const struct zs_edge_options *o, const struct zs_edge_news *n,
			 const struct zs_edge_data_state *s, uint64_t now)
{
	char line[512];

	if (!o->json)
		say(n, s, now);
	else if (n->kind == ZS_EDGE_TUNNEL)
		zs_edge_print_json(
		    tunnel_json(s, n->what, is_way(n) ? tunnel_text(s, now, line) : n->text, now));
	else
		zs_edge_print_json(
		    json_pack("{s:s,s:s,s:s,s:s}", "schema",
			      n->kind == ZS_EDGE_SERVICE ? "zs-edge.service/1" : "zs-edge.forward/1", "name",
			      n->name, "event", n->what, "text", n->text));
	fflush(stdout);
}

void zs_edge_report_state(const struct zs_edge_options *o, const struct zs_edge_data_state *s, uint64_t now)
{
	const struct zs_uplink_state *u = &s->uplink;
	char line[512];

	tunnel_text(s, now, line);
	if (o->json) {
		zs_edge_print_json(tunnel_json(s, "state", line, now));
		return;
	}
	printf("tunnel: %s; in %llu (%llu bytes), out %llu (%llu bytes), dropped %llu, flows so far %llu, "
	       "rebound %llu, refused %llu, for want of room %llu, sessions %llu\n",
	       line, (unsigned long long)u->in, (unsigned long long)u->in_bytes, (unsigned long long)u->out,
	       (unsigned long long)u->out_bytes, (unsigned long long)dropped(u), (unsigned long long)s->begun,
	       (unsigned long long)s->rebound, (unsigned long long)s->refused, (unsigned long long)s->full,
	       (unsigned long long)u->sessions);
	fflush(stdout);
}

void zs_edge_report_bound(const struct zs_edge_options *o, const struct zs_endpoint *relay,
			  const struct zs_endpoint *seen)
{
	char at[ZS_ENDPOINT_TEXT] = "", as[ZS_ENDPOINT_TEXT] = "";

	if (relay)
		zs_endpoint_format(relay, at);
	if (seen)
		zs_endpoint_format(seen, as);
	if (o->json)
		zs_edge_print_json(json_pack("{s:s,s:b,s:s?,s:s?}", "schema", "zs-edge.bound/1", "bound",
					     seen != NULL, "relay", relay ? at : NULL, "seen",
					     seen ? as : NULL));
	else if (seen)
		printf("bound at %s, seen as %s\n", at, as);
	else
		printf("not bound%s%s\n", relay ? " yet; the relay's address is " : "", at);
	fflush(stdout);
}
