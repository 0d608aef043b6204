/* The secret key is derived from the seed, so the file cannot hold a pair that does not match. */
#include "ident.h"

#include <errno.h>
#include <sodium.h>
#include "keyfile.h"

struct zs_ident {
	struct zs_identity key;
	char hex[ZS_IDENT_HEX], peer[ZS_PEER_ID_TEXT];
};

_Static_assert(ZS_ED25519_PUBLIC == ZS_IDENT_PUBLIC, "Ed25519");

int zs_ident_open(struct zs_ident **out, const char *dir, struct zs_error *err)
{
	uint8_t seed[ZS_KEYFILE];
	struct zs_public_key public;
	struct zs_peer_id peer;
	struct zs_ident *i;
	int rc = zs_keyfile_open(dir, "identity.key", "zs-ed25519-1", "identity", seed, err);

	if (rc)
		return rc;
	i = sodium_malloc(sizeof(*i));
	if (!i)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "identity: out of memory");
	zs_identity_from_seed(&i->key, seed);
	sodium_memzero(seed, sizeof(seed));
	sodium_bin2hex(i->hex, sizeof(i->hex), i->key.public_key, ZS_IDENT_PUBLIC);
	public = zs_identity_public(&i->key);
	zs_peer_id_of(&peer, &public);
	zs_peer_id_format(&peer, i->peer);
	*out = i;
	return 0;
}

void zs_ident_close(struct zs_ident *i)
{
	sodium_free(i);
}

const uint8_t *zs_ident_public(const struct zs_ident *i)
{
	return i->key.public_key;
}

const char *zs_ident_hex(const struct zs_ident *i)
{
	return i->hex;
}

const char *zs_ident_peer(const struct zs_ident *i)
{
	return i->peer;
}

const struct zs_identity *zs_ident_key(const struct zs_ident *i)
{
	return &i->key;
}
