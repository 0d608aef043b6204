/* show …: views of the segments. */
#include <errno.h>
#include "admin/verbs.h"
#include "attach/attach.h"
#include "cli/view.h"
#include "program.h"
#include "tracing.h"
#include "metrics_memory.h"
#include "shm/fault.h"

int zs_verb_need_state(const struct zs_control *c, struct zs_error *err)
{
	if (!c->state)
		return zs_error_set(err, -ENODEV, ZS_EXIT_FAILED,
				    "no dataplane has run here yet; start zs-dataplane");
	if (zs_segment_damaged(&c->state->seg))
		return zs_error_set(err, -EUCLEAN, ZS_EXIT_FAILED,
				    "the dataplane's figures are lost: %s is damaged; restart zs-dataplane",
				    c->state->seg.path);
	return 0;
}

int zs_verb_show_flows(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	if (zs_verb_need_state(c, err) != 0)
		return err->code;
	*result = zs_view_flows(c->state, (uint16_t)zs_verb_number(args, "port", 0),
				zs_verb_number(args, "limit", ZS_VIEW_FLOWS));
	return 0;
}

int zs_verb_show_ports(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	if (zs_verb_need_state(c, err) != 0)
		return err->code;
	*result = zs_view_interfaces(c->state);
	return 0;
}

int zs_verb_show_counters(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	if (zs_verb_need_state(c, err) != 0)
		return err->code;
	*result = zs_view_counters(c->state, json_object_get(args, "workers") != NULL);
	return 0;
}

int zs_verb_show_drops(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	if (zs_verb_need_state(c, err) != 0)
		return err->code;
	*result = zs_view_drops(c->state, json_object_get(args, "all") != NULL);
	return 0;
}

int zs_verb_show_runtime(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	if (zs_verb_need_state(c, err) != 0)
		return err->code;
	*result = zs_view_runtime(c->state);
	return 0;
}

int zs_verb_show_neighbours(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	*result = zs_view_neighbours(zs_program_tables(c->program));
	return 0;
}

int zs_verb_show_routes(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	*result = zs_view_routes(zs_program_tables(c->program));
	return 0;
}

static void add_pair(json_t *segments, const struct zs_pair *pair)
{
	if (pair->own.base)
		json_array_append_new(segments, zs_view_segment(&pair->own));
	if (pair->other.base)
		json_array_append_new(segments, zs_view_segment(&pair->other));
}

int zs_verb_show_memory(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	json_t *segments = json_array(), *process = json_object();
	struct zs_memory_figure figure[ZS_MEMORY_FIGURES];
	unsigned count = zs_memory_figures(figure);

	json_array_append_new(segments, zs_view_segment(&zs_program_tables(c->program)->seg));
	if (c->attach)
		json_array_append_new(segments, zs_view_segment(zs_attach_segment(c->attach)));
	if (c->state)
		json_array_append_new(segments, zs_view_segment(&c->state->seg));
	if (c->events)
		add_pair(segments, &c->events->pair);
	if (zs_tracing_segments(c->tracing))
		add_pair(segments, &zs_tracing_segments(c->tracing)->pair);
	for (unsigned i = 0; i < count; i++)
		json_object_set_new(process, figure[i].name, json_integer((json_int_t)figure[i].bytes));
	*result = json_pack("{s:o,s:o}", "segments", segments, "process", process);
	return 0;
}
