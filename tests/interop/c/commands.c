/* The commands, each begun here and ended by answer() or refuse(). */
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "interop/c/p2phost.h"

#define ACCEPTED_NS (2 * ZS_NS_PER_S)

static bool have_socket(struct program *p, uint16_t port)
{
	const struct zs_endpoint any = { .port = port };
	struct zs_error err;

	if (zs_shell_socket(p->node.shell, 0) || !zs_shell_open(p->node.shell, &any, 0, NULL, &err))
		return true;
	refuse(p, err.text);
	return false;
}

static const char *word(const json_t *c, const char *key)
{
	const char *text = json_string_value(json_object_get(c, key));
	return text ? text : "";
}

static json_t *own_addrs(struct program *p)
{
	char text[ZS_MULTIADDR_TEXT];
	struct zs_multiaddr addr;
	json_t *out = json_array();

	for (uint32_t i = 0; i < p->listens; i++) {
		zs_multiaddr_quic(&addr, &p->listen[i], zs_host_id(p->node.host));
		json_array_append_new(out, json_string(zs_multiaddr_format(&addr, text)));
	}
	return out;
}

static void do_listen(struct program *p, const json_t *c)
{
	struct zs_multiaddr addr;
	struct zs_dial_target target;
	char text[ZS_MULTIADDR_TEXT];
	const char *at = word(c, "addr"), *zero = strstr(at, "/udp/0/");

	if (*at) {
		/* Port 0 is no address to dial, so it is read as another. */
		snprintf(text, sizeof(text), "%.*s%s%s", zero ? (int)(zero - at) : (int)strlen(at), at,
			 zero ? "/udp/1/" : "", zero ? zero + 7 : "");
		if (zs_multiaddr_parse(&addr, text) < 0 || zs_multiaddr_dial(&addr, &target) < 0 ||
		    target.host != ZS_DIAL_IP || p->listens == ZS_HOST_ADDRS) {
			refuse(p, "not an address to listen on");
			return;
		}
		if (!have_socket(p, zero ? 0 : target.port))
			return;
		p->listen[p->listens++] = (struct zs_endpoint){
			.addr = target.addr, .port = zs_udp_local(zs_shell_socket(p->node.shell, 0)).port
		};
		zs_host_listen(p->node.host, p->listen, p->listens);
	}
	answer(p,
	       json_pack("{s:o, s:o}", "id", text_of_peer(zs_host_id(p->node.host)), "addrs", own_addrs(p)));
}

static void step_dial(struct program *p)
{
	struct zs_host_conn *c = zs_host_conn_to(p->node.host, &p->now.peer);

	bool accepted = p->now.connected_ns && zs_clock_ns() - p->now.connected_ns > ACCEPTED_NS;

	if (c && (accepted || zs_host_conn_is_identified(c))) {
		struct zs_endpoint remote = zs_host_conn_remote(c);
		answer(p, json_pack("{s:o, s:o, s:s, s:f}", "peer", text_of_peer(&p->now.peer), "remote",
				    text_of_endpoint(&remote), "group", zs_host_conn_group(c), "ms",
				    (double)(zs_clock_ns() - p->now.began_ns) / 1e6));
	} else if (p->now.failed) {
		refuse(p, p->now.text);
	}
}

static void do_dial(struct program *p, const json_t *c)
{
	struct zs_multiaddr addr;
	struct zs_dial_target target;
	struct zs_error err;
	uint64_t now = zs_clock_ns();

	if (zs_multiaddr_parse(&addr, word(c, "addr")) < 0 || zs_multiaddr_dial(&addr, &target) < 0 ||
	    !target.peer.len) {
		refuse(p, "not an address to dial: /ip4/…/udp/…/quic-v1/p2p/…");
		return;
	}
	if (!have_socket(p, 0))
		return;
	p->now.peer = target.peer;
	p->now.step = step_dial;
	zs_peerstore_forget(zs_host_peerstore(p->node.host), &target.peer);
	if (zs_host_learn(p->node.host, &target.peer, &addr, ZS_GATER_CONFIGURED, now, &err) < 0 ||
	    zs_host_connect(p->node.host, &target.peer, true, now, &err) < 0)
		refuse(p, err.text);
}

static void begin_ping(struct program *p);

static void on_ping(void *user, uint64_t rtt_ns, const char *text)
{
	struct program *p = user;

	if (!rtt_ns) {
		refuse(p, text);
		return;
	}
	if (!is_busy(p))
		return;
	json_array_append_new(p->now.list, json_real((double)rtt_ns / 1e6));
	if (--p->now.left)
		begin_ping(p);
	else
		answer(p, json_pack("{s:O}", "rtt_ms", p->now.list));
}

static void begin_ping(struct program *p)
{
	struct zs_error err;
	uint64_t now = zs_clock_ns();

	if (zs_host_ping(p->node.host, &p->now.peer, p->now.give_up_ns - now, now, on_ping, p, &err) < 0)
		refuse(p, err.text);
}

static void do_ping(struct program *p, const json_t *c)
{
	json_int_t n = json_integer_value(json_object_get(c, "n"));

	p->now.left = n > 1 ? (uint32_t)n : 1;
	p->now.list = json_array();
	begin_ping(p);
}

static void with_raw(struct program *p, json_t *hex)
{
	struct told *t = told_of(p, &p->now.peer);
	json_t *out = json_copy(t->last);

	json_object_set_new(out, "raw", hex);
	answer(p, out);
}

static void step_identify(struct program *p)
{
	if (p->now.failed) {
		refuse(p, p->now.text);
	} else if (told_of(p, &p->now.peer)->last) {
		p->now.step = NULL;
		begin_raw_identify(p, with_raw);
	}
}

static void do_identify(struct program *p, const json_t *c)
{
	p->now.step = step_identify;
}

static void do_push(struct program *p, const json_t *c)
{
	zs_host_listen(p->node.host, p->listen, p->listens);
	answer(p, json_object());
}

static void do_send(struct program *p, const json_t *c)
{
	begin_send(p, (uint64_t)json_integer_value(json_object_get(c, "bytes")),
		   (uint64_t)json_integer_value(json_object_get(c, "seed")));
}

static void do_fetch(struct program *p, const json_t *c)
{
	begin_fetch(p, (uint64_t)json_integer_value(json_object_get(c, "bytes")));
}

static void do_close(struct program *p, const json_t *c)
{
	zs_host_disconnect(p->node.host, &p->now.peer, ZS_HOST_NONE, NULL);
	answer(p, json_object());
}

static void add_connection(void *user, const struct zs_host_conn_view *v)
{
	if (!strcmp(v->state, "connected") || !strcmp(v->state, "identified"))
		json_array_append_new(
		    user, json_pack("{s:o, s:o, s:s, s:s, s:I}", "peer", text_of_peer(&v->peer), "remote",
				    text_of_endpoint(&v->remote), "direction", v->dialled ? "out" : "in",
				    "group", v->group, "memory_bytes", (json_int_t)v->memory_bytes));
}

static json_t *refusals(struct program *p)
{
	json_t *out = json_array();

	for (size_t i = 0; i < ZS_ARRAY_LEN(p->refused); i++)
		if (p->refused[i].count)
			json_array_append_new(out, json_string(p->refused[i].first));
	return out;
}

static void do_stat(struct program *p, const json_t *c)
{
	json_t *connections = json_array();
	struct zs_host_stats s;

	zs_host_stats(p->node.host, &s);
	zs_host_each(p->node.host, add_connection, connections);
	json_t *out = json_pack("{s:o, s:o, s:o, s:o}", "id", text_of_peer(zs_host_id(p->node.host)), "addrs",
				own_addrs(p), "connections", connections, "refusals", refusals(p));
	const struct {
		const char *name;
		uint64_t n;
	} numbers[] = {
		{ "accepted", s.quic.accepted },
		{ "established", s.quic.established },
		{ "retries", s.quic.retries },
		{ "resets", s.quic.resets },
		{ "dropped", s.quic.dropped },
		{ "refused", s.quic.refused },
		{ "handshakes", s.quic.handshakes },
		{ "tombstones", s.quic.tombstones },
		{ "conns", s.conns },
		{ "streams", s.streams },
		{ "memory_bytes", s.system.memory_bytes },
		{ "trimmed", s.trimmed },
		{ "refusals_count", s.refusals },
		{ "refused_arrivals", s.refused_arrivals },
		{ "sound", zs_host_check(p->node.host) },
	};
	for (size_t i = 0; i < ZS_ARRAY_LEN(numbers); i++)
		json_object_set_new(out, numbers[i].name, json_integer((json_int_t)numbers[i].n));
	answer(p, out);
}

static void do_known(struct program *p, const json_t *c)
{
	const struct zs_peer_info *info;
	char text[ZS_MULTIADDR_TEXT];
	struct zs_multiaddr addr;
	json_t *addrs = json_array();
	struct zs_peer_id peer;

	info = zs_peer_id_parse(&peer, word(c, "peer")) == 0
		   ? zs_peerstore_get(zs_host_peerstore(p->node.host), &peer, zs_clock_ns())
		   : NULL;
	for (uint32_t i = 0; info && i < info->addresses; i++)
		if (zs_multiaddr_decode(&addr, info->address[i].bytes, info->address[i].len) == 0)
			json_array_append_new(addrs, json_string(zs_multiaddr_format(&addr, text)));
	answer(p, json_pack("{s:o, s:I}", "addrs", addrs, "seq", info ? (json_int_t)info->seq : 0));
}

static void do_protect(struct program *p, const json_t *c)
{
	struct zs_peer_id peer;

	if (zs_peer_id_parse(&peer, word(c, "peer")) < 0) {
		refuse(p, "that is no peer id");
		return;
	}
	zs_host_protect(p->node.host, &peer, "test", true);
	answer(p, json_object());
}

static void do_quit(struct program *p, const json_t *c)
{
	answer(p, json_object());
	p->ended = true;
}

static const struct {
	const char *name;
	bool of_peer; /* needs a connection that stands */
	void (*run)(struct program *p, const json_t *c);
} commands[] = {
	{ "listen", false, do_listen },	   { "dial", false, do_dial },	     { "ping", true, do_ping },
	{ "identify", true, do_identify }, { "push", false, do_push },	     { "send", true, do_send },
	{ "fetch", true, do_fetch },	   { "close", true, do_close },	     { "stat", false, do_stat },
	{ "protect", false, do_protect },  { "attach", true, begin_attach }, { "known", false, do_known },
	{ "quit", false, do_quit },
};

void run_command(struct program *p, const json_t *c)
{
	json_int_t ms = json_integer_value(json_object_get(c, "timeout_ms"));

	p->now = (struct command){ .began_ns = zs_clock_ns() };
	p->now.give_up_ns = p->now.began_ns + (uint64_t)(ms > 0 ? ms : 120000) * ZS_NS_PER_MS;
	for (size_t i = 0; i < ZS_ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, word(c, "do")) != 0)
			continue;
		if (commands[i].of_peer && (zs_peer_id_parse(&p->now.peer, word(c, "peer")) < 0 ||
					    !zs_host_conn_to(p->node.host, &p->now.peer)))
			refuse(p, "not connected to that peer");
		else
			commands[i].run(p, c);
		return;
	}
	refuse(p, "unknown command");
}
