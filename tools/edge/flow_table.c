/* Entries lie in one array, each in one list by its age (free, asking, answered) and in one or two hash chains: by its
 * number, and by its peer: our own ones by their client, the relay's by the connection ID that theirs uses. */
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

#define ASKING_SHARE 12 /* of the idle time-out, until both sides have sent: 10 s of 120 s */

enum { FREE, ASKING, ANSWERED, LISTS };

struct entry {
	struct zs_edge_flow flow; /* first: what callers hold */
	uint8_t list;
	uint32_t next_id, next_peer;
};

struct zs_edge_flows {
	uint64_t key[2], idle_ns;
	uint32_t most, count, buckets;
	struct entry *entry;
	struct zs_link *links;
	struct zs_list list[LISTS];
	uint32_t *by_id, *by_peer; /* heads of chains */
};

static uint32_t index_of(const struct zs_edge_flows *f, const struct zs_edge_flow *flow)
{
	return (uint32_t)((const struct entry *)flow - f->entry);
}

static bool is_ours(const struct zs_edge_flow *flow)
{
	return flow->id.opener == ZS_TUNNEL_EDGE;
}

static uint32_t *id_chain(const struct zs_edge_flows *f, const struct zs_tunnel_flow *id)
{
	uint32_t key = zs_tunnel_flow_id(id);

	return &f->by_id[zs_hash(f->key, &key, sizeof(key)) & (f->buckets - 1)];
}

static uint32_t *client_chain(const struct zs_edge_flows *f, uint32_t of, const struct zs_endpoint *client)
{
	uint8_t key[ZS_ENDPOINT_WIRE + 4];

	zs_endpoint_put(key, client);
	memcpy(key + ZS_ENDPOINT_WIRE, &of, 4);
	return &f->by_peer[zs_hash(f->key, key, sizeof(key)) & (f->buckets - 1)];
}

static uint32_t *cid_chain(const struct zs_edge_flows *f, uint32_t of, const uint8_t *cid, uint8_t len)
{
	uint8_t key[ZS_EDGE_CID + 5];

	memcpy(key, cid, len);
	key[len] = len;
	memcpy(key + len + 1, &of, 4);
	return &f->by_peer[zs_hash(f->key, key, len + 5u) & (f->buckets - 1)];
}

/* NULL: it is in none. */
static uint32_t *peer_chain(const struct zs_edge_flows *f, const struct zs_edge_flow *flow)
{
	if (is_ours(flow))
		return client_chain(f, flow->of, &flow->client);
	return flow->cid_len ? cid_chain(f, flow->of, flow->cid, flow->cid_len) : NULL;
}

int zs_edge_flows_new(struct zs_edge_flows **out, uint32_t most, uint64_t idle_ns,
		      const struct zs_random *random)
{
	struct zs_edge_flows *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	for (f->buckets = 16; f->buckets < most;)
		f->buckets *= 2;
	f->most = most;
	f->idle_ns = idle_ns;
	f->key[0] = zs_random_u64(random);
	f->key[1] = zs_random_u64(random);
	f->entry = calloc(most, sizeof(*f->entry));
	f->links = calloc(most, sizeof(*f->links));
	f->by_id = malloc(f->buckets * sizeof(*f->by_id));
	f->by_peer = malloc(f->buckets * sizeof(*f->by_peer));
	if (!f->entry || !f->links || !f->by_id || !f->by_peer) {
		zs_edge_flows_delete(f);
		return -ENOMEM;
	}
	memset(f->by_id, 0xff, f->buckets * sizeof(*f->by_id));
	memset(f->by_peer, 0xff, f->buckets * sizeof(*f->by_peer));
	for (int l = 0; l < LISTS; l++)
		zs_list_init(&f->list[l]);
	for (uint32_t i = 0; i < most; i++)
		zs_list_append(&f->list[FREE], f->links, i);
	*out = f;
	return 0;
}

void zs_edge_flows_delete(struct zs_edge_flows *f)
{
	if (!f)
		return;
	free(f->entry);
	free(f->links);
	free(f->by_id);
	free(f->by_peer);
	free(f);
}

uint32_t zs_edge_flows_count(const struct zs_edge_flows *f)
{
	return f->count;
}

/* --- look-up ---------------------------------------------------------------------------------- */

struct zs_edge_flow *zs_edge_flows_find(struct zs_edge_flows *f, const struct zs_tunnel_flow *id)
{
	uint32_t i = *id_chain(f, id), want = zs_tunnel_flow_id(id);

	while (i != ZS_LIST_NONE && zs_tunnel_flow_id(&f->entry[i].flow.id) != want)
		i = f->entry[i].next_id;
	return i == ZS_LIST_NONE ? NULL : &f->entry[i].flow;
}

struct zs_edge_flow *zs_edge_flows_client(struct zs_edge_flows *f, uint32_t of,
					  const struct zs_endpoint *client)
{
	uint32_t i = *client_chain(f, of, client);

	while (i != ZS_LIST_NONE && (!is_ours(&f->entry[i].flow) || f->entry[i].flow.of != of ||
				     !zs_endpoint_eq(&f->entry[i].flow.client, client)))
		i = f->entry[i].next_peer;
	return i == ZS_LIST_NONE ? NULL : &f->entry[i].flow;
}

static bool uses(const struct zs_edge_flow *flow, uint32_t of, const uint8_t *cid, uint8_t len)
{
	return !is_ours(flow) && flow->of == of && flow->cid_len == len && memcmp(flow->cid, cid, len) == 0;
}

struct zs_edge_flow *zs_edge_flows_cid(struct zs_edge_flows *f, uint32_t of, const uint8_t *cid, uint8_t len)
{
	uint32_t i = *cid_chain(f, of, cid, len);

	while (i != ZS_LIST_NONE && !uses(&f->entry[i].flow, of, cid, len))
		i = f->entry[i].next_peer;
	return i == ZS_LIST_NONE ? NULL : &f->entry[i].flow;
}

/* --- change ----------------------------------------------------------------------------------- */

static void move(struct zs_edge_flows *f, uint32_t i, uint8_t to)
{
	zs_list_remove(&f->list[f->entry[i].list], f->links, i);
	zs_list_append(&f->list[to], f->links, i);
	f->entry[i].list = to;
}

static void into_peers(struct zs_edge_flows *f, uint32_t i, uint32_t *chain)
{
	f->entry[i].next_peer = *chain;
	*chain = i;
}

static void out_of_peers(struct zs_edge_flows *f, uint32_t i)
{
	struct zs_edge_flow *flow = &f->entry[i].flow;
	uint32_t *at = peer_chain(f, flow);

	if (!at)
		return;
	while (*at != i)
		at = &f->entry[*at].next_peer;
	*at = f->entry[i].next_peer;
	flow->cid_len = 0;
}

void zs_edge_flows_cid_is(struct zs_edge_flows *f, struct zs_edge_flow *flow, const uint8_t *cid, uint8_t len)
{
	struct zs_edge_flow *other = zs_edge_flows_cid(f, flow->of, cid, len);

	ZS_DCHECK(!is_ours(flow) && len && len <= ZS_EDGE_CID);
	if (other == flow)
		return;
	if (other)
		out_of_peers(f, index_of(f, other));
	out_of_peers(f, index_of(f, flow));
	flow->cid_len = len;
	memcpy(flow->cid, cid, len);
	into_peers(f, index_of(f, flow), cid_chain(f, flow->of, cid, len));
}

struct zs_edge_flow *zs_edge_flows_add(struct zs_edge_flows *f, const struct zs_edge_flow *flow)
{
	uint32_t i = f->list[FREE].head, *chain;
	struct entry *e;

	if (i == ZS_LIST_NONE)
		return NULL;
	e = &f->entry[i];
	e->flow = *flow;
	move(f, i, flow->answered ? ANSWERED : ASKING);
	chain = id_chain(f, &flow->id);
	e->next_id = *chain;
	*chain = i;
	if (is_ours(flow))
		into_peers(f, i, client_chain(f, flow->of, &flow->client));
	f->count++;
	return &e->flow;
}

void zs_edge_flows_used(struct zs_edge_flows *f, struct zs_edge_flow *flow, bool answered, uint64_t now_ns)
{
	flow->used_ns = now_ns;
	flow->answered |= answered;
	move(f, index_of(f, flow), flow->answered ? ANSWERED : ASKING);
}

void zs_edge_flows_remove(struct zs_edge_flows *f, struct zs_edge_flow *flow)
{
	uint32_t i = index_of(f, flow), *at = id_chain(f, &flow->id);

	while (*at != i)
		at = &f->entry[*at].next_id;
	*at = f->entry[i].next_id;
	out_of_peers(f, i);
	move(f, i, FREE);
	*flow = (struct zs_edge_flow){ 0 };
	f->count--;
}

/* --- age -------------------------------------------------------------------------------------- */

static struct zs_edge_flow *head(const struct zs_edge_flows *f, int list)
{
	return f->list[list].head == ZS_LIST_NONE ? NULL : &f->entry[f->list[list].head].flow;
}

static uint64_t ends_ns(const struct zs_edge_flows *f, int list)
{
	const struct zs_edge_flow *flow = head(f, list);

	if (!flow)
		return UINT64_MAX;
	return flow->used_ns + (list == ANSWERED ? f->idle_ns : f->idle_ns / ASKING_SHARE);
}

struct zs_edge_flow *zs_edge_flows_spare(struct zs_edge_flows *f)
{
	return head(f, ASKING);
}

struct zs_edge_flow *zs_edge_flows_idle(struct zs_edge_flows *f, uint64_t now_ns)
{
	for (int l = ASKING; l < LISTS; l++)
		if (ends_ns(f, l) <= now_ns)
			return head(f, l);
	return NULL;
}

uint64_t zs_edge_flows_deadline(const struct zs_edge_flows *f)
{
	uint64_t asking = ends_ns(f, ASKING), answered = ends_ns(f, ANSWERED);

	return asking < answered ? asking : answered;
}

struct zs_edge_flow *zs_edge_flows_any(struct zs_edge_flows *f)
{
	struct zs_edge_flow *flow = head(f, ASKING);

	return flow ? flow : head(f, ANSWERED);
}

void zs_edge_flows_check(const struct zs_edge_flows *f)
{
	uint32_t in[LISTS] = { 0 }, chained = 0, peers = 0, named = 0;

	for (int l = 0; l < LISTS; l++)
		for (uint32_t i = f->list[l].head; i != ZS_LIST_NONE; i = f->links[i].next) {
			ZS_CHECK(f->entry[i].list == l);
			in[l]++;
		}
	ZS_CHECK(in[ASKING] + in[ANSWERED] == f->count && in[FREE] + f->count == f->most);
	for (uint32_t b = 0; b < f->buckets; b++)
		for (uint32_t i = f->by_id[b]; i != ZS_LIST_NONE; i = f->entry[i].next_id) {
			ZS_CHECK(f->entry[i].list != FREE);
			ZS_CHECK(id_chain(f, &f->entry[i].flow.id) == &f->by_id[b]);
			chained++;
		}
	ZS_CHECK(chained == f->count);
	for (uint32_t b = 0; b < f->buckets; b++)
		for (uint32_t i = f->by_peer[b]; i != ZS_LIST_NONE; i = f->entry[i].next_peer) {
			struct zs_edge_flow *flow = &f->entry[i].flow;

			ZS_CHECK(f->entry[i].list != FREE && (is_ours(flow) || flow->cid_len));
			ZS_CHECK(peer_chain(f, flow) == &f->by_peer[b]);
			peers++;
		}
	for (uint32_t i = 0; i < f->most; i++)
		named += f->entry[i].list != FREE && peer_chain(f, &f->entry[i].flow) != NULL;
	ZS_CHECK(peers == named);
}
