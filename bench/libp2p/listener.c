/* The listener as zs-controlplane runs one: the host's defaults on a loop, but for the rates of new connections,
 * which are there to stop what the bench does. Serves identify, ping, source and discard. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "libp2p/p2p.h"
#include "sim/prng.h"

#define MANY 1000000u

struct listener {
	struct zs_node node;
	struct zs_loop *loop;
	uint8_t *pattern;
};

struct serving {
	const uint8_t *pattern;
	uint64_t left, moved; /* to send; sent or received */
	uint32_t asked;	      /* bytes of the length */
};

/* --- source and discard ------------------------------------------------------------------------ */

static void on_ready(void *user, struct zs_host_stream *s)
{
	const struct listener *l = user;
	struct serving *v = calloc(1, sizeof(*v));

	ZS_CHECK(v);
	v->pattern = l->pattern;
	zs_host_stream_set_user(s, v);
}

static void on_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	free(user);
}

static void discard_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct serving *v = user;
	uint64_t told;

	v->moved += len;
	zs_host_stream_consume(s, len);
	if (!fin)
		return;
	told = htobe64(v->moved);
	zs_host_stream_write(s, &told, sizeof(told));
	zs_host_stream_fin(s);
}

static void pour(void *user, struct zs_host_stream *s)
{
	struct serving *v = user;

	while (v->left) {
		size_t at = v->moved % ZS_P2P_SOURCE_OF, len = ZS_P2P_SOURCE_OF - at;
		ssize_t n = zs_host_stream_write(s, v->pattern + at, len < v->left ? len : v->left);

		if (n <= 0)
			return;
		v->moved += (uint64_t)n;
		v->left -= (uint64_t)n;
	}
	if (v->asked == 8)
		zs_host_stream_fin(s);
}

static void source_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct serving *v = user;

	zs_host_stream_consume(s, len);
	for (; len && v->asked < 8; len--, v->asked++)
		v->left = v->left << 8 | *bytes++;
	if (fin)
		pour(v, s);
}

static const struct zs_stream_ops discard_ops = { .ready = on_ready,
						  .data = discard_data,
						  .closed = on_closed };
static const struct zs_stream_ops source_ops = {
	.ready = on_ready, .data = source_data, .writable = pour, .closed = on_closed
};

/* --- the program ------------------------------------------------------------------------------ */

static void configure(struct zs_host_config *c)
{
	struct zs_limit *system = &c->limits.limit[ZS_SCOPE_system], *peer = &c->limits.limit[ZS_SCOPE_peer];

	zs_host_defaults(c);
	system->conns_per_s = system->conns_burst = MANY;
	peer->conns_per_s = peer->conns_burst = MANY;
	c->limits.limit[ZS_SCOPE_network].conns_in = MANY;
	for (int i = 0; i < ZS_NEW_RATES; i++)
		c->prefix.rate[i].per_s = c->prefix.rate[i].burst = c->prefix.rate[i].soft = MANY;
}

static void make_pattern(struct listener *l)
{
	struct zs_prng prng = { 0 };

	l->pattern = malloc(ZS_P2P_SOURCE_OF + 8);
	ZS_CHECK(l->pattern);
	for (size_t i = 0; i < ZS_P2P_SOURCE_OF; i += 8) {
		uint64_t word = htole64(zs_prng_u64(&prng));
		memcpy(l->pattern + i, &word, 8);
	}
}

static void tell(const struct listener *l)
{
	struct zs_endpoint at = zs_udp_local(zs_shell_socket(l->node.shell, 0));
	char text[ZS_MULTIADDR_TEXT], id[ZS_PEER_ID_TEXT];
	struct zs_multiaddr addr;

	zs_multiaddr_quic(&addr, &at, zs_host_id(l->node.host));
	json_t *line = json_pack("{s:b,s:i,s:s,s:[s]}", "ok", 1, "pid", (int)getpid(), "id",
				 zs_peer_id_format(zs_host_id(l->node.host), id), "addrs",
				 zs_multiaddr_format(&addr, text));
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

static void on_stdin(void *ctx, int fd, unsigned events)
{
	struct listener *l = ctx;
	char byte;

	if (read(fd, &byte, 1) <= 0)
		zs_loop_stop(l->loop);
}

static int start(struct listener *l, struct zs_error *err)
{
	struct zs_host_config *config = malloc(sizeof(*config));
	struct zs_watch *watch;
	int rc = config ? zs_loop_new(&l->loop, ZS_LOOP_AUTO, err) : -ENOMEM;

	if (rc)
		goto out;
	configure(config);
	make_pattern(l);
	rc = zs_p2p_node_open(&l->node, l->loop, config, &(struct zs_host_ops){ 0 }, NULL, l, err);
	if (rc)
		goto out;
	struct zs_endpoint at = zs_udp_local(zs_shell_socket(l->node.shell, 0));
	rc = zs_host_listen(l->node.host, &at, 1);
	if (rc == 0)
		rc = zs_host_register(l->node.host, &(struct zs_host_protocol){
							.id = ZS_P2P_SOURCE, .ops = &source_ops, .user = l });
	if (rc == 0)
		rc = zs_host_register(
		    l->node.host,
		    &(struct zs_host_protocol){ .id = ZS_P2P_DISCARD, .ops = &discard_ops, .user = l });
	if (rc == 0)
		rc = zs_watch_new(&watch, l->loop, STDIN_FILENO, ZS_WATCH_READ, on_stdin, l);
out:
	free(config);
	return rc;
}

int zs_p2p_listener(void)
{
	struct listener l = { 0 };
	struct zs_error err = { .text = "out of memory" };

	if (start(&l, &err)) {
		fprintf(stderr, "zs-bench: %s\n", err.text);
		return ZS_EXIT_FAILED;
	}
	tell(&l);
	zs_loop_run(l.loop);
	zs_node_close(&l.node);
	zs_loop_delete(l.loop);
	free(l.pattern);
	return ZS_EXIT_OK;
}
