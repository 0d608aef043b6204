#include "p2p/quic/tomb.h"

#include <stdlib.h>
#include <string.h>

struct zs_tomb {
	struct zs_tomb *younger;
	uint64_t until;
	uint32_t knocks;
	uint16_t cids, len;
	uint8_t bytes[]; /* the CIDs, length first each, then the packet */
};

static size_t cids_size(const ngtcp2_cid *cids, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += 1 + cids[i].datalen;
	return size;
}

static uint8_t *skip_cids(struct zs_tomb *tomb)
{
	uint8_t *at = tomb->bytes;

	for (uint16_t i = 0; i < tomb->cids; i++)
		at += 1 + at[0];
	return at;
}

static void bury(struct zs_tombs *t)
{
	struct zs_tomb *tomb = t->oldest;
	uint8_t *at = tomb->bytes;

	for (uint16_t i = 0; i < tomb->cids; i++, at += 1 + at[0])
		zs_cids_remove(t->cids, false, at + 1, at[0], tomb);
	t->oldest = tomb->younger;
	if (!t->oldest)
		t->newest = NULL;
	t->count--;
	free(tomb);
}

static struct zs_tomb *make(struct zs_tombs *t, const ngtcp2_cid *cids, size_t count, const void *packet,
			    size_t len, uint64_t now)
{
	size_t size = cids_size(cids, count);
	struct zs_tomb *tomb = t->max ? malloc(sizeof(*tomb) + size + len) : NULL;
	uint8_t *at;

	if (!tomb)
		return NULL;
	*tomb = (struct zs_tomb){ .until = now + t->lifetime, .cids = (uint16_t)count, .len = (uint16_t)len };
	at = tomb->bytes;
	for (size_t i = 0; i < count; i++) {
		*at++ = (uint8_t)cids[i].datalen;
		memcpy(at, cids[i].data, cids[i].datalen);
		at += cids[i].datalen;
	}
	if (len)
		memcpy(at, packet, len);
	return tomb;
}

void zs_tombs_add(struct zs_tombs *t, const ngtcp2_cid *cids, size_t count, const void *conn,
		  const void *packet, size_t len, uint64_t now)
{
	if (t->count && t->count >= t->max)
		bury(t);
	struct zs_tomb *tomb = make(t, cids, count, packet, len > ZS_TOMB_PACKET ? 0 : len, now);
	for (size_t i = 0; i < count; i++) {
		zs_cids_remove(t->cids, false, cids[i].data, cids[i].datalen, conn);
		if (tomb)
			zs_cids_add(t->cids, ZS_CID_TOMB, cids[i].data, cids[i].datalen, tomb);
	}
	if (!tomb)
		return;
	if (t->newest)
		t->newest->younger = tomb;
	else
		t->oldest = tomb;
	t->newest = tomb;
	t->count++;
}

/* Packets 1, 2, 4, 8 … are answered. */
const uint8_t *zs_tomb_knock(struct zs_tomb *tomb, size_t *len)
{
	tomb->knocks++;
	if (!tomb->len || (tomb->knocks & (tomb->knocks - 1)))
		return NULL;
	*len = tomb->len;
	return skip_cids(tomb);
}

void zs_tombs_expire(struct zs_tombs *t, uint64_t now)
{
	while (t->oldest && t->oldest->until <= now)
		bury(t);
}

uint64_t zs_tombs_deadline(const struct zs_tombs *t)
{
	return t->oldest ? t->oldest->until : UINT64_MAX;
}

void zs_tombs_free(struct zs_tombs *t)
{
	while (t->oldest)
		bury(t);
}
