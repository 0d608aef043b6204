/* The first octet says whether a connection ID is worth a block, and under which key; then all blocks are one batch. */
#include "relay/cidset.h"

#include <endian.h>
#include <string.h>

#include "base/check.h"

#define LENGTH_BITS 0x1f

/* What is encrypted. */
struct plain {
	uint32_t pop, attachment;
	uint16_t generation, zero;
	uint32_t nonce;
};
_Static_assert(sizeof(struct plain) == ZS_AES_BLOCK, "one block");

void zs_cidset_init(struct zs_cidset *set, const struct zs_aes_engine *engine)
{
	memset(set, 0, sizeof(*set));
	set->engine = engine;
}

void zs_cidset_put(struct zs_cidset *set, uint8_t rotation, const uint8_t *key)
{
	ZS_CHECK(rotation < ZS_CID_ROTATIONS, "configuration %u", rotation);
	if (key) {
		set->engine->expand(&set->key[rotation], key);
		set->live |= (uint8_t)(1u << rotation);
	} else {
		explicit_bzero(&set->key[rotation], sizeof(set->key[rotation]));
		set->live &= (uint8_t) ~(1u << rotation);
	}
}

static ZS_COLD enum zs_cid_verdict judge(const struct zs_cidset *set, const struct zs_cid_ref *ref)
{
	uint8_t rotation;

	if (ref->len < ZS_CID)
		return ZS_CID_SHORT;
	rotation = ref->at[0] >> 5;
	if (rotation == ZS_CID_ROTATIONS)
		return ZS_CID_ROTATION;
	if ((ref->at[0] & LENGTH_BITS) != ZS_CID - 1)
		return ZS_CID_LENGTH;
	return set->live >> rotation & 1 ? ZS_CID_OK : ZS_CID_CONFIG;
}

/* All that judge() asks, for most at once: bit 7 of `live` is never set. */
static inline bool is_worth_it(const struct zs_cidset *set, const struct zs_cid_ref *ref)
{
	return ref->len >= ZS_CID && (ref->at[0] & LENGTH_BITS) == ZS_CID - 1 &&
	       (set->live >> (ref->at[0] >> 5) & 1);
}

/* Two words, each turned around as a whole. */
static inline void read_plain(const uint8_t block[ZS_AES_BLOCK], struct zs_cid *out)
{
	uint64_t first, second;

	memcpy(&first, block, sizeof(first));
	memcpy(&second, block + sizeof(first), sizeof(second));
	first = be64toh(first);
	second = be64toh(second);
	out->pop = (uint32_t)(first >> 32);
	out->attachment = (uint32_t)first;
	out->generation = (uint16_t)(second >> 48);
	out->nonce = (uint32_t)second;
	out->verdict = (uint16_t)(second >> 32) ? ZS_CID_ZEROS : ZS_CID_OK;
}

void zs_cidset_decode(const struct zs_cidset *set, const struct zs_cid_ref *refs, size_t n,
		      struct zs_cid *out)
{
	uint8_t block[ZS_CID_BURST][ZS_AES_BLOCK], at[ZS_CID_BURST];
	struct zs_aes_job job[ZS_CID_BURST];
	size_t good = 0;

	ZS_DCHECK(n <= ZS_CID_BURST, "a burst of %zu", n);
	for (size_t i = 0; i < n; i++) {
		if (ZS_UNLIKELY(!is_worth_it(set, &refs[i]))) {
			out[i].verdict = (uint8_t)judge(set, &refs[i]);
			continue;
		}
		out[i].rotation = refs[i].at[0] >> 5;
		at[good] = (uint8_t)i;
		job[good++] = (struct zs_aes_job){ &set->key[out[i].rotation], refs[i].at + 1 };
	}
	if (!good)
		return;
	set->engine->decrypt_each(job, block, good);
	for (size_t i = 0; i < good; i++)
		read_plain(block[i], &out[at[i]]);
}

void zs_cidset_encode(const struct zs_cidset *set, const struct zs_cid *cid, uint8_t out[ZS_CID])
{
	struct plain p = { .pop = htobe32(cid->pop),
			   .attachment = htobe32(cid->attachment),
			   .generation = htobe16(cid->generation),
			   .nonce = htobe32(cid->nonce) };
	uint8_t block[1][ZS_AES_BLOCK];

	ZS_CHECK(cid->rotation < ZS_CID_ROTATIONS && (set->live >> cid->rotation & 1),
		 "configuration %u is live", cid->rotation);
	memcpy(block, &p, sizeof(p));
	set->engine->encrypt(&set->key[cid->rotation], (const uint8_t(*)[ZS_AES_BLOCK])block, block, 1);
	out[0] = (uint8_t)(cid->rotation << 5 | (ZS_CID - 1));
	memcpy(out + 1, block, ZS_AES_BLOCK);
}

enum zs_drop zs_cid_drop(enum zs_cid_verdict verdict)
{
	static const enum zs_drop drop[] = {
		[ZS_CID_SHORT] = ZS_DROP_cid_short,	 [ZS_CID_ROTATION] = ZS_DROP_cid_unroutable,
		[ZS_CID_LENGTH] = ZS_DROP_cid_malformed, [ZS_CID_CONFIG] = ZS_DROP_cid_config,
		[ZS_CID_ZEROS] = ZS_DROP_cid_malformed,
	};

	ZS_CHECK(verdict > ZS_CID_OK && verdict < ZS_ARRAY_LEN(drop), "verdict %d is a drop", verdict);
	return drop[verdict];
}
