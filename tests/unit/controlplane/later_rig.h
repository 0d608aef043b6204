/* A request and its answer, also one that comes later: the loop is turned until it is there. No assertions, so that a
 * child process may call it. */
#ifndef ZS_TESTS_CONTROLPLANE_LATER_RIG_H
#define ZS_TESTS_CONTROLPLANE_LATER_RIG_H

#include <errno.h>
#include "admin/handle.h"
#include "admin/later.h"
#include "base/clock.h"

struct rig_later {
	struct zs_later later; /* first, so that one is the other */
	json_t *answer;
};

static inline void rig_answer(struct zs_later *l, json_t *answer)
{
	((struct rig_later *)l)->answer = answer;
}

static inline int rig_handle(struct zs_control *c, const struct zs_caller *caller, const char *req,
			     size_t len, json_t **answer)
{
	struct rig_later wait = { .later.answer = rig_answer };
	int rc = zs_admin_handle(c, caller, req, len, &wait.later, answer);

	if (rc != -EINPROGRESS)
		return rc;
	for (int i = 0; i < 10000 && !wait.answer; i++)
		if (zs_loop_turn(c->loop, ZS_NS_PER_MS) < 0)
			return -EIO;
	*answer = wait.answer;
	return wait.answer ? 0 : -ETIMEDOUT;
}

#endif
