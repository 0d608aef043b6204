/* Prometheus text on 127.0.0.1 through libmicrohttpd driven by our loop. Series are bounded: labels are workers, drop reasons,
 * interfaces, health codes; never flows, peers or published ports. */
#ifndef ZS_CONTROLPLANE_METRICS_H
#define ZS_CONTROLPLANE_METRICS_H

#include "control.h"

int zs_metrics_new(struct zs_metrics **out, struct zs_control *c, struct zs_error *err);
void zs_metrics_delete(struct zs_metrics *m);

#endif
