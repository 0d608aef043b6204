/* show bindings, tunnels: attachments by number, what the dataplane says of each. Never a key. */
#include <errno.h>
#include "admin/verbs.h"
#include "attach/attach.h"
#include "cli/view.h"

#define LOOKED 65536 /* attachments looked at in one call; the answer says where to go on */

/* Appends what there is of one attachment; returns how many rows. */
typedef size_t row_fn(struct zs_control *c, const struct zs_attach_info *a, json_t *list);

static void name(json_t *o, const struct zs_attach_info *a)
{
	char text[ZS_PEER_ID_TEXT];

	json_object_set_new(o, "peer", json_string(zs_peer_id_format(&a->owner, text)));
	json_object_set_new(o, "name", json_string(a->name));
}

static size_t bindings_of(struct zs_control *c, const struct zs_attach_info *a, json_t *list)
{
	json_t *o = zs_view_binding(c->state, a->id, a->generation);

	if (!o)
		return 0;
	name(o, a);
	json_array_append_new(list, o);
	return 1;
}

static size_t tunnels_of(struct zs_control *c, const struct zs_attach_info *a, json_t *list)
{
	size_t rows = 0;

	for (int newest = 1; newest >= 0; newest--) {
		struct zs_session v;
		json_t *o;

		if (!zs_attach_session(c->attach, a->id, newest, &v) || v.mode != ZS_SESSION_TUNNEL)
			continue;
		o = zs_view_tunnel(c->state, &v);
		json_object_set_new(o, "newest", json_boolean(newest));
		name(o, a);
		json_array_append_new(list, o);
		rows++;
	}
	return rows;
}

static int ready(struct zs_control *c, uint32_t limit, struct zs_error *err)
{
	if (zs_verb_need_state(c, err))
		return err->code;
	if (!limit || limit > ZS_VIEW_ATTACHED_MAX)
		return zs_error_set(err, -ERANGE, ZS_EXIT_USAGE, "limit: 1 to %d", ZS_VIEW_ATTACHED_MAX);
	return 0;
}

static int show_one(struct zs_control *c, uint32_t id, const char *what, row_fn *rows, json_t **result,
		    struct zs_error *err)
{
	json_t *list = json_array();
	struct zs_attach_info a;

	if (zs_attach_next(c->attach, id - 1, zs_loop_now(c->loop), &a) && a.id == id) {
		rows(c, &a, list);
		*result = zs_view_page(what, list, 0);
		return 0;
	}
	json_decref(list);
	return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
			    "there is no attachment %u; zsctl attach list names them", id);
}

static int show(struct zs_control *c, json_t *args, const char *what, row_fn *rows, json_t **result,
		struct zs_error *err)
{
	uint32_t limit = zs_verb_number(args, "limit", ZS_VIEW_ATTACHED), shown = 0, looked = 0;
	uint32_t last = zs_verb_number(args, "after", 0);
	struct zs_attach_info a;
	bool more = false;
	json_t *list;

	if (ready(c, limit, err))
		return err->code;
	if (json_object_get(args, "who")) {
		last = zs_verb_attachment(c, args, err);
		return last ? show_one(c, last, what, rows, result, err) : err->code;
	}
	list = json_array();
	while (last < UINT32_MAX && (more = zs_attach_next(c->attach, last, zs_loop_now(c->loop), &a)) &&
	       shown < limit && looked++ < LOOKED) {
		shown += rows(c, &a, list) > 0;
		last = a.id;
	}
	*result = zs_view_page(what, list, more ? last : 0);
	return 0;
}

int zs_verb_show_bindings(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	return show(c, args, "bindings", bindings_of, result, err);
}

int zs_verb_show_tunnels(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	return show(c, args, "tunnels", tunnels_of, result, err);
}
