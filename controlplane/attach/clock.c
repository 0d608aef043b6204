/* One timer: at the server's deadline, and often enough to notice that the dataplane's state is another. */
#include "attach/clock.h"

#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"
#include "node/node.h"

#define LOOK_NS (200 * ZS_NS_PER_MS)

struct zs_attach_clock {
	struct zs_control *c;
	struct zs_timer *timer;
	uint64_t look_ns; /* when the state is looked at again, whatever peers do meanwhile */
};

static uint64_t incarnation(const struct zs_control *c)
{
	return c->state ? c->state->seg.base->incarnation : 0;
}

void zs_attach_clock_set(struct zs_attach_clock *k)
{
	uint64_t due = zs_attach_deadline(k->c->attach);

	zs_timer_set(k->timer, due < k->look_ns ? due : k->look_ns);
}

static void tick(void *ctx)
{
	struct zs_attach_clock *k = ctx;
	uint64_t now = zs_loop_now(k->c->loop);

	zs_attach_state(k->c->attach, incarnation(k->c), now);
	zs_attach_advance(k->c->attach, now, zs_clock_wall_ns() / ZS_NS_PER_S);
	k->look_ns = now + LOOK_NS;
	zs_attach_clock_set(k);
}

int zs_attach_clock_new(struct zs_attach_clock **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_attach_clock *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	k->c = c;
	rc = zs_timer_new(&k->timer, c->loop, tick, k);
	if (rc) {
		free(k);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
	}
	rc = zs_attach_new(&c->attach, c, zs_node_random(), zs_loop_now(c->loop),
			   zs_clock_wall_ns() / ZS_NS_PER_S, err);
	if (rc) {
		zs_timer_delete(k->timer);
		free(k);
		return rc;
	}
	tick(k);
	*out = k;
	return 0;
}

void zs_attach_clock_delete(struct zs_attach_clock *k)
{
	if (!k)
		return;
	zs_attach_delete(k->c->attach);
	k->c->attach = NULL;
	zs_timer_delete(k->timer);
	free(k);
}
