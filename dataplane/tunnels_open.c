/* The workers' memory for tunnels. Windows that sessions of the run before hold stay theirs, the rest is free. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tunnels.h"

/* Zeroed and on pages of its own: keys are read at random, so huge pages where the kernel gives them. */
static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_HUGEPAGE);
	madvise(p, bytes, MADV_DONTDUMP);
	return p;
}

static void unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

static void unmap_secrets(void *p, size_t bytes)
{
	if (p)
		sodium_memzero(p, bytes);
	unmap(p, bytes);
}

static size_t keys_bytes(const struct zs_dp *dp)
{
	return (size_t)dp->state.windows * ZS_WINDOW_KEYS * sizeof(struct zs_gcm_key);
}

static size_t ratchets_bytes(const struct zs_dp *dp)
{
	return (size_t)dp->state.windows * sizeof(struct zs_window_ratchet);
}

static size_t known_bytes(const struct zs_tunnels *t)
{
	return (size_t)t->sessions * sizeof(struct zs_known);
}

static size_t answers_bytes(const struct zs_tunnels *t)
{
	return (size_t)t->sessions * sizeof(*t->answer_tat_ns);
}

static size_t ways_bytes(const struct zs_tunnels *t)
{
	return (size_t)t->ways * sizeof(struct zs_tunnel_way);
}

static struct zs_tunnels *make(struct zs_dp *dp)
{
	struct zs_tunnels *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->sessions = dp->state.sessions;
	t->ways = dp->conf->attach.sessions;
	t->key = dp->window_key;
	t->ratchet = dp->window_ratchet;
	t->windows = dp->state.windows;
	t->known = map(known_bytes(t));
	t->answer_tat_ns = map(answers_bytes(t));
	t->way = map(ways_bytes(t));
	t->way_free = calloc(t->ways, sizeof(*t->way_free));
	while (t->way_free && t->ways_left < t->ways) {
		t->way_free[t->ways_left] = t->ways - t->ways_left;
		t->ways_left++;
	}
	zs_gcm_engine_best(&t->engine);
	return t;
}

static bool is_whole(const struct zs_tunnels *t)
{
	return t && t->known && t->answer_tat_ns && t->way && t->way_free;
}

/* A window that two lanes name, or none there is, is neither's: its lane is unseen from now on, under keys that end with
 * its session. Damage alone comes to this. */
static void deal(struct zs_dp *dp, uint8_t *taken)
{
	for (uint32_t slot = 0; slot < dp->state.sessions; slot++) {
		struct zs_tunnel_session *s = &dp->state.tunnel_session[slot];

		for (uint32_t lane = 0; lane < ZS_TUNNEL_LANES; lane++) {
			uint32_t window = s->window[lane] - 1;

			if (!s->window[lane])
				continue;
			if (window < dp->state.windows && !taken[window]) {
				taken[window] = 1;
				continue;
			}
			s->window[lane] = 0;
			zs_tunnel_end(s);
		}
	}
	for (uint32_t i = dp->state.windows; i-- > 0;)
		if (!taken[i])
			zs_windows_put(&dp->windows, i);
}

int zs_tunnels_open(struct zs_dp *dp, struct zs_error *err)
{
	uint8_t *taken = calloc(1, dp->state.windows);

	dp->window_key = map(keys_bytes(dp));
	dp->window_ratchet = map(ratchets_bytes(dp));
	if (zs_windows_new(&dp->windows, dp->state.windows, dp->state.attachments) || !taken ||
	    !dp->window_key || !dp->window_ratchet)
		goto no_memory;
	for (uint32_t i = 0; i < dp->workers; i++) {
		dp->worker[i]->tunnels = make(dp);
		if (!is_whole(dp->worker[i]->tunnels))
			goto no_memory;
	}
	deal(dp, taken);
	free(taken);
	return 0;
no_memory:
	free(taken);
	return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE,
			    "no memory for tunnels: lower attach.sessions or attach.lanes");
}

static void unmake(struct zs_tunnels *t)
{
	for (uint32_t i = 0; t->way && i < t->ways; i++)
		if (t->way[i].tag)
			zs_lane_wipe(&t->way[i].lane);
	zs_gcm_engine_fini(&t->engine);
	unmap(t->way, ways_bytes(t));
	free(t->way_free);
	unmap(t->answer_tat_ns, answers_bytes(t));
	unmap(t->known, known_bytes(t));
	free(t);
}

void zs_tunnels_close(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->workers; i++) {
		if (dp->worker[i] && dp->worker[i]->tunnels)
			unmake(dp->worker[i]->tunnels);
		if (dp->worker[i])
			dp->worker[i]->tunnels = NULL;
	}
	unmap_secrets(dp->window_key, keys_bytes(dp));
	unmap_secrets(dp->window_ratchet, ratchets_bytes(dp));
	dp->window_key = NULL;
	dp->window_ratchet = NULL;
	zs_windows_delete(&dp->windows);
}
