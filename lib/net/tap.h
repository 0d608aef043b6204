/* Is a device of the kernel a TAP, or something else that has the name? */
#ifndef ZS_NET_TAP_H
#define ZS_NET_TAP_H

/* In this network namespace, by ethtool's ioctl, which needs no right. 1: a TAP, 0: another device, -ENODEV: none, or another
 * -errno. */
int zs_tap_is(const char *device);

#endif
