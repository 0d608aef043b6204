/* A peer is a slot of the table; each is in one of three lists, the least recently touched first. */
#include "p2p/peerstore_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"

void zs_peerstore_defaults(struct zs_peerstore_config *config)
{
	*config = (struct zs_peerstore_config){ .peers = 8192,
						.learnt_ns = 3600 * ZS_NS_PER_S,
						.recent_ns = 48 * 3600 * ZS_NS_PER_S };
}

struct zs_peerstore *zs_peerstore_new(const struct zs_peerstore_config *config)
{
	struct zs_peerstore *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	for (int i = 0; i < ZS_RANKS; i++)
		zs_list_init(&s->list[i]);
	s->info = calloc(config->peers, sizeof(*s->info));
	s->links = calloc(config->peers, sizeof(*s->links));
	s->rank = calloc(config->peers, sizeof(*s->rank));
	zs_list_init(&s->changes);
	s->change_links = calloc(config->peers, sizeof(*s->change_links));
	s->is_changed = calloc(config->peers, sizeof(*s->is_changed));
	if (!s->info || !s->links || !s->rank || !s->change_links || !s->is_changed ||
	    zs_peertable_new(&s->table, config->peers, config->key)) {
		zs_peerstore_delete(s);
		return NULL;
	}
	return s;
}

void zs_peerstore_delete(struct zs_peerstore *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; s->info && i < s->config.peers; i++) {
		free(s->info[i].envelope);
		free(s->info[i].protocols);
	}
	zs_peertable_delete(&s->table);
	free(s->info);
	free(s->links);
	free(s->rank);
	free(s->change_links);
	free(s->is_changed);
	free(s);
}

uint64_t zs_peerstore_life(const struct zs_peerstore *s, uint8_t known)
{
	if (known >= ZS_KNOWN_CONNECTED)
		return UINT64_MAX;
	return known == ZS_KNOWN_RECENT ? s->config.recent_ns : s->config.learnt_ns;
}

static uint64_t end_of(const struct zs_peerstore *s, uint8_t known, uint64_t now_ns)
{
	uint64_t until;

	return __builtin_add_overflow(now_ns, zs_peerstore_life(s, known), &until) ? UINT64_MAX : until;
}

static enum zs_peerstore_rank rank_of(const struct zs_peer_info *p)
{
	uint8_t best = ZS_KNOWN_LEARNT;

	for (uint32_t i = 0; i < p->addresses; i++)
		best = p->address[i].known > best ? p->address[i].known : best;
	return best >= ZS_KNOWN_CONNECTED ? ZS_RANK_PINNED
	       : best == ZS_KNOWN_RECENT  ? ZS_RANK_RECENT
					  : ZS_RANK_LEARNT;
}

void zs_peerstore_touch(struct zs_peerstore *s, uint32_t slot)
{
	zs_list_remove(&s->list[s->rank[slot]], s->links, slot);
	s->rank[slot] = (uint8_t)rank_of(&s->info[slot]);
	zs_list_append(&s->list[s->rank[slot]], s->links, slot);
}

static void drop_slot(struct zs_peerstore *s, uint32_t slot)
{
	zs_list_remove(&s->list[s->rank[slot]], s->links, slot);
	zs_peertable_remove(&s->table, slot);
	free(s->info[slot].envelope);
	free(s->info[slot].protocols);
	s->info[slot] = (struct zs_peer_info){ 0 };
	zs_peerstore_changed(s, slot);
}

uint32_t zs_peerstore_slot(struct zs_peerstore *s, const struct zs_peer_id *peer)
{
	uint32_t slot = zs_peertable_find(&s->table, peer);

	if (slot != ZS_PEER_NONE)
		return slot;
	for (int r = 0; r < ZS_RANK_PINNED && s->table.pool.used == s->config.peers; r++)
		if (s->list[r].head != ZS_LIST_NONE)
			drop_slot(s, s->list[r].head);
	slot = zs_peertable_add(&s->table, peer);
	if (slot == ZS_PEER_NONE)
		return slot;
	s->rank[slot] = ZS_RANK_LEARNT;
	zs_list_append(&s->list[ZS_RANK_LEARNT], s->links, slot);
	return slot;
}

void zs_peerstore_refresh(struct zs_peerstore *s, uint32_t slot, uint64_t now_ns)
{
	struct zs_peer_info *p = &s->info[slot];
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->addresses; i++) {
		struct zs_peer_address *a = &p->address[i];
		uint64_t latest = end_of(s, a->known, now_ns);
		if (a->until_ns <= now_ns)
			continue;
		a->until_ns = a->until_ns < latest ? a->until_ns : latest;
		a->succeeded_ns = a->succeeded_ns < now_ns ? a->succeeded_ns : now_ns;
		a->failed_ns = a->failed_ns < now_ns ? a->failed_ns : now_ns;
		if (kept != i)
			p->address[kept] = *a;
		kept++;
	}
	if (kept < p->addresses)
		zs_peerstore_changed(s, slot);
	p->addresses = kept;
}

static struct zs_peer_address *find(struct zs_peer_info *p, struct zs_span address)
{
	for (uint32_t i = 0; i < p->addresses; i++)
		if (p->address[i].len == address.len &&
		    !memcmp(p->address[i].bytes, address.bytes, address.len))
			return &p->address[i];
	return NULL;
}

/* The address that is missed least: worst known, then failing, then soonest over. */
static struct zs_peer_address *worst(struct zs_peer_info *p)
{
	struct zs_peer_address *w = &p->address[0];

	for (uint32_t i = 1; i < p->addresses; i++) {
		struct zs_peer_address *a = &p->address[i];
		if (a->known != w->known	   ? a->known < w->known
		    : a->certified != w->certified ? w->certified
		    : a->failures != w->failures   ? a->failures > w->failures
						   : a->until_ns < w->until_ns)
			w = a;
	}
	return w;
}

/* Room for one more address, NULL: all are better known than `known`. */
static struct zs_peer_address *room(struct zs_peer_info *p, enum zs_known known)
{
	struct zs_peer_address *w;

	if (p->addresses < ZS_PEERSTORE_ADDRESSES)
		return &p->address[p->addresses++];
	w = worst(p);
	return w->known <= known && (!w->certified || w->known < known) ? w : NULL;
}

static struct zs_peer_address *learn(struct zs_peerstore *s, uint32_t slot, struct zs_span address,
				     enum zs_known known, uint64_t now_ns)
{
	struct zs_peer_info *p = &s->info[slot];
	struct zs_peer_address *a = find(p, address);
	uint64_t until;

	if (!a) {
		a = room(p, known);
		if (!a)
			return NULL;
		*a = (struct zs_peer_address){ .len = (uint8_t)address.len, .known = (uint8_t)known };
		memcpy(a->bytes, address.bytes, address.len);
		zs_peerstore_changed(s, slot);
	}
	if (known > a->known) {
		a->known = (uint8_t)known;
		zs_peerstore_changed(s, slot);
	}
	until = end_of(s, (uint8_t)known, now_ns);
	a->until_ns = until > a->until_ns ? until : a->until_ns;
	return a;
}

static bool fits(struct zs_span address)
{
	return address.len && address.len <= ZS_PEERSTORE_ADDRESS;
}

/* A peer that was made for nothing goes again. */
static void drop_empty(struct zs_peerstore *s, uint32_t slot)
{
	if (!s->info[slot].addresses && !s->info[slot].envelope && !s->info[slot].protocols)
		drop_slot(s, slot);
}

int zs_peerstore_learn(struct zs_peerstore *s, const struct zs_peer_id *peer, struct zs_span address,
		       enum zs_known known, uint64_t now_ns)
{
	bool learnt;
	uint32_t slot;

	if (!fits(address))
		return -EINVAL;
	slot = zs_peerstore_slot(s, peer);
	if (slot == ZS_PEER_NONE)
		return -ENOSPC;
	zs_peerstore_refresh(s, slot, now_ns);
	learnt = learn(s, slot, address, known, now_ns) != NULL;
	zs_peerstore_touch(s, slot);
	return learnt ? 0 : -ENOSPC;
}

static void *copy_of(const void *bytes, size_t len)
{
	void *p = malloc(len);

	return p ? memcpy(p, bytes, len) : NULL;
}

/* The addresses certified before and not again are no longer; those known by nothing else go. */
static void uncertify(struct zs_peer_info *p)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->addresses; i++) {
		bool drop = p->address[i].certified && p->address[i].known == ZS_KNOWN_LEARNT;
		p->address[i].certified = false;
		if (!drop)
			p->address[kept++] = p->address[i];
	}
	p->addresses = kept;
}

int zs_peerstore_certify(struct zs_peerstore *s, const struct zs_peer_id *peer, uint64_t seq,
			 struct zs_span envelope, const struct zs_span *addresses, uint32_t count,
			 uint64_t now_ns)
{
	struct zs_peer_info *p;
	uint8_t *copy;
	uint32_t slot;

	if (!envelope.len || envelope.len > ZS_PEERSTORE_ENVELOPE)
		return -EINVAL;
	slot = zs_peerstore_slot(s, peer);
	if (slot == ZS_PEER_NONE)
		return -ENOSPC;
	p = &s->info[slot];
	if (p->envelope &&
	    (seq < p->seq || (seq == p->seq && (p->envelope_len != envelope.len ||
						memcmp(p->envelope, envelope.bytes, envelope.len)))))
		return -ESTALE;
	copy = copy_of(envelope.bytes, envelope.len);
	if (!copy) {
		drop_empty(s, slot);
		return -ENOMEM;
	}
	free(p->envelope);
	p->envelope = copy;
	p->envelope_len = (uint16_t)envelope.len;
	p->seq = seq;
	zs_peerstore_refresh(s, slot, now_ns);
	uncertify(p);
	for (uint32_t i = 0; i < count; i++) {
		struct zs_peer_address *a = fits(addresses[i])
						? learn(s, slot, addresses[i], ZS_KNOWN_LEARNT, now_ns)
						: NULL;
		if (a)
			a->certified = true;
	}
	zs_peerstore_changed(s, slot);
	zs_peerstore_touch(s, slot);
	return 0;
}

int zs_peerstore_describe(struct zs_peerstore *s, const struct zs_peer_id *peer, const char *protocols,
			  size_t len, const char *agent)
{
	uint32_t slot;
	char *copy;

	if (len > ZS_PEERSTORE_PROTOCOLS || (len && protocols[len - 1]))
		return -EINVAL;
	slot = zs_peerstore_slot(s, peer);
	if (slot == ZS_PEER_NONE)
		return -ENOSPC;
	copy = copy_of(len ? protocols : "", len ? len : 1);
	if (!copy) {
		drop_empty(s, slot);
		return -ENOMEM;
	}
	free(s->info[slot].protocols);
	s->info[slot].protocols = copy;
	s->info[slot].protocols_len = (uint16_t)len;
	memset(s->info[slot].agent, 0, ZS_PEERSTORE_AGENT);
	memcpy(s->info[slot].agent, agent, strnlen(agent, ZS_PEERSTORE_AGENT - 1));
	zs_peerstore_changed(s, slot);
	zs_peerstore_touch(s, slot);
	return 0;
}

void zs_peerstore_disconnected(struct zs_peerstore *s, const struct zs_peer_id *peer, uint64_t now_ns)
{
	uint32_t slot = zs_peertable_find(&s->table, peer);

	if (slot == ZS_PEER_NONE)
		return;
	for (uint32_t i = 0; i < s->info[slot].addresses; i++) {
		struct zs_peer_address *a = &s->info[slot].address[i];
		if (a->known != ZS_KNOWN_CONNECTED)
			continue;
		a->known = ZS_KNOWN_RECENT;
		a->until_ns = end_of(s, a->known, now_ns);
		zs_peerstore_changed(s, slot);
	}
	zs_peerstore_touch(s, slot);
}

void zs_peerstore_dialled(struct zs_peerstore *s, const struct zs_peer_id *peer, struct zs_span address,
			  bool succeeded, uint64_t now_ns)
{
	uint32_t slot = zs_peertable_find(&s->table, peer);
	struct zs_peer_address *a = slot == ZS_PEER_NONE ? NULL : find(&s->info[slot], address);

	if (!a)
		return;
	zs_peerstore_changed(s, slot);
	if (succeeded) {
		a->succeeded_ns = now_ns;
		a->failures = 0;
	} else {
		a->failed_ns = now_ns;
		a->failures += a->failures < UINT16_MAX;
	}
}

void zs_peerstore_forget(struct zs_peerstore *s, const struct zs_peer_id *peer)
{
	uint32_t slot = zs_peertable_find(&s->table, peer);

	if (slot != ZS_PEER_NONE)
		drop_slot(s, slot);
}

const struct zs_peer_info *zs_peerstore_get(struct zs_peerstore *s, const struct zs_peer_id *peer,
					    uint64_t now_ns)
{
	uint32_t slot = zs_peertable_find(&s->table, peer);

	if (slot == ZS_PEER_NONE)
		return NULL;
	zs_peerstore_refresh(s, slot, now_ns);
	zs_peerstore_touch(s, slot);
	return &s->info[slot];
}

void zs_peerstore_expire(struct zs_peerstore *s, uint64_t now_ns, uint32_t budget)
{
	uint32_t fresh = s->table.pool.fresh;

	for (budget = budget < fresh ? budget : fresh; budget--; s->sweep++) {
		if (s->sweep >= fresh)
			s->sweep = 0;
		if (!zs_pool_is_taken(&s->table.pool, s->sweep))
			continue;
		zs_peerstore_refresh(s, s->sweep, now_ns);
		if (!s->info[s->sweep].addresses)
			drop_slot(s, s->sweep);
		else if (s->rank[s->sweep] != rank_of(&s->info[s->sweep]))
			zs_peerstore_touch(s, s->sweep);
	}
}

uint32_t zs_peerstore_count(const struct zs_peerstore *s)
{
	return s->table.pool.used;
}

bool zs_peerstore_check(const struct zs_peerstore *s)
{
	uint32_t listed = 0;

	for (int r = 0; r < ZS_RANKS; r++)
		for (uint32_t i = s->list[r].head; i != ZS_LIST_NONE; i = s->links[i].next, listed++)
			if (s->rank[i] != r || !zs_pool_is_taken(&s->table.pool, i) ||
			    s->info[i].addresses > ZS_PEERSTORE_ADDRESSES)
				return false;
	return listed == s->table.pool.used && zs_pool_check(&s->table.pool);
}
