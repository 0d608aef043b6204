/* A second process of an instance is refused, and the first one tells of it. */
#ifndef ZS_DATAPLANE_SECOND_H
#define ZS_DATAPLANE_SECOND_H

#include "dataplane.h"

/* The refused process: leaves a note with its pid in the instance's folder. */
void zs_second_leave_note(const struct zs_dp *dp);
/* Main, each tick: a note raises the health code second_instance for a minute. */
void zs_second_look(struct zs_dp *dp, uint64_t now_ns);

#endif
