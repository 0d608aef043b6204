/* Watches a drain until it is over. The relay does it by itself: whoever ends this ends the watching alone. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "zsctl.h"

#define LOOK_US	  500000
#define PATIENCE  20 /* looks beyond the deadline, and looks in a row that nobody answers: 10 s */
#define SHOW_EACH 2  /* lines of progress: one a second */

static json_int_t num(json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *state_of(json_t *drain)
{
	const char *state = json_string_value(json_object_get(drain, "state"));

	return state ? state : "";
}

static void show(json_t *drain)
{
	fprintf(stderr, "%s: %lld edges, %lld sessions, %lld flows, %lld s left\n", state_of(drain),
		(long long)num(drain, "edges"), (long long)num(drain, "sessions"),
		(long long)num(drain, "flows"), (long long)num(drain, "left_s"));
}

/* The drain as `status` has it; NULL: nobody said. */
static json_t *look(const struct zsctl *z, struct zs_error *err)
{
	json_t *args = json_object(), *result = NULL, *drain = NULL;

	zsctl_call(z, zs_command_get(ZS_COMMAND_status), args, &result, err);
	drain = json_incref(json_object_get(json_object_get(result, "control"), "drain"));
	json_decref(result);
	json_decref(args);
	return drain;
}

int zsctl_drain_wait(const struct zsctl *z, json_t **result, struct zs_error *err)
{
	uint32_t silent = 0, late = 0;

	for (uint32_t i = 0; strcmp(state_of(*result), "draining") == 0; i++) {
		json_t *now;

		if (i % SHOW_EACH == 0)
			show(*result);
		usleep(LOOK_US);
		now = look(z, err);
		silent = now ? 0 : silent + 1;
		if (now) {
			json_decref(*result);
			*result = now;
		}
		late = num(*result, "left_s") ? 0 : late + 1;
		if (silent > PATIENCE)
			return (int)err->exit;
		if (late > PATIENCE)
			return zs_error_set(err, -ETIMEDOUT, ZS_EXIT_FAILED,
					    "the timeout is over and the relay still drains; see its log"),
			       ZS_EXIT_FAILED;
	}
	if (strcmp(state_of(*result), "drained") == 0)
		return ZS_EXIT_OK;
	return zs_error_set(err, -ECANCELED, ZS_EXIT_FAILED, "the drain was lifted before it was over"),
	       ZS_EXIT_FAILED;
}
