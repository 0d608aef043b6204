#ifndef ZS_ZSCTL_DOCTOR_H
#define ZS_ZSCTL_DOCTOR_H

#include "conf/conf.h"
#include "zsctl.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
	const struct zs_conf *conf;
	json_t *rows;
	unsigned warned, failed;
};

/* One row; `action` is what to do, empty when all is well. */
__attribute__((format(printf, 5, 6))) void doctor_row(struct doctor *d, const char *check,
						      enum doctor_state state, const char *action,
						      const char *fmt, ...);
/* The file's first bytes without the last newline. Length, or -1. */
int doctor_read(const char *path, char *buf, size_t cap);
/* Is n in a list like "0-3,7"? */
bool doctor_in_list(const char *list, unsigned long n);

void doctor_machine(struct doctor *d); /* kernel, disks, groups */
/* With the role relay alone, as all of them from here on: what forwarding takes of the machine. */
void doctor_forwarding(struct doctor *d);
void doctor_cores(struct doctor *d);   /* processors, isolation, interrupts */
void doctor_network(struct doctor *d); /* interfaces and ports; reads /sys and /proc, opens no device */
void doctor_twins(struct doctor *d);   /* the kernel's twins of ports */
void doctor_planes(struct doctor *d);  /* the processes that run */

#endif
