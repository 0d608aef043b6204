/* The draft's arithmetic. Four passes: id ‖ nonce is halved, the odd byte in the middle shared by nibbles; each pass
 * encrypts one half, stretched to a block with the pass's number, and adds that to the other. */
#include "relay/quiclb.h"

#include <errno.h>
#include <string.h>

#define LENGTH_BITS 0x1f
#define PASSES	    4

int zs_quiclb_init(struct zs_quiclb *q, const struct zs_quiclb_config *config,
		   const struct zs_aes_engine *engine)
{
	if (config->rotation >= ZS_QUICLB_ROTATIONS || config->id_len < ZS_QUICLB_ID_MIN ||
	    config->nonce_len < ZS_QUICLB_NONCE_MIN || config->id_len + config->nonce_len > ZS_QUICLB_MAX)
		return -EINVAL;
	*q = (struct zs_quiclb){ .rotation = config->rotation,
				 .id_len = config->id_len,
				 .nonce_len = config->nonce_len,
				 .length_bits = config->length_bits,
				 .keyed = config->key != NULL,
				 .engine = engine };
	if (q->keyed)
		engine->expand(&q->aes, config->key);
	return 0;
}

/* --- four passes --- */

struct halves {
	uint8_t len, half; /* of both; of one, rounded up */
	uint8_t side[2][ZS_QUICLB_MAX / 2 + 1];
};

/* The shared byte's high nibble is the left half's, its low one the right half's. */
static void clear_shared(struct halves *h)
{
	if (h->len % 2) {
		h->side[0][h->half - 1] &= 0xf0;
		h->side[1][0] &= 0x0f;
	}
}

static void split(struct halves *h, const uint8_t *bytes, uint8_t len)
{
	h->len = len;
	h->half = (uint8_t)((len + 1) / 2);
	memcpy(h->side[0], bytes, h->half);
	memcpy(h->side[1], bytes + len - h->half, h->half);
	clear_shared(h);
}

static void join(const struct halves *h, uint8_t *bytes)
{
	memcpy(bytes, h->side[0], h->half);
	if (h->len % 2)
		bytes[h->half - 1] |= h->side[1][0];
	memcpy(bytes + h->half, h->side[1] + h->len % 2, (size_t)(h->len - h->half));
}

/* Odd passes read the left half and change the right one. Each undoes itself. */
static void pass(const struct zs_quiclb *q, struct halves *h, uint8_t number)
{
	const uint8_t *from = h->side[(number + 1) % 2];
	uint8_t *to = h->side[number % 2];
	uint8_t block[1][ZS_AES_BLOCK] = { { 0 } };

	memcpy(block[0], from, h->half);
	block[0][ZS_AES_BLOCK - 2] = h->len;
	block[0][ZS_AES_BLOCK - 1] = number;
	q->engine->encrypt(&q->aes, (const uint8_t(*)[ZS_AES_BLOCK])block, block, 1);
	for (uint8_t i = 0; i < h->half; i++)
		to[i] ^= block[0][i];
	clear_shared(h);
}

static void encrypt_passes(const struct zs_quiclb *q, uint8_t *bytes, uint8_t len)
{
	struct halves h;

	split(&h, bytes, len);
	for (uint8_t number = 1; number <= PASSES; number++)
		pass(q, &h, number);
	join(&h, bytes);
}

/* After pass 2 the left half is final. The id lies in it, unless it is longer than the nonce: of an odd sum its last nibble
 * may be the right half's. */
static void decrypt_passes(const struct zs_quiclb *q, uint8_t *bytes, uint8_t len, bool id_alone)
{
	uint8_t last = id_alone && q->nonce_len >= q->id_len ? 2 : 1;
	struct halves h;

	split(&h, bytes, len);
	for (uint8_t number = PASSES; number >= last; number--)
		pass(q, &h, number);
	join(&h, bytes);
}

/* --- both directions --- */

void zs_quiclb_encode(const struct zs_quiclb *q, const uint8_t *id, const uint8_t *nonce, uint8_t noise,
		      uint8_t *cid)
{
	uint8_t len = (uint8_t)(q->id_len + q->nonce_len), bytes[ZS_QUICLB_MAX];

	memcpy(bytes, id, q->id_len);
	memcpy(bytes + q->id_len, nonce, q->nonce_len);
	cid[0] = (uint8_t)(q->rotation << 5 | (q->length_bits ? len : noise & LENGTH_BITS));
	if (q->keyed && len == ZS_AES_BLOCK)
		q->engine->encrypt(&q->aes, (const uint8_t(*)[ZS_AES_BLOCK])bytes,
				   (uint8_t(*)[ZS_AES_BLOCK])bytes, 1);
	else if (q->keyed)
		encrypt_passes(q, bytes, len);
	memcpy(cid + 1, bytes, len);
}

enum zs_quiclb_verdict zs_quiclb_decode(const struct zs_quiclb *q, const uint8_t *cid, size_t len,
					uint8_t *id, uint8_t *nonce)
{
	uint8_t rest = (uint8_t)(q->id_len + q->nonce_len), bytes[ZS_QUICLB_MAX];

	if (len < 1u + rest)
		return ZS_QUICLB_SHORT;
	if (cid[0] >> 5 != q->rotation)
		return ZS_QUICLB_ROTATION;
	if (q->length_bits && (cid[0] & LENGTH_BITS) != rest)
		return ZS_QUICLB_LENGTH;
	memcpy(bytes, cid + 1, rest);
	if (q->keyed && rest == ZS_AES_BLOCK)
		q->engine->decrypt(&q->aes, (const uint8_t(*)[ZS_AES_BLOCK])bytes,
				   (uint8_t(*)[ZS_AES_BLOCK])bytes, 1);
	else if (q->keyed)
		decrypt_passes(q, bytes, rest, nonce == NULL);
	memcpy(id, bytes, q->id_len);
	if (nonce)
		memcpy(nonce, bytes + q->id_len, q->nonce_len);
	return ZS_QUICLB_OK;
}
