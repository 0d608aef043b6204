/* The relay's identity: one Ed25519 key in the state folder, made on the first start. */
#ifndef ZS_CONTROLPLANE_IDENT_H
#define ZS_CONTROLPLANE_IDENT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "p2p/peerid.h"

#define ZS_IDENT_PUBLIC 32
#define ZS_IDENT_HEX	(2 * ZS_IDENT_PUBLIC + 1)

struct zs_ident;

/* Reads `dir`/identity.key, or makes it (0600, whole or not at all, synced). -EPERM: the file is not this user's
 * alone; -EUCLEAN: its content is damaged; it is never replaced then. */
int zs_ident_open(struct zs_ident **out, const char *dir, struct zs_error *err);
void zs_ident_close(struct zs_ident *i); /* wipes the key */
const uint8_t *zs_ident_public(const struct zs_ident *i);
const char *zs_ident_hex(const struct zs_ident *i);		  /* the public key, lower case */
const char *zs_ident_peer(const struct zs_ident *i);		  /* its peer id, 12D3KooW… */
const struct zs_identity *zs_ident_key(const struct zs_ident *i); /* to sign with; never copied further */

#endif
