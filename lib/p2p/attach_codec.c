/* Frame { id 1, one of the messages 2 to 11 }, read by hand: protobuf would merge a message given twice, and
 * the key schedule needs its bytes. */
#include "p2p/attach_codec.h"

#include <errno.h>
#include <string.h>

enum { FRAME_ID = 1 };

static const pb_msgdesc_t *message_of(uint32_t kind)
{
	static const pb_msgdesc_t *const messages[] = {
		[ZS_ATTACH_HELLO] = &zs_pb_Hello_msg,	  [ZS_ATTACH_GRANT] = &zs_pb_Grant_msg,
		[ZS_ATTACH_PUBLISH] = &zs_pb_Publish_msg, [ZS_ATTACH_PORT] = &zs_pb_Port_msg,
		[ZS_ATTACH_CID_ASK] = &zs_pb_CidAsk_msg,  [ZS_ATTACH_CIDS_SENT] = &zs_pb_Cids_msg,
		[ZS_ATTACH_POLICY] = &zs_pb_Policy_msg,	  [ZS_ATTACH_NOTICE] = &zs_pb_Notice_msg,
		[ZS_ATTACH_ERROR] = &zs_pb_Error_msg,	  [ZS_ATTACH_DETACH] = &zs_pb_Detach_msg,
	};

	return kind < sizeof(messages) / sizeof(messages[0]) ? messages[kind] : NULL;
}

/* Id, and the one message in place. */
static int read_frame(struct zs_attach_frame *out, const void *bytes, size_t len, struct zs_span *raw)
{
	struct zs_pb_reader r = zs_pb_reader_of(bytes, len);
	struct zs_pb_field f;
	int ret;

	while ((ret = zs_pb_next(&r, &f)) == 1) {
		if (f.tag == FRAME_ID || message_of(f.tag)) {
			if (f.type != (f.tag == FRAME_ID ? PB_WT_VARINT : PB_WT_STRING))
				return -EINVAL;
		}
		if (f.tag == FRAME_ID) {
			out->id = f.number;
		} else if (message_of(f.tag)) {
			if (raw->bytes)
				return -EINVAL;
			out->kind = (enum zs_attach_kind)f.tag;
			*raw = f.span;
		}
	}
	if (ret < 0)
		return ret;
	return raw->bytes ? 0 : -EPROTONOSUPPORT;
}

int zs_attach_decode(struct zs_attach_frame *out, const void *bytes, size_t len, struct zs_span *raw)
{
	pb_istream_t in;
	int ret;

	out->id = 0;
	*raw = (struct zs_span){ 0 };
	if (len > ZS_ATTACH_FRAME)
		return -EMSGSIZE;
	ret = read_frame(out, bytes, len, raw);
	if (ret != 0)
		return ret;
	in = pb_istream_from_buffer(raw->bytes, raw->len);
	return pb_decode(&in, message_of(out->kind), &out->hello) && zs_attach_check(out) ? 0 : -EINVAL;
}

size_t zs_attach_encode(const struct zs_attach_frame *frame, void *out, size_t capacity, struct zs_span *raw)
{
	pb_ostream_t to = pb_ostream_from_buffer(out,
						 capacity < ZS_ATTACH_FRAME ? capacity : ZS_ATTACH_FRAME);
	const pb_msgdesc_t *message = message_of(frame->kind);
	size_t len;

	if (!message || !zs_attach_check(frame) ||
	    (frame->id && !zs_pb_put_number(&to, FRAME_ID, frame->id)) ||
	    !pb_get_encoded_size(&len, message, &frame->hello) ||
	    !pb_encode_tag(&to, PB_WT_STRING, frame->kind) || !pb_encode_varint(&to, len) ||
	    !pb_encode(&to, message, &frame->hello))
		return 0;
	*raw = (struct zs_span){ .bytes = (uint8_t *)out + to.bytes_written - len, .len = len };
	return to.bytes_written;
}

struct row {
	enum zs_attach_table table;
	uint32_t code;
	const char *name, *text;
};

static const struct row *row_of(enum zs_attach_table table, uint32_t code)
{
	static const struct row rows[] = {
#define ZS_ATTACH(table, name, code, text) { ZS_ATTACH_TABLE_##table, code, #name, text },
#include "defs/attach.def"
#undef ZS_ATTACH
	};
	static const struct row unknown = { .name = "unknown", .text = "unknown code" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].table == table && rows[i].code == code)
			return &rows[i];
	return &unknown;
}

const char *zs_attach_name(enum zs_attach_table table, uint32_t code)
{
	return row_of(table, code)->name;
}

const char *zs_attach_text(enum zs_attach_table table, uint32_t code)
{
	return row_of(table, code)->text;
}
