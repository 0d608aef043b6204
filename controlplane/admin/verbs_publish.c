/* publish add, del, list. */
#include <errno.h>
#include <stdlib.h>
#include "admin/verbs.h"
#include "cli/view.h"
#include "program.h"

static json_t *publication(const struct zs_publication *p, const struct zs_publication *waits)
{
	return json_pack("{s:i,s:o,s:I,s:I,s:I,s:s,s:o*}", "port", p->port, "target",
			 p->attached.id ? zs_view_attached(p->attached.id, p->attached.service)
					: zs_view_endpoint(&p->target),
			 "new_flows_s", (json_int_t)p->new_flows_s, "new_flows_burst",
			 (json_int_t)p->new_flows_burst, "max_flows", (json_int_t)p->max_flows, "origin",
			 p->attached.id	  ? "attach"
			 : p->from_config ? "config"
					  : "zsctl",
			 "waiting", waits ? zs_view_endpoint(&waits->target) : NULL);
}

int zs_verb_publish_add(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_publication p = {
		.port = (uint16_t)zs_verb_number(args, "port", 0),
		.new_flows_s = zs_verb_number(args, "new-flows", 0),
		.new_flows_burst = zs_verb_number(args, "burst", 0),
		.max_flows = zs_verb_number(args, "max-flows", 0),
	};
	int rc = zs_endpoint_parse(&p.target, json_string_value(json_object_get(args, "target")));

	if (rc != 0)
		return zs_error_set(err, rc, ZS_EXIT_USAGE, "target: no ADDR:PORT or [ADDR]:PORT");
	rc = zs_program_publish(c->program, &p, err);
	if (rc == 0)
		*result = publication(&p, NULL);
	else if (err->exit == ZS_EXIT_OK)
		err->exit = ZS_EXIT_REFUSED;
	return rc;
}

int zs_verb_publish_del(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint16_t port = (uint16_t)zs_verb_number(args, "port", 0);
	int rc = zs_program_unpublish(c->program, port, err);

	if (rc == 0)
		*result = json_pack("{s:i}", "port", port);
	else if (err->exit == ZS_EXIT_OK)
		err->exit = ZS_EXIT_REFUSED;
	return rc;
}

int zs_verb_publish_list(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint32_t count = zs_program_published(c->program);
	struct zs_publication *all = calloc(count ? count : 1, sizeof(*all));
	json_t *list = json_array();

	count = all ? zs_program_publications(c->program, all, count) : 0;
	for (uint32_t i = 0; i < count; i++) {
		struct zs_publication waits;
		bool behind = zs_program_waiting(c->program, all[i].port, &waits);

		json_array_append_new(list, publication(&all[i], behind ? &waits : NULL));
	}
	free(all);
	*result = json_pack("{s:o}", "published", list);
	return 0;
}
