/* Small files that are one user's alone: keys, and what a process keeps over restarts. Any thread. */
#ifndef ZS_BASE_FILE_H
#define ZS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/error.h"

#define ZS_FILE_PATH 512 /* longest path and its end */

#define ZS_LIBEXEC "/usr/lib/zerostate" /* what programs need and nobody calls */

/* `name` beside the binary that runs, where a build tree has it, else in ZS_LIBEXEC. Returns out; whether it is there shows when it
 * is opened. */
const char *zs_file_beside(char out[ZS_FILE_PATH], const char *name);
/* Writes `path` (0600), whole or not at all, synced with its folder. `fresh`: only where there is none, else -EEXIST;
 * what somebody else made meanwhile is never replaced. -ENAMETOOLONG, -ENOSPC, -errno. */
int zs_file_put(const char *path, const void *bytes, size_t len, bool fresh);
/* Reads a plain file that nobody else may: 0600 or less, owned by who runs this, or by anybody when that is root; or a
 * credential of the service manager (systemd.exec: right inside $CREDENTIALS_DIRECTORY, root's, which its group may read). Its
 * length; -ENOENT: there is none, and err says nothing; -EPERM: it is open to others, -EFBIG: more than `max` bytes, -errno. */
ssize_t zs_file_get(const char *path, void *out, size_t max, struct zs_error *err);
/* "PATH: what" and the exit status that goes with -errno `code`, which it returns. */
int zs_file_refuse(struct zs_error *err, int code, const char *path, const char *what);

#endif
