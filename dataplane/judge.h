/* Health of the dataplane: what is raised and cleared each tick. */
#ifndef ZS_DATAPLANE_JUDGE_H
#define ZS_DATAPLANE_JUDGE_H

#include "dataplane.h"

/* Main, each tick, after the ports' statistics were read. */
void zs_judge(struct zs_dp *dp, uint64_t now_ns);
/* Main: do all workers go round? What the service manager's watchdog is told by. */
bool zs_judge_workers(const struct zs_dp *dp, uint64_t now_ns);

#endif
