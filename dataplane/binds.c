/* Order of a change: the sender leaves the index, the binding is stored, the new sender comes, the log tells. In between a
 * packet from either address is a stranger's for some ns. */
#include "binds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "fastpath.h"
#include "hot.h"
#include "worker.h"

#define SWEEP_SLICE 128 /* each ms: a million in 8 s */

static uint64_t hash_of(const struct zs_dp *dp, const struct zs_binding *b)
{
	struct zs_endpoint from = { b->addr, b->port };

	return zs_senders_hash(&dp->senders, &from, b->local);
}

static bool same_place(const struct zs_binding *a, const struct zs_binding *b)
{
	return a->port == b->port && a->local == b->local && zs_addr_eq(&a->addr, &b->addr);
}

const struct zs_bind_keys *zs_binds_keys(struct zs_binds *b, const struct zs_session *session)
{
	struct zs_bind_cached *c = &b->cache[session->receiver % ZS_BINDS_CACHED];

	if (memcmp(c->root, session->root, sizeof(c->root)) != 0) {
		zs_bind_keys_wipe(&c->keys);
		zs_bind_keys_make(&b->engine, session->root, &c->keys);
		memcpy(c->root, session->root, sizeof(c->root));
	}
	return &c->keys;
}

struct zs_binding zs_binds_get(const struct zs_worker *w, uint32_t id)
{
	struct zs_binding b = { 0 };

	zs_seqlock_copy_out(&b, &w->dp->state.binding[id], sizeof(b)); /* nobody else writes it */
	return b;
}

bool zs_binds_room(const struct zs_worker *w, const struct zs_endpoint *from, uint8_t local)
{
	return zs_senders_room(&w->dp->senders, zs_senders_hash(&w->dp->senders, from, local));
}

void zs_binds_put(struct zs_worker *w, uint32_t id, const struct zs_binding *before,
		  const struct zs_binding *after)
{
	struct zs_dp *dp = w->dp;
	struct zs_binding stored = *after;

	if (before->port && !same_place(before, after))
		zs_senders_remove(&dp->senders, hash_of(dp, before), id);
	if (after->port && !zs_senders_insert(&dp->senders, hash_of(dp, after), id))
		w->count[ZS_COUNTER_senders_full]++; /* asked before: only damage gets here */
	zs_seqlock_put(&dp->state.binding[id], &stored, sizeof(stored));
	zs_changelog_append(&dp->state.bindings, id);
}

static bool holds(const struct zs_worker *w, uint32_t slot, const struct zs_binding *b)
{
	struct zs_session v = { 0 };
	bool yes = zs_sessions_slot(w->sessions, slot, &v) && v.mode == ZS_SESSION_SOCKET &&
		   v.incarnation == w->dp->state.seg.base->incarnation &&
		   zs_binding_held(b, v.receiver, v.bind_id);

	explicit_bzero(&v, sizeof(v));
	return yes;
}

bool zs_binds_held(const struct zs_worker *w, const struct zs_attachment *a, const struct zs_binding *b)
{
	return holds(w, a->session, b) || holds(w, a->previous, b);
}

/* Is whoever held the binding gone? The session, the attachment, or its owner. */
static bool unheld(const struct zs_worker *w, uint32_t id, const struct zs_binding *b)
{
	struct zs_attachment a;

	if (!w->sessions ||
	    (id < w->sessions->attachments && zs_seqlock_read(&w->sessions->attachment[id].seq) & 1))
		return false; /* nothing is known just now */
	return !zs_sessions_attachment(w->sessions, id, &a) || a.generation != b->generation ||
	       !zs_binds_held(w, &a, b);
}

/* `due`: what ran out ends too. */
static void judge(struct zs_worker *w, uint32_t id, bool due)
{
	struct zs_binding before, after;

	if (!w->dp->state.binding[id].port)
		return;
	before = after = zs_binds_get(w, id);
	if (!(due && before.expires_ns <= w->now_ns) && !unheld(w, id, &before))
		return;
	zs_binding_drop(&after);
	zs_binds_put(w, id, &before, &after);
	w->count[ZS_COUNTER_bindings_ended]++;
}

void zs_binds_judge(struct zs_worker *w, uint32_t id)
{
	judge(w, id, false);
}

void zs_binds_sweep(struct zs_worker *w)
{
	uint32_t all = w->dp->state.attachments;

	for (uint32_t n = 0; n < SWEEP_SLICE && n < all; n++)
		judge(w, w->dp->binds->sweep++ % all, true);
}

/* One binding as it was left; false: it ends. */
static bool adopt(struct zs_dp *dp, uint32_t id, uint64_t now)
{
	struct zs_binding b, *at = &dp->state.binding[id];
	bool torn = zs_seqlock_read(&at->seq) & 1, lives;

	zs_seqlock_copy_out(&b, at, sizeof(b));
	lives = b.port && !torn && b.expires_ns > now && zs_senders_insert(&dp->senders, hash_of(dp, &b), id);
	if (lives || (!b.port && !torn))
		return lives;
	zs_binding_drop(&b);
	zs_seqlock_put(at, &b, sizeof(b));
	return false;
}

int zs_binds_open(struct zs_dp *dp, struct zs_error *err)
{
	uint64_t now = zs_clock_ns();
	uint32_t lives = 0;

	dp->senders.bucket = dp->fast ? dp->fast->maps.senders : dp->state.sender;
	dp->senders.mask = zs_senders_for(dp->state.attachments) - 1;
	if (getrandom(dp->senders.key, sizeof(dp->senders.key), 0) != sizeof(dp->senders.key))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "no random numbers");
	dp->binds = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*dp->binds), 64));
	if (!dp->binds)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for keys of BIND");
	memset(dp->binds, 0, sizeof(*dp->binds));
	zs_gcm_engine_best(&dp->binds->engine);
	zs_senders_clear(&dp->senders);
	for (uint32_t id = 0; id < dp->state.attachments; id++)
		lives += adopt(dp, id, now);
	zs_changelog_lose(&dp->state.bindings);
	if (lives)
		ZS_LOG(dp->log, BINDINGS_ADOPTED, "bindings=%u", lives);
	return 0;
}

void zs_binds_close(struct zs_dp *dp)
{
	if (!dp->binds)
		return;
	for (uint32_t i = 0; i < ZS_BINDS_CACHED; i++)
		zs_bind_keys_wipe(&dp->binds->cache[i].keys);
	zs_gcm_engine_fini(&dp->binds->engine);
	explicit_bzero(dp->binds, sizeof(*dp->binds));
	free(dp->binds);
	dp->binds = NULL;
}
