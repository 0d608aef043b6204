#include "net/heads.h"

#define WORDS (ZS_HEADS_SEEN / 8)
#define LOW16 0xffffull
#define LOW32 0xffffffffull
#define ODD   0x00ff00ff00ff00ffull

typedef uint64_t column __attribute__((vector_size(8 * ZS_HEADS)));
_Static_assert(ZS_HEADS == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as columns are put together");

/* Or the columns wait in memory. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif
#define word(h, i, k) zs_plain_word((h)->frame[i] + 8 * (k))

#define HEADS_NAME read_128
#define HEADS_TARGET
#include "net/heads_body.h"
#undef HEADS_NAME
#undef HEADS_TARGET

static bool everywhere(void)
{
	return true;
}

#ifdef __x86_64__
#define HEADS_NAME   read_256
#define HEADS_TARGET __attribute__((target("avx2")))
#include "net/heads_body.h"
#undef HEADS_NAME
#undef HEADS_TARGET
#define HEADS_NAME   read_512
#define HEADS_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#include "net/heads_body.h"

static bool have_256(void)
{
	return __builtin_cpu_supports("avx2");
}

static bool have_512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

static const struct zs_heads_engine engines[] = {
#ifdef __x86_64__
	{ "512", have_512, read_512 },
	{ "256", have_256, read_256 },
#endif
	{ "128", everywhere, read_128 },
};

const struct zs_heads_engine *zs_heads_engine(size_t n)
{
	return n < ZS_ARRAY_LEN(engines) ? &engines[n] : NULL;
}

zs_heads_fn *zs_heads_best(void)
{
	size_t n = 0;

	while (!engines[n].here())
		n++; /* the last one is everywhere */
	return engines[n].read;
}
