/* status, health, version, upgrade record, drain, undrain, stop, resume, log level. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "admin/verbs.h"
#include "base/clock.h"
#include "cli/view.h"
#include "drain.h"
#include "ident.h"
#include "program.h"
#include "shm/fault.h"

static json_t *health_list(struct zs_control *c, bool all)
{
	json_t *list = json_array();

	zs_view_health(list, c->health, "control", all);
	if (c->state)
		zs_view_health(list, c->state->health, "data", all);
	return list;
}

static json_t *drain_object(const struct zs_control *c)
{
	struct zs_drain_left left;

	zs_drain_left(c, &left);
	return json_pack("{s:s,s:I,s:I,s:I,s:I}", "state", zs_drain_name(c->drain.state), "left_s",
			 (json_int_t)left.left_s, "edges", (json_int_t)left.edges, "sessions",
			 (json_int_t)left.sessions, "flows", (json_int_t)left.flows);
}

static json_t *control_object(struct zs_control *c)
{
	uint64_t now = zs_clock_wall_ns();

	return json_pack("{s:b,s:i,s:s,s:I,s:s,s:b,s:o,s:o}", "running", 1, "pid", (int)getpid(), "version",
			 c->version ? c->version : "unknown", "uptime_s",
			 (json_int_t)(now > c->started_ns ? (now - c->started_ns) / ZS_NS_PER_S : 0), "loop",
			 c->loop ? zs_loop_engine_name(c->loop) : "none", "draining",
			 c->drain.state != ZS_SERVING, "drain", drain_object(c), "trial", zs_verb_trial(c));
}

/* What this build has, and whether it runs here. */
static json_t *modules(const struct zs_control *c)
{
	json_t *o = json_object();

	for (int m = ZS_MODULE_none + 1; m < ZS_MODULES; m++)
		if (zs_module_built((enum zs_module)m))
			json_object_set_new(o, zs_module_name((enum zs_module)m),
					    json_boolean(zs_module_on(c->conf, (enum zs_module)m)));
	return o;
}

/* Figures of a segment that was damaged under us would be zeros: they are null, which says that they are lost. */
static json_t *flow_use(const struct zs_state *s)
{
	uint64_t used = 0, capacity = 0;

	if (s)
		zs_view_flow_use(s, &used, &capacity);
	return json_pack("{s:I,s:I}", "used", (json_int_t)used, "capacity", (json_int_t)capacity);
}

int zs_verb_status(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	bool lost = c->state && zs_segment_damaged(&c->state->seg), relays = c->program != NULL;
	json_t *dataplane = zs_view_dataplane(c->state);

	if (lost)
		json_object_set_new(dataplane, "workers", json_null());
	*result = json_pack("{s:s,s:s?,s:o,s:o,s:o,s:b,s:b,s:I,s:o,s:o,s:o}", "instance", c->conf->instance,
			    "peer", c->ident ? zs_ident_peer(c->ident) : NULL, "modules", modules(c),
			    "control", control_object(c), "dataplane", dataplane, "stopped",
			    relays && zs_program_stopped(c->program), "damaged",
			    relays && zs_program_writable(c->program, NULL) != 0, "published",
			    (json_int_t)(relays ? zs_program_published(c->program) : 0), "flows",
			    lost ? json_null() : flow_use(c->state), "packets",
			    c->state && !lost ? zs_view_counters(c->state, false) : json_null(), "health",
			    health_list(c, false));
	return 0;
}

int zs_verb_health(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	*result = zs_view_healthy(health_list(c, json_object_get(args, "all") != NULL));
	if (!json_is_true(json_object_get(*result, "healthy")))
		err->exit = ZS_EXIT_UNHEALTHY;
	return 0;
}

int zs_verb_version(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	*result = json_pack("{s:s}", "control", c->version ? c->version : "unknown");
	return 0;
}

/* That it was called is what is recorded. */
int zs_verb_upgrade_record(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	*result = json_pack("{s:b}", "recorded", 1);
	return 0;
}

int zs_verb_drain(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	int rc = zs_drain_begin(c, zs_verb_number(args, "timeout", ZS_DRAIN_TIMEOUT_S), err);

	if (!rc)
		*result = drain_object(c);
	return rc;
}

int zs_verb_undrain(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	int rc = zs_drain_lift(c, err);

	if (!rc)
		*result = drain_object(c);
	return rc;
}

/* Stopped it is in any case; what is missing is said. */
int zs_verb_stop(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	int rc = zs_program_stop(c->program, true, err);

	*result = json_pack("{s:b,s:b,s:b}", "stopped", 1, "stored", rc == 0, "recorded", 1);
	if (rc != 0) {
		json_object_set_new(*result, "why", json_string(err->text));
		err->exit = ZS_EXIT_UNHEALTHY;
	}
	return 0;
}

int zs_verb_resume(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	int rc = zs_program_stop(c->program, false, err);

	if (rc == 0)
		*result = json_pack("{s:b}", "stopped", 0);
	return rc;
}

static int no_module(const char *module, struct zs_error *err)
{
	char names[160] = "";

	for (int m = 0; m < ZS_LOG_MODULES; m++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), " %s", zs_log_module_name(m));
	return zs_error_set(err, -ENOENT, ZS_EXIT_USAGE, "log level: no module '%.40s'; there are%s", module,
			    names);
}

int zs_verb_log_level(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	const char *level = json_string_value(json_object_get(args, "level"));
	const char *module = json_string_value(json_object_get(args, "module"));
	int rc = zs_log_set_level(&c->log, module, level);

	if (rc == -ENOENT)
		return no_module(module, err);
	if (rc != 0)
		return zs_error_set(err, rc, ZS_EXIT_USAGE, "log level: there is no level '%.40s'", level);
	if (c->program)
		zs_program_log_levels(c->program);
	*result = json_pack("{s:s,s:s}", "module", module ? module : "all", "level", level);
	return 0;
}
