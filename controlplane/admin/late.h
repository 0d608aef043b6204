/* The emergency stop waits for no disk: when its record cannot be written it is done all the same, kept here
 * and recorded as soon as that works. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_ADMIN_LATE_H
#define ZS_CONTROLPLANE_ADMIN_LATE_H

#include "admin/handle.h"

struct zs_late {
	bool waiting;
	struct zs_caller
	    caller; /* of the first stop that waits; it is one record, with a count of those after it */
	uint64_t more;
	uint64_t at_ns; /* wall clock */
	struct zs_timer *timer;
};

int zs_late_new(struct zs_late *late, struct zs_control *c);
/* Tries once more, then gives up what still waits: the log has it. */
void zs_late_delete(struct zs_late *late, struct zs_control *c);
/* A stop of `caller` was done without a record. Nothing without a server, which keeps it. */
void zs_late_note(struct zs_control *c, const struct zs_caller *caller);
/* Before anything else is recorded: opens the audit file if that failed before, and writes what waits, so that
 * records stand in the order of the calls. 0, or -errno and err: nothing may be changed. */
int zs_late_settle(struct zs_control *c, struct zs_error *err);
/* Shows how writing the audit file went: health code and log; what failed is tried again until it works. */
void zs_late_health(struct zs_control *c, int rc, const struct zs_error *err);

#endif
