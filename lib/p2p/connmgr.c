/* Peers in a bounded table, connections in a pool. A peer has an entry while it has connections, tags or
 * reasons; one with tags alone is in the list `apart`, the longest there first, and makes room. */
#include "p2p/connmgr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "base/list.h"

struct peer {
	struct {
		const char *name; /* NULL: free */
		int32_t value;
	} tag[ZS_CONNMGR_TAGS];
	struct {
		const char *name;
		bool keep;
	} reason[ZS_CONNMGR_REASONS];
	uint32_t conns;
	bool apart;
};
struct conn {
	uint32_t peer, streams;
	enum zs_direction direction;
	bool leaving; /* was named by a trim */
	uint64_t opened_ns, heard_ns;
};
struct rank {
	int64_t score;
	uint64_t heard_ns;
	uint32_t conn;
	bool wanted; /* not inbound and idle */
};
struct zs_connmgr {
	struct zs_connmgr_config config;
	struct zs_peertable table;
	struct peer *peer;
	struct zs_link *links;
	struct zs_list apart;
	struct zs_pool pool;
	struct conn *conn;
	struct rank *rank; /* scratch of a trim */
	uint32_t leaving;
	uint64_t trimmed_ns; /* 0: never */
};

void zs_connmgr_defaults(struct zs_connmgr_config *config)
{
	*config = (struct zs_connmgr_config){
		.low = 3072,
		.high = 4096,
		.conns = 8192,
		.peers = 12288,
		.grace_ns = 20 * ZS_NS_PER_S,
		.pause_ns = 10 * ZS_NS_PER_S,
		.silence_ns = 5 * ZS_NS_PER_S, /* js and rust give up after 10 s: half of that */
	};
}

struct zs_connmgr *zs_connmgr_new(const struct zs_connmgr_config *config)
{
	struct zs_connmgr *m = calloc(1, sizeof(*m));
	uint32_t *next = calloc(config->conns, sizeof(*next));

	if (!m || !next) {
		free(m);
		free(next);
		return NULL;
	}
	m->config = *config;
	zs_pool_init(&m->pool, next, config->conns);
	zs_list_init(&m->apart);
	m->peer = calloc(config->peers, sizeof(*m->peer));
	m->links = calloc(config->peers, sizeof(*m->links));
	m->conn = calloc(config->conns, sizeof(*m->conn));
	m->rank = calloc(config->conns, sizeof(*m->rank));
	if (!m->peer || !m->links || !m->conn || !m->rank ||
	    zs_peertable_new(&m->table, config->peers, config->key)) {
		zs_connmgr_delete(m);
		return NULL;
	}
	return m;
}

void zs_connmgr_delete(struct zs_connmgr *m)
{
	if (!m)
		return;
	zs_peertable_delete(&m->table);
	free(m->pool.next);
	free(m->peer);
	free(m->links);
	free(m->conn);
	free(m->rank);
	free(m);
}

static bool is_protected(const struct peer *p)
{
	for (int i = 0; i < ZS_CONNMGR_REASONS; i++)
		if (p->reason[i].name)
			return true;
	return false;
}

static bool has_tags(const struct peer *p)
{
	for (int i = 0; i < ZS_CONNMGR_TAGS; i++)
		if (p->tag[i].name)
			return true;
	return false;
}

/* Puts the peer where it belongs after a change: in `apart`, out of it, or out of the table. */
static void settle(struct zs_connmgr *m, uint32_t slot)
{
	struct peer *p = &m->peer[slot];
	bool free_to_go = !p->conns && !is_protected(p);

	if (p->apart && !(free_to_go && has_tags(p))) {
		zs_list_remove(&m->apart, m->links, slot);
		p->apart = false;
	}
	if (!free_to_go || p->apart)
		return;
	if (has_tags(p)) {
		zs_list_append(&m->apart, m->links, slot);
		p->apart = true;
	} else {
		zs_peertable_remove(&m->table, slot);
	}
}

/* The peer's entry, made when there is none; ZS_PEER_NONE: no room. A new one must be settled. */
static uint32_t entry_of(struct zs_connmgr *m, const struct zs_peer_id *peer)
{
	uint32_t slot = zs_peertable_find(&m->table, peer);

	if (slot != ZS_PEER_NONE)
		return slot;
	if (m->table.pool.used == m->config.peers && m->apart.head != ZS_LIST_NONE) {
		uint32_t old = m->apart.head;
		zs_list_remove(&m->apart, m->links, old);
		zs_peertable_remove(&m->table, old);
	}
	slot = zs_peertable_add(&m->table, peer);
	if (slot != ZS_PEER_NONE)
		m->peer[slot] = (struct peer){ 0 };
	return slot;
}

int zs_connmgr_add(struct zs_connmgr *m, const struct zs_peer_id *peer, enum zs_direction direction,
		   uint64_t now_ns, uint32_t *conn)
{
	uint32_t slot;

	if (m->pool.used == m->config.conns)
		return -ENOBUFS;
	slot = entry_of(m, peer);
	if (slot == ZS_PEER_NONE)
		return -ENOBUFS;
	*conn = zs_pool_take(&m->pool);
	m->conn[*conn] = (struct conn){
		.peer = slot, .direction = direction, .opened_ns = now_ns, .heard_ns = now_ns
	};
	m->peer[slot].conns++;
	settle(m, slot);
	return 0;
}

void zs_connmgr_remove(struct zs_connmgr *m, uint32_t conn)
{
	uint32_t slot = m->conn[conn].peer;

	zs_pool_give(&m->pool, conn);
	m->leaving -= m->conn[conn].leaving;
	m->peer[slot].conns--;
	settle(m, slot);
}

void zs_connmgr_heard(struct zs_connmgr *m, uint32_t conn, uint64_t now_ns)
{
	m->conn[conn].heard_ns = now_ns;
}

void zs_connmgr_streams(struct zs_connmgr *m, uint32_t conn, uint32_t count)
{
	m->conn[conn].streams = count;
}

static int set_tag(struct peer *p, const char *name, int32_t value)
{
	int at = -1;

	for (int i = ZS_CONNMGR_TAGS; i--;)
		if (!p->tag[i].name)
			at = at < 0 || !p->tag[at].name ? i : at;
		else if (!strcmp(p->tag[i].name, name))
			at = i;
	if (at < 0 && value)
		return -ENOSPC;
	if (at >= 0) {
		p->tag[at].name = value ? name : NULL;
		p->tag[at].value = value;
	}
	return 0;
}

int zs_connmgr_tag(struct zs_connmgr *m, const struct zs_peer_id *peer, const char *name, int32_t value)
{
	uint32_t slot = entry_of(m, peer);
	int rc;

	if (slot == ZS_PEER_NONE)
		return -ENOSPC;
	rc = set_tag(&m->peer[slot], name, value);
	settle(m, slot);
	return rc;
}

/* The place of a reason, or a free one, or ZS_CONNMGR_REASONS. */
static int place_of(const struct peer *p, const char *reason)
{
	int free_one = ZS_CONNMGR_REASONS;

	for (int i = ZS_CONNMGR_REASONS; i--;)
		if (!p->reason[i].name)
			free_one = i;
		else if (!strcmp(p->reason[i].name, reason))
			return i;
	return free_one;
}

int zs_connmgr_protect(struct zs_connmgr *m, const struct zs_peer_id *peer, const char *reason, bool keep)
{
	uint32_t slot = entry_of(m, peer);
	int at;

	if (slot == ZS_PEER_NONE)
		return -ENOSPC;
	at = place_of(&m->peer[slot], reason);
	if (at < ZS_CONNMGR_REASONS) {
		m->peer[slot].reason[at].name = reason;
		m->peer[slot].reason[at].keep = keep;
	}
	settle(m, slot);
	return at < ZS_CONNMGR_REASONS ? 0 : -ENOSPC;
}

bool zs_connmgr_unprotect(struct zs_connmgr *m, const struct zs_peer_id *peer, const char *reason)
{
	uint32_t slot = zs_peertable_find(&m->table, peer);
	bool more;
	int at;

	if (slot == ZS_PEER_NONE)
		return false;
	at = place_of(&m->peer[slot], reason);
	if (at < ZS_CONNMGR_REASONS)
		m->peer[slot].reason[at].name = NULL;
	more = is_protected(&m->peer[slot]);
	settle(m, slot);
	return more;
}

uint32_t zs_connmgr_reasons(const struct zs_connmgr *m, const struct zs_peer_id *peer,
			    const char *out[ZS_CONNMGR_REASONS])
{
	uint32_t slot = zs_peertable_find(&m->table, peer), n = 0;

	for (int i = 0; slot != ZS_PEER_NONE && i < ZS_CONNMGR_REASONS; i++)
		if (m->peer[slot].reason[i].name)
			out[n++] = m->peer[slot].reason[i].name;
	return n;
}

static int64_t score_of(const struct peer *p)
{
	int64_t sum = 0;

	for (int i = 0; i < ZS_CONNMGR_TAGS; i++)
		sum += p->tag[i].name ? p->tag[i].value : 0;
	return sum;
}

int64_t zs_connmgr_score(const struct zs_connmgr *m, const struct zs_peer_id *peer)
{
	uint32_t slot = zs_peertable_find(&m->table, peer);

	return slot == ZS_PEER_NONE ? 0 : score_of(&m->peer[slot]);
}

static int by_rank(const void *x, const void *y)
{
	const struct rank *a = x, *b = y;

	if (a->score != b->score)
		return a->score < b->score ? -1 : 1;
	if (a->wanted != b->wanted)
		return a->wanted ? 1 : -1;
	if (a->heard_ns != b->heard_ns)
		return a->heard_ns < b->heard_ns ? -1 : 1;
	return a->conn < b->conn ? -1 : a->conn > b->conn;
}

static bool is_old(struct zs_connmgr *m, struct conn *c, uint64_t now_ns)
{
	if (c->opened_ns > now_ns) /* the clock stepped back: its grace begins anew */
		c->opened_ns = now_ns;
	return now_ns - c->opened_ns >= m->config.grace_ns;
}

/* Ranks those that may go from the scratch's start on, and those that are too young from `*young` to its end. */
static uint32_t candidates(struct zs_connmgr *m, uint64_t now_ns, uint32_t *young)
{
	uint32_t n = 0;

	*young = m->config.conns;
	for (uint32_t i = 0; i < m->pool.fresh; i++) {
		struct conn *c = &m->conn[i];
		struct rank rank;

		if (!zs_pool_is_taken(&m->pool, i) || c->leaving || is_protected(&m->peer[c->peer]))
			continue;
		rank = (struct rank){ score_of(&m->peer[c->peer]), c->heard_ns, i,
				      c->direction == ZS_OUT || c->streams };
		if (is_old(m, c, now_ns))
			m->rank[n++] = rank;
		else
			m->rank[--*young] = rank;
	}
	qsort(m->rank, n, sizeof(*m->rank), by_rank);
	qsort(m->rank + *young, m->config.conns - *young, sizeof(*m->rank), by_rank);
	return n;
}

uint32_t zs_connmgr_trim(struct zs_connmgr *m, uint64_t now_ns, uint32_t *out, uint32_t max)
{
	uint32_t count = zs_connmgr_count(m), less = 0, n, found, young;

	if (count <= m->config.high ||
	    (m->trimmed_ns && now_ns >= m->trimmed_ns && now_ns - m->trimmed_ns < m->config.pause_ns))
		return 0;
	m->trimmed_ns = now_ns;
	found = candidates(m, now_ns, &young);
	for (n = 0; n < found && n < max; n++) {
		/* Those worth less than this one will be gone before it: they count as if they were. */
		while (young + less < m->config.conns && m->rank[young + less].score < m->rank[n].score)
			less++;
		if (count - n - less <= m->config.low)
			break;
		out[n] = m->rank[n].conn;
		m->conn[out[n]].leaving = true;
	}
	m->leaving += n;
	return n;
}

uint64_t zs_connmgr_keepalive(struct zs_connmgr *m, uint32_t conn, uint64_t now_ns)
{
	struct conn *c = &m->conn[conn];
	const struct peer *p = &m->peer[c->peer];

	if (c->heard_ns > now_ns) /* the clock stepped back */
		c->heard_ns = now_ns;
	for (int i = 0; i < ZS_CONNMGR_REASONS; i++)
		if (p->reason[i].name && p->reason[i].keep && !c->leaving)
			return c->heard_ns + m->config.silence_ns;
	return ZS_CONNMGR_NEVER;
}

uint32_t zs_connmgr_count(const struct zs_connmgr *m)
{
	return m->pool.used - m->leaving;
}

bool zs_connmgr_check(const struct zs_connmgr *m)
{
	uint32_t conns = 0, leaving = 0;

	for (uint32_t s = zs_peertable_next(&m->table, ZS_PEER_NONE); s != ZS_PEER_NONE;
	     s = zs_peertable_next(&m->table, s)) {
		const struct peer *p = &m->peer[s];
		conns += p->conns;
		if (p->apart != (!p->conns && !is_protected(p)) || (p->apart && !has_tags(p)))
			return false;
	}
	for (uint32_t i = 0; i < m->pool.fresh; i++)
		leaving += zs_pool_is_taken(&m->pool, i) && m->conn[i].leaving;
	return conns == m->pool.used && leaving == m->leaving && zs_pool_check(&m->pool);
}
