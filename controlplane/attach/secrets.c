#include "attach/secrets.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASHED "sha256:"

/* No blank and no quote: lines of keys, logs and programs are no tokens, for they can be guessed. */
static bool has_form(const char *token)
{
	for (; *token; token++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=", *token))
			return false;
	return true;
}

static const char *take_token(void *ctx, const char *token, size_t len)
{
	struct zs_secrets *s = ctx;

	if (s->tokens == ZS_TOKENS)
		return "too many tokens; 4,096 fit";
	if (!strncmp(token, HASHED, strlen(HASHED))) {
		if (!zs_secretfile_hex(s->token[s->tokens], token + strlen(HASHED)))
			return "behind sha256: stand 64 hex digits";
	} else if (len < ZS_TOKEN_MIN) {
		return "a token has 16 characters at least";
	} else if (!has_form(token)) {
		return "a token is of letters, digits and -._~+/=; write another as sha256: and its digest";
	} else {
		crypto_hash_sha256(s->token[s->tokens], (const uint8_t *)token, len);
	}
	s->tokens++;
	return NULL;
}

static const char *take_psk(void *ctx, const struct zs_psk *psk)
{
	struct zs_secrets *s = ctx;

	if (s->psks == ZS_PSKS)
		return "too many keys; 1,024 fit";
	if (zs_secrets_psk(s, psk->id, psk->len))
		return "this id stands here twice; keep one";
	s->psk[s->psks++] = *psk;
	return NULL;
}

static int read_both(struct zs_secrets *s, const char *token_file, const char *psk_file, struct zs_error *err)
{
	int rc = token_file[0] ? zs_secretfile_tokens(token_file, UINT32_MAX, take_token, s, err) : 0;

	if (rc >= 0 && psk_file[0])
		rc = zs_secretfile_psks(psk_file, UINT32_MAX, take_psk, s, err);
	return rc < 0 ? rc : 0;
}

int zs_secrets_load(struct zs_secrets *s, const char *token_file, const char *psk_file, struct zs_error *err)
{
	struct zs_secrets next = { .token = calloc(ZS_TOKENS, sizeof(*next.token)),
				   .psk = calloc(ZS_PSKS, sizeof(*next.psk)) };
	int rc;

	if (!next.token || !next.psk)
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	else
		rc = read_both(&next, token_file, psk_file, err);
	if (rc) {
		zs_secrets_free(&next);
		return rc;
	}
	zs_secrets_free(s);
	*s = next;
	return 0;
}

void zs_secrets_free(struct zs_secrets *s)
{
	if (s->psk)
		sodium_memzero(s->psk, ZS_PSKS * sizeof(*s->psk));
	free(s->token);
	free(s->psk);
	*s = (struct zs_secrets){ 0 };
}

bool zs_secrets_token(const struct zs_secrets *s, const void *token, size_t len)
{
	uint8_t hash[32];
	unsigned found = 0;

	crypto_hash_sha256(hash, token, len);
	for (uint32_t i = 0; i < s->tokens; i++)
		found |= !sodium_memcmp(hash, s->token[i], sizeof(hash));
	return found && len;
}

const uint8_t *zs_secrets_psk(const struct zs_secrets *s, const void *id, size_t len)
{
	for (uint32_t i = 0; i < s->psks; i++)
		if (s->psk[i].len == len && !memcmp(s->psk[i].id, id, len))
			return s->psk[i].key;
	return NULL;
}
