/* Command line, commands, stock. */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "cid_socket.h"
#include "interop/cid/cidpeer.h"
#include "node/node.h"

/* --- answers ---------------------------------------------------------------------------------- */

static void print(json_t *fields)
{
	json_dumpf(fields, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(fields);
}

void answer(struct program *p, json_t *fields)
{
	ZS_CHECK(fields, "a field of the answer is not to be had");
	p->now = (struct command){ 0 };
	json_object_set_new(fields, "ok", json_true());
	print(fields);
}

void refuse(struct program *p, const char *fmt, ...)
{
	char text[WHY];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->now = (struct command){ 0 };
	print(json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

static double seconds_since(const struct program *p)
{
	return (double)(zs_clock_ns() - p->now.began_ns) / 1e9;
}

/* --- connection IDs and the session ----------------------------------------------------------- */

bool stock_add(struct stock *s, const uint8_t *cid, size_t len)
{
	if (len != ZS_BIND_CID || s->count == STOCK)
		return false;
	memcpy(s->cid[s->count++], cid, ZS_BIND_CID);
	return true;
}

bool stock_draw(struct stock *s, uint8_t cid[ZS_BIND_CID])
{
	if (!s->count)
		return false;
	memcpy(cid, s->cid[--s->count], ZS_BIND_CID);
	return true;
}

bool draw_own(struct program *p, uint8_t cid[ZS_BIND_CID])
{
	return stock_draw(&p->own, cid) || attach_own_cid(p, cid);
}

void take_session(struct program *p, const struct zs_endpoint *relay, const uint8_t root[32], uint8_t bind_id)
{
	if (!p->has_relay)
		zs_binder_init(&p->binder, relay, &p->engine);
	p->has_relay = true;
	zs_binder_session(&p->binder, root, bind_id, zs_loop_now(p->loop));
}

/* The first is the binder's, the others the stack's. One that came before the session would be lost to it. */
void take_cid(struct program *p, const uint8_t *cid, size_t len)
{
	if (p->has_relay && !p->binder.has_cid && len == ZS_BIND_CID)
		zs_binder_cid(&p->binder, cid, zs_loop_now(p->loop));
	else
		stock_add(&p->own, cid, len);
}

static bool hex_of(const json_t *value, uint8_t *out, size_t len)
{
	const char *text = json_string_value(value);
	size_t n;

	return text && sodium_hex2bin(out, len, text, strlen(text), NULL, &n, NULL) == 0 && n == len;
}

static void run_session(struct program *p, const json_t *c)
{
	json_t *relay = json_object_get(c, "relay"), *id = json_object_get(c, "bind_id");
	struct zs_endpoint at;
	uint8_t root[32];

	if (!hex_of(json_object_get(c, "root"), root, 32) || !json_is_string(relay) ||
	    zs_endpoint_parse(&at, json_string_value(relay)) || json_integer_value(id) < 1) {
		refuse(p, "session: root (hex), bind_id, relay");
		return;
	}
	take_session(p, &at, root, (uint8_t)json_integer_value(id));
	answer(p, json_object());
}

static void run_cids(struct program *p, const json_t *c)
{
	uint8_t cid[ZS_BIND_CID];
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(c, "own"), i, one) if (hex_of(one, cid, sizeof(cid)))
	    take_cid(p, cid, sizeof(cid));
	json_array_foreach(json_object_get(c, "dial"), i, one) if (hex_of(one, cid, sizeof(cid)))
	    stock_add(&p->dial, cid, sizeof(cid));
	answer(p, json_pack("{s:i, s:i}", "own", (int)p->own.count, "dial", (int)p->dial.count));
}

/* --- waiting commands ------------------------------------------------------------------------- */

static json_t *endpoint_of(const struct zs_endpoint *ep)
{
	char text[ZS_ENDPOINT_TEXT];

	return json_string(zs_endpoint_format(ep, text));
}

static void step_bound(struct program *p)
{
	if (p->helper.bound.port && p->own.count)
		answer(p, json_pack("{s:o}", "seen", endpoint_of(&p->helper.bound)));
	else if (p->has_relay && p->binder.state == ZS_BINDER_BOUND)
		answer(p, json_pack("{s:o, s:I, s:i}", "seen", endpoint_of(&p->binder.seen), "counter",
				    (json_int_t)p->binder.counter, "bind_id", p->binder.bind_id));
}

static void step_unbound(struct program *p)
{
	if (!p->has_relay || p->binder.state == ZS_BINDER_IDLE)
		answer(p, json_object());
}

static void step_dial(struct program *p)
{
	struct conn *c = p->now.conn;
	int number = 0;

	if (c->dead) {
		refuse(p, "%s", c->why);
		conn_delete(c);
		return;
	}
	if (!c->ready)
		return;
	while (p->conn[number] != c)
		number++;
	answer(p, json_pack("{s:i, s:f}", "conn", number, "ms", 1e3 * seconds_since(p)));
}

static void run_dial(struct program *p, const json_t *c)
{
	const char *to = json_string_value(json_object_get(c, "to"));
	struct zs_endpoint at = p->helper.is ? p->helper.relay : p->binder.relay;
	uint8_t cid[ZS_BIND_CID];

	if ((to && zs_endpoint_parse(&at, to)) || !at.port)
		refuse(p, "there is no relay yet, and no to");
	else if (!stock_draw(&p->dial, cid))
		refuse(p, "no_cid: no connection ID is left for a dial");
	else if (!(p->now.conn = conn_dial(p, &at, cid)))
		refuse(p, "no_cid: no connection ID of ours is left, or no room");
	else
		p->now.step = step_dial;
}

static struct conn *conn_of(struct program *p, const json_t *c)
{
	json_int_t n = json_integer_value(json_object_get(c, "conn"));

	return n >= 0 && n < p->conns ? p->conn[n] : NULL;
}

static void step_echo(struct program *p)
{
	struct stream *s = p->now.stream;

	if (p->now.conn->dead)
		refuse(p, "%s", p->now.conn->why);
	else if (s->done && s->came != s->bytes)
		refuse(p, "%llu bytes of %llu came back", (unsigned long long)s->came,
		       (unsigned long long)s->bytes);
	else if (s->done)
		answer(p, json_pack("{s:I, s:f}", "bytes", (json_int_t)s->came, "seconds", seconds_since(p)));
}

static void run_echo(struct program *p, const json_t *c)
{
	struct conn *conn = conn_of(p, c);

	if (!conn || !conn->ready || conn->dead) {
		refuse(p, "there is no such connection%s%s", conn ? ": " : "", conn ? conn->why : "");
		return;
	}
	p->now.conn = conn;
	p->now.stream = stream_begin(conn, (uint64_t)json_integer_value(json_object_get(c, "bytes")),
				     (uint64_t)json_integer_value(json_object_get(c, "seed")));
	p->now.step = step_echo;
	if (!p->now.stream)
		refuse(p, "no stream is to be had");
}

/* --- commands that are done at once ----------------------------------------------------------- */

static void run_rebind(struct program *p, const json_t *c)
{
	struct zs_udp *before = p->udp;
	struct zs_error err = { 0 };

	if (wire_open(p, &err)) {
		refuse(p, "%s", err.text);
		return;
	}
	zs_udp_close(before);
	/* tell false: as when a NAT forgets, which nobody notices; else as when a program moves. */
	if (p->has_relay && !json_is_false(json_object_get(c, "tell")))
		zs_binder_moved(&p->binder, zs_loop_now(p->loop));
	if (p->helper.is && !json_is_false(json_object_get(c, "tell")))
		helper_moved(p);
	answer(p, json_pack("{s:i}", "port", (int)zs_udp_local(p->udp).port));
}

static void run_close(struct program *p, const json_t *c)
{
	struct conn *conn = conn_of(p, c);

	if (!conn) {
		refuse(p, "there is no such connection");
		return;
	}
	conn_close(conn);
	answer(p, json_object());
}

static void run_stat(struct program *p, const json_t *c)
{
	static const char *const states[] = { "idle", "asking", "bound", "refused", "stale", "unbinding" };
	int open = 0;

	for (uint32_t i = 0; i < p->conns; i++)
		open += p->conn[i] && p->conn[i]->ready && !p->conn[i]->dead;
	answer(p, json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I}", "state",
			    states[p->binder.state], "status", (int)p->binder.status, "accepted",
			    (int)p->accepted, "retries", (int)p->retries, "strays", (int)p->strays, "open",
			    open, "own", (int)p->own.count, "dial", (int)p->dial.count, "port",
			    p->udp ? (int)zs_udp_local(p->udp).port : 0, "bytes_in", (json_int_t)p->bytes_in,
			    "bytes_out", (json_int_t)p->bytes_out));
}

static void run_bound(struct program *p, const json_t *c)
{
	p->now.step = step_bound;
}

static void run_unbind(struct program *p, const json_t *c)
{
	if (p->has_relay)
		zs_binder_unbind(&p->binder, zs_loop_now(p->loop));
	p->now.step = step_unbound;
}

static void run_quit(struct program *p, const json_t *c)
{
	p->ended = true;
	p->now = (struct command){ 0 };
}

static const struct {
	const char *name;
	void (*run)(struct program *p, const json_t *c);
} commands[] = {
	{ "session", run_session }, { "cids", run_cids },   { "attach", begin_attach },
	{ "ask", begin_ask },	    { "bound", run_bound }, { "unbind", run_unbind },
	{ "dial", run_dial },	    { "echo", run_echo },   { "rebind", run_rebind },
	{ "close", run_close },	    { "stat", run_stat },   { "quit", run_quit },
};

static void run_command(struct program *p, const json_t *c)
{
	const char *name = json_string_value(json_object_get(c, "do"));
	json_int_t timeout_ms = json_integer_value(json_object_get(c, "timeout_ms"));

	p->now = (struct command){ .began_ns = zs_clock_ns() };
	p->now.give_up_ns = p->now.began_ns + (uint64_t)(timeout_ms ? timeout_ms : 120000) * ZS_NS_PER_MS;
	for (size_t i = 0; name && i < ZS_ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name)) {
			commands[i].run(p, c);
			return;
		}
	refuse(p, "unknown command");
}

static void on_stdin(void *ctx, int fd, unsigned events)
{
	struct program *p = ctx;
	ssize_t n = read(fd, p->line + p->have, LINE - p->have);
	char *end;

	if (n <= 0)
		p->ended = true;
	p->have += n > 0 ? (size_t)n : 0;
	while (!p->now.step && !p->ended && (end = memchr(p->line, '\n', p->have))) {
		json_t *c = json_loadb(p->line, (size_t)(end - p->line), 0, NULL);

		p->have -= (size_t)(end + 1 - p->line);
		memmove(p->line, end + 1, p->have);
		run_command(p, c);
		json_decref(c);
	}
	turn(p);
}

/* --- the program ------------------------------------------------------------------------------ */

static void on_timer(void *ctx)
{
	turn(ctx);
}

static int start(struct program *p, const char *offer, const char *helper, struct zs_error *err)
{
	uint8_t secret[32];
	int rc = zs_loop_new(&p->loop, ZS_LOOP_AUTO, err);

	if (rc)
		return rc;
	p->random = zs_node_random();
	zs_gcm_engine_best(&p->engine);
	p->retry_key = zs_quic_retry_key();
	zs_node_fill(secret, sizeof(secret));
	zs_identity_from_seed(&p->identity, secret);
	zs_node_fill(secret, sizeof(secret));
	if (tls_new(p) || !p->retry_key || zs_quic_tokens_init(&p->tokens, secret) ||
	    zs_timer_new(&p->timer, p->loop, on_timer, p) ||
	    zs_watch_new(&p->watch, p->loop, 0, ZS_WATCH_READ, on_stdin, p))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = offer ? offer_open(p, offer, err) : wire_open(p, err);
	return rc || !helper ? rc : helper_open(p, helper, err);
}

static void stop(struct program *p)
{
	while (p->conns)
		if (p->conn[p->conns - 1])
			conn_close(p->conn[p->conns - 1]);
	zs_edge_delete(p->edge);
	zs_binder_wipe(&p->binder);
	zs_quic_tokens_wipe(&p->tokens);
	EVP_AEAD_CTX_free(p->retry_key);
	SSL_CTX_free(p->client_tls);
	SSL_CTX_free(p->server_tls);
	zs_gcm_engine_fini(&p->engine);
	zs_cid_socket_delete(p->offer);
	zs_loop_delete(p->loop);
}

int main(int argc, char **argv)
{
	struct program *p = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*p), 64));
	struct zs_error err = { 0 };
	const char *offer = NULL, *helper = NULL;

	signal(SIGPIPE, SIG_IGN);
	if (!p || sodium_init() < 0)
		return 1;
	memset(p, 0, sizeof(*p));
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--retry"))
			p->retry = true;
		else if (!strcmp(argv[i], "--offer") && i + 1 < argc)
			offer = argv[++i];
		else if (!strcmp(argv[i], "--helper") && i + 1 < argc)
			helper = argv[++i];
		else
			return fprintf(stderr, "usage: cidpeer [--retry] [--offer PATH | --helper PATH]   "
					       "commands on stdin\n"),
			       2;
	if (start(p, offer, helper, &err)) {
		fprintf(stderr, "cidpeer: %s\n", err.text);
		return 1;
	}
	zs_loop_run(p->loop);
	stop(p);
	free(p);
	return 0;
}
