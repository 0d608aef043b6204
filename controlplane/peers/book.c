/* The peerstore in the store, read once at the start and written now and then and at the end: what a crash takes is
 * learnt again. "p2p/peer/" peer id → record of p2p/peerstore.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "peers/internal.h"
#include "store.h"

#define PREFIX	   "p2p/peer/"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define BATCH	   256 /* records a write to the disk: 2 MiB at most */

struct key {
	uint8_t bytes[PREFIX_LEN + ZS_PEER_ID];
	size_t len;
};

static struct key key_of(const struct zs_peer_id *peer)
{
	struct key k = { .len = PREFIX_LEN + peer->len };

	memcpy(k.bytes, PREFIX, PREFIX_LEN);
	memcpy(k.bytes + PREFIX_LEN, peer->bytes, peer->len);
	return k;
}

static int load_one(void *ctx, const void *key, size_t key_len, const void *record, size_t len)
{
	struct zs_peers *p = ctx;

	/* What cannot be read goes with the next writing: it is not in the peerstore then. */
	zs_peerstore_import(zs_host_peerstore(p->node.host), record, len, peers_now(p));
	return 0;
}

void peers_book_load(struct zs_peers *p)
{
	zs_store_each(p->c->store, PREFIX, PREFIX_LEN, load_one, p);
}

struct writer {
	struct zs_peers *peers;
	struct zs_store_batch *batch;
	uint32_t count;
};

static void commit(struct writer *w)
{
	struct zs_error err;

	if (w->batch)
		zs_control_commit(w->peers->c, w->batch, &err); /* it says so itself */
	w->batch = NULL;
	w->count = 0;
}

static struct zs_store_batch *batch(struct writer *w)
{
	if (w->count++ == BATCH)
		commit(w);
	if (!w->batch)
		w->batch = zs_store_begin(w->peers->c->store);
	return w->batch;
}

static void put(void *ctx, const struct zs_peer_id *peer, const void *record, size_t len)
{
	struct key k = key_of(peer);

	zs_store_put(batch(ctx), k.bytes, k.len, record, len);
}

static int drop_unknown(void *ctx, const void *key, size_t key_len, const void *record, size_t len)
{
	struct writer *w = ctx;
	struct zs_peers *p = w->peers;
	struct zs_peer_id peer;

	if (zs_peer_id_decode(&peer, (const uint8_t *)key + PREFIX_LEN, key_len - PREFIX_LEN) ||
	    !zs_peerstore_get(zs_host_peerstore(p->node.host), &peer, peers_now(p)))
		zs_store_del(batch(w), key, key_len);
	return w->count == BATCH; /* the rest next time: nothing is committed under an iterator */
}

void peers_book_save(struct zs_peers *p)
{
	struct writer w = { .peers = p };

	zs_store_each(p->c->store, PREFIX, PREFIX_LEN, drop_unknown, &w);
	zs_peerstore_export(zs_host_peerstore(p->node.host), peers_now(p), put, &w);
	commit(&w);
}
