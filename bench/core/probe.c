#include "core/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "core/draw.h"
#include "core/tsc.h"

#define LINE	  64
#define HUGE_PAGE (2u << 20)
#define LINES	  65536 /* read in a round */
#define STEPS	  8192
#define ADDS	  2000000
#define TSC_NS	  (50 * ZS_NS_PER_MS)

int zs_probe_open(struct zs_probe *p, uint64_t bytes, struct zs_error *err)
{
	*p = (struct zs_probe){ .bytes = bytes, .random = 1 };
	p->memory = aligned_alloc(HUGE_PAGE, bytes);
	p->where = malloc(LINES * sizeof(*p->where));
	if (!p->memory || !p->where) {
		zs_probe_close(p);
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory to measure a line in");
	}
	p->huge = !madvise(p->memory, bytes, MADV_HUGEPAGE);
	memset(p->memory, 1, bytes);
	return 0;
}

void zs_probe_close(struct zs_probe *p)
{
	free(p->memory);
	free(p->where);
	p->memory = NULL;
	p->where = NULL;
}

static uint32_t lines_of(const struct zs_probe *p)
{
	return (uint32_t)(p->bytes / LINE);
}

/* All of a batch are asked for, then all are read: as a burst does with its packets' entries. */
static double batched(struct zs_probe *p)
{
	uint64_t start, sum = 0;

	for (uint32_t i = 0; i < LINES; i++)
		p->where[i] = zs_draw_below(&p->random, lines_of(p));
	start = zs_tsc();
	for (uint32_t i = 0; i < LINES; i += ZS_PROBE_BATCH) {
		for (uint32_t k = 0; k < ZS_PROBE_BATCH; k++)
			__builtin_prefetch(p->memory + (uint64_t)p->where[i + k] * LINE);
		for (uint32_t k = 0; k < ZS_PROBE_BATCH; k++)
			sum += p->memory[(uint64_t)p->where[i + k] * LINE];
	}
	__asm__ volatile("" ::"r"(sum));
	return (double)(zs_tsc() - start) / LINES;
}

/* What is read says where to read next: every byte is 1, which only we know. */
static double dependent(struct zs_probe *p)
{
	uint64_t at = zs_draw(&p->random), start = zs_tsc();

	for (uint32_t i = 0; i < STEPS; i++)
		at = at * 6364136223846793005u +
		     p->memory[(at >> 32) * lines_of(p) / (UINT64_C(1) << 32) * LINE];
	__asm__ volatile("" ::"r"(at));
	return (double)(zs_tsc() - start) / STEPS;
}

static double add(void)
{
	uint64_t start = zs_tsc(), sum = 0;

	for (uint32_t i = 0; i < ADDS; i++)
		__asm__ volatile("add $1, %0" : "+r"(sum));
	return (double)(zs_tsc() - start) / ADDS;
}

void zs_probe_round(struct zs_probe *p)
{
	zs_samples_add(&p->add, add());
	zs_samples_add(&p->line, batched(p));
	zs_samples_add(&p->dependent, dependent(p));
}

bool zs_probe_disturbed(const struct zs_probe *p)
{
	return zs_samples_spread(&p->add) > ZS_PROBE_DISTURBED;
}

void zs_probe_report(const struct zs_probe *p, json_t *report)
{
	json_t *machine = json_object_get(report, "machine");

	json_object_set_new(machine, "line_bytes", json_integer((json_int_t)p->bytes));
	json_object_set_new(machine, "line_huge_pages", json_boolean(p->huge));
	json_object_set_new(machine, "line_cycles", zs_samples_json(&p->line));
	json_object_set_new(machine, "line_dependent_cycles", zs_samples_json(&p->dependent));
	json_object_set_new(machine, "add_cycles", zs_samples_json(&p->add));
	json_object_set_new(report, "line_cycles", json_real(zs_samples_median(&p->line)));
	json_object_set_new(report, "disturbed", json_boolean(zs_probe_disturbed(p)));
}

double zs_tsc_hz(void)
{
	uint64_t ns = zs_clock_ns(), from = zs_tsc(), now;

	do
		now = zs_clock_ns();
	while (now - ns < TSC_NS);
	return (double)(zs_tsc() - from) * 1e9 / (double)(now - ns);
}
