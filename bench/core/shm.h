/* /dev/shm of this process's own, where DPDK has its folder too: what is in it ends with the process, however that ends. */
#ifndef ZS_BENCH_SHM_H
#define ZS_BENCH_SHM_H

#include <stdbool.h>
#include "base/error.h"

/* Before any thread. `huge`: on huge pages where the kernel gives them. */
int zs_shm_private(bool huge, struct zs_error *err);

#endif
