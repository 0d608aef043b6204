/* Tells when the machine's addresses or routes have changed (rtnetlink): a laptop that moved, a line that came back. The
 * kernel says many things at once, which is told once. One thread, the loop's. */
#ifndef ZS_LOOP_ADDRESSES_H
#define ZS_LOOP_ADDRESSES_H

#include "loop/loop.h"

struct zs_addresses;

typedef void zs_addresses_fn(void *ctx);
/* -errno: the kernel has no rtnetlink, or none for us. */
int zs_addresses_new(struct zs_addresses **out, struct zs_loop *loop, zs_addresses_fn *fn, void *ctx);
void zs_addresses_delete(struct zs_addresses *a);

#endif
