/* What it costs to decode a burst of connection IDs, under one key and under as many as can live, by each AES engine there is. */
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "core/cases.h"
#include "core/draw.h"
#include "relay/cidset.h"

#define BURST  32
#define SETS   64 /* bursts of a chunk */
#define ROUNDS 8
#define CASES  16

struct own {
	struct zs_cidset set;
	uint8_t id[SETS * BURST][ZS_CID];
	struct zs_cid_ref ref[SETS * BURST];
	uint64_t random;
	uint32_t keys;
};

static void prepare(void *ctx, uint64_t arg)
{
	struct own *o = ctx;

	for (uint32_t i = 0; i < SETS * BURST; i++) {
		struct zs_cid cid = { .rotation = (uint8_t)zs_draw_below(&o->random, o->keys),
				      .generation = 1,
				      .pop = 7,
				      .attachment = (uint32_t)zs_draw(&o->random),
				      .nonce = (uint32_t)zs_draw(&o->random) };

		zs_cidset_encode(&o->set, &cid, o->id[i]);
		o->ref[i] = (struct zs_cid_ref){ o->id[i], ZS_CID };
	}
}

static uint64_t run(void *ctx, uint64_t arg)
{
	const struct own *o = ctx;
	uint64_t bad = 0;

	for (uint32_t r = 0; r < ROUNDS; r++)
		for (uint32_t s = 0; s < SETS; s++) {
			struct zs_cid out[BURST];

			zs_cidset_decode(&o->set, o->ref + (size_t)s * BURST, BURST, out);
			bad += out[r].verdict != ZS_CID_OK;
		}
	ZS_CHECK(!bad, "every ID is good");
	return (uint64_t)ROUNDS * SETS * BURST;
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	static const uint32_t keys[] = { 1, 3, ZS_CID_ROTATIONS };
	static struct own own[CASES];
	struct zs_case cases[CASES] = { 0 };
	const struct zs_aes_engine *engine;
	uint32_t n = 0;

	for (size_t e = 0; (engine = zs_aes_engine(e)) && n + ZS_ARRAY_LEN(keys) <= CASES; e++)
		for (size_t k = 0; engine->here() && k < ZS_ARRAY_LEN(keys); k++, n++) {
			own[n].keys = keys[k];
			zs_cidset_init(&own[n].set, engine);
			for (uint8_t i = 0; i < keys[k]; i++)
				zs_cidset_put(&own[n].set, i,
					      (const uint8_t[16]){ i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 });
			cases[n] = (struct zs_case){ .ctx = &own[n], .prepare = prepare, .run = run };
			snprintf(cases[n].name, sizeof(cases[n].name), "%s, %u key%s", engine->name, keys[k],
				 keys[k] > 1 ? "s" : "");
		}
	return zs_cases_run(cases, n, opt, report, err);
}

const struct zs_bench zs_bench_decode = {
	.name = "decode",
	.help = "cycles to decode a connection ID, in bursts of 32, by each AES engine of this CPU",
	.run = bench,
};
