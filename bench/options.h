/* The command line. */
#ifndef ZS_BENCH_OPTIONS_H
#define ZS_BENCH_OPTIONS_H

#include "bench.h"

/* Defaults, then what argv says; `*first` is the first word that is no option. false: it was said why. */
bool zs_options_parse(struct zs_bench_options *opt, int argc, char **argv, int *first);
/* A line for each option, to stdout. */
void zs_options_print(void);
/* An entry of the manual for each, to stdout. */
void zs_options_man(void);

#endif
