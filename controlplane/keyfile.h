/* A secret of 32 bytes in a file of the state folder, made on the first start and the same ever after. One line: "TAG
 * <64 hex digits>\n". */
#ifndef ZS_CONTROLPLANE_KEYFILE_H
#define ZS_CONTROLPLANE_KEYFILE_H

#include <stdint.h>
#include "base/error.h"

#define ZS_KEYFILE 32

/* Reads `dir`/`name`, or makes it (0600, whole or not at all, synced); `what` it holds is for people, `tag` (32 characters
 * at most) for the file. -EPERM: the file is not this user's alone; -EUCLEAN: its content is damaged; it is never
 * replaced then. */
int zs_keyfile_open(const char *dir, const char *name, const char *tag, const char *what,
		    uint8_t secret[ZS_KEYFILE], struct zs_error *err);

#endif
