/* zs-bench suite: the benches of suite.def, each in a process of its own, into PREFIX.json and PREFIX.html. */
#ifndef ZS_BENCH_SUITE_H
#define ZS_BENCH_SUITE_H

#include <jansson.h>
#include <stdbool.h>

/* An exit code: not 0 when a bench failed; the files are written all the same, and say which. `bin_dir`: where zs-bench is. */
int zs_suite(bool full, const char *prefix, const char *bin_dir);
/* What is made of a file that suite wrote: report/html.h, report/markdown.h. An exit code. */
typedef int zs_page_fn(const json_t *set, const char *path);
int zs_suite_page(const char *json_path, const char *path, zs_page_fn *write);

#endif
