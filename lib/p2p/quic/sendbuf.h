/* What a stream has still to send or to see acknowledged: chunks that never move, because
 * ngtcp2 points into them until the acknowledgement. Private to lib/p2p/quic. */
#ifndef ZS_P2P_QUIC_SENDBUF_H
#define ZS_P2P_QUIC_SENDBUF_H

#include <ngtcp2/ngtcp2.h>
#include <stdint.h>

struct zs_chunk;
struct zs_sendbuf {
	struct zs_chunk *head, *tail;  /* head: oldest not acknowledged */
	struct zs_chunk *next;	       /* holds the next byte to send; NULL: all is sent */
	uint32_t next_at;	       /* of `next` */
	uint64_t written, sent, acked; /* offsets in the stream */
};

/* How many bytes were taken: all, or fewer without memory. */
size_t zs_sendbuf_add(struct zs_sendbuf *b, const void *bytes, size_t len);
/* Unsent bytes, at most `max` pieces. */
size_t zs_sendbuf_peek(const struct zs_sendbuf *b, ngtcp2_vec *out, size_t max, size_t *len);
void zs_sendbuf_sent(struct zs_sendbuf *b, size_t len);
/* Everything below `offset` is acknowledged. */
void zs_sendbuf_acked(struct zs_sendbuf *b, uint64_t offset);
void zs_sendbuf_free(struct zs_sendbuf *b);

#endif
