/* The policer of one worker: may this packet of that attachment pass?
 *
 *   tenant       one bucket a direction for all its attachments
 *     ▲
 *   attachment   one bucket a direction, and one for its share of the tenant
 *     ▲
 *   lease        what this worker took from all of them at once: max(one packet, 1 ms of the rate), at most
 *                64 KiB; spent without an atomic, returned after 5 ms
 *
 * Rules. A packet passes when every bucket above it has room. The attachment's own limit comes first, so nobody
 * draws more from the tenant than that. Of the tenant's rate each of its n attachments is sure of 1/n: what keeps
 * within this share (by bytes or packets, whatever costs more) may run the tenant's bucket one burst deeper than
 * what does not. So the rest is first come, first served, and no greedy attachment takes from one that keeps within its
 * share. A packet longer than the burst passes when the bucket is full. With `mark`, what the bucket has no room for
 * passes within one more burst as long as it is ECT and leaves with CE; the rate holds either way, nothing waits.
 *
 * Clock: now_ns is monotonic, the same for all workers (zs_clock_ns; a few µs apart do no harm). A word that lies
 * farther ahead than any use could have put it, after a reboot under a segment that survived or from a damaged
 * page, counts as a full bucket, and so does any after a leap forward: one burst, then the rate. A worker
 * that is killed takes its leases with it and nothing more; a new one forgets them (zs_policer_forget).
 */
#ifndef ZS_SHM_POLICER_H
#define ZS_SHM_POLICER_H

#include "base/prefetch.h"
#include "shm/police.h"
#include "shm/sessions.h"

#define ZS_LEASE_SHIFT 20   /* a step is 1.05 ms */
#define ZS_LEASE_LIFE  5    /* steps */
#define ZS_LEASES      4096 /* listed at once by a worker; beyond that the oldest is returned early */

enum zs_police_verdict { ZS_POLICE_PASS, ZS_POLICE_MARK, ZS_POLICE_DROP };

/* Where the shared parts are; a worker fills it once. */
struct zs_policer_view {
	const struct zs_sessions *sessions;
	struct zs_buckets *bucket;  /* sessions->attachments of them */
	struct zs_buckets *tenant;  /* ZS_TENANTS */
	struct zs_account *account; /* this worker's, sessions->attachments of them */
};

struct zs_listed_lease {
	uint32_t attachment : 24, dir : 8;
	uint32_t since; /* not older than the lease's */
};

struct zs_policer {
	struct zs_policer_view v;
	uint32_t head, count;
	struct zs_listed_lease listed[ZS_LEASES]; /* a ring, oldest first */
};

/* Worker thread, all of it. */
void zs_policer_init(struct zs_policer *p, const struct zs_policer_view *v);
/* Of an account line when the worker starts, before its first packet. */
void zs_policer_forget(struct zs_account *account);
/* Housekeeping, each millisecond or so: returns leases that are over. At most `max` are looked at. */
void zs_policer_tick(struct zs_policer *p, uint64_t now_ns, uint32_t max);
/* Takes a lease that covers the packet and spends it, or answers DROP. zs_policer_packet calls it. */
enum zs_police_verdict zs_policer_lease(struct zs_policer *p, uint32_t attachment, enum zs_way dir,
					uint32_t bytes, bool ect, uint64_t now_ns);
/* Flows of an attachment on all workers. `all`: the lines of worker 0, then of worker 1 …, `attachments` each (state
 * segment). Read racily: workers that make flows at once may be one over the limit each. */
static inline uint64_t zs_policer_flows(const struct zs_account *all, uint32_t workers, uint32_t attachments,
					uint32_t attachment)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < workers; w++)
		sum += __atomic_load_n(&all[(uint64_t)w * attachments + attachment].flows, __ATOMIC_RELAXED);
	return sum;
}

/* Has the attachment or its tenant all the flows it may have? `held` is how many it has on all workers, `tenant_held` how
 * many all attachments of its tenant have. */
bool zs_policer_flows_full(const struct zs_policer *p, uint32_t attachment, uint64_t held,
			   uint64_t tenant_held);
/* May one more come now? Draws from new_flows. */
bool zs_policer_new_flow(struct zs_policer *p, uint32_t attachment, enum zs_way dir, uint64_t now_ns);
/* A lease is over: its line comes into the cache before it is needed. */
static inline void zs_policer_prefetch(const struct zs_policer *p, uint32_t attachment)
{
	zs_prefetch_write(&p->v.account[attachment]);
	zs_prefetch_write(&p->v.bucket[attachment]);
	zs_prefetch(&p->v.sessions->attachment[attachment]);
}

static inline bool zs_lease_lives(const struct zs_lease *l, uint64_t now_ns)
{
	return (uint32_t)(now_ns >> ZS_LEASE_SHIFT) - l->since < ZS_LEASE_LIFE;
}

/* One packet of an attachment with limits; the caller knows that the id is in range and in use, and
 * does not call for one without limits (zs_attachment_policed). `bytes`: UDP payload. ect: its ECN field is ECT(0) or
 * ECT(1). MARK: it passes with CE. */
static inline enum zs_police_verdict zs_policer_packet(struct zs_policer *p, uint32_t attachment,
						       enum zs_way dir, uint32_t bytes, bool ect,
						       uint64_t now_ns)
{
	struct zs_lease *l = &p->v.account[attachment].lease[dir];

	if (l->bytes < bytes || !l->packets || !zs_lease_lives(l, now_ns))
		return zs_policer_lease(p, attachment, dir, bytes, ect, now_ns);
	l->bytes -= bytes;
	l->packets--;
	return ZS_POLICE_PASS;
}

#endif
