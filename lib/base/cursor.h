/* Bounded reading and writing of bytes, big-endian. A cursor that met the end of its bytes
 * has failed and stays so: reads give 0, writes change nothing. So a parser reads a whole
 * message and asks once. The bytes belong to the caller and must outlive the cursor. */
#ifndef ZS_BASE_CURSOR_H
#define ZS_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zs_reader {
	const uint8_t *at, *end;
	bool failed;
};

struct zs_writer {
	uint8_t *start, *at, *end;
	bool failed;
};

static inline struct zs_reader zs_reader_of(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	return (struct zs_reader){ .at = p, .end = p + len };
}

static inline size_t zs_reader_left(const struct zs_reader *r)
{
	return r->failed ? 0 : (size_t)(r->end - r->at);
}
/* Everything was read and nothing failed. */
static inline bool zs_reader_done(const struct zs_reader *r)
{
	return !r->failed && r->at == r->end;
}

/* The next len bytes in place, NULL when there are fewer. */
static inline const uint8_t *zs_read_span(struct zs_reader *r, size_t len)
{
	const uint8_t *p = r->at;

	if (len > zs_reader_left(r) || r->failed) {
		r->failed = true;
		return NULL;
	}
	r->at += len;
	return p;
}

uint8_t zs_read_u8(struct zs_reader *r);
uint16_t zs_read_u16(struct zs_reader *r);
uint32_t zs_read_u32(struct zs_reader *r);
uint64_t zs_read_u64(struct zs_reader *r);
/* Copies len bytes; on failure `out` is zeroed. */
bool zs_read_bytes(struct zs_reader *r, void *out, size_t len);

static inline struct zs_writer zs_writer_of(void *bytes, size_t capacity)
{
	uint8_t *p = bytes;
	return (struct zs_writer){ .start = p, .at = p, .end = p + capacity };
}

static inline size_t zs_writer_len(const struct zs_writer *w)
{
	return (size_t)(w->at - w->start);
}

/* Room for len bytes to be filled by the caller, NULL when there is not. */
static inline uint8_t *zs_write_span(struct zs_writer *w, size_t len)
{
	uint8_t *p = w->at;

	if (w->failed || len > (size_t)(w->end - w->at)) {
		w->failed = true;
		return NULL;
	}
	w->at += len;
	return p;
}

void zs_write_u8(struct zs_writer *w, uint8_t v);
void zs_write_u16(struct zs_writer *w, uint16_t v);
void zs_write_u32(struct zs_writer *w, uint32_t v);
void zs_write_u64(struct zs_writer *w, uint64_t v);
void zs_write_bytes(struct zs_writer *w, const void *bytes, size_t len);

#endif
