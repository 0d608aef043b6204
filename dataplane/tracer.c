#include "tracer.h"
#include "worker.h"

#define BURST_MS 100 /* of the rate: what may come at once */

static void begin(struct zs_worker *w, const struct zs_trace_want *want)
{
	struct zs_tracer *t = &w->tracer;
	uint32_t rate = want->rate < ZS_TRACE_RATE_MAX ? want->rate : ZS_TRACE_RATE_MAX;

	*t = (struct zs_tracer){ .want = *want };
	t->want.every = want->every ? want->every : 1;
	t->want.snap = want->snap < ZS_TRACE_SNAP ? want->snap : ZS_TRACE_SNAP;
	zs_gcra_init(&t->rate, rate, 1 + rate * BURST_MS / 1000);
	zs_trace_start(&w->dp->trace, w->index, want->serial);
}

void zs_tracer_look(struct zs_worker *w)
{
	const struct zs_trace_want *from = __atomic_load_n(&w->dp->trace.wanted, __ATOMIC_ACQUIRE);
	struct zs_trace_want want;

	w->trace = NULL;
	if (!from || !__atomic_load_n(&from->serial, __ATOMIC_RELAXED) ||
	    !zs_seqlock_get(from, &want, sizeof(want)) || !want.serial || want.until_ns <= w->now_ns)
		return;
	if (want.serial != w->tracer.want.serial)
		begin(w, &want);
	w->tracer.looks = ZS_TRACE_LOOKS;
	w->trace = &w->tracer;
}
