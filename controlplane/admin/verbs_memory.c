/* memory: both planes by process, module and segment. */
#include <unistd.h>
#include "admin/verbs.h"
#include "attach/attach.h"
#include "cli/view.h"
#include "memory.h"
#include "program.h"
#include "shm/fault.h"
#include "tracing.h"

static void add_pair(json_t *segments, const struct zs_pair *pair)
{
	if (pair->own.base)
		json_array_append_new(segments, zs_view_segment(&pair->own));
	if (pair->other.base)
		json_array_append_new(segments, zs_view_segment(&pair->other));
}

static json_t *segments(const struct zs_control *c)
{
	json_t *list = json_array();

	if (c->program)
		json_array_append_new(list, zs_view_segment(&zs_program_tables(c->program)->seg));
	if (c->attach)
		json_array_append_new(list, zs_view_segment(zs_attach_segment(c->attach)));
	if (c->state)
		json_array_append_new(list, zs_view_segment(&c->state->seg));
	if (c->events)
		add_pair(list, &c->events->pair);
	if (zs_tracing_segments(c->tracing))
		add_pair(list, &zs_tracing_segments(c->tracing)->pair);
	return list;
}

static json_t *most(const struct zs_memory_module *m)
{
	return m->most == ZS_MEMORY_UNCOUNTED ? json_null() : json_integer((json_int_t)m->most);
}

static json_t *modules(const struct zs_control *c)
{
	struct zs_memory_module m[ZS_MEMORY_MODULES];
	unsigned count = zs_memory_modules(c, m);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:I,s:o,s:I,s:I}", "module", m[i].name, "state",
						m[i].off ? "off" : "on", "used", (json_int_t)m[i].used,
						"most", most(&m[i]), "budget", (json_int_t)m[i].budget,
						"refused", (json_int_t)m[i].refused));
	return list;
}

static void add_process(json_t *list, const char *plane, int pid, uint64_t budget)
{
	struct zs_memory_process p;

	if (zs_memory_process(pid, &p) == 0)
		json_array_append_new(list, json_pack("{s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:I}", "plane", plane,
						      "pid", pid, "resident", (json_int_t)p.resident, "own",
						      (json_int_t)p.own, "shared", (json_int_t)p.shared,
						      "hugepages", (json_int_t)p.hugepages, "reserved",
						      (json_int_t)p.reserved, "budget", (json_int_t)budget));
}

/* The packet buffers' budget is the dataplane's: all else there is of a size that the tables have. */
static json_t *processes(const struct zs_control *c)
{
	json_t *list = json_array();
	uint64_t budget = 0;

	for (int m = 0; m < ZS_MEMORIES; m++)
		if (zs_module_on(c->conf, zs_memory_module((enum zs_memory)m)))
			budget += c->memory[m].limit;
	add_process(list, "control plane", (int)getpid(), budget);
	if (c->state && !zs_segment_faulted(&c->state->seg) && zs_segment_writer_alive(&c->state->seg))
		add_process(list, "dataplane", (int)c->state->seg.base->writer_pid,
			    (uint64_t)c->conf->dataplane.memory_mb << 20);
	return list;
}

static json_t *heap(void)
{
	struct zs_memory_figure figure[ZS_MEMORY_FIGURES];
	unsigned count = zs_memory_figures(figure);
	json_t *o = json_object();

	for (unsigned i = 0; i < count; i++)
		json_object_set_new(o, figure[i].name, json_integer((json_int_t)figure[i].bytes));
	return o;
}

int zs_verb_memory(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	*result = json_pack("{s:o,s:o,s:o,s:o}", "processes", processes(c), "modules", modules(c), "segments",
			    segments(c), "process", heap());
	return 0;
}
