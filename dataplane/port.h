/* Ports: one ethdev per configured interface. Main thread, before the workers start and
 * after they have ended. */
#ifndef ZS_DATAPLANE_PORT_H
#define ZS_DATAPLANE_PORT_H

#include "dataplane.h"

/* Makes the packet pool, then opens and starts every configured port. Fills dp->port,
 * dp->ports, dp->pool. RESOURCE or PRIVILEGE in *err names the device and the way out. */
int zs_ports_start(struct zs_dp *dp, struct zs_error *err);
/* Stops the ports. AF_XDP ones are left to the kernel to close, so that the pinned steering
 * program stays attached and goes on dropping relay packets until the next start. */
void zs_ports_stop(struct zs_dp *dp);
/* The ethdev's index in dp->port of an mbuf's port number: they are the same by construction. */

#endif
