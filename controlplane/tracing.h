/* The control plane's side of tracing: one trace at a time, begun, read and ended by commands. One that nobody reads ends by
 * itself. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_TRACING_H
#define ZS_CONTROLPLANE_TRACING_H

#include "control.h"
#include "shm/trace.h"

#define ZS_TRACING_SECONDS     10 /* unless told */
#define ZS_TRACING_SECONDS_MAX 3600
#define ZS_TRACING_PACKETS     10000
#define ZS_TRACING_PACKETS_MAX 1000000
#define ZS_TRACING_RATE	       1000 /* samples a second and worker */
#define ZS_TRACING_UNREAD_S    10   /* then it ends */

struct zs_tracing;

int zs_tracing_new(struct zs_tracing **out, struct zs_control *c, struct zs_error *err);
void zs_tracing_delete(struct zs_tracing *t);

/* Filter and bounds of `want`; serial and end are filled in. *id is what the others ask by. -EBUSY: there is one already;
 * -ENODEV: no dataplane has run here. */
int zs_tracing_begin(struct zs_tracing *t, struct zs_trace_want *want, uint32_t seconds, uint32_t packets,
		     uint32_t *id, struct zs_error *err);
/* Takes a sample, any worker's; `capture` has room for ZS_TRACE_SNAP bytes. *time_ns: since 1970. false: none for now. */
bool zs_tracing_take(struct zs_tracing *t, struct zs_trace_record *r, void *capture, uint64_t *time_ns);
/* Is it this trace, and is it known still? Ended ones are, until the next begins. */
bool zs_tracing_is(const struct zs_tracing *t, uint32_t id);
/* Why no more samples are made: "duration", "packets", "command", "unread", "dataplane"; NULL: they are. */
const char *zs_tracing_over(struct zs_tracing *t);
void zs_tracing_end(struct zs_tracing *t, const char *why);
void zs_tracing_count(const struct zs_tracing *t, uint32_t iface, struct zs_trace_count *out);

/* NULL: none. For the verb memory and the watch over damaged segments. */
struct zs_trace *zs_tracing_segments(struct zs_tracing *t);

#endif
