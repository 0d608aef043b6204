#include "p2p/varint.h"

#include <errno.h>

int zs_varint_decode(const uint8_t *bytes, size_t len, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len && i < ZS_VARINT; i++) {
		v |= (uint64_t)(bytes[i] & 0x7f) << 7 * i;
		if (bytes[i] & 0x80)
			continue;
		if (i > 0 && bytes[i] == 0)
			return -EINVAL;
		*out = v;
		return (int)i + 1;
	}
	return len < ZS_VARINT ? 0 : -EINVAL;
}

uint64_t zs_varint_read(struct zs_reader *r)
{
	uint64_t v = 0;
	int used = zs_varint_decode(r->at, zs_reader_left(r), &v);

	if (used <= 0) {
		r->failed = true;
		return 0;
	}
	r->at += used;
	return v;
}

void zs_varint_write(struct zs_writer *w, uint64_t v)
{
	if (v > ZS_VARINT_MAX)
		w->failed = true;
	for (; v > 0x7f; v >>= 7)
		zs_write_u8(w, (uint8_t)(v | 0x80));
	zs_write_u8(w, (uint8_t)v);
}

size_t zs_varint_len(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}
