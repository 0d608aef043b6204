/* One control plane an instance: a lock on the state folder, held as long as the process. */
#ifndef ZS_CONTROLPLANE_INSTANCE_H
#define ZS_CONTROLPLANE_INSTANCE_H

#include "control.h"

/* Makes the folder and those above it, the last one with `mode`. -EACCES, -ENOTDIR … */
int zs_instance_folder(const char *path, unsigned mode, struct zs_error *err);
/* Locks `dir`/lock: *fd holds it. -EBUSY: another process does (exit RUNNING); that one will notice. */
int zs_instance_lock(int *fd, const char *dir, struct zs_error *err);

#endif
