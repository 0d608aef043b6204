/* One timer: at the earlier deadline, and often enough to notice that the dataplane's state is another. Either module does nothing
 * when it is called before its own. */
#include "pulse.h"

#include <errno.h>
#include <stdlib.h>
#include "attach/attach.h"
#include "base/clock.h"
#include "node/node.h"
#include "usage/usage.h"

#define LOOK_NS (200 * ZS_NS_PER_MS)

struct zs_pulse {
	struct zs_control *c;
	struct zs_timer *timer;
	uint64_t look_ns; /* when the state is looked at again, whatever peers do meanwhile */
};

static uint64_t wall_s(void)
{
	return zs_clock_wall_ns() / ZS_NS_PER_S;
}

static uint64_t incarnation(const struct zs_control *c)
{
	return c->state ? c->state->seg.base->incarnation : 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void zs_pulse_set(struct zs_pulse *p)
{
	uint64_t due = sooner(zs_attach_deadline(p->c->attach), zs_usage_deadline(p->c->usage));

	zs_timer_set(p->timer, sooner(due, p->look_ns));
}

static void tick(void *ctx)
{
	struct zs_pulse *p = ctx;
	struct zs_control *c = p->c;
	uint64_t now = zs_loop_now(c->loop);

	zs_attach_state(c->attach, incarnation(c), now);
	zs_attach_advance(c->attach, now, wall_s());
	zs_usage_advance(c->usage, now, wall_s());
	p->look_ns = now + LOOK_NS;
	zs_pulse_set(p);
}

static int make(struct zs_control *c, struct zs_error *err)
{
	struct zs_random random = zs_node_random();
	int rc = zs_attach_new(&c->attach, c, random, zs_loop_now(c->loop), wall_s(), err);

	if (rc)
		return rc;
	return zs_usage_new(&c->usage, c, zs_attach_capacity(c->attach), &random, err);
}

int zs_pulse_new(struct zs_pulse **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_pulse *p = calloc(1, sizeof(*p));
	int rc = p ? zs_timer_new(&p->timer, c->loop, tick, p) : -ENOMEM;

	if (rc) {
		free(p);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
	}
	p->c = c;
	rc = make(c, err);
	if (rc) {
		zs_pulse_delete(p);
		return rc;
	}
	tick(p);
	*out = p;
	return 0;
}

void zs_pulse_delete(struct zs_pulse *p)
{
	struct zs_control *c = p ? p->c : NULL;

	if (!p)
		return;
	if (c->usage)
		zs_usage_settle(c->usage, zs_loop_now(c->loop), wall_s());
	zs_usage_delete(c->usage);
	c->usage = NULL;
	zs_attach_delete(c->attach);
	c->attach = NULL;
	zs_timer_delete(p->timer);
	free(p);
}
