/* Protobuf messages field by field and in place, on nanopb's primitives: for messages whose lists would
 * make silly structs, and where the bytes themselves count (signatures, hashes). Wire types are
 * checked by whoever reads a field. Pure; any thread. */
#ifndef ZS_P2P_PB_H
#define ZS_P2P_PB_H

#include <pb_decode.h>
#include <pb_encode.h>

struct zs_span {
	const uint8_t *bytes; /* NULL: absent */
	size_t len;
};

struct zs_pb_reader {
	pb_istream_t in;
	const uint8_t *end;
};

struct zs_pb_field {
	uint32_t tag;
	pb_wire_type_t type;
	uint64_t number;     /* PB_WT_VARINT alone */
	struct zs_span span; /* PB_WT_STRING alone, in the message's own bytes */
};

struct zs_pb_reader zs_pb_reader_of(const void *bytes, size_t len);
/* 1: a field, 0: the end, -EINVAL: no protobuf. */
int zs_pb_next(struct zs_pb_reader *r, struct zs_pb_field *f);
/* Is it the field `tag` with bytes (with a number)? */
bool zs_pb_is_span(const struct zs_pb_field *f, uint32_t tag);
bool zs_pb_is_number(const struct zs_pb_field *f, uint32_t tag);
/* False when the stream is full. */
bool zs_pb_put_span(pb_ostream_t *out, uint32_t tag, const void *bytes, size_t len);
bool zs_pb_put_number(pb_ostream_t *out, uint32_t tag, uint64_t number);

#endif
