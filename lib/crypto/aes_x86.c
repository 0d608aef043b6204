/* AES-NI and VAES. Rounds wait for each other, blocks do not: so many go through the unit side by side as its latency
 * allows. The intrinsics carry their instruction sets; nothing here runs unless here() said yes. */
#ifdef __x86_64__
#include "crypto/aes_x86.h"

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#define ROUNDS 10
/* Or the blocks wait in memory between two rounds. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif
#define NI   __attribute__((target("aes,sse4.1")))
#define VAES __attribute__((target("vaes,aes,avx512f,avx512dq")))

struct schedules {
	__m128i encrypt[ROUNDS + 1], decrypt[ROUNDS + 1];
};
_Static_assert(sizeof(struct schedules) <= sizeof(((struct zs_aes *)0)->bytes), "room for both directions");

static bool have_ni(void)
{
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1");
}

/* The compiler's word for AVX-512 asks the operating system too; clang 14 has none for VAES (leaf 7, ecx bit 9). */
static bool have_vaes(void)
{
	unsigned eax, ebx, ecx = 0, edx;

	return have_ni() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	       __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx >> 9 & 1);
}

/* --- key schedule --- */

NI static __m128i next_key(__m128i key, __m128i assist)
{
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xff));
}

NI static void expand(struct zs_aes *key, const uint8_t bytes[ZS_AES_KEY])
{
	struct schedules *s = (struct schedules *)key->bytes;
	__m128i *k = s->encrypt;

	*key = (struct zs_aes){ 0 };
	k[0] = _mm_loadu_si128((const __m128i *)bytes);
	/* The round constant is part of the instruction. */
	k[1] = next_key(k[0], _mm_aeskeygenassist_si128(k[0], 0x01));
	k[2] = next_key(k[1], _mm_aeskeygenassist_si128(k[1], 0x02));
	k[3] = next_key(k[2], _mm_aeskeygenassist_si128(k[2], 0x04));
	k[4] = next_key(k[3], _mm_aeskeygenassist_si128(k[3], 0x08));
	k[5] = next_key(k[4], _mm_aeskeygenassist_si128(k[4], 0x10));
	k[6] = next_key(k[5], _mm_aeskeygenassist_si128(k[5], 0x20));
	k[7] = next_key(k[6], _mm_aeskeygenassist_si128(k[6], 0x40));
	k[8] = next_key(k[7], _mm_aeskeygenassist_si128(k[7], 0x80));
	k[9] = next_key(k[8], _mm_aeskeygenassist_si128(k[8], 0x1b));
	k[10] = next_key(k[9], _mm_aeskeygenassist_si128(k[9], 0x36));
	s->decrypt[0] = k[ROUNDS];
	for (int r = 1; r < ROUNDS; r++)
		s->decrypt[r] = _mm_aesimc_si128(k[ROUNDS - r]);
	s->decrypt[ROUNDS] = k[0];
}

/* --- blocks ---
 *
 * One body for every width: VECTOR holds PER blocks, WIDE of them go side by side. */
#define BLOCKS(name, attribute, VECTOR, PER, WIDE, LOAD, STORE, XOR, KEY, ROUND, LAST)                       \
	attribute static void name(const __m128i *k, const uint8_t(*from)[ZS_AES_BLOCK],                     \
				   uint8_t(*to)[ZS_AES_BLOCK])                                               \
	{                                                                                                    \
		VECTOR x[WIDE];                                                                              \
                                                                                                             \
		UNROLL for (int i = 0; i < WIDE; i++)                                                        \
		    x[i] = XOR(LOAD((const void *)from[i * PER]), KEY(k[0]));                                \
		for (int r = 1; r < ROUNDS; r++) {                                                           \
			VECTOR key = KEY(k[r]);                                                              \
                                                                                                             \
			UNROLL for (int i = 0; i < WIDE; i++) x[i] = ROUND(x[i], key);                       \
		}                                                                                            \
		UNROLL for (int i = 0; i < WIDE; i++)                                                        \
		    STORE((void *)to[i * PER], LAST(x[i], KEY(k[ROUNDS])));                                  \
	}

#define SAME(key) (key)
#define NI_BLOCKS(name, wide, direction)                                                                     \
	BLOCKS(name, NI, __m128i, 1, wide, _mm_loadu_si128, _mm_storeu_si128, _mm_xor_si128, SAME,           \
	       _mm_aes##direction##_si128, _mm_aes##direction##last_si128)
#define VAES_BLOCKS(name, wide, direction)                                                                   \
	BLOCKS(name, VAES, __m512i, 4, wide, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_xor_si512,      \
	       _mm512_broadcast_i32x4, _mm512_aes##direction##_epi128, _mm512_aes##direction##last_epi128)

NI_BLOCKS(ni_encrypt_1, 1, enc)
NI_BLOCKS(ni_encrypt_8, 8, enc)
NI_BLOCKS(ni_decrypt_1, 1, dec)
NI_BLOCKS(ni_decrypt_8, 8, dec)
VAES_BLOCKS(vaes_encrypt_4, 1, enc)
VAES_BLOCKS(vaes_encrypt_16, 4, enc)
VAES_BLOCKS(vaes_decrypt_4, 1, dec)
VAES_BLOCKS(vaes_decrypt_16, 4, dec)

typedef void blocks_fn(const __m128i *k, const uint8_t (*from)[ZS_AES_BLOCK], uint8_t (*to)[ZS_AES_BLOCK]);

/* The rest of less than `few` blocks is padded: one pass of the wider kernel costs no more than the narrow ones in a row. */
static inline __attribute__((always_inline)) void run(const __m128i *k, const uint8_t (*from)[ZS_AES_BLOCK],
						      uint8_t (*to)[ZS_AES_BLOCK], size_t blocks,
						      blocks_fn *wide, size_t many, blocks_fn *narrow,
						      size_t few)
{
	for (; blocks >= many; blocks -= many, from += many, to += many)
		wide(k, from, to);
	for (; blocks >= few; blocks -= few, from += few, to += few)
		narrow(k, from, to);
	if (blocks) {
		uint8_t pad[4][ZS_AES_BLOCK];

		memset(pad, 0, sizeof(pad));
		memcpy(pad, from, blocks * ZS_AES_BLOCK);
		narrow(k, (const uint8_t(*)[ZS_AES_BLOCK])pad, pad);
		memcpy(to, pad, blocks * ZS_AES_BLOCK);
	}
}

#define ENGINE(engine, direction, many, few)                                                                 \
	static void engine##_##direction(const struct zs_aes *key, const uint8_t(*from)[ZS_AES_BLOCK],       \
					 uint8_t(*to)[ZS_AES_BLOCK], size_t blocks)                          \
	{                                                                                                    \
		run(((const struct schedules *)key->bytes)->direction, from, to, blocks,                     \
		    engine##_##direction##_##many, many, engine##_##direction##_##few, few);                 \
	}

ENGINE(ni, encrypt, 8, 1)
ENGINE(ni, decrypt, 8, 1)
ENGINE(vaes, encrypt, 16, 4)
ENGINE(vaes, decrypt, 16, 4)

/* --- blocks under keys of their own ---
 *
 * A round key is an operand in memory: eight different ones cost what eight times the same does. A vector of several blocks would
 * have to be put together for each round. */
#define EACH 8

NI static void decrypt_8(const struct zs_aes_job *job, uint8_t (*to)[ZS_AES_BLOCK])
{
	const __m128i *k[EACH];
	__m128i x[EACH];

	UNROLL for (int i = 0; i < EACH; i++)
	{
		k[i] = ((const struct schedules *)job[i].key->bytes)->decrypt;
		x[i] = _mm_xor_si128(_mm_loadu_si128((const void *)job[i].from), k[i][0]);
	}
	for (int r = 1; r < ROUNDS; r++)
		UNROLL for (int i = 0; i < EACH; i++) x[i] = _mm_aesdec_si128(x[i], k[i][r]);
	UNROLL for (int i = 0; i < EACH; i++)
	    _mm_storeu_si128((void *)to[i], _mm_aesdeclast_si128(x[i], k[i][ROUNDS]));
}

/* A rest is filled up with the first one. */
static void decrypt_each(const struct zs_aes_job *job, uint8_t (*to)[ZS_AES_BLOCK], size_t blocks)
{
	struct zs_aes_job pad[EACH];
	uint8_t out[EACH][ZS_AES_BLOCK];

	for (; blocks >= EACH; blocks -= EACH, job += EACH, to += EACH)
		decrypt_8(job, to);
	if (!blocks)
		return;
	for (size_t i = 0; i < EACH; i++)
		pad[i] = job[i < blocks ? i : 0];
	decrypt_8(pad, out);
	memcpy(to, out, blocks * ZS_AES_BLOCK);
}

const struct zs_aes_engine zs_aes_ni = { "aesni", have_ni, expand, ni_encrypt, ni_decrypt, decrypt_each };
const struct zs_aes_engine zs_aes_vaes = {
	"vaes", have_vaes, expand, vaes_encrypt, vaes_decrypt, decrypt_each
};
#endif
