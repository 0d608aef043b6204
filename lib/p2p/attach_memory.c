/* Bytes: magic, home, count, then the known ones; a peer id behind its length, 0 for none. */
#include "p2p/attach_memory.h"

#include <errno.h>

#include "base/cursor.h"

#define MAGIC	       0x5a534d31 /* ZSM1 */
#define GENERATION_MAX 65535

const struct zs_attach_known *zs_attach_memory_find(const struct zs_attach_memory *m,
						    const struct zs_peer_id *relay)
{
	for (int i = 0; i < ZS_ATTACH_MEMORY_RELAYS && m->known[i].relay.len; i++)
		if (zs_peer_id_eq(&m->known[i].relay, relay))
			return &m->known[i];
	return NULL;
}

void zs_attach_memory_forget(struct zs_attach_memory *m, const struct zs_peer_id *relay)
{
	const struct zs_attach_known *k = zs_attach_memory_find(m, relay);

	if (!k)
		return;
	for (size_t i = (size_t)(k - m->known); i < ZS_ATTACH_MEMORY_RELAYS - 1; i++)
		m->known[i] = m->known[i + 1];
	m->known[ZS_ATTACH_MEMORY_RELAYS - 1] = (struct zs_attach_known){ 0 };
}

void zs_attach_memory_keep(struct zs_attach_memory *m, const struct zs_attach_known *known)
{
	struct zs_attach_known first = *known; /* it may stand in m */

	zs_attach_memory_forget(m, &first.relay);
	for (int i = ZS_ATTACH_MEMORY_RELAYS - 1; i > 0; i--)
		m->known[i] = m->known[i - 1];
	m->known[0] = first;
}

static void write_peer(struct zs_writer *w, const struct zs_peer_id *id)
{
	zs_write_u8(w, id->len);
	zs_write_bytes(w, id->bytes, id->len);
}

static void read_peer(struct zs_reader *r, struct zs_peer_id *id)
{
	size_t len = zs_read_u8(r);
	const uint8_t *bytes = zs_read_span(r, len);

	*id = (struct zs_peer_id){ 0 };
	if (len && (!bytes || zs_peer_id_decode(id, bytes, len) != 0))
		r->failed = true;
}

size_t zs_attach_memory_save(const struct zs_attach_memory *m, uint8_t out[ZS_ATTACH_MEMORY])
{
	struct zs_writer w = zs_writer_of(out, ZS_ATTACH_MEMORY);
	uint8_t n = 0;

	while (n < ZS_ATTACH_MEMORY_RELAYS && m->known[n].relay.len)
		n++;
	zs_write_u32(&w, MAGIC);
	write_peer(&w, &m->home);
	zs_write_u8(&w, n);
	for (uint8_t i = 0; i < n; i++) {
		write_peer(&w, &m->known[i].relay);
		zs_write_u32(&w, m->known[i].attachment);
		zs_write_u32(&w, m->known[i].generation);
		zs_write_bytes(&w, m->known[i].grant_hash, ZS_ATTACH_HASH);
	}
	return zs_writer_len(&w);
}

int zs_attach_memory_load(struct zs_attach_memory *m, const void *bytes, size_t len)
{
	struct zs_reader r = zs_reader_of(bytes, len);
	uint8_t n;

	*m = (struct zs_attach_memory){ 0 };
	if (zs_read_u32(&r) != MAGIC)
		goto bad;
	read_peer(&r, &m->home);
	n = zs_read_u8(&r);
	if (n > ZS_ATTACH_MEMORY_RELAYS)
		goto bad;
	for (uint8_t i = 0; i < n; i++) {
		struct zs_attach_known *k = &m->known[i];

		read_peer(&r, &k->relay);
		k->attachment = zs_read_u32(&r);
		k->generation = zs_read_u32(&r);
		zs_read_bytes(&r, k->grant_hash, ZS_ATTACH_HASH);
		if (!k->relay.len || !k->generation || k->generation > GENERATION_MAX)
			goto bad;
	}
	if (zs_reader_done(&r))
		return 0;
bad:
	*m = (struct zs_attach_memory){ 0 };
	return -EINVAL;
}
