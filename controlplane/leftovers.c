#include "leftovers.h"

#include <stdio.h>
#include <unistd.h>
#include "base/check.h"
#include "shm/sessions.h"
#include "shm/trace.h"

static bool is_there(const struct zs_control *c, const struct zs_segment_kind *kind)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", c->shm_dir, kind->name);
	return access(path, F_OK) == 0;
}

static void stop_tables(const struct zs_control *c)
{
	struct zs_tables_shape shape = { .routes = CONFIG_ROUTES, .nexthops = CONFIG_NEXTHOPS };
	struct zs_tables t;
	bool fresh;

	if (zs_tables_open_writer(&t, c->shm_dir, &shape, true, &fresh, NULL))
		return; /* of another build, which is as good as none: nobody joins it any more */
	zs_tables_set_stop(&t, true);
	zs_tables_close(&t);
}

static bool dataplane_lives(const struct zs_control *c)
{
	struct zs_state s;
	bool lives;

	if (zs_state_open_reader(&s, c->shm_dir, NULL))
		return false;
	lives = zs_segment_writer_alive(&s.seg);
	zs_state_close(&s);
	return lives;
}

static void take(struct zs_control *c, const struct zs_segment_kind *const kinds[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_there(c, kinds[i]) && !zs_segment_delete(c->shm_dir, kinds[i]))
			ZS_LOG(&c->log, SEGMENT_LOST, "segment=%s cause=\"the role relay is off\"",
			       kinds[i]->name);
}

void zs_leftovers_remove(struct zs_control *c)
{
	static const struct zs_segment_kind *const ours[] = { &zs_tables_kind, &zs_sessions_kind,
							      &zs_eventack_kind, &zs_tracewant_kind };
	static const struct zs_segment_kind *const theirs[] = { &zs_state_kind, &zs_events_kind,
								&zs_trace_kind };

	if (is_there(c, &zs_tables_kind))
		stop_tables(c);
	take(c, ours, ZS_ARRAY_LEN(ours));
	if (!dataplane_lives(c))
		take(c, theirs, ZS_ARRAY_LEN(theirs));
}
