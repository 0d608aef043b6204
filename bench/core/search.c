#include "core/search.h"

#include <math.h>
#include <stddef.h>

#define STEPS_MAX 64 /* of bounds moved apart in one phase: more than any range has */

struct phase {
	const struct zs_search *s;
	double loss, width;
	uint32_t trials, packets;
	uint32_t *count;
};

/* Most of the trials decide; the rest is not tried once they have. */
static bool passes(const struct phase *p, double rate)
{
	uint32_t good = 0, bad = 0;

	while (good * 2 <= p->trials && bad * 2 <= p->trials) {
		bool ok = p->s->trial(p->s->ctx, rate, p->packets) <= p->loss;

		good += ok;
		bad += !ok;
		++*p->count;
	}
	return good > bad;
}

/* Narrows [low passed, high failed] to the phase's width. The bounds come from the last phase and are tried first. */
static void narrow(const struct phase *p, double *low, double *high)
{
	double step = 1 + 2 * p->width;

	for (int i = 0; i < STEPS_MAX && !passes(p, *low); i++) {
		if (*low <= p->s->least) {
			*low = 0;
			return;
		}
		*high = *low;
		*low = fmax(*low / step, p->s->least);
		step *= step;
	}
	step = 1 + 2 * p->width;
	for (int i = 0; i < STEPS_MAX && passes(p, *high); i++) {
		*low = *high;
		if (*high >= p->s->most)
			return;
		*high = fmin(*high * step, p->s->most);
		step *= step;
	}
	while (*high / *low > 1 + p->width) {
		double mid = sqrt(*low * *high);

		*(passes(p, mid) ? low : high) = mid;
	}
}

double zs_search_rate(const struct zs_search *s, double loss, uint32_t *count)
{
	double low = s->least, high = s->most;
	uint32_t tried = 0;

	for (uint32_t i = 0; i < ZS_SEARCH_PHASES && low > 0; i++) {
		uint32_t early = ZS_SEARCH_PHASES - 1 - i;
		struct phase p = { .s = s,
				   .loss = loss,
				   .width = s->width * (1 << 2 * early),
				   .trials = early ? 1 : s->trials,
				   .packets = s->packets >> early,
				   .count = &tried };

		narrow(&p, &low, &high);
	}
	if (count)
		*count = tried;
	return low;
}
