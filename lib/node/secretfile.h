/* Files of tokens and pre-shared keys: the relay's many, an edge's one, by the same rules.
 *
 * The file is its reader's alone (base/file.h), has ZS_SECRETFILE bytes at most and none that is zero. Lines end with LF or
 * CRLF, the last may do without. Blank lines and those that begin with '#' say nothing; any other is one secret:
 *   token            the line as it stands, blanks at its ends too: 1 … ZS_TOKEN bytes
 *   pre-shared key   an id of 1 … ZS_PSK_ID bytes, blanks, 64 hex digits of either case that are not all zero; nothing
 *                    before, nothing behind
 * What was read is wiped from memory. */
#ifndef ZS_NODE_SECRETFILE_H
#define ZS_NODE_SECRETFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define ZS_SECRETFILE (256u << 10)
#define ZS_TOKEN      512
#define ZS_PSK_ID     64
#define ZS_PSK	      32

struct zs_psk {
	uint8_t len, id[ZS_PSK_ID];
	uint8_t key[ZS_PSK];
};

/* One secret; its bytes hold until it returns. NULL: taken; else why this line is refused, a constant. */
typedef const char *zs_token_fn(void *ctx, const char *token, size_t len);
typedef const char *zs_psk_fn(void *ctx, const struct zs_psk *psk);

/* Reads until the end or until there were `most`; how many there were. -ENOENT, -EPERM, -EFBIG: the file; -EINVAL: err names
 * its line; -ENOMEM. */
int zs_secretfile_tokens(const char *path, uint32_t most, zs_token_fn *fn, void *ctx, struct zs_error *err);
int zs_secretfile_psks(const char *path, uint32_t most, zs_psk_fn *fn, void *ctx, struct zs_error *err);

/* Exactly 64 hex digits. */
bool zs_secretfile_hex(uint8_t out[32], const char *hex);

#endif
