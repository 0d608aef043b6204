/* Answers that come later: a verb of SERVED(2) may begin something and answer when it is done. The caller's connection
 * waits meanwhile and asks nothing else. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_ADMIN_LATER_H
#define ZS_CONTROLPLANE_ADMIN_LATER_H

#include <jansson.h>
#include "admin/handle.h"
#include "cli/command.h"

#define ZS_LATER_NS (25 * 1000000000ull) /* no verb may take longer: zsctl waits 30 s */

struct zs_later {
	/* By the verb, before it returns -EINPROGRESS: how long its caller waits (ZS_LATER_NS at most), and what ends its work
	 * when time is up or the caller is gone; nothing may be answered after `cancel`. */
	uint64_t timeout_ns;
	void (*cancel)(void *ctx);
	void *ctx;
	/* By who serves the connection. */
	void (*answer)(struct zs_later *l, json_t *answer); /* takes the answer over */
	/* By zs_admin_handle. */
	struct zs_control *c;
	const struct zs_caller *caller;
	const struct zs_command *cmd;
};

/* A verb like zs_verb_fn that may also return -EINPROGRESS: zs_later_done follows, not before it has returned. */
typedef int zs_verb_later_fn(struct zs_control *c, json_t *args, struct zs_later *later, json_t **result,
			     struct zs_error *err);

/* As if the verb had returned this. Takes *result over; `l` may be used anew when it returns. */
void zs_later_done(struct zs_later *l, int rc, json_t *result, const struct zs_error *err);

#endif
