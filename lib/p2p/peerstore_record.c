/* A peer as bytes, big-endian: version, id, agent, seq, envelope, protocols (each with its length), number of
 * addresses; of an address: class, certified, failures, ms of life left, s since the last success
 * (all ones: none), length, bytes. CONNECTED and PERMANENT are written as RECENT: who reads it is not connected, and
 * what is configured is told anew at each start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/cursor.h"
#include "p2p/peerstore_internal.h"

#define VERSION 1

static void write_address(struct zs_writer *w, const struct zs_peerstore *s, const struct zs_peer_address *a,
			  uint64_t now_ns)
{
	uint8_t known = a->known < ZS_KNOWN_RECENT ? a->known : ZS_KNOWN_RECENT;
	uint64_t life = zs_peerstore_life(s, known), left = a->until_ns - now_ns, since;

	left = left < life ? left : life;
	since = a->succeeded_ns && now_ns >= a->succeeded_ns ? (now_ns - a->succeeded_ns) / ZS_NS_PER_S
							     : UINT32_MAX;
	zs_write_u8(w, known);
	zs_write_u8(w, a->certified);
	zs_write_u16(w, a->failures);
	zs_write_u64(w, left / ZS_NS_PER_MS);
	zs_write_u32(w, since < UINT32_MAX ? (uint32_t)since : UINT32_MAX);
	zs_write_u8(w, a->len);
	zs_write_bytes(w, a->bytes, a->len);
}

static size_t write(struct zs_writer w, const struct zs_peerstore *s, uint32_t slot, uint64_t now_ns)
{
	const struct zs_peer_info *p = &s->info[slot];
	const struct zs_peer_id *id = &s->table.id[slot];

	zs_write_u8(&w, VERSION);
	zs_write_u8(&w, id->len);
	zs_write_bytes(&w, id->bytes, id->len);
	zs_write_bytes(&w, p->agent, sizeof(p->agent));
	zs_write_u64(&w, p->seq);
	zs_write_u16(&w, p->envelope_len);
	zs_write_bytes(&w, p->envelope, p->envelope_len);
	zs_write_u16(&w, p->protocols_len);
	zs_write_bytes(&w, p->protocols, p->protocols_len);
	zs_write_u8(&w, (uint8_t)p->addresses);
	for (uint32_t i = 0; i < p->addresses; i++)
		write_address(&w, s, &p->address[i], now_ns);
	return w.failed ? 0 : zs_writer_len(&w);
}

void zs_peerstore_changed(struct zs_peerstore *s, uint32_t place)
{
	if (place >= s->config.peers || s->is_changed[place])
		return;
	s->is_changed[place] = true;
	zs_list_append(&s->changes, s->change_links, place);
}

static void settled(struct zs_peerstore *s, uint32_t place)
{
	if (s->is_changed[place])
		zs_list_remove(&s->changes, s->change_links, place);
	s->is_changed[place] = false;
}

uint32_t zs_peerstore_export(struct zs_peerstore *s, uint64_t now_ns, uint32_t max, zs_peerstore_put_fn *put,
			     void *ctx)
{
	uint8_t buf[ZS_PEERSTORE_RECORD];
	uint32_t told = 0;

	for (; told < max && s->changes.head != ZS_LIST_NONE; told++) {
		uint32_t place = s->changes.head;
		size_t len = 0;

		if (zs_pool_is_taken(&s->table.pool, place)) {
			zs_peerstore_refresh(s, place, now_ns);
			if (s->info[place].addresses)
				len = write(zs_writer_of(buf, sizeof(buf)), s, place, now_ns);
		}
		settled(s, place);
		put(ctx, place, buf, len);
	}
	return told;
}

static bool read_address(struct zs_reader *r, const struct zs_peerstore *s, struct zs_peer_address *a,
			 uint64_t now_ns)
{
	uint64_t left, life, since;

	*a = (struct zs_peer_address){ .known = zs_read_u8(r) };
	a->certified = zs_read_u8(r);
	a->failures = zs_read_u16(r);
	left = zs_read_u64(r);
	since = zs_read_u32(r);
	a->len = zs_read_u8(r);
	if (a->known > ZS_KNOWN_RECENT || !a->len || a->len > ZS_PEERSTORE_ADDRESS ||
	    !zs_read_bytes(r, a->bytes, a->len))
		return false;
	life = zs_peerstore_life(s, a->known);
	left = left > life / ZS_NS_PER_MS ? life : left * ZS_NS_PER_MS;
	if (__builtin_add_overflow(now_ns, left, &a->until_ns))
		a->until_ns = UINT64_MAX;
	if (since != UINT32_MAX && since * ZS_NS_PER_S < now_ns)
		a->succeeded_ns = now_ns - since * ZS_NS_PER_S;
	return true;
}

static bool read_addresses(struct zs_reader *r, const struct zs_peerstore *s, struct zs_peer_info *p,
			   uint64_t now_ns)
{
	p->addresses = zs_read_u8(r);
	if (p->addresses > ZS_PEERSTORE_ADDRESSES)
		return false;
	for (uint32_t i = 0; i < p->addresses; i++)
		if (!read_address(r, s, &p->address[i], now_ns))
			return false;
	return zs_reader_done(r);
}

/* A counted span copied to the heap; *out stays NULL for none. */
static int read_block(struct zs_reader *r, size_t max, uint8_t **out, uint16_t *len)
{
	const uint8_t *at;

	*len = zs_read_u16(r);
	at = zs_read_span(r, *len);
	if (!at || *len > max)
		return -EBADMSG;
	if (!*len)
		return 0;
	*out = malloc(*len);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, at, *len);
	return 0;
}

static int read_info(struct zs_reader *r, const struct zs_peerstore *s, struct zs_peer_info *p,
		     uint64_t now_ns)
{
	uint8_t *protocols = NULL;
	int rc;

	zs_read_bytes(r, p->agent, sizeof(p->agent));
	p->seq = zs_read_u64(r);
	rc = read_block(r, ZS_PEERSTORE_ENVELOPE, &p->envelope, &p->envelope_len);
	if (rc)
		return rc;
	rc = read_block(r, ZS_PEERSTORE_PROTOCOLS, &protocols, &p->protocols_len);
	p->protocols = (char *)protocols;
	if (rc)
		return rc;
	if (p->agent[ZS_PEERSTORE_AGENT - 1] || (protocols && protocols[p->protocols_len - 1]) ||
	    !read_addresses(r, s, p, now_ns))
		return -EBADMSG;
	return 0;
}

static int import(struct zs_peerstore *s, const void *record, size_t len, uint64_t now_ns, uint32_t *slot)
{
	struct zs_reader r = zs_reader_of(record, len);
	struct zs_peer_info info = { 0 };
	struct zs_peer_id id = { 0 };
	int rc;

	if (zs_read_u8(&r) != VERSION)
		return -EBADMSG;
	id.len = zs_read_u8(&r);
	if (!id.len || id.len > ZS_PEER_ID || !zs_read_bytes(&r, id.bytes, id.len))
		return -EBADMSG;
	rc = read_info(&r, s, &info, now_ns);
	if (!rc && zs_peertable_find(&s->table, &id) != ZS_PEER_NONE)
		rc = -EEXIST;
	*slot = rc ? ZS_PEER_NONE : zs_peerstore_slot(s, &id);
	if (*slot == ZS_PEER_NONE) {
		free(info.envelope);
		free(info.protocols);
		return rc ? rc : -ENOSPC;
	}
	s->info[*slot] = info;
	zs_peerstore_touch(s, *slot);
	return 0;
}

int zs_peerstore_import(struct zs_peerstore *s, uint32_t place, const void *record, size_t len,
			uint64_t now_ns)
{
	uint32_t slot;
	int rc = import(s, record, len, now_ns, &slot);

	if (!rc && slot == place) {
		settled(s, place);
		return 0;
	}
	zs_peerstore_changed(s, place);
	if (!rc)
		zs_peerstore_changed(s, slot);
	return rc;
}
