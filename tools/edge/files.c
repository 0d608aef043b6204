#include "files.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "base/file.h"

#define KEY_MAX 128 /* libp2p's private key of Ed25519 has 68 bytes, 100 in its old form */

static int make_identity(const char *path, struct zs_error *err)
{
	uint8_t seed[32], key[KEY_MAX];
	struct zs_identity id;
	int rc;

	randombytes_buf(seed, sizeof(seed));
	zs_identity_from_seed(&id, seed);
	rc = zs_file_put(path, key, zs_identity_export(&id, key, sizeof(key)), true);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(key, sizeof(key));
	zs_identity_wipe(&id);
	if (rc == -ENOENT)
		return zs_file_refuse(err, rc, path, "there is no such folder; make it");
	return rc && rc != -EEXIST ? zs_file_refuse(err, rc, path, strerror(-rc)) : 0;
}

int zs_edge_identity(struct zs_identity *out, const char *path, struct zs_error *err)
{
	uint8_t key[KEY_MAX];
	ssize_t n = zs_file_get(path, key, sizeof(key), err);
	int rc = 0;

	if (n == -ENOENT) {
		rc = make_identity(path, err);
		if (rc)
			return rc;
		n = zs_file_get(path, key, sizeof(key), err);
		if (n == -ENOENT)
			return zs_file_refuse(err, -ENOENT, path,
					      "went away as soon as it was made; try again");
	}
	if (n < 0)
		return (int)n;
	if (zs_identity_import(out, key, (size_t)n))
		rc = zs_file_refuse(
		    err, -EUCLEAN, path,
		    "is no Ed25519 key in libp2p's form; restore it, or move it away to get a new identity");
	sodium_memzero(key, sizeof(key));
	return rc;
}

static const char *take_token(void *ctx, const char *token, size_t len)
{
	struct zs_edge_secrets *s = ctx;

	memcpy(s->token, token, len);
	s->token_len = len;
	return NULL;
}

static const char *take_psk(void *ctx, const struct zs_psk *psk)
{
	((struct zs_edge_secrets *)ctx)->psk = *psk;
	return NULL;
}

static int one_of(int count, const char *path, struct zs_error *err)
{
	return count ? (count < 0 ? count : 0) : zs_file_refuse(err, -EINVAL, path, "is empty");
}

int zs_edge_secrets(struct zs_edge_secrets *out, const char *token_file, const char *psk_file,
		    struct zs_error *err)
{
	int rc = 0;

	*out = (struct zs_edge_secrets){ 0 };
	if (token_file)
		rc = one_of(zs_secretfile_tokens(token_file, 1, take_token, out, err), token_file, err);
	if (!rc && psk_file)
		rc = one_of(zs_secretfile_psks(psk_file, 1, take_psk, out, err), psk_file, err);
	return rc;
}

ssize_t zs_edge_state_load(const char *path, uint8_t out[ZS_ATTACH_MEMORY + 1], struct zs_error *err)
{
	ssize_t n = zs_file_get(path, out, ZS_ATTACH_MEMORY + 1, err);

	return n == -ENOENT ? 0 : n;
}

int zs_edge_state_save(const char *path, const uint8_t *bytes, size_t len, struct zs_error *err)
{
	int rc = zs_file_put(path, bytes, len, false);

	return rc ? zs_file_refuse(err, rc, path, strerror(-rc)) : 0;
}
