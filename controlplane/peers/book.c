/* The peerstore in the store: read once at the start; what changed is written a little at a time and not waited for, since a
 * crash takes nothing that is not learnt again. "p2p/peer/" place, u32 big-endian → record of p2p/peerstore.h. */
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "peers/internal.h"
#include "store.h"

#define PREFIX	   "p2p/peer/"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define KEY	   (PREFIX_LEN + 4)
#define NOWHERE	   UINT32_MAX

struct book {
	struct zs_peers *peers;
	struct zs_store_batch *batch;
	uint32_t place[PEERS_BOOK_TURN], count; /* in the batch */
};

static void put(void *ctx, uint32_t place, const void *record, size_t len)
{
	struct book *b = ctx;
	uint8_t key[KEY] = PREFIX;
	struct zs_writer w = zs_writer_of(key + PREFIX_LEN, 4);

	zs_write_u32(&w, place);
	if (len)
		zs_store_put(b->batch, key, sizeof(key), record, len);
	else
		zs_store_del(b->batch, key, sizeof(key));
	b->place[b->count++] = place;
}

bool peers_book_write(struct zs_peers *p)
{
	struct zs_peerstore *s = zs_host_peerstore(p->node.host);
	struct book b = { .peers = p, .batch = zs_store_begin(p->c->store) };
	struct zs_error err;

	if (!zs_peerstore_export(s, peers_now(p), PEERS_BOOK_TURN, put, &b)) {
		zs_store_abort(b.batch);
		return false;
	}
	if (!zs_control_write(p->c, b.batch, &err)) /* it says so itself */
		return b.count == PEERS_BOOK_TURN;
	while (b.count)
		zs_peerstore_changed(s, b.place[--b.count]);
	return false;
}

struct reading {
	struct zs_peers *peers;
	struct zs_store_batch *drop;
	uint32_t places;
};

/* A key that is no place of ours goes; its record, if it is one, is written anew. */
static int load_one(void *ctx, const void *key, size_t key_len, const void *record, size_t len)
{
	struct reading *it = ctx;
	struct zs_peers *p = it->peers;
	struct zs_reader r = zs_reader_of((const uint8_t *)key + PREFIX_LEN, key_len - PREFIX_LEN);
	uint32_t place = key_len == KEY ? zs_read_u32(&r) : NOWHERE;

	if (place >= it->places) {
		zs_store_del(it->drop, key, key_len);
		place = NOWHERE;
	}
	zs_peerstore_import(zs_host_peerstore(p->node.host), place, record, len, peers_now(p));
	return 0;
}

void peers_book_load(struct zs_peers *p, uint32_t places)
{
	struct reading it = { .peers = p, .drop = zs_store_begin(p->c->store), .places = places };
	struct zs_error err;

	zs_store_each(p->c->store, PREFIX, PREFIX_LEN, load_one, &it);
	zs_control_write(p->c, it.drop, &err);
}
