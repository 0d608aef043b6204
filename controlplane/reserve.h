/* Room on the state folder's disk that is set aside while there is some: a control plane that ends on a full disk gives it
 * back to start again, since the store cannot be opened without writing. Loop thread. */
#ifndef ZS_CONTROLPLANE_RESERVE_H
#define ZS_CONTROLPLANE_RESERVE_H

#include <stdint.h>

/* What an opening of the store writes at most: its log played back into a table (two buffers of 2 MiB), a new log, a new
 * manifest, each with blocks set aside ahead. */
#define ZS_RESERVE_BYTES (12u << 20)

/* Sets aside what is missing of it, or as large a part as the disk has room for. How many bytes are set aside then;
 * -errno: the file cannot be had. */
int64_t zs_reserve_hold(const char *dir);
/* Gives it back. 0; -ENOENT: there is none, -errno. */
int zs_reserve_give(const char *dir);

#endif
