/* The drain: nothing new comes in, what is there moves away or is ended by a deadline, and so it stays until it is lifted. It is
 * stored, so a restart of either process goes on where it was. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_DRAIN_H
#define ZS_CONTROLPLANE_DRAIN_H

#include "control.h"

#define ZS_DRAIN_TIMEOUT_S     60	    /* unless told */
#define ZS_DRAIN_TIMEOUT_MAX_S (24u * 3600) /* a drain that takes longer is none */

const char *zs_drain_name(enum zs_drain_state state);

#define ZS_DRAIN_RECORD 14
/* What the store keeps of one that is not SERVING; for drain.c and tests. The reader fills state and times alone; false: damaged. */
void zs_drain_record_write(uint8_t out[ZS_DRAIN_RECORD], const struct zs_drain *d);
bool zs_drain_record_read(struct zs_drain *d, const void *value, size_t len);

/* After the store is open and before anything else: what the life before left. */
void zs_drain_load(struct zs_control *c);
/* When all modules are there: goes on with what was loaded. */
int zs_drain_resume(struct zs_control *c, struct zs_error *err);
void zs_drain_delete(struct zs_control *c);

/* Begins, or gives a drain under way another deadline; a drained relay stays so. -ERANGE; the store's: nothing was changed. */
int zs_drain_begin(struct zs_control *c, uint32_t timeout_s, struct zs_error *err);
/* Lifts it. -ENOENT: there is none; the store's. */
int zs_drain_lift(struct zs_control *c, struct zs_error *err);

struct zs_drain_left {
	uint32_t edges; /* that are connected */
	uint32_t sessions;
	uint64_t flows;
	uint32_t left_s; /* of the timeout */
};
void zs_drain_left(const struct zs_control *c, struct zs_drain_left *out);

#endif
