/* A set of reports as one page: no script, no network, drawings as SVG, for light and dark screens and for paper. */
#ifndef ZS_BENCH_HTML_H
#define ZS_BENCH_HTML_H

#include <jansson.h>

/* `set`: zs-bench-set/1, or one report. 0 or -errno. */
int zs_html_write(const json_t *set, const char *path);

#endif
