/* The series as Prometheus text, without sockets. */
#ifndef ZS_CONTROLPLANE_METRICS_TEXT_H
#define ZS_CONTROLPLANE_METRICS_TEXT_H

#include <stdio.h>
#include "control.h"

/* Writes all series of c; whatever of c is NULL is left out. */
void zs_metrics_write(FILE *out, struct zs_control *c);

#endif
