/* The dataplane's view of the tables and sessions segments, which come and go with the control plane. */
#ifndef ZS_DATAPLANE_VIEW_H
#define ZS_DATAPLANE_VIEW_H

#include "dataplane.h"

/* Main: joins both when they appear, moves to a new segment when the path was replaced,
 * and leaves the old one once every worker has let go of it. Bounded, never waits. */
void zs_view_refresh(struct zs_dp *dp);
void zs_view_close(struct zs_dp *dp);

#endif
