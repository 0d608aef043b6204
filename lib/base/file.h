/* Small files that are one user's alone: keys, and what a process keeps over restarts. Any thread. */
#ifndef ZS_BASE_FILE_H
#define ZS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define ZS_FILE_PATH 512 /* longest path and its end */

/* Writes `path` (0600), whole or not at all, synced with its folder. `fresh`: only where there is none, else -EEXIST;
 * what somebody else made meanwhile is never replaced. -ENAMETOOLONG, -ENOSPC, -errno. */
int zs_file_put(const char *path, const void *bytes, size_t len, bool fresh);

#endif
