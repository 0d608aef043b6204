/* Cycles and packets of each stage, for `show runtime`; nothing where Kconfig says so. */
#ifndef ZS_STAGE_MARK_H
#define ZS_STAGE_MARK_H

#include "worker.h"

#ifdef CONFIG_STAGE_CYCLES
#include <rte_cycles.h>
#define ZS_STAGE_MARK(w, name, packets) zs_stage_mark((w), ZS_STAGE_##name, (packets))
static inline void zs_stage_mark(struct zs_worker *w, enum zs_stage stage, uint32_t packets)
{
	uint64_t now = rte_rdtsc();

	w->state->counters.stage_cycles[stage] += now - w->mark;
	w->state->counters.stage_packets[stage] += packets;
	w->mark = now;
}
#define ZS_STAGE_BEGIN(w) ((w)->mark = rte_rdtsc())
#else
#define ZS_STAGE_MARK(w, name, packets) ((void)(packets))
#define ZS_STAGE_BEGIN(w)		((void)0)
#endif

#endif
