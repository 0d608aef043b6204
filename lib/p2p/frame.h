/* Messages on a stream, each behind its length as a varint: request-response protocols, identify,
 * attach and multistream-select. The reader takes whatever pieces the stream gives. A message that came
 * whole is handed out in place; only one that is still partial has a buffer, of its own length. So an
 * idle stream owns nothing, and a peer can make us hold `max` bytes at most. One thread a reader. */
#ifndef ZS_P2P_FRAME_H
#define ZS_P2P_FRAME_H

#include "p2p/varint.h"

struct zs_frame {
	uint32_t max;	    /* longest message taken */
	uint32_t len, have; /* of the partial message */
	uint8_t *partial;   /* NULL: none, or handed out and freed by the next call */
	uint8_t head_len;   /* bytes of a length that is still partial */
	uint8_t head[ZS_VARINT];
};

void zs_frame_init(struct zs_frame *f, uint32_t max);
void zs_frame_free(struct zs_frame *f);
/* Takes bytes from `in`. 1: a message stands in *msg, *len until the next call or the end of `in`'s bytes;
 * call again for the next one. 0: all bytes are taken, none is complete. -EMSGSIZE: longer than max,
 * -EINVAL: the length is no varint, -ENOMEM; the stream is of no use after these. */
int zs_frame_read(struct zs_frame *f, struct zs_reader *in, const uint8_t **msg, size_t *len);
/* Would the end of the stream cut a message now? */
bool zs_frame_is_partial(const struct zs_frame *f);
/* Length and message; the cursor fails when they do not fit. */
void zs_frame_write(struct zs_writer *w, const void *msg, size_t len);

#endif
