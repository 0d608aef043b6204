/* The libp2p host's series: labels are directions, scopes and resources, sets of the build. */
#ifndef ZS_CONTROLPLANE_METRICS_PEERS_H
#define ZS_CONTROLPLANE_METRICS_PEERS_H

#include <stdio.h>
#include "peers/peers.h"

void zs_metrics_peers(FILE *out, struct zs_peers *p);

#endif
