/* Keeps the steering programs' maps equal to the tables: own addresses × relay ports. */
#ifndef ZS_DATAPLANE_STEERING_H
#define ZS_DATAPLANE_STEERING_H

#include "dataplane.h"

/* Main. Cheap when nothing has changed. */
void zs_steering_sync(struct zs_dp *dp);

#endif
