/* multistream-select 1.0: which protocol a byte stream speaks. Sans-I/O: bytes in, bytes out; what stands behind
 * the negotiation stays in `in` for the protocol. One thread a negotiator.
 *
 * Opening lazily: with a single proposal the opener may send its data right behind the bytes of
 * zs_multistream_open(); the answer must still be read to the end before the stream is closed. A listener's
 * answer that cannot be sent because the peer stopped reading is no failure: drop it and go on.
 * After a negotiation that failed, reset the stream; never FIN. */
#ifndef ZS_P2P_MULTISTREAM_H
#define ZS_P2P_MULTISTREAM_H

#include "p2p/frame.h"

#define ZS_MULTISTREAM_ID	 1023 /* longest protocol id: a message has 1,024 bytes, newline included */
#define ZS_MULTISTREAM_ROOM	 1056 /* what one step may write: header, length and one message */
#define ZS_MULTISTREAM_PROPOSALS 32   /* refused proposals before a listener gives up */

/* The handler of a protocol id, NULL: not spoken here. `id` is not terminated. */
typedef const void *zs_multistream_find(void *ctx, const char *id, size_t len);

struct zs_multistream {
	struct zs_frame frame;
	bool opener, header_read;
	uint16_t at; /* opener: the proposal under way; listener: proposals refused */
	union {
		struct {
			const char *const *ids;
			uint16_t n;
		} propose;
		struct {
			zs_multistream_find *find;
			void *ctx;
			const void *found;
		} listen;
	};
};

void zs_multistream_listen(struct zs_multistream *m, zs_multistream_find *find, void *ctx);
/* Writes the header and the first proposal. `ids` (1 ≤ n, best first, each ≤ ZS_MULTISTREAM_ID) must outlive the
 * negotiator. -EMSGSIZE: no room. */
int zs_multistream_open(struct zs_multistream *m, const char *const *ids, uint16_t n, struct zs_writer *out);
/* Takes from `in`, writes answers to `out`. 1: settled; 0: more bytes are needed, or, when `in` has some
 * left, ZS_MULTISTREAM_ROOM in `out`; -ENOPROTOOPT: no protocol in common; -EPROTO: not multistream-select;
 * -EMSGSIZE: a message over 1,024 bytes; -ENOMEM. */
int zs_multistream_read(struct zs_multistream *m, struct zs_reader *in, struct zs_writer *out);
void zs_multistream_free(struct zs_multistream *m);

/* After 1: the listener's handler, the opener's index into ids. */
const void *zs_multistream_found(const struct zs_multistream *m);
uint16_t zs_multistream_chosen(const struct zs_multistream *m);

#endif
