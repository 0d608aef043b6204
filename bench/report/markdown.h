/* The table in README, from a suite's file. */
#ifndef ZS_BENCH_MARKDOWN_H
#define ZS_BENCH_MARKDOWN_H

#include <jansson.h>

/* Puts the table between the lines <!-- figures --> and <!-- /figures --> of `path`. 0 or -errno (-EINVAL: no such lines). */
int zs_markdown_write(const json_t *set, const char *path);

#endif
