/* The relay's two processes on a wire: port 4443 is published and leads to 10.78.2.2:443. */
#ifndef ZS_BENCH_PLANES_H
#define ZS_BENCH_PLANES_H

#include "wire.h"

struct zs_planes {
	uint32_t busy_poll_us, sleep_max_us; /* of its worker */
	bool xdp;			     /* the engine */
};

/* They forward once ZS_PLANES_READY stands in their log "data". 0 or -errno with err. */
#define ZS_PLANES_READY "text=ready"
int zs_planes_start(struct zs_wire *w, const struct zs_bench_options *opt, const struct zs_planes *p,
		    struct zs_error *err);
/* Waits until `word` stands in /tmp/TAG-LOG.log; -ETIMEDOUT with err. */
int zs_wire_wait(const struct zs_wire *w, const char *log, const char *word, struct zs_error *err);

#endif
