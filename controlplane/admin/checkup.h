/* The audit file is checked after a start and once a day, so that what was altered, cut or replaced while nobody looked shows as
 * audit_broken, after every start anew until it is accepted. A step now and then: the loop has other things to do, and a
 * caller's own check goes first. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_ADMIN_CHECKUP_H
#define ZS_CONTROLPLANE_ADMIN_CHECKUP_H

#include "audit/audit.h"
#include "control.h"

#define ZS_CHECKUP_STEP_NS                                                                                   \
	(2 * 1000000ull) /* of a check, a turn of the loop: what anybody else waits for it */

struct zs_checkup {
	struct zs_control *c;
	struct zs_timer *timer;
	struct zs_audit_check *check; /* under way; NULL: none is */
};

int zs_checkup_new(struct zs_checkup *u, struct zs_control *c);
void zs_checkup_delete(struct zs_checkup *u);
/* Somebody else wants to check: this one begins anew when that is done. Nothing without a server, which keeps it. */
void zs_checkup_yield(struct zs_control *c);
/* Shows what a check found, whoever asked for it. */
void zs_checkup_tell(struct zs_control *c, const struct zs_audit_report *report);

#endif
