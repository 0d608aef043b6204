/* What attachments sent and got, counted by the workers, as durable records by owner. Sans-I/O but for the store: a
 * shell gives the time; the cells are read from the state segment that c->state shows. Loop thread alone.
 *
 * A cell is a worker's and an attachment's, never reset (shm/police.h). For each the store keeps what was read last,
 * of which incarnation of the segment and whose generation of the attachment; what came since is added to
 * its owner's sum in the same write. So nothing is counted twice, whatever process is killed wherever; a
 * machine that is lost loses what came since the last round, a second.
 *
 * Limits: an attachment's cursor costs some 250 bytes and 32 a worker; the store remembers the sums of ZS_USAGE_SUMS owners,
 * those beyond are counted while they are attached. A round looks at ZS_USAGE_SLICE attachments, then lets the loop
 * go on. */
#ifndef ZS_CONTROLPLANE_USAGE_USAGE_H
#define ZS_CONTROLPLANE_USAGE_USAGE_H

#include "control.h"
#include "p2p/peerid.h"
#include "base/random.h"

#define ZS_USAGE_ROUND_NS ZS_NS_PER_S
#define ZS_USAGE_SLICE	  8192 /* attachments looked at in one go: some ms with 16 workers */
#define ZS_USAGE_PAUSE_NS (5 * ZS_NS_PER_MS)
#define ZS_USAGE_SUMS	  (1u << 20) /* owners with a sum in the store: 150 MB of it */

struct zs_usage;

struct zs_usage_sum {
	struct zs_meter to[ZS_DIRECTIONS];
	uint64_t first_s, last_s; /* Unix time of the first and the last byte counted; 0: none was */
};

/* Goes on where the life before ended; c->store and c->log are there, `attachments` is the capacity. Tells c->attach
 * what everybody has used, if there is one. */
int zs_usage_new(struct zs_usage **out, struct zs_control *c, uint32_t attachments, struct zs_random *random,
		 struct zs_error *err);
void zs_usage_delete(struct zs_usage *u); /* NULL too; counts nothing any more */

/* The attachment is that owner's, of that generation. If it was not: what its cells hold now is still of who had it
 * before, and the new owner's counting begins there. To be called when every worker has seen the change and the
 * owner has not heard of it yet. 0 at once when it was; else the store's answer, with which nothing changed. */
int zs_usage_own(struct zs_usage *u, uint32_t attachment, uint16_t generation, const struct zs_peer_id *owner,
		 uint64_t wall_s);

uint64_t zs_usage_deadline(const struct zs_usage *u);
/* A slice of the round that is due. */
void zs_usage_advance(struct zs_usage *u, uint64_t now_ns, uint64_t wall_s);
/* The rest of this round and all of the next: what was counted until now is stored. */
int zs_usage_settle(struct zs_usage *u, uint64_t now_ns, uint64_t wall_s);

/* An owner's sum, attached or not. false: nothing of it was ever counted. */
bool zs_usage_of(const struct zs_usage *u, const struct zs_peer_id *owner, struct zs_usage_sum *out);
/* All that was counted since the start of this process. */
const struct zs_usage_sum *zs_usage_total(const struct zs_usage *u);

#endif
