/* The files of zs-edge: its key, what it keeps, secrets it was given. All are its user's alone (0600). */
#ifndef ZS_EDGE_FILES_H
#define ZS_EDGE_FILES_H

#include <sys/types.h>
#include "node/secretfile.h"
#include "p2p/attach_memory.h"
#include "p2p/key.h"

struct zs_edge_secrets {
	uint8_t token[ZS_TOKEN];
	size_t token_len;  /* 0: none */
	struct zs_psk psk; /* len 0: none */
};

/* Reads the key, or makes it whole or not at all. -EPERM: others may read it; -EUCLEAN: it is damaged, and never replaced. */
int zs_edge_identity(struct zs_identity *out, const char *path, struct zs_error *err);
/* The first secret of each file (node/secretfile.h); the paths may be NULL. -EPERM as above; -EINVAL: there is none, or it is not
 * what it should be. Wipe *out. */
int zs_edge_secrets(struct zs_edge_secrets *out, const char *token_file, const char *psk_file,
		    struct zs_error *err);
/* What was kept: its length, 0 when there is no file. */
ssize_t zs_edge_state_load(const char *path, uint8_t out[ZS_ATTACH_MEMORY + 1], struct zs_error *err);
/* In place of what was there, whole or not at all. */
int zs_edge_state_save(const char *path, const uint8_t *bytes, size_t len, struct zs_error *err);

#endif
