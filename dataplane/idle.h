/* What a worker does that has nothing to do: it spins, then it sleeps. Its own thread. */
#ifndef ZS_DATAPLANE_IDLE_H
#define ZS_DATAPLANE_IDLE_H

#include "worker.h"

/* How long it sleeps, µs, after a sleep of last_us (0: it did not sleep since it had something to do). At first as long as it span, then
 * twice the last: no packet waits for longer than the quiet before it lasted. Who has it not spin has it sleep the longest at once: to begin
 * shorter costs a timer each time, which is most of what packets cost a host then. most_us: the longest, 0 never comes here. */
static inline uint32_t zs_idle_us(uint32_t last_us, uint32_t busy_poll_us, uint32_t most_us)
{
	uint32_t us = last_us ? 2 * last_us : busy_poll_us;

	return us && us < most_us ? us : most_us;
}

/* After a turn that had `worked` packets. */
void zs_idle(struct zs_worker *w, uint32_t worked);

#endif
