#include "p2p/quic/sendbuf.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"

#define CHUNK_MIN 480	/* with its head half a kilobyte: a request or a frame */
#define CHUNK_MAX 16384 /* 12 datagrams: fewer pieces a write, little waste at the end of a stream */

struct zs_chunk {
	struct zs_chunk *after;
	uint64_t end; /* offset in the stream behind the last byte */
	uint32_t len, capacity;
	uint8_t bytes[];
};

static struct zs_chunk *append(struct zs_sendbuf *b, size_t want)
{
	uint32_t capacity = want < CHUNK_MIN ? CHUNK_MIN : want > CHUNK_MAX ? CHUNK_MAX : (uint32_t)want;
	struct zs_chunk *c = malloc(sizeof(*c) + capacity);

	if (!c)
		return NULL;
	*c = (struct zs_chunk){ .end = b->written, .capacity = capacity };
	if (b->tail)
		b->tail->after = c;
	else
		b->head = c;
	b->tail = c;
	return c;
}

size_t zs_sendbuf_add(struct zs_sendbuf *b, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;
	size_t left = len;

	while (left) {
		struct zs_chunk *c = b->tail;
		if ((!c || c->len == c->capacity) && !(c = append(b, left)))
			break;
		uint32_t n = c->capacity - c->len;
		n = left < n ? (uint32_t)left : n;
		memcpy(c->bytes + c->len, from, n);
		if (!b->next) {
			b->next = c;
			b->next_at = c->len;
		}
		c->len += n;
		c->end += n;
		b->written += n;
		from += n;
		left -= n;
	}
	return len - left;
}

size_t zs_sendbuf_peek(const struct zs_sendbuf *b, ngtcp2_vec *out, size_t max, size_t *len)
{
	size_t n = 0;
	uint32_t at = b->next_at;

	*len = 0;
	for (struct zs_chunk *c = b->next; c && n < max; c = c->after, at = 0) {
		out[n++] = (ngtcp2_vec){ .base = c->bytes + at, .len = c->len - at };
		*len += c->len - at;
	}
	return n;
}

void zs_sendbuf_sent(struct zs_sendbuf *b, size_t len)
{
	b->sent += len;
	ZS_CHECK(b->sent <= b->written);
	while (b->next && b->sent >= b->next->end) {
		b->next = b->next->after;
		b->next_at = 0;
	}
	if (b->next)
		b->next_at = b->next->len - (uint32_t)(b->next->end - b->sent);
}

void zs_sendbuf_acked(struct zs_sendbuf *b, uint64_t offset)
{
	b->acked = offset;
	while (b->head && b->head->end <= offset) {
		struct zs_chunk *c = b->head;
		ZS_CHECK(c != b->next);
		b->head = c->after;
		free(c);
	}
	if (!b->head)
		b->tail = NULL;
}

void zs_sendbuf_free(struct zs_sendbuf *b)
{
	while (b->head) {
		struct zs_chunk *c = b->head;
		b->head = c->after;
		free(c);
	}
	*b = (struct zs_sendbuf){ 0 };
}
