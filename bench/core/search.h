/* The highest rate at which no more than a share of the packets is lost (RFC 2544, 26.1, by bisection; repeated trials and
 * phases as in MLRsearch): early phases are short and coarse, the last one is long and as narrow as wanted. What a phase found
 * is tried again in the next one before it is believed, and a rate passes when most of its trials do. */
#ifndef ZS_BENCH_SEARCH_H
#define ZS_BENCH_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_SEARCH_PHASES 3

struct zs_search {
	double least, most; /* rates, packets a second; least above 0 */
	double width;	    /* of the answer, relative: 0.005 */
	uint32_t trials;    /* at one rate in the last phase, odd */
	uint32_t packets;   /* of a trial in the last phase; a half and a quarter before */
	/* Sends so many packets at the rate; the share that was lost. */
	double (*trial)(void *ctx, double rate, uint32_t packets);
	void *ctx;
};

/* The rate; 0: even `least` loses more than `loss`. *count (may be NULL) gets the number of trials. */
double zs_search_rate(const struct zs_search *s, double loss, uint32_t *count);

#endif
