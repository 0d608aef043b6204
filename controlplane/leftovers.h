/* Shared memory that a life with the role relay left behind, and that a PoP without it neither reads nor writes. */
#ifndef ZS_CONTROLPLANE_LEFTOVERS_H
#define ZS_CONTROLPLANE_LEFTOVERS_H

#include "control.h"

/* At the start, before any module, when forwarding is off. Stops a dataplane that still runs, for it would go on with the last tables;
 * then takes the control plane's segments away, and the dataplane's if it is dead. What the store has stays. */
void zs_leftovers_remove(struct zs_control *c);

#endif
