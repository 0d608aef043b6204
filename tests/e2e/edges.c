/* Many edges in one process, for the end-to-end tests: the real client and the real host, a socket each, one loop. A JSON
 * object a line on stdout: each time an edge becomes active or stops being so, and how it all stands at the end. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/check.h"
#include "base/clock.h"
#include "node/edge.h"
#include "options.h"

#define EDGES	8192
#define SOURCES 64

struct swarm;
struct one {
	struct swarm *swarm;
	struct zs_edge *edge;
	uint32_t number;
	bool active;
	uint32_t sessions;
	enum zs_attach_state state;
};

struct swarm {
	struct zs_loop *loop;
	struct zs_timer *ramp, *end;
	struct zs_attach_target relay;
	struct zs_endpoint source[SOURCES];
	uint32_t count, sources, rate, seconds, started, ports;
	uint64_t seed, token_len;
	uint8_t token[512];
	bool list;
	struct one *one;
};

static const char usage[] =
    "usage: edges --relay HOST:PORT/PEERID --count N [--rate N] [--seconds N] [--seed N] [--ports N]\n"
    "             [--from ADDR,…] [--token TEXT] [--list]\n"
    "  --rate     edges started a second, 200 unless told\n"
    "  --seconds  end then; else SIGTERM ends it\n"
    "  --ports    names that each one publishes\n"
    "  --from     own addresses, taken in turn\n"
    "  --list     print the peer ids and end\n";

static int fail(const char *what)
{
	fprintf(stderr, "edges: %s\n", what);
	return ZS_EXIT_FAILED;
}

/* The same edge in each run with the same seed. */
static void identity_of(const struct swarm *s, uint32_t number, struct zs_identity *out)
{
	uint64_t from[2] = { s->seed, number };
	uint8_t seed[32];

	crypto_generichash(seed, sizeof(seed), (const uint8_t *)from, sizeof(from), NULL, 0);
	zs_identity_from_seed(out, seed);
}

static void say(json_t *line)
{
	json_object_set_new(line, "unix_ms", json_integer((json_int_t)(zs_clock_wall_ns() / ZS_NS_PER_MS)));
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

static void became(struct one *o, const char *why)
{
	const struct zs_attach_session *session = zs_attach_client_session(zs_edge_client(o->edge));

	if (o->active && session)
		say(json_pack("{s:i,s:s,s:i,s:i,s:s,s:i}", "edge", (int)o->number, "state", "active",
			      "attachment", (int)session->attachment, "generation", (int)session->generation,
			      "continuity", zs_attach_name(ZS_ATTACH_TABLE_CONTINUITY, session->continuity),
			      "spread_ms", (int)(session->spread_ns / ZS_NS_PER_MS)));
	else
		say(json_pack("{s:i,s:s,s:s}", "edge", (int)o->number, "state",
			      zs_attach_retry(o->state)->name, "why", why));
}

static void on_event(void *ctx, const struct zs_attach_event *e)
{
	struct one *o = ctx;
	bool active = e->kind == ZS_ATTACH_EVENT_STATE && e->state == ZS_ATTACH_STATE_active;

	if (e->kind != ZS_ATTACH_EVENT_STATE)
		return;
	o->state = e->state;
	o->sessions += active && !o->active;
	if (active != o->active || e->why[0]) {
		o->active = active;
		became(o, e->why);
	}
}

static int start(struct swarm *s, uint32_t number)
{
	struct zs_attach_publish publish[ZS_ATTACH_PUBLISHED] = { 0 };
	struct one *o = &s->one[number];
	struct zs_error err = { 0 };
	struct zs_identity id;

	identity_of(s, number, &id);
	for (uint32_t i = 0; i < s->ports; i++)
		snprintf(publish[i].name, sizeof(publish[i].name), "p%u", i);
	struct zs_edge_config config = { .loop = s->loop,
					 .identity = &id,
					 .attach = { .home = s->relay,
						     .mode = ZS_ATTACH_MODE_tunnel,
						     .token = s->token,
						     .token_len = s->token_len,
						     .publish = publish,
						     .publishes = s->ports },
					 .event = on_event,
					 .ctx = o };
	if (s->sources)
		config.local = s->source[number % s->sources];
	*o = (struct one){ .swarm = s, .number = number };
	if (zs_edge_new(&o->edge, &config, &err))
		return fail(err.text);
	zs_edge_start(o->edge);
	return 0;
}

/* A tenth of a second's share at a time. */
static void on_ramp(void *ctx)
{
	struct swarm *s = ctx;

	for (uint32_t i = 0; i < (s->rate + 9) / 10 && s->started < s->count; i++)
		if (start(s, s->started++))
			exit(ZS_EXIT_FAILED);
	if (s->started < s->count)
		zs_timer_after(s->ramp, 100 * ZS_NS_PER_MS);
}

static void on_end(void *ctx)
{
	zs_loop_stop(((struct swarm *)ctx)->loop);
}

static void on_signal(void *ctx, const struct zs_signal_info *info)
{
	on_end(ctx);
}

static void summary(const struct swarm *s)
{
	uint32_t active = 0, sessions = 0;

	for (uint32_t i = 0; i < s->started; i++) {
		active += s->one[i].active;
		sessions += s->one[i].sessions;
	}
	say(json_pack("{s:b,s:i,s:i,s:i}", "summary", true, "edges", (int)s->started, "active", (int)active,
		      "sessions", (int)sessions));
}

static int run(struct swarm *s)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct rlimit files = { 2 * EDGES, 2 * EDGES };
	struct zs_error err = { 0 };
	int rc;

	setrlimit(RLIMIT_NOFILE, &files); /* opening a socket will tell */
	if (zs_loop_new(&s->loop, ZS_LOOP_AUTO, &err))
		return fail(err.text);
	if (zs_loop_signals(s->loop, signals, 2, on_signal, s) ||
	    zs_timer_new(&s->ramp, s->loop, on_ramp, s) || zs_timer_new(&s->end, s->loop, on_end, s))
		return fail("out of memory");
	zs_timer_after(s->ramp, 1);
	if (s->seconds)
		zs_timer_after(s->end, s->seconds * ZS_NS_PER_S);
	rc = zs_loop_run(s->loop);
	summary(s);
	for (uint32_t i = 0; i < s->started; i++)
		zs_edge_delete(s->one[i].edge);
	zs_loop_delete(s->loop);
	return rc ? ZS_EXIT_FAILED : ZS_EXIT_OK;
}

static int list(const struct swarm *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct zs_identity id;
		struct zs_peer_id peer;
		char text[ZS_PEER_ID_TEXT];

		identity_of(s, i, &id);
		struct zs_public_key key = zs_identity_public(&id);
		zs_peer_id_of(&peer, &key);
		puts(zs_peer_id_format(&peer, text));
	}
	return ZS_EXIT_OK;
}

static bool take_sources(struct swarm *s, char *text)
{
	char *rest;

	for (char *at = strtok_r(text, ",", &rest); at; at = strtok_r(NULL, ",", &rest))
		if (s->sources == SOURCES || zs_addr_parse(&s->source[s->sources++].addr, at))
			return false;
	return true;
}

static bool take(struct swarm *s, int c, char *value)
{
	struct zs_error err;
	uint32_t n = (uint32_t)strtoul(value ? value : "0", NULL, 10);

	switch (c) {
	case 'r':
		return zs_edge_relay_parse(&s->relay, value, &err) == 0 && s->relay.at.host == ZS_DIAL_IP;
	case 'n':
		return (s->count = n) > 0 && n <= EDGES;
	case 'R':
		return (s->rate = n) > 0;
	case 's':
		return (s->seconds = n) > 0;
	case 'S':
		s->seed = n;
		return true;
	case 'p':
		return (s->ports = n) <= ZS_ATTACH_PUBLISHED;
	case 'f':
		return take_sources(s, value);
	case 't':
		s->token_len = strlen(value);
		memcpy(s->token, value, s->token_len < 512 ? s->token_len : 512);
		return s->token_len <= 512;
	case 'l':
		return s->list = true;
	}
	return false;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "relay", 1, NULL, 'r' }, { "count", 1, NULL, 'n' },
					       { "rate", 1, NULL, 'R' },  { "seconds", 1, NULL, 's' },
					       { "seed", 1, NULL, 'S' },  { "ports", 1, NULL, 'p' },
					       { "from", 1, NULL, 'f' },  { "token", 1, NULL, 't' },
					       { "list", 0, NULL, 'l' },  { NULL, 0, NULL, 0 } };
	struct swarm s = { .rate = 200 };
	int c, rc;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!take(&s, c, optarg)) {
			fputs(usage, stderr);
			return ZS_EXIT_USAGE;
		}
	if (!s.count || (!s.list && !s.relay.at.port) || sodium_init() < 0) {
		fputs(usage, stderr);
		return ZS_EXIT_USAGE;
	}
	if (s.list)
		return list(&s);
	s.one = calloc(s.count, sizeof(*s.one));
	rc = s.one ? run(&s) : fail("out of memory");
	free(s.one);
	return rc;
}
