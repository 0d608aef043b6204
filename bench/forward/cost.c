/* What a packet costs, from batches. Housekeeping comes by the clock, each ms, however few packets there were between two: the
 * generator's time counts too. So its cycles are taken out of the batch they fell in, and its share of a second is put on
 * the packets again. Medians of batches: one that another process cut in upon counts for nothing. */
#include <string.h>
#include "forward/forward.h"

#define LOOKED_AT 64   /* one batch in so many */
#define HOUSE_S	  1000 /* housekeepings a second */
#define WARM_UP	  512  /* batches */

void zs_forward_warm_up(struct zs_forward *f)
{
	for (int i = 0; i < WARM_UP; i++) {
		zs_forward_fill(f, ZS_FORWARD_BATCH);
		zs_forward_turns(f, ZS_FORWARD_BATCH);
		zs_forward_sink(f, ZS_FORWARD_BATCH, f->kind->expect);
	}
}

void zs_forward_cost_begin(struct zs_forward_cost *c)
{
	c->batches = 0;
	c->houses.count = 0;
}

static void stages_of(const struct zs_worker_counters *c, uint64_t out[ZS_STAGES])
{
	memcpy(out, c->stage_cycles, ZS_STAGES * sizeof(*out));
}

uint64_t zs_forward_cost_batch(struct zs_forward *f, struct zs_forward_cost *c)
{
	const struct zs_worker_counters *count = &f->w->state->counters;
	uint64_t calls, house, cycles, before[ZS_STAGES], after[ZS_STAGES];
	uint32_t k = c->batches++ % ZS_FORWARD_BATCHES;

	zs_forward_fill(f, ZS_FORWARD_BATCH);
	calls = count->stage_packets[ZS_STAGE_housekeeping];
	stages_of(count, before);
	cycles = zs_forward_turns(f, ZS_FORWARD_BATCH);
	stages_of(count, after);
	zs_forward_sink(f, ZS_FORWARD_BATCH, c->batches % LOOKED_AT ? NULL : f->kind->expect);
	house = after[ZS_STAGE_housekeeping] - before[ZS_STAGE_housekeeping];
	if (count->stage_packets[ZS_STAGE_housekeeping] == calls + 1)
		zs_samples_add(&c->houses, (double)house);
	cycles -= house < cycles ? house : cycles;
	c->batch[k] = (double)cycles / ZS_FORWARD_BATCH;
	for (int i = 0; i < ZS_STAGES; i++)
		c->of_stage[i][k] = (double)(after[i] - before[i]) / ZS_FORWARD_BATCH;
	return cycles;
}

void zs_forward_cost_end(struct zs_forward_cost *c, double hz)
{
	uint32_t n = c->batches < ZS_FORWARD_BATCHES ? c->batches : ZS_FORWARD_BATCHES;

	c->path = zs_bed_median(c->batch, n);
	c->house = zs_samples_median(&c->houses);
	c->all = c->path / (1 - c->house * HOUSE_S / hz);
	for (int i = 0; i < ZS_STAGES; i++)
		c->stage[i] = zs_bed_median(c->of_stage[i], n);
	c->stage[ZS_STAGE_housekeeping] = c->all - c->path;
}
