/* How many receive and transmit queues a network device of the kernel has in use. */
#ifndef ZS_NET_CHANNELS_H
#define ZS_NET_CHANNELS_H

#include <stdint.h>

struct zs_channels {
	uint32_t rx, tx;
};

/* Of `device` in this network namespace, by ethtool's ioctl, which needs no right. A driver that
 * cannot tell has one of each. 0 or -errno (-ENODEV: no such device); then *out is one of each too. */
int zs_channels_of(const char *device, struct zs_channels *out);

#endif
