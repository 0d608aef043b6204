/* Frames of /zerostate/attach/1.0.0 (docs/PROTOCOL.md, Control connection): one message each, all bounds of the protocol checked
 * both ways. On the stream they stand behind their length (p2p/frame.h). Pure; any thread. */
#ifndef ZS_P2P_ATTACH_CODEC_H
#define ZS_P2P_ATTACH_CODEC_H

#include "p2p/attach.pb.h"
#include "p2p/pb.h"
#include "relay/codes.h"

#define ZS_ATTACH_PROTOCOL     "/zerostate/attach/1.0.0"
#define ZS_ATTACH_VERSION      1
#define ZS_ATTACH_FRAME	       4096 /* longest frame */
#define ZS_ATTACH_INSTANCE     16
#define ZS_ATTACH_SERVICE_NAME 32 /* characters of a name */
#define ZS_ATTACH_GRANT_CIDS   32 /* in a Grant; a Cids frame of its own takes 64 */
#define ZS_ATTACH_CIDS	       64

enum zs_attach_table {
	ZS_ATTACH_TABLE_ERROR,
	ZS_ATTACH_TABLE_NOTICE,
	ZS_ATTACH_TABLE_CLOSE,
	ZS_ATTACH_TABLE_SIDE,
	ZS_ATTACH_TABLE_CONTINUITY,
	ZS_ATTACH_TABLE_MODE,
	ZS_ATTACH_TABLE_PROTECTION,
	ZS_ATTACH_TABLE_STRANGERS,
};

/* Name and text of a code; never NULL ("unknown", "unknown code"). */
const char *zs_attach_name(enum zs_attach_table table, uint32_t code);
const char *zs_attach_text(enum zs_attach_table table, uint32_t code);

/* Field numbers of Frame. */
enum zs_attach_kind {
	ZS_ATTACH_HELLO = 2,
	ZS_ATTACH_GRANT,
	ZS_ATTACH_PUBLISH,
	ZS_ATTACH_PORT,
	ZS_ATTACH_CID_ASK,
	ZS_ATTACH_CIDS_SENT,
	ZS_ATTACH_POLICY,
	ZS_ATTACH_NOTICE,
	ZS_ATTACH_ERROR,
	ZS_ATTACH_DETACH,
};

struct zs_attach_frame {
	uint64_t id; /* a reply echoes it; 0: pushed */
	enum zs_attach_kind kind;
	union {
		zs_pb_Hello hello;
		zs_pb_Grant grant;
		zs_pb_Publish publish;
		zs_pb_Port port;
		zs_pb_CidAsk cid_ask;
		zs_pb_Cids cids;
		zs_pb_Policy policy;
		zs_pb_Notice notice;
		zs_pb_Error error;
		zs_pb_Detach detach;
	};
};

/* Reads a frame. *raw: the message's bytes as they came, without tag and length, for the hashes of the key schedule.
 * -EMSGSIZE: longer than ZS_ATTACH_FRAME; -EINVAL: malformed, a bound is broken, or not exactly one message;
 * -EPROTONOSUPPORT: a message of unknown kind. out->id is set as far as it was read, so that an Error can answer.
 * A Hello of another version is only bounded, so that it can be told which version is spoken. */
int zs_attach_decode(struct zs_attach_frame *out, const void *bytes, size_t len, struct zs_span *raw);
/* Writes a frame; its length, 0 when it does not fit or breaks a bound (a bug of the caller). *raw as above, in `out`. */
size_t zs_attach_encode(const struct zs_attach_frame *frame, void *out, size_t capacity, struct zs_span *raw);

/* Are the bounds kept that nanopb does not know: exact lengths, ranges, printable text? */
bool zs_attach_check(const struct zs_attach_frame *frame);
/* Is it a service's name: 1 to 32 characters of printable ASCII? */
bool zs_attach_name_ok(const char *name);
/* Does the Grant have what this mode of Hello has, and nothing of the other? */
bool zs_attach_grant_fits(const zs_pb_Grant *grant, uint32_t mode);

#endif
