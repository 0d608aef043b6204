/* Without a control plane: the segments, joined read-only. Nothing is changed or waited for. */
#include <errno.h>
#include <stdlib.h>
#include "cli/view.h"
#include "zsctl.h"

struct segments {
	struct zs_state *state; /* NULL: not to be had */
	struct zs_tables *tables;
	struct zs_state state_view;
	struct zs_tables tables_view;
};

static void open_segments(struct segments *s, const struct zsctl *z)
{
	char dir[96];

	s->state = NULL;
	s->tables = NULL;
	if (zs_segment_dir(dir, z->instance, false, NULL) != 0)
		return;
	if (zs_state_open_reader(&s->state_view, dir, NULL) == 0)
		s->state = &s->state_view;
	if (zs_tables_open_reader(&s->tables_view, dir, NULL) == 0)
		s->tables = &s->tables_view;
}

static json_t *status(const struct zsctl *z, const struct segments *s)
{
	json_t *health = json_array(), *published = s->tables ? zs_view_published(s->tables) : NULL, *result;
	uint64_t used = 0, capacity = 0;

	if (s->state) {
		zs_view_health(health, s->state->health, "data", false);
		zs_view_flow_use(s->state, &used, &capacity);
	}
	result = json_pack("{s:s,s:{s:b},s:o,s:b,s:I,s:{s:I,s:I},s:o,s:o}", "instance", z->instance,
			   "control", "running", 0, "dataplane", zs_view_dataplane(s->state), "stopped",
			   s->tables && zs_tables_stopped(s->tables), "published",
			   (json_int_t)json_array_size(json_object_get(published, "published")), "flows",
			   "used", (json_int_t)used, "capacity", (json_int_t)capacity, "packets",
			   s->state ? zs_view_counters(s->state, false) : json_null(), "health", health);
	json_decref(published);
	return result;
}

static uint32_t number(json_t *args, const char *name, uint32_t otherwise)
{
	json_t *value = json_object_get(args, name);

	return value ? (uint32_t)json_integer_value(value) : otherwise;
}

static json_t *of_state(const struct zs_state *s, enum zs_command_id id, json_t *args)
{
	json_t *list;

	switch (id) {
	case ZS_COMMAND_show_flows:
		return zs_view_flows(s, (uint16_t)number(args, "port", 0),
				     number(args, "limit", ZS_VIEW_FLOWS));
	case ZS_COMMAND_show_bindings: /* whose they are nobody can tell */
		return json_object_get(args, "who")
			   ? NULL
			   : zs_view_bindings(s, number(args, "after", 0),
					      number(args, "limit", ZS_VIEW_ATTACHED));
	case ZS_COMMAND_show_ports:
		return zs_view_interfaces(s);
	case ZS_COMMAND_show_counters:
		return zs_view_counters(s, json_object_get(args, "workers") != NULL);
	case ZS_COMMAND_show_drops:
		return zs_view_drops(s, json_object_get(args, "all") != NULL);
	case ZS_COMMAND_show_runtime:
		return zs_view_runtime(s);
	case ZS_COMMAND_health:
		zs_view_health(list = json_array(), s->health, "data", json_object_get(args, "all") != NULL);
		list = zs_view_healthy(list);
		json_object_set_new(list, "healthy", json_false()); /* its other half has nobody to tell it */
		return list;
	default:
		return NULL;
	}
}

static json_t *of_tables(const struct zs_tables *t, enum zs_command_id id)
{
	switch (id) {
	case ZS_COMMAND_publish_list:
		return zs_view_published(t);
	case ZS_COMMAND_show_neighbours:
		return zs_view_neighbours(t);
	case ZS_COMMAND_show_routes:
		return zs_view_routes(t);
	default:
		return NULL;
	}
}

int zsctl_offline(const struct zsctl *z, const struct zs_command *cmd, json_t *args, json_t **result)
{
	struct segments *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*result = NULL;
	open_segments(s, z);
	if (cmd->id == ZS_COMMAND_status && (s->state || s->tables))
		*result = status(z, s);
	if (!*result && s->state)
		*result = of_state(s->state, cmd->id, args);
	if (!*result && s->tables)
		*result = of_tables(s->tables, cmd->id);
	if (s->state)
		zs_state_close(s->state);
	if (s->tables)
		zs_tables_close(s->tables);
	free(s);
	return *result ? 0 : -ENOTSUP;
}
