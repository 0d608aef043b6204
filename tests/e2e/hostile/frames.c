/* Packets with other frames than ngtcp2 put into them. A wrapped function gets no context, so what it is to do is the
 * process's. Of what comes back in 1-RTT packets only acknowledgements and closes are let through: the
 * rest answers frames that ngtcp2 knows nothing of. */
#include <sodium.h>
#include <string.h>
#include "base/check.h"
#include "hostile.h"
#include "p2p/quic/crypto.h"

#define FIRST 10 /* sequence of the first ID: ngtcp2 gave a few itself */
#define FULL  60 /* bytes of a packet that is worth it */

struct batch {
	uint8_t *at, *end;
};
typedef void frame_fn(struct batch *b, uint32_t number);

static struct {
	frame_fn *frame;
	bool once; /* one a packet */
	uint64_t sent;
} armed;

static void put(struct batch *b, const void *bytes, size_t len)
{
	memcpy(b->at, bytes, len);
	b->at += len;
}
static void put_number(struct batch *b, uint32_t n) /* a varint of four bytes */
{
	uint8_t bytes[] = { (uint8_t)(0x80 | (n >> 24 & 0x3f)), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			    (uint8_t)n };
	put(b, bytes, 4);
}
static void put_noise(struct batch *b, size_t len)
{
	randombytes_buf(b->at, len);
	b->at += len;
}

static void path_challenge(struct batch *b, uint32_t number)
{
	put(b, "\x1a", 1);
	put_noise(b, 8);
}
static void new_id(struct batch *b, uint32_t number, uint32_t retire)
{
	put(b, "\x18", 1);
	put_number(b, FIRST + number);
	put_number(b, retire);
	put(b, "\x08", 1);
	put_noise(b, 24);
}
static void new_connection_id(struct batch *b, uint32_t number)
{
	new_id(b, number, 0);
}
static void new_connection_id_retiring(struct batch *b, uint32_t number)
{
	new_id(b, number, FIRST + number);
}
static void retire_connection_id(struct batch *b, uint32_t number)
{
	put(b, "\x19", 1);
	put_number(b, number + 1);
}
static void retire_unissued(struct batch *b, uint32_t number)
{
	retire_connection_id(b, 1000000);
}
static void retire_in_use(struct batch *b, uint32_t number)
{
	put(b, "\x19\0", 2);
}
static void new_connection_id_empty(struct batch *b, uint32_t number)
{
	put(b, "\x18", 1);
	put_number(b, FIRST + number);
	put(b, "\0\0", 2);
	put_noise(b, 16);
}
static void new_connection_id_backwards(struct batch *b, uint32_t number)
{
	new_id(b, number, FIRST + number + 1);
}
static void path_response(struct batch *b, uint32_t number)
{
	put(b, "\x1b", 1);
	put_noise(b, 8);
}
static void handshake_done(struct batch *b, uint32_t number)
{
	put(b, "\x1e", 1);
}
static void new_token(struct batch *b, uint32_t number)
{
	put(b, "\x07\x04zero", 6);
}
static void endless_streams(struct batch *b, uint32_t number)
{
	put(b, "\x12\xff\xff\xff\xff\xff\xff\xff\xff", 9);
}
static void reset_of_theirs(struct batch *b, uint32_t number)
{
	put(b, "\x04", 1);
	put_number(b, 4 * 1000 + 1);
	put(b, "\0\0", 2);
}
static void stop_of_theirs(struct batch *b, uint32_t number)
{
	put(b, "\x05", 1);
	put_number(b, 4 * 1000 + 1);
	put(b, "\0", 1);
}
static void two_final_sizes(struct batch *b, uint32_t number)
{
	put(b, number & 1 ? "\x04\0\0\x09" : "\x04\0\0\x08", 4);
}
static void unknown(struct batch *b, uint32_t number)
{
	put(b, "\x3f", 1);
}
static void ack_of_unsent(struct batch *b, uint32_t number)
{
	put(b, "\x02", 1);
	put_number(b, 0x3fffffff);
	put(b, "\0\0\0", 3);
}
static void crypto_far_off(struct batch *b, uint32_t number)
{
	put(b, "\x06", 1);
	put_number(b, 0x3ffff000);
	put(b, "\x04zero", 5);
}
static void stream_beyond_limit(struct batch *b, uint32_t number)
{
	put(b, "\x0a", 1);
	put_number(b, 4 * 100000);
	put(b, "\x04zero", 5);
}
static void data_beyond_window(struct batch *b, uint32_t number)
{
	put(b, "\x0e\0", 2);
	put_number(b, 0x3ffff000);
	put(b, "\x04zero", 5);
}
/* One byte, one gap: what is out of order has to be kept. */
static void crumbs(struct batch *b, uint32_t number)
{
	put(b, "\x0e", 1);
	put_number(b, number / 4000 * 4);
	put_number(b, number % 4000 * 2 + 1);
	put(b, "\x01z", 2);
}

static const struct {
	const char *name;
	frame_fn *frame;
	bool once;
} kinds[] = {
	{ "path-challenge", path_challenge, false },
	{ "new-connection-id", new_connection_id, false },
	{ "new-connection-id-retiring", new_connection_id_retiring, false },
	{ "retire-connection-id", retire_connection_id, true },
	{ "retire-unissued", retire_unissued, false },
	{ "retire-in-use", retire_in_use, false },
	{ "new-connection-id-empty", new_connection_id_empty, false },
	{ "new-connection-id-backwards", new_connection_id_backwards, false },
	{ "path-response", path_response, false },
	{ "handshake-done", handshake_done, false },
	{ "new-token", new_token, false },
	{ "endless-streams", endless_streams, false },
	{ "reset-of-theirs", reset_of_theirs, false },
	{ "stop-of-theirs", stop_of_theirs, false },
	{ "two-final-sizes", two_final_sizes, false },
	{ "unknown", unknown, false },
	{ "ack-of-unsent", ack_of_unsent, false },
	{ "crypto-far-off", crypto_far_off, false },
	{ "stream-beyond-limit", stream_beyond_limit, false },
	{ "data-beyond-window", data_beyond_window, false },
	{ "crumbs", crumbs, false },
};

bool frames_arm(const char *kind)
{
	memset(&armed, 0, sizeof(armed));
	for (size_t i = 0; kind && i < ZS_ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, kind)) {
			armed.frame = kinds[i].frame;
			armed.once = kinds[i].once;
		}
	return !kind || armed.frame;
}

bool frames_are_single(void)
{
	return armed.once;
}

uint64_t frames_sent(void)
{
	return armed.sent;
}

static bool is_short(const uint8_t *header)
{
	return !(header[0] & 0x80);
}

int __real_zs_quic_seal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			const uint8_t *plain, size_t plain_len, const uint8_t *nonce, size_t nonce_len,
			const uint8_t *aad, size_t aad_len);
int __wrap_zs_quic_seal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			const uint8_t *plain, size_t plain_len, const uint8_t *nonce, size_t nonce_len,
			const uint8_t *aad, size_t aad_len);
int __real_zs_quic_unseal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			  const uint8_t *cipher, size_t cipher_len, const uint8_t *nonce, size_t nonce_len,
			  const uint8_t *aad, size_t aad_len);
int __wrap_zs_quic_unseal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			  const uint8_t *cipher, size_t cipher_len, const uint8_t *nonce, size_t nonce_len,
			  const uint8_t *aad, size_t aad_len);

int __wrap_zs_quic_seal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			const uint8_t *plain, size_t plain_len, const uint8_t *nonce, size_t nonce_len,
			const uint8_t *aad, size_t aad_len)
{
	uint8_t other[2048] = { 0 }; /* what is left is PADDING */

	if (armed.frame && is_short(aad) && plain_len >= FULL && plain_len <= sizeof(other)) {
		struct batch b = { other, other + plain_len };
		do
			armed.frame(&b, (uint32_t)armed.sent++);
		while (!armed.once && b.end - b.at >= FULL);
		plain = other;
	}
	return __real_zs_quic_seal(dest, aead, ctx, plain, plain_len, nonce, nonce_len, aad, aad_len);
}

/* Where an ACK frame that opens the packet ends; 0: another frame does. */
static size_t ack_end(const uint8_t *p, size_t len)
{
	size_t at = 1, left = p[0] == 3 ? 7 : 4, ranges = 0;

	if (p[0] != 2 && p[0] != 3)
		return 0;
	/* Largest, delay, count, first; two a range more; three of ECN. */
	for (size_t field = 0; field < left + 2 * ranges; field++) {
		size_t size = at < len ? (size_t)1 << (p[at] >> 6) : 1;
		if (at + size > len)
			return len;
		if (field == 2)
			ranges = p[at] & 0x3f; /* more than 63 do not come */
		at += size;
	}
	return at;
}

int __wrap_zs_quic_unseal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			  const uint8_t *cipher, size_t cipher_len, const uint8_t *nonce, size_t nonce_len,
			  const uint8_t *aad, size_t aad_len)
{
	int rv = __real_zs_quic_unseal(dest, aead, ctx, cipher, cipher_len, nonce, nonce_len, aad, aad_len);
	size_t len = cipher_len - 16;

	if (rv != 0 || !armed.frame || !is_short(aad))
		return rv;
	size_t keep = ack_end(dest, len);
	if (keep < len && (dest[keep] == 0x1c || dest[keep] == 0x1d))
		return 0;
	memset(dest + keep, 0, len - keep);
	return 0;
}
