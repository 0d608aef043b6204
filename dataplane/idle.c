#include "idle.h"

#include <time.h>
#include <rte_pause.h>
#include "stage/stage.h"

#define PAUSES 16 /* between two empty polls while spinning */

/* What the receive rings hold at line rate; where the kernel forwards, few packets come here, and the setting says how long they may
 * wait. */
static uint32_t longest(const struct zs_worker *w)
{
	uint32_t most = w->settings.sleep_max_us;

	return most < w->burst_us || w->dp->fast ? most : w->burst_us;
}

void zs_idle(struct zs_worker *w, uint32_t worked)
{
	bool drained = worked < ZS_BURST && !w->settings.busy_poll_us; /* what came was all there was */
	struct timespec ts = { 0 };

	if ((worked && !drained) || !w->settings.sleep_max_us) {
		w->quiet_since_ns = w->now_ns;
		w->sleep_us = 0;
		return;
	}
	if (w->now_ns - w->quiet_since_ns < w->settings.busy_poll_us * 1000ull) {
		for (int i = 0; i < PAUSES; i++)
			rte_pause();
		return;
	}
	w->sleep_us = zs_idle_us(w->sleep_us, w->settings.busy_poll_us, longest(w));
	ts.tv_nsec = w->sleep_us * 1000l;
	w->count[ZS_COUNTER_sleeps]++;
	w->state->idle_sleeps++;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}
