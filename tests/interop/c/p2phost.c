/* zs_host on a real socket, driven by lines of JSON: `p2phost [--seed HEX] [--hybrid]
 * [--fault NAME] [--set NAME=N]…`. One UDP socket for both
 * families, bound by the first `listen` or `dial`; the gater's test profile. A dial is done when identify is, or
 * when the listener, who judges after the dialler, has let 2 s pass. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "p2p/envelope.h"
#include "interop/c/p2phost.h"

/* --- answers -------------------------------------------------------------------------------- */

static void print(json_t *fields)
{
	char *text = json_dumps(fields, JSON_COMPACT);

	printf("%s\n", text);
	fflush(stdout);
	free(text);
	json_decref(fields);
}

static void end_command(struct program *p)
{
	json_decref(p->now.list);
	p->now = (struct command){ 0 };
}

bool is_busy(const struct program *p)
{
	return p->now.began_ns;
}

void answer(struct program *p, json_t *fields)
{
	if (!is_busy(p)) { /* it had timed out */
		json_decref(fields);
		return;
	}
	json_object_set_new(fields, "ok", json_true());
	print(fields);
	end_command(p);
}

void refuse(struct program *p, const char *text)
{
	if (!is_busy(p))
		return;
	print(json_pack("{s:b, s:s}", "ok", 0, "error", text));
	end_command(p);
}

json_t *text_of_endpoint(const struct zs_endpoint *at)
{
	char text[ZS_MULTIADDR_TEXT];
	struct zs_multiaddr addr;

	zs_multiaddr_quic(&addr, at, NULL);
	return json_string(zs_multiaddr_format(&addr, text));
}

json_t *text_of_peer(const struct zs_peer_id *peer)
{
	char text[ZS_PEER_ID_TEXT];
	return json_string(zs_peer_id_format(peer, text));
}

static json_t *text_of_span(struct zs_span span)
{
	char text[ZS_MULTIADDR_TEXT];
	struct zs_multiaddr addr;

	if (span.bytes && zs_multiaddr_decode(&addr, span.bytes, span.len) == 0)
		return json_string(zs_multiaddr_format(&addr, text));
	return json_null();
}

static json_t *word_of_span(struct zs_span span)
{
	return json_stringn(span.bytes ? (const char *)span.bytes : "", span.len);
}

/* --- upcalls -------------------------------------------------------------------------------- */

static json_t *record_of(struct zs_span span)
{
	struct zs_peer_record record;
	json_t *addrs = json_array();
	char *hex = malloc(2 * span.len + 1);

	if (!span.bytes || !hex) {
		free(hex);
		json_decref(addrs);
		return json_null();
	}
	sodium_bin2hex(hex, 2 * span.len + 1, span.bytes, span.len);
	bool valid = zs_peer_record_open(&record, span.bytes, span.len) == 0;
	for (uint32_t i = 0; valid && i < record.addrs; i++)
		json_array_append_new(addrs, text_of_span(record.addr[i]));
	json_t *out = json_pack("{s:b, s:o, s:I, s:o, s:s}", "valid", valid, "peer",
				valid ? text_of_peer(&record.peer) : json_null(), "seq",
				valid ? (json_int_t)record.seq : 0, "addrs", addrs, "envelope", hex);
	free(hex);
	return out;
}

struct told *told_of(struct program *p, const struct zs_peer_id *peer)
{
	for (uint32_t i = 0; i < p->told_count; i++)
		if (zs_peer_id_eq(&p->told[i].peer, peer))
			return &p->told[i];
	ZS_CHECK(p->told_count < PEERS);
	p->told[p->told_count].peer = *peer;
	return &p->told[p->told_count++];
}

static void on_identified(void *ctx, struct zs_host_conn *conn, const struct zs_identify *id, bool push)
{
	struct told *t = told_of(ctx, zs_host_conn_peer(conn));
	json_t *addrs = json_array(), *protocols = json_array();

	for (uint16_t i = 0; i < id->addrs; i++)
		json_array_append_new(addrs, text_of_span(zs_identify_span(id, id->addr[i])));
	for (uint16_t i = 0; i < id->protocols; i++)
		json_array_append_new(protocols, word_of_span(zs_identify_span(id, id->protocol[i])));
	json_decref(t->last);
	t->messages++;
	t->last = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "peer", text_of_peer(&t->peer),
			    "addrs", addrs, "protocols", protocols, "agent",
			    word_of_span(zs_identify_span(id, id->agent)), "protocol_version",
			    word_of_span(zs_identify_span(id, id->protocol_version)), "observed",
			    text_of_span(zs_identify_span(id, id->observed)), "record",
			    record_of(zs_identify_span(id, id->record)), "messages", (int)t->messages);
}

/* A dial under way hears of its end. */
static void fail_dial(struct program *p, const struct zs_peer_id *peer, const char *text)
{
	if (!p->now.step || !zs_peer_id_eq(&p->now.peer, peer))
		return;
	p->now.failed = true;
	snprintf(p->now.text, sizeof(p->now.text), "%s", text);
}

static void on_connected(void *ctx, struct zs_host_conn *conn)
{
	struct program *p = ctx;

	if (zs_peer_id_eq(&p->now.peer, zs_host_conn_peer(conn)))
		p->now.connected_ns = zs_clock_ns();
}

static void on_disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	fail_dial(ctx, zs_host_conn_peer(conn), why->text);
}

static void on_unreached(void *ctx, const struct zs_peer_id *peer, const char *text)
{
	fail_dial(ctx, peer, text);
}

static void on_refused(void *ctx, const struct zs_refusal *why, const char *text, uint64_t since)
{
	struct program *p = ctx;
	struct refused *r = &p->refused[why->scope * ZS_RESOURCES + why->resource];

	if (!r->count)
		snprintf(r->first, sizeof(r->first), "%s", text);
	r->count += since;
}

static const struct zs_host_ops host_ops = { .connected = on_connected,
					     .disconnected = on_disconnected,
					     .identified = on_identified,
					     .unreached = on_unreached,
					     .refused = on_refused };

/* --- turns ---------------------------------------------------------------------------------- */

static void step(struct program *p)
{
	if (p->now.step)
		p->now.step(p);
}

/* The command under way goes on; then those that wait in line. */
static void work(void *ctx, uint64_t now)
{
	struct program *p = ctx;
	char *end;

	step(p);
	while (!is_busy(p) && !p->ended && (end = memchr(p->line, '\n', p->have))) {
		json_t *c = json_loadb(p->line, (size_t)(end - p->line), 0, NULL);
		p->have -= (size_t)(end + 1 - p->line);
		memmove(p->line, end + 1, p->have);
		run_command(p, c);
		json_decref(c);
		step(p);
	}
	if (p->ended)
		zs_loop_stop(p->loop);
}

static void advance(void *ctx, uint64_t now)
{
	struct program *p = ctx;

	if (is_busy(p) && now >= p->now.give_up_ns)
		refuse(p, "it took too long");
}

static uint64_t deadline(void *ctx)
{
	const struct program *p = ctx;

	return is_busy(p) ? p->now.give_up_ns : UINT64_MAX;
}

static const struct zs_node_ops node_ops = { .work = work, .advance = advance, .deadline = deadline };

/* --- the program ---------------------------------------------------------------------------- */

static void on_stdin(void *ctx, int fd, unsigned events)
{
	struct program *p = ctx;
	ssize_t n = read(fd, p->line + p->have, sizeof(p->line) - p->have);

	if (n > 0)
		p->have += (size_t)n;
	else
		p->ended = true;
	zs_shell_turn(p->node.shell);
}

static void start(struct program *p, const char *seed_hex, struct zs_host_config *config)
{
	uint8_t seed[32];
	struct zs_error err;

	zs_node_fill(seed, sizeof(seed));
	if (seed_hex &&
	    (strlen(seed_hex) != 64 || sodium_hex2bin(seed, 32, seed_hex, 64, NULL, NULL, NULL) != 0)) {
		fprintf(stderr, "p2phost: --seed takes 64 hex digits\n");
		exit(2);
	}
	zs_identity_from_seed(&p->identity, seed);
	zs_node_fill(config->quic.secret, sizeof(config->quic.secret));
	config->gater.profile = ZS_GATER_TEST;
	config->quic.keep_alive_ns = 5 * ZS_NS_PER_S;
	ZS_CHECK(zs_loop_new(&p->loop, ZS_LOOP_AUTO, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_node_open(&p->node, p->loop, config, &p->identity, &host_ops, &node_ops, p) == 0);
	ZS_CHECK(streams_register(p) == 0 && attach_register(p) == 0);
	ZS_CHECK(zs_watch_new(&p->watch, p->loop, 0, ZS_WATCH_READ, on_stdin, p) == 0);
}

int main(int argc, char **argv)
{
	static struct program p;
	const char *seed = NULL;
	struct zs_host_config config;

	zs_host_defaults(&config);
	if (sodium_init() < 0)
		return 1;
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = argv[++i];
		else if (!strcmp(argv[i], "--hybrid"))
			config.hybrid = true;
		else if (i + 1 < argc && !strcmp(argv[i], "--fault") && fault_set(argv[i + 1]))
			i++;
		else if (i + 1 < argc && !strcmp(argv[i], "--set") && settings_apply(&config, argv[i + 1]))
			i++;
		else
			return fprintf(stderr,
				       "usage: p2phost [--seed HEX] [--hybrid] [--fault NAME] [--set "
				       "NAME=N]…; not: %s\n",
				       argv[i]),
			       2;
	start(&p, seed, &config);
	zs_loop_run(p.loop);
	zs_node_close(&p.node);
	zs_loop_delete(p.loop);
	for (uint32_t i = 0; i < p.told_count; i++)
		json_decref(p.told[i].last);
	return 0;
}
