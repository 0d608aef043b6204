#include "p2p/pb.h"

#include <errno.h>

struct zs_pb_reader zs_pb_reader_of(const void *bytes, size_t len)
{
	return (struct zs_pb_reader){ .in = pb_istream_from_buffer(bytes, len),
				      .end = (const uint8_t *)bytes + len };
}

static bool read_span(struct zs_pb_reader *r, struct zs_span *span)
{
	uint32_t len;

	if (!pb_decode_varint32(&r->in, &len))
		return false;
	*span = (struct zs_span){ .bytes = r->end - r->in.bytes_left, .len = len };
	return pb_read(&r->in, NULL, len); /* fails when there are fewer bytes */
}

int zs_pb_next(struct zs_pb_reader *r, struct zs_pb_field *f)
{
	bool ok, eof = false;

	*f = (struct zs_pb_field){ 0 };
	if (!pb_decode_tag(&r->in, &f->type, &f->tag, &eof))
		return eof ? 0 : -EINVAL;
	if (f->type == PB_WT_VARINT)
		ok = pb_decode_varint(&r->in, &f->number);
	else if (f->type == PB_WT_STRING)
		ok = read_span(r, &f->span);
	else
		ok = pb_skip_field(&r->in, f->type);
	return ok && f->tag != 0 ? 1 : -EINVAL;
}

bool zs_pb_is_span(const struct zs_pb_field *f, uint32_t tag)
{
	return f->tag == tag && f->type == PB_WT_STRING;
}

bool zs_pb_is_number(const struct zs_pb_field *f, uint32_t tag)
{
	return f->tag == tag && f->type == PB_WT_VARINT;
}

bool zs_pb_put_span(pb_ostream_t *out, uint32_t tag, const void *bytes, size_t len)
{
	return pb_encode_tag(out, PB_WT_STRING, tag) && pb_encode_string(out, bytes, len);
}

bool zs_pb_put_number(pb_ostream_t *out, uint32_t tag, uint64_t number)
{
	return pb_encode_tag(out, PB_WT_VARINT, tag) && pb_encode_varint(out, number);
}
