/* One timer, at the deadline. */
#include "usage/clock.h"

#include <errno.h>
#include <stdlib.h>
#include "attach/attach.h"
#include "base/clock.h"
#include "node/node.h"

struct zs_usage_clock {
	struct zs_control *c;
	struct zs_timer *timer;
};

static uint64_t wall_s(void)
{
	return zs_clock_wall_ns() / ZS_NS_PER_S;
}

static void tick(void *ctx)
{
	struct zs_usage_clock *k = ctx;

	zs_usage_advance(k->c->usage, zs_loop_now(k->c->loop), wall_s());
	zs_timer_set(k->timer, zs_usage_deadline(k->c->usage));
}

int zs_usage_clock_new(struct zs_usage_clock **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_usage_clock *k = calloc(1, sizeof(*k));
	struct zs_random random = zs_node_random();
	int rc = k ? zs_timer_new(&k->timer, c->loop, tick, k) : -ENOMEM;

	if (rc) {
		free(k);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
	}
	k->c = c;
	rc = zs_usage_new(&c->usage, c, zs_attach_capacity(c->attach), &random, err);
	if (rc) {
		zs_timer_delete(k->timer);
		free(k);
		return rc;
	}
	tick(k);
	*out = k;
	return 0;
}

void zs_usage_clock_delete(struct zs_usage_clock *k)
{
	if (!k)
		return;
	zs_usage_settle(k->c->usage, zs_loop_now(k->c->loop), wall_s());
	zs_usage_delete(k->c->usage);
	k->c->usage = NULL;
	zs_timer_delete(k->timer);
	free(k);
}
