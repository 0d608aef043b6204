/* Could a program take over the segments it writes from the process that writes them now? Asked by a plane's --preflight
 * before that process is stopped: reads headers alone, takes no lock, changes nothing. Any process, any thread. */
#ifndef ZS_SHM_PREFLIGHT_H
#define ZS_SHM_PREFLIGHT_H

#include <stdio.h>
#include "shm/segment.h"

struct zs_preflight {
	const struct zs_segment_kind *kind;
	bool precious; /* holds flows, ports or sessions: to make it anew is a loss */
};

/* Judges each segment in `dir` as its writer would at its start, and says on `to` what becomes of it, a line each.
 * -EPROTO: it would refuse one, or make a precious one anew; err names it, the field that differs, and has the exit
 * status LAYOUT. -errno: one cannot be read. */
int zs_preflight(const char *dir, const struct zs_preflight *rows, unsigned count, FILE *to,
		 struct zs_error *err);

#endif
