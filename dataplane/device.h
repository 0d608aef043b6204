/* The device behind a configured port: which driver, how many queues, which ethdevs. Main thread,
 * for port.c alone. */
#ifndef ZS_DATAPLANE_DEVICE_H
#define ZS_DATAPLANE_DEVICE_H

#include "dataplane.h"

/* What is known before DPDK has the device: driver, MTU, VLANs, receive queues. RESOURCE: this build
 * has no such driver, the kernel no such interface, or it has too many queues. */
int zs_device_prepare(struct zs_dp *dp, uint32_t i, struct zs_error *err);
/* Attaches the steering program and finds or makes the ethdevs of port `i`. */
int zs_device_find(struct zs_dp *dp, uint32_t i, struct zs_error *err);
/* Does the driver give as many queues as it is asked for? */
bool zs_device_many_queues(const struct zs_port *p);
/* Fills err with "port NAME (DEVICE): WHAT: why" and returns the code. */
int zs_device_fail(struct zs_error *err, int code, const struct zs_port *p, const char *what);

#endif
