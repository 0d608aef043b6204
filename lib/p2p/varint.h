/* Unsigned varints of multiformats: LEB128, at most 9 bytes (63 bits), each number in its shortest form
 * alone. Protobuf's own numbers are nanopb's matter. Pure; any thread. */
#ifndef ZS_P2P_VARINT_H
#define ZS_P2P_VARINT_H

#include "base/cursor.h"

#define ZS_VARINT     9
#define ZS_VARINT_MAX (UINT64_MAX >> 1)

/* Bytes read, 0: the number goes on behind `len`, -EINVAL: too long or not the shortest form. */
int zs_varint_decode(const uint8_t *bytes, size_t len, uint64_t *out);
/* The cursor's next number; it fails as decode does, or at the end of its bytes. */
uint64_t zs_varint_read(struct zs_reader *r);
/* The cursor fails above ZS_VARINT_MAX. */
void zs_varint_write(struct zs_writer *w, uint64_t v);
size_t zs_varint_len(uint64_t v);

#endif
