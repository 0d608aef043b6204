/* The bindings region and the index of senders, as the binder keeps them: worker 0 alone. Others hand over. */
#ifndef ZS_DATAPLANE_BINDS_H
#define ZS_DATAPLANE_BINDS_H

#include "dataplane.h"

#define ZS_BINDER 0
#define ZS_BINDS_CACHED                                                                                      \
	1024 /* sessions whose keys are kept: 2 MiB; of more, the µs that a key takes are paid again */

struct zs_bind_cached {
	uint8_t root[ZS_SESSION_ROOT]; /* whose keys they are; all zero: nobody's */
	struct zs_bind_keys keys;
};

/* The binder's own. */
struct zs_binds {
	struct zs_gcm_engine engine;
	uint32_t sweep; /* whose binding is looked at next */
	struct zs_bind_cached cache[ZS_BINDS_CACHED];
};

/* Main, before the workers run: draws the index's key and makes it again from the bindings that still live. What a
 * killed binder left half written loses its binding, never its counters. */
int zs_binds_open(struct zs_dp *dp, struct zs_error *err);
void zs_binds_close(struct zs_dp *dp);

/* Binder. The keys of a session, good until the next call. */
const struct zs_bind_keys *zs_binds_keys(struct zs_binds *b, const struct zs_session *session);

/* Binder. A copy of an attachment's binding. */
struct zs_binding zs_binds_get(const struct zs_worker *w, uint32_t id);
/* Binder: may one more bind from there? false: the index has no room. */
bool zs_binds_room(const struct zs_worker *w, const struct zs_endpoint *from, uint8_t local);
/* Binder: publishes a binding that was `before`, with its sender, and tells the workers. */
void zs_binds_put(struct zs_worker *w, uint32_t id, const struct zs_binding *before,
		  const struct zs_binding *after);
/* Any worker: has the attachment, as it is wanted, still the session that holds the binding? */
bool zs_binds_held(const struct zs_worker *w, const struct zs_attachment *a, const struct zs_binding *b);
/* Binder: ends that attachment's binding if the session that held it is over or the attachment another's; hot.c asks as soon as
 * the logs tell of a change. */
void zs_binds_judge(struct zs_worker *w, uint32_t id);
/* Binder, in housekeeping: that and what ran out, of all of them, a slice at a time. */
void zs_binds_sweep(struct zs_worker *w);

#endif
