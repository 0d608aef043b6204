/* What the fast path asks of the kernel: its maps, before any worker runs. */
#include <errno.h>
#include <rte_malloc.h>
#include "fastpath.h"
#include "writer_load.h"

/* The capacity of flows is that of the worker's home; beyond what ids can name they stay with the worker. */
struct zs_fast_shape zs_fastpath_shape(const struct zs_conf *conf)
{
	struct zs_fast_shape s = { .attachments = conf->attach.capacity, .flows = 64 };

	while (s.flows < conf->flows.capacity && s.flows < ZS_FAST_FLOWS_MAX)
		s.flows *= 2;
	return s;
}

int zs_fastpath_open(struct zs_dp *dp, struct zs_error *err)
{
	struct zs_fast_shape shape = zs_fastpath_shape(dp->conf);
	int rc;

	if (!zs_conf_engine_xdp(dp->conf)) {
		zs_fast_forget(dp->conf->instance);
		return 0;
	}
	dp->fast = rte_zmalloc("fastpath", sizeof(*dp->fast), 64);
	if (!dp->fast)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for the fast path");
	rc = zs_fast_open(&dp->fast->maps, dp->conf->instance, &shape, err);
	if (rc) {
		rte_free(dp->fast);
		dp->fast = NULL;
	}
	return rc;
}

void zs_fastpath_close(struct zs_dp *dp)
{
	if (!dp->fast)
		return;
	zs_fast_unmap(&dp->fast->maps);
	rte_free(dp->fast);
	dp->fast = NULL;
}
