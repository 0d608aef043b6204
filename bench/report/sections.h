/* The page's drawn parts; each draws what its runs hold, and nothing when there are none. */
#ifndef ZS_BENCH_SECTIONS_H
#define ZS_BENCH_SECTIONS_H

#include "report/draw.h"

/* `runs`: an array of reports. */
void zs_section_stages(FILE *f, const json_t *runs);
void zs_section_growth(FILE *f, const json_t *runs);
void zs_section_rates(FILE *f, const json_t *runs);
void zs_section_tunnels(FILE *f, const json_t *runs);
void zs_section_floods(FILE *f, const json_t *runs);
void zs_section_plain(FILE *f, const json_t *runs);

/* The machine as the least disturbed of the runs has it. NULL: none measured it. */
const json_t *zs_quiet_machine(const json_t *runs);
/* Is it a run of this bench that did not fail? */
bool zs_is_run(const json_t *run, const char *bench);
void zs_heading(FILE *f, const char *title, const char *why);
/* A section that is bars; nothing when there are none. */
void zs_bars(FILE *f, const struct zs_bar *bar, uint32_t n, const char *unit, const char *title,
	     const char *why);
/* "CID · 1 048 576 · IPv4 · 64 B": what a run of forward or rate was about. */
void zs_traffic_name(const json_t *run, char out[96]);
/* Cycles above the bare ports that are wanted there, by the cost of a line; 0: nothing was said. */
double zs_goal_of(const json_t *run);

#endif
