/* show usage. */
#include <errno.h>
#include "admin/verbs.h"
#include "attach/attach.h"
#include "usage/usage.h"

#define LISTED 10000 /* as many as attach list shows; more than that is for metrics */

static json_t *meter(const struct zs_meter *m)
{
	return json_pack("{s:I,s:I}", "bytes", (json_int_t)m->bytes, "packets", (json_int_t)m->packets);
}

static json_t *row(const struct zs_peer_id *peer, const struct zs_usage_sum *sum)
{
	char text[ZS_PEER_ID_TEXT];

	return json_pack("{s:s,s:o,s:o,s:I,s:I}", "peer", zs_peer_id_format(peer, text), "from_edge",
			 meter(&sum->to[ZS_FROM_EDGE]), "to_edge", meter(&sum->to[ZS_TO_EDGE]), "first_s",
			 (json_int_t)sum->first_s, "last_s", (json_int_t)sum->last_s);
}

static json_t *of_attachment(struct zs_control *c, const struct zs_attach_info *a)
{
	struct zs_usage_sum sum = { 0 };
	json_t *o;

	zs_usage_of(c->usage, &a->owner, &sum);
	o = row(&a->owner, &sum);
	json_object_set_new(o, "attachment", json_integer((json_int_t)a->id));
	json_object_set_new(o, "name", json_string(a->name));
	json_object_set_new(o, "tenant", json_string(a->tenant));
	if (a->limits->bytes_left)
		json_object_set_new(o, "limit", json_integer((json_int_t)a->limits->bytes_left));
	return o;
}

static json_t *all(struct zs_control *c)
{
	json_t *list = json_array();
	struct zs_attach_info a;

	for (uint32_t id = 0;
	     json_array_size(list) < LISTED && zs_attach_next(c->attach, id, zs_loop_now(c->loop), &a);
	     id = a.id)
		json_array_append_new(list, of_attachment(c, &a));
	return list;
}

/* One owner, attached or not. */
static json_t *one(struct zs_control *c, const struct zs_peer_id *peer)
{
	uint32_t id = zs_attach_find(c->attach, peer);
	struct zs_usage_sum sum = { 0 };
	struct zs_attach_info a;

	if (id && zs_attach_next(c->attach, id - 1, zs_loop_now(c->loop), &a))
		return of_attachment(c, &a);
	return zs_usage_of(c->usage, peer, &sum) ? row(peer, &sum) : NULL;
}

int zs_verb_show_usage(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_peer_id peer;
	json_t *list, *o;

	if (!json_object_get(args, "who")) {
		list = all(c);
	} else {
		if (zs_verb_owner(c, args, &peer, err))
			return err->code;
		o = one(c, &peer);
		if (!o)
			return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
					    "nothing was ever counted of this peer; zsctl attach list names "
					    "those that are attached");
		list = json_pack("[o]", o);
	}
	*result = json_pack("{s:I,s:o}", "total", (json_int_t)zs_attach_counts(c->attach)->attachments,
			    "usage", list);
	return 0;
}
