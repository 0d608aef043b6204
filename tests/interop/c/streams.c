/* The protocols of the tests: sink, source, and the bytes of one identify as they come. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "sim/prng.h"
#include "interop/c/p2phost.h"

#define PATTERN 1000003

/* Where a stream stands in the pattern of a seed. */
struct flow {
	struct program *program; /* NULL: the other side asks */
	uint8_t *pattern;
	uint64_t left, moved, began_ns;
	crypto_hash_sha256_state hash;
	uint8_t head[32]; /* the answer of a sink, the length for a source */
	size_t have;
	bool differs, over;
};

static uint8_t *make_pattern(uint64_t seed)
{
	uint8_t *out = malloc(PATTERN + 8);
	struct zs_prng prng = { seed };

	ZS_CHECK(out);
	for (size_t i = 0; i < PATTERN; i += 8) {
		uint64_t word = zs_prng_u64(&prng); /* little endian, as this machine */
		memcpy(out + i, &word, 8);
	}
	return out;
}

static struct flow *flow_new(struct program *p, uint64_t bytes, uint64_t seed)
{
	struct flow *f = calloc(1, sizeof(*f));

	ZS_CHECK(f);
	f->program = p;
	f->pattern = p ? make_pattern(seed) : NULL; /* who serves makes it when asked for */
	f->left = bytes;
	f->began_ns = zs_clock_ns();
	crypto_hash_sha256_init(&f->hash);
	return f;
}

static void flow_free(struct flow *f)
{
	if (f)
		free(f->pattern);
	free(f);
}

/* Writes on, then FIN. */
static void pour(void *user, struct zs_host_stream *s)
{
	struct flow *f = user;

	while (f && f->left) {
		size_t at = f->moved % PATTERN, len = PATTERN - at;
		ssize_t n = zs_host_stream_write(s, f->pattern + at, len < f->left ? len : f->left);
		if (n <= 0)
			return;
		if (f->program)
			crypto_hash_sha256_update(&f->hash, f->pattern + at, (size_t)n);
		f->moved += (uint64_t)n;
		f->left -= (uint64_t)n;
	}
	if (f)
		zs_host_stream_fin(s);
}

static void compare(struct flow *f, const uint8_t *bytes, size_t len)
{
	crypto_hash_sha256_update(&f->hash, bytes, len);
	while (len) {
		size_t at = f->moved % PATTERN, n = PATTERN - at < len ? PATTERN - at : len;
		f->differs |= memcmp(f->pattern + at, bytes, n) != 0;
		bytes += n;
		len -= n;
		f->moved += n;
	}
}

static void report(struct flow *f)
{
	uint8_t sum[32];
	char hex[65];

	crypto_hash_sha256_final(&f->hash, sum);
	if (f->have && memcmp(sum, f->head, sizeof(sum)) != 0)
		f->differs = true;
	sodium_bin2hex(hex, sizeof(hex), sum, sizeof(sum));
	if (f->differs)
		refuse(f->program, "other bytes came than were sent");
	else
		answer(f->program, json_pack("{s:I, s:s, s:f}", "bytes", (json_int_t)f->moved, "sha256", hex,
					     "seconds", (double)(zs_clock_ns() - f->began_ns) / 1e9));
}

static void flow_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct flow *f = user;

	if (f && f->program && !f->over)
		refuse(f->program, why->text);
	flow_free(f);
}

/* --- serving -------------------------------------------------------------------------------- */

static void serve_ready(void *user, struct zs_host_stream *s)
{
	zs_host_stream_set_user(s, flow_new(NULL, 0, 0));
}

static void sink_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct flow *f = user;
	uint8_t sum[32];

	crypto_hash_sha256_update(&f->hash, bytes, len);
	zs_host_stream_consume(s, len);
	if (!fin)
		return;
	crypto_hash_sha256_final(&f->hash, sum);
	zs_host_stream_write(s, sum, sizeof(sum));
	zs_host_stream_fin(s);
}
static const struct zs_stream_ops sink_ops = { .ready = serve_ready,
					       .data = sink_data,
					       .closed = flow_closed };

static void source_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct flow *f = user;

	zs_host_stream_consume(s, len);
	for (size_t i = 0; i < len && f->have < 8; i++)
		f->left = f->left << 8 | bytes[i], f->have++;
	if (fin && f->have == 8) {
		f->pattern = make_pattern(0);
		pour(f, s);
	} else if (fin)
		zs_host_stream_reset(s, ZS_HOST_VIOLATION + 1);
}

static void source_writable(void *user, struct zs_host_stream *s)
{
	struct flow *f = user;

	if (f->pattern)
		pour(f, s);
}
static const struct zs_stream_ops source_ops = {
	.ready = serve_ready, .data = source_data, .writable = source_writable, .closed = flow_closed
};

int streams_register(struct program *p)
{
	int rc = zs_host_register(
	    p->node.host,
	    &(struct zs_host_protocol){ .id = SINK_PROTOCOL, .service = "test", .ops = &sink_ops });

	return rc < 0 ? rc
		      : zs_host_register(p->node.host, &(struct zs_host_protocol){ .id = SOURCE_PROTOCOL,
										   .service = "test",
										   .ops = &source_ops });
}

/* --- asking --------------------------------------------------------------------------------- */

static void open_flow(struct program *p, const char *const *protocol, const struct zs_stream_ops *ops,
		      void *user)
{
	const struct zs_host_open ask = {
		.peer = p->now.peer, .protocols = protocol, .count = 1, .ops = ops, .user = user
	};
	struct zs_host_stream *s;
	struct zs_error err;

	if (zs_host_open(p->node.host, &ask, zs_clock_ns(), &s, &err) < 0) {
		refuse(p, err.text);
		flow_free(user);
	}
}

static void sent_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct flow *f = user;

	zs_host_stream_consume(s, len);
	for (size_t i = 0; i < len && f->have < sizeof(f->head); i++)
		f->head[f->have++] = bytes[i];
	if (!fin)
		return;
	f->over = true;
	if (f->have == sizeof(f->head))
		report(f);
	else
		refuse(f->program, "the sink did not answer with a hash");
}
static const struct zs_stream_ops send_ops = {
	.ready = pour, .data = sent_data, .writable = pour, .closed = flow_closed
};

void begin_send(struct program *p, uint64_t bytes, uint64_t seed)
{
	static const char *const protocol[] = { SINK_PROTOCOL };
	open_flow(p, protocol, &send_ops, flow_new(p, bytes, seed));
}

static void fetch_ready(void *user, struct zs_host_stream *s)
{
	struct flow *f = user;
	uint8_t ask[8];

	for (int i = 0; i < 8; i++)
		ask[i] = (uint8_t)(f->left >> (56 - 8 * i));
	zs_host_stream_write(s, ask, sizeof(ask));
	zs_host_stream_fin(s);
}

static void fetch_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct flow *f = user;

	zs_host_stream_consume(s, len);
	compare(f, bytes, len);
	if (!fin)
		return;
	f->over = true;
	f->differs |= f->moved != f->left;
	report(f);
}
static const struct zs_stream_ops fetch_ops = { .ready = fetch_ready,
						.data = fetch_data,
						.closed = flow_closed };

void begin_fetch(struct program *p, uint64_t bytes)
{
	static const char *const protocol[] = { SOURCE_PROTOCOL };
	open_flow(p, protocol, &fetch_ops, flow_new(p, bytes, 0));
}

/* --- identify's bytes ----------------------------------------------------------------------- */

struct raw {
	struct program *program;
	void (*done)(struct program *p, json_t *hex);
	uint8_t bytes[65536];
	size_t len;
};

static void raw_ready(void *user, struct zs_host_stream *s)
{
	zs_host_stream_fin(s);
}

static void raw_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct raw *r = user;
	size_t n = len < sizeof(r->bytes) - r->len ? len : sizeof(r->bytes) - r->len;

	zs_host_stream_consume(s, len);
	memcpy(r->bytes + r->len, bytes, n);
	r->len += n;
}

static void raw_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct raw *r = user;
	char *hex = malloc(2 * r->len + 1);

	if (why->fate == ZS_STREAM_DONE && hex)
		r->done(r->program, json_string(sodium_bin2hex(hex, 2 * r->len + 1, r->bytes, r->len)));
	else
		refuse(r->program, why->text);
	free(hex);
	free(r);
}
static const struct zs_stream_ops raw_ops = { .ready = raw_ready, .data = raw_data, .closed = raw_closed };

void begin_raw_identify(struct program *p, void (*done)(struct program *p, json_t *hex))
{
	static const char *const protocol[] = { "/ipfs/id/1.0.0" };
	const struct zs_host_open ask = {
		.peer = p->now.peer, .protocols = protocol, .count = 1, .ops = &raw_ops
	};
	struct zs_host_open with = ask;
	struct raw *r = calloc(1, sizeof(*r));
	struct zs_host_stream *s;
	struct zs_error err;

	ZS_CHECK(r);
	r->program = p;
	r->done = done;
	with.user = r;
	if (zs_host_open(p->node.host, &with, zs_clock_ns(), &s, &err) < 0) {
		refuse(p, err.text);
		free(r);
	}
}
