/* Streams. Whoever began one sends a pattern and compares what comes back, byte for byte; the other side sends back what it
 * gets, and gives credit for what was acknowledged, so that it holds a window at most. */
#include <stdlib.h>
#include <string.h>
#include "interop/cid/cidpeer.h"

#define BLOCK  1000003 /* of the pattern: README.md */
#define BUFFER (1u << 20)

static uint8_t *make_pattern(uint64_t seed)
{
	uint8_t *out = malloc(BLOCK + 8);

	for (size_t at = 0; out && at < BLOCK; at += 8) {
		uint64_t z = seed += 0x9e3779b97f4a7c15ull;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		z = htole64(z ^ z >> 31);
		memcpy(out + at, &z, 8);
	}
	return out;
}

static struct stream *stream_new(struct conn *c, int64_t id)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	s->next = c->streams;
	c->streams = s;
	return s;
}

static void stream_free(struct stream *s)
{
	zs_sendbuf_free(&s->out);
	free(s->pattern);
	free(s);
}

void streams_free(struct conn *c)
{
	while (c->streams) {
		struct stream *s = c->streams;

		c->streams = s->next;
		stream_free(s);
	}
}

void stream_feed(struct stream *s)
{
	while (s->ours && s->offered < s->bytes && s->out.written - s->out.acked < BUFFER) {
		size_t at = s->offered % BLOCK, len = BLOCK - at;

		len = len < 65536 ? len : 65536;
		len = len < s->bytes - s->offered ? len : s->bytes - s->offered;
		len = zs_sendbuf_add(&s->out, s->pattern + at, len);
		if (!len)
			return;
		s->offered += len;
	}
	if (s->ours && s->offered == s->bytes)
		s->fin = true;
}

struct stream *stream_begin(struct conn *c, uint64_t bytes, uint64_t seed)
{
	struct stream *s;
	int64_t id;

	if (ngtcp2_conn_open_bidi_stream(c->ng, &id, NULL) != 0 || !(s = stream_new(c, id)))
		return NULL;
	ngtcp2_conn_set_stream_user_data(c->ng, id, s);
	s->ours = true;
	s->bytes = bytes;
	s->pattern = make_pattern(seed);
	stream_feed(s);
	return s;
}

/* --- what ngtcp2 tells ------------------------------------------------------------------------ */

int stream_on_open(ngtcp2_conn *ng, int64_t id, void *user)
{
	struct stream *s = stream_new(user, id);

	return s && ngtcp2_conn_set_stream_user_data(ng, id, s) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static void credit(ngtcp2_conn *ng, int64_t id, uint64_t len)
{
	ngtcp2_conn_extend_max_stream_offset(ng, id, len);
	ngtcp2_conn_extend_max_offset(ng, len);
}

static void compare(struct conn *c, struct stream *s, const uint8_t *data, size_t len)
{
	while (len) {
		size_t at = s->came % BLOCK, n = BLOCK - at < len ? BLOCK - at : len;

		if (s->came + n > s->bytes || memcmp(s->pattern + at, data, n) != 0) {
			conn_fail(c, "another byte came back near %llu", (unsigned long long)s->came);
			return;
		}
		s->came += n;
		data += n;
		len -= n;
	}
}

int stream_on_data(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
		   size_t len, void *user, void *stream)
{
	struct stream *s = stream;
	struct conn *c = user;

	if (!s)
		return 0;
	if (s->ours) {
		compare(c, s, data, len);
		credit(ng, id, len);
		s->done |= flags & NGTCP2_STREAM_DATA_FLAG_FIN;
		return 0;
	}
	if (zs_sendbuf_add(&s->out, data, len) != len)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	s->fin |= flags & NGTCP2_STREAM_DATA_FLAG_FIN;
	return 0;
}

int stream_on_acked(ngtcp2_conn *ng, int64_t id, uint64_t offset, uint64_t len, void *user, void *stream)
{
	struct stream *s = stream;

	if (!s)
		return 0;
	zs_sendbuf_acked(&s->out, offset + len);
	if (s->ours)
		stream_feed(s);
	else
		credit(ng, id, len);
	return 0;
}

int stream_on_close(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream)
{
	struct stream *s = stream;
	struct conn *c = user;

	if (!s)
		return 0;
	if (s->ours) { /* stays for its command, until the connection goes */
		if (!s->done)
			conn_fail(c, "the stream was closed early");
		return 0;
	}
	for (struct stream **at = &c->streams; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			stream_free(s);
			break;
		}
	ngtcp2_conn_extend_max_streams_bidi(ng, 1);
	return 0;
}
