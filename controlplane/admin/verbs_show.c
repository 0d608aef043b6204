/* show …: views of the segments. */
#include <errno.h>
#include "admin/verbs.h"
#include "cli/view.h"
#include "program.h"
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
