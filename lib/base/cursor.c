/* Every access goes through the two span functions: the only places that know the bounds. */
#include "base/cursor.h"

#include <string.h>

static uint64_t get(struct zs_reader *r, size_t len)
{
	const uint8_t *p = zs_read_span(r, len);
	uint64_t v = 0;

	for (size_t i = 0; p && i < len; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t zs_read_u8(struct zs_reader *r)
{
	return (uint8_t)get(r, 1);
}

uint16_t zs_read_u16(struct zs_reader *r)
{
	return (uint16_t)get(r, 2);
}

uint32_t zs_read_u32(struct zs_reader *r)
{
	return (uint32_t)get(r, 4);
}

uint64_t zs_read_u64(struct zs_reader *r)
{
	return get(r, 8);
}

bool zs_read_bytes(struct zs_reader *r, void *out, size_t len)
{
	const uint8_t *p = zs_read_span(r, len);

	if (len == 0)
		return p != NULL || !r->failed;
	if (!p) {
		memset(out, 0, len);
		return false;
	}
	memcpy(out, p, len);
	return true;
}

static void put(struct zs_writer *w, uint64_t v, size_t len)
{
	uint8_t *p = zs_write_span(w, len);

	for (size_t i = 0; p && i < len; i++)
		p[i] = (uint8_t)(v >> 8 * (len - 1 - i));
}

void zs_write_u8(struct zs_writer *w, uint8_t v)
{
	put(w, v, 1);
}

void zs_write_u16(struct zs_writer *w, uint16_t v)
{
	put(w, v, 2);
}

void zs_write_u32(struct zs_writer *w, uint32_t v)
{
	put(w, v, 4);
}

void zs_write_u64(struct zs_writer *w, uint64_t v)
{
	put(w, v, 8);
}

void zs_write_bytes(struct zs_writer *w, const void *bytes, size_t len)
{
	uint8_t *p = zs_write_span(w, len);

	if (p && len)
		memcpy(p, bytes, len);
}
