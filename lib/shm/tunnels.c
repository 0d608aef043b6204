/* Any kill leaves either the session of before or nothing: a tag is stored last, and cleared first. */
#include "shm/tunnels.h"

#include <string.h>

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdu;
	return h ^ h >> 32;
}

uint64_t zs_tunnel_tag(const struct zs_session *v)
{
	uint64_t h = mix(mix(v->created_s, (uint64_t)v->receiver << 32 | v->peer),
			 (uint64_t)v->attachment << 16 | v->generation);

	return h ? h : 1;
}

struct zs_lane_store *zs_tunnel_lane_take(struct zs_tunnel_lane *l, uint64_t tag)
{
	if (l->tag == tag)
		return &l->store;
	__atomic_store_n(&l->tag, 0, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_seq_cst);
	l->store = (struct zs_lane_store){ 0 };
	__atomic_store_n(&l->tag, tag, __ATOMIC_RELEASE);
	return &l->store;
}

uint32_t zs_tunnel_claim(struct zs_tunnel_session *t, uint32_t worker, uint32_t workers)
{
	uint32_t owner = atomic_load_explicit(&t->owner, memory_order_acquire);

	while (owner == 0 || owner > workers)
		if (atomic_compare_exchange_weak(&t->owner, &owner, worker + 1))
			return worker;
	return owner - 1;
}

void zs_tunnel_end(struct zs_tunnel_session *t)
{
	t->ended = 1;
	zs_seqlock_put(&t->path, &(struct zs_tunnel_path){ 0 }, sizeof(t->path));
}

bool zs_tunnel_path_get(const struct zs_tunnel_session *t, uint64_t tag, struct zs_tunnel_path *out)
{
	if (__atomic_load_n(&t->tag, __ATOMIC_ACQUIRE) != tag || !tag)
		return false;
	return zs_seqlock_get(&t->path, out, sizeof(*out)) && out->to.port != 0 &&
	       __atomic_load_n(&t->tag, __ATOMIC_RELAXED) == tag;
}
