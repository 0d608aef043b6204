/* What this machine's memory and core cost just now, in TSC cycles. Measured beside every figure, in the same run: a figure
 * means little without the cost of a line, and nothing when somebody else had the core. */
#ifndef ZS_BENCH_PROBE_H
#define ZS_BENCH_PROBE_H

#include "bench.h"

#define ZS_PROBE_BYTES	   (64u << 20) /* beyond what a core's own caches hold */
#define ZS_PROBE_FAR	   (1u << 30)  /* beyond any cache, where there is so much memory */
#define ZS_PROBE_BATCH	   32	       /* as many as a burst has packets */
#define ZS_PROBE_DISTURBED 0.05 /* an addition takes one cycle: spread beyond this is another's doing */

struct zs_probe {
	uint8_t *memory;
	bool huge; /* the kernel was asked for huge pages and did not refuse */
	uint64_t bytes;
	uint32_t *where; /* lines in random order, read forward */
	uint64_t random;
	struct zs_samples line, dependent, add;
};

/* -ENOMEM. */
int zs_probe_open(struct zs_probe *p, uint64_t bytes, struct zs_error *err);
void zs_probe_close(struct zs_probe *p);
/* One round of all three, some 15 ms; results are added to the samples. */
void zs_probe_round(struct zs_probe *p);
/* Did the cost of an addition change between rounds? */
bool zs_probe_disturbed(const struct zs_probe *p);
/* Into report.machine, with `disturbed` and `line_cycles` of the report. */
void zs_probe_report(const struct zs_probe *p, json_t *report);
/* Cycles of the TSC a second, against the kernel's clock; 50 ms. */
double zs_tsc_hz(void);

#endif
