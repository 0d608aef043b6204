/* One request to one answer, without sockets: what the admin server calls per line, and what
 * tests and the fuzzer call directly. */
#ifndef ZS_CONTROLPLANE_ADMIN_HANDLE_H
#define ZS_CONTROLPLANE_ADMIN_HANDLE_H

#include <jansson.h>
#include "audit/audit.h"
#include "base/gcra.h"
#include "control.h"

#define ZS_ADMIN_REQUEST_MAX  (64u << 10)
#define ZS_ADMIN_DEPTH_MAX    8 /* a request is an object in an object, a file one more */
/* Audited refusals of callers below admin: a record is a sync to the disk, so strangers get
 * some 3,000 a day, each level of its own; what is held back is counted in the next record. */
#define ZS_ADMIN_REFUSED_MAX  20 /* at once … */
#define ZS_ADMIN_REFUSED_RATE 2	 /* … and a minute after that */

/* Counts for the metrics; hangs off zs_control through zs_admin, so a test may leave it out. */
struct zs_admin_counts {
	uint64_t calls[ZS_COMMANDS];
	uint64_t refused, failed, malformed, connections, connections_refused;
	uint64_t held; /* refusals not yet told in the audit file */
	struct zs_gcra refusals[ZS_LEVEL_admin];
};

struct zs_later;
/* Runs the request of `caller`. *answer is a new reference, also for refusals. 0; -ENOMEM without an answer; -EINPROGRESS: it
 * comes by later->answer (admin/later.h), and `caller` lives until then. */
int zs_admin_handle(struct zs_control *c, const struct zs_caller *caller, const char *req, size_t len,
		    struct zs_later *later, json_t **answer);
/* NULL without a server. */
struct zs_admin_counts *zs_admin_counts(struct zs_control *c);

#endif
