/* Tokens and pre-shared keys out of their files (node/secretfile.h). A token stands there itself, of letters, digits and
 * -._~+/= alone, or as "sha256:" and its digest in hex; only digests are kept. */
#ifndef ZS_CONTROLPLANE_ATTACH_SECRETS_H
#define ZS_CONTROLPLANE_ATTACH_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "node/secretfile.h"

#define ZS_TOKENS    4096
#define ZS_TOKEN_MIN 16 /* characters of a token that is written out: shorter ones can be guessed */
#define ZS_PSKS	     1024

struct zs_secrets {
	uint32_t tokens, psks;
	uint8_t (*token)[32]; /* SHA-256 */
	struct zs_psk *psk;
};

/* Reads both files ("": none) in place of what was there. On failure nothing changes: -EPERM: others may read a file;
 * -EINVAL: a line is wrong, err names it; -ENOENT and the like. */
int zs_secrets_load(struct zs_secrets *s, const char *token_file, const char *psk_file, struct zs_error *err);
void zs_secrets_free(struct zs_secrets *s);
/* Compares with every token there is: the time tells nothing. */
bool zs_secrets_token(const struct zs_secrets *s, const void *token, size_t len);
/* The key of an id, NULL: unknown. */
const uint8_t *zs_secrets_psk(const struct zs_secrets *s, const void *id, size_t len);

#endif
