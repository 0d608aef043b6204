/* Pins of one interface in /sys/fs/bpf/zerostate-<instance>/<ifname>/, and of what all interfaces of the instance share in
 * zerostate-<instance>/:fast/. The bpf file system refuses names with dots, which interfaces may have: they are written as
 * colons, which interfaces cannot have. Of the loader alone; root's. */
#ifndef ZS_BPF_PINS_H
#define ZS_BPF_PINS_H

#include <stdbool.h>
#include "base/error.h"

#define ZS_PIN_DIR  96
#define ZS_PIN_PATH 128 /* a folder and the longest name in it */

struct zs_pins {
	char dir[ZS_PIN_DIR];	 /* the interface's */
	char shared[ZS_PIN_DIR]; /* the instance's */
};

/* ifname NULL: what is shared alone. -EINVAL, -ENAMETOOLONG. */
int zs_pins_name(struct zs_pins *p, const char *instance, const char *ifname, struct zs_error *err);
/* -ENOENT: no bpf file system is mounted, nor shown where the instance has its folder. */
int zs_pins_check(const struct zs_pins *p, struct zs_error *err);
int zs_pins_make(const struct zs_pins *p, bool shared, struct zs_error *err);
/* A descriptor, or -errno. */
int zs_pin_open(const char *dir, const char *name);
/* Puts fd behind the name, whatever was there. */
int zs_pin_replace(const char *dir, const char *name, int fd);
/* Unlinks everything in a folder; what it kept alive ends with the last descriptor. */
void zs_pins_sweep(const char *dir);
/* The interface's folder; the instance's too when it was the last. 0 or -errno. */
int zs_pins_remove(const struct zs_pins *p);

#endif
