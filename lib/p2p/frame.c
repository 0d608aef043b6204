/* States: reading the length (len = 0, head_len bytes so far), or collecting (partial, have < len). A
 * message handed out from `partial` has have = len until the next call. */
#include "p2p/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void zs_frame_init(struct zs_frame *f, uint32_t max)
{
	*f = (struct zs_frame){ .max = max };
}

void zs_frame_free(struct zs_frame *f)
{
	free(f->partial);
	zs_frame_init(f, f->max);
}

/* 1: *len is the message's length. Its bytes may come one at a time. */
static int read_length(struct zs_frame *f, struct zs_reader *in, uint64_t *len)
{
	while (zs_reader_left(in) > 0) {
		f->head[f->head_len++] = zs_read_u8(in);
		int used = zs_varint_decode(f->head, f->head_len, len);
		if (used < 0)
			return used;
		if (used == 0)
			continue;
		f->head_len = 0;
		return *len <= f->max ? 1 : -EMSGSIZE;
	}
	return 0;
}

static int start_partial(struct zs_frame *f, struct zs_reader *in, size_t len)
{
	f->partial = malloc(len);
	if (!f->partial)
		return -ENOMEM;
	f->len = (uint32_t)len;
	f->have = (uint32_t)zs_reader_left(in);
	zs_read_bytes(in, f->partial, f->have);
	return 0;
}

static int collect(struct zs_frame *f, struct zs_reader *in, const uint8_t **msg, size_t *len)
{
	size_t left = zs_reader_left(in), want = f->len - f->have;
	size_t n = left < want ? left : want;

	zs_read_bytes(in, f->partial + f->have, n);
	f->have += (uint32_t)n;
	if (f->have < f->len)
		return 0;
	*msg = f->partial;
	*len = f->len;
	return 1;
}

int zs_frame_read(struct zs_frame *f, struct zs_reader *in, const uint8_t **msg, size_t *len)
{
	uint64_t n;
	int ret;

	if (f->partial && f->have < f->len)
		return collect(f, in, msg, len);
	if (f->partial)
		zs_frame_free(f);
	ret = read_length(f, in, &n);
	if (ret <= 0)
		return ret;
	if (n > zs_reader_left(in))
		return start_partial(f, in, n);
	*msg = zs_read_span(in, n);
	*len = n;
	return 1;
}

bool zs_frame_is_partial(const struct zs_frame *f)
{
	return f->head_len > 0 || (f->partial && f->have < f->len);
}

void zs_frame_write(struct zs_writer *w, const void *msg, size_t len)
{
	zs_varint_write(w, len);
	zs_write_bytes(w, msg, len);
}
