/* attach list, show, allow, deny, limit, kick. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "admin/verbs.h"
#include "attach/attach.h"
#include "base/clock.h"
#include "cli/view.h"

#define LISTED 10000 /* of attachments and of rules; more than that is for metrics */

static json_t *peer_text(const struct zs_peer_id *peer)
{
	char text[ZS_PEER_ID_TEXT];

	return json_string(zs_peer_id_format(peer, text));
}

static json_t *ports(const struct zs_attach_info *a)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < a->ports; i++) {
		const struct zs_attach_port *p = &a->port[i];

		json_array_append_new(
		    list,
		    json_pack("{s:o,s:i,s:i,s:s,s:b}", "name", zs_view_text(p->name, sizeof(p->name)), "port",
			      p->port, "service", p->service, "protection",
			      zs_attach_name(ZS_ATTACH_TABLE_PROTECTION, p->protection), "held", p->held));
	}
	return list;
}

/* "4443,4450": for the table, where a row is a line. */
static json_t *port_numbers(const struct zs_attach_info *a)
{
	char text[ZS_ATTACH_PORTS * 6 + 1] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < a->ports; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", n ? "," : "", a->port[i].port);
	return json_string(text);
}

static json_t *limit_value(enum zs_attach_limit i, uint64_t value)
{
	const char *word = zs_attach_limit_words(i);

	if (!word)
		return json_integer((json_int_t)value);
	if (value)
		word = strchr(word, '|') + 1;
	return json_stringn(word, strcspn(word, "|"));
}

/* By their names in attach_limits.def. */
static json_t *limits(const struct zs_attach_info *a)
{
	const uint64_t value[ZS_ATTACH_LIMITS] = {
		[ZS_ATTACH_LIMIT_bit_s] = a->limits->bit_s,
		[ZS_ATTACH_LIMIT_pkt_s] = a->limits->pkt_s,
		[ZS_ATTACH_LIMIT_burst] = a->limits->burst,
		[ZS_ATTACH_LIMIT_flows] = a->limits->flows,
		[ZS_ATTACH_LIMIT_new_flows_s] = a->limits->new_flows_s,
		[ZS_ATTACH_LIMIT_bytes] = a->limits->bytes_left,
		[ZS_ATTACH_LIMIT_excess] = a->mark,
		[ZS_ATTACH_LIMIT_strangers] = a->limits->strangers,
	};
	json_t *o = json_object();

	for (uint32_t i = 0; i < ZS_ATTACH_LIMITS; i++)
		json_object_set_new(o, zs_attach_limit_name(i), limit_value(i, value[i]));
	return o;
}

static json_t *limited(uint32_t set)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ZS_ATTACH_LIMITS; i++)
		if (set & 1u << i)
			json_array_append_new(list, json_string(zs_attach_limit_name(i)));
	return list;
}

static json_t *attachment(const struct zs_attach_info *a)
{
	return json_pack(
	    "{s:I,s:i,s:o,s:s,s:s,s:s,s:s,s:s,s:i,s:o,s:s,s:I,s:o,s:o,s:o,s:o,s:I}", "attachment",
	    (json_int_t)a->id, "generation", a->generation, "peer", peer_text(&a->owner), "name", a->name,
	    "policy", a->policy, "tenant", a->tenant, "state", a->connected ? "attached" : "leased", "mode",
	    a->mode ? zs_attach_name(ZS_ATTACH_TABLE_MODE, a->mode) : "", "sessions", a->sessions, "remote",
	    a->connected ? zs_view_endpoint(&a->remote) : json_string(""), "group",
	    a->connected ? a->group : "", "lease_s", (json_int_t)(a->lease_ns / ZS_NS_PER_S), "ports",
	    ports(a), "port_numbers", port_numbers(a), "limits", limits(a), "limited", limited(a->limited),
	    "used", (json_int_t)a->used);
}

struct rules {
	json_t *list;
	size_t left;
};

static void add_rule(void *ctx, const struct zs_attach_rule *rule, bool configured)
{
	struct rules *r = ctx;

	if (!r->left)
		return;
	r->left--;
	json_array_append_new(r->list, json_pack("{s:o,s:s,s:s,s:s,s:s,s:s}", "peer", peer_text(&rule->peer),
						 "verdict", rule->denied ? "denied" : "allowed", "origin",
						 configured ? "config" : "zsctl", "name", rule->name,
						 "policy", rule->policy, "tenant", rule->tenant));
}

int zs_verb_attach_list(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct rules rules = { .left = LISTED };
	struct zs_attach_info a;
	json_t *list;

	list = json_array();
	rules.list = json_array();
	for (uint32_t id = 0;
	     json_array_size(list) < LISTED && zs_attach_next(c->attach, id, zs_loop_now(c->loop), &a);
	     id = a.id)
		json_array_append_new(list, attachment(&a));
	zs_attach_rules(c->attach, add_rule, &rules);
	*result = json_pack("{s:s,s:I,s:o,s:o}", "mode", c->conf->attach.mode, "total",
			    (json_int_t)zs_attach_counts(c->attach)->attachments, "attachments", list,
			    "rules", rules.list);
	return 0;
}

static int no_peer(struct zs_error *err)
{
	return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
			    "no peer id; write 12D3KooW…, 16Uiu2…, Qm… or a CID (zs-edge prints its own)");
}

uint32_t zs_verb_attachment(struct zs_control *c, json_t *args, struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, "who"));
	struct zs_peer_id peer;
	unsigned long id = strspn(text, "0123456789") == strlen(text) ? strtoul(text, NULL, 10) : 0;

	if (id && id < UINT32_MAX)
		return (uint32_t)id;
	if (zs_peer_id_parse(&peer, text)) {
		no_peer(err);
		return 0;
	}
	id = zs_attach_find(c->attach, &peer);
	if (!id)
		zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
			     "this peer has no attachment; zsctl attach list names those that have");
	return (uint32_t)id;
}

static int no_attachment(uint32_t id, struct zs_error *err)
{
	return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
			    "there is no attachment %u; zsctl attach list names them", id);
}

int zs_verb_attach_show(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_attach_info a;
	uint32_t id;

	if (!(id = zs_verb_attachment(c, args, err)))
		return err->code;
	if (!zs_attach_next(c->attach, id - 1, zs_loop_now(c->loop), &a) || a.id != id)
		return no_attachment(id, err);
	*result = attachment(&a);
	return 0;
}

/* -EINVAL: longer than a name of the configuration may be. */
static int take_name(json_t *args, const char *key, char out[33], struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, key));
	size_t len = text ? strlen(text) : 0;

	if (len > 32)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "%s: longer than 32 characters", key);
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
					    "%s: use letters, digits and punctuation", key);
	memcpy(out, text ? text : "", len + 1);
	return 0;
}

static int set_rule(struct zs_control *c, json_t *args, bool denied, json_t **result, struct zs_error *err)
{
	struct zs_attach_rule rule = { .denied = denied };
	struct rules one = { .left = 1 };
	int rc = 0;

	if (zs_peer_id_parse(&rule.peer, json_string_value(json_object_get(args, "peer"))))
		rc = no_peer(err);
	if (!rc)
		rc = take_name(args, "name", rule.name, err);
	if (!rc)
		rc = take_name(args, "policy", rule.policy, err);
	if (!rc)
		rc = take_name(args, "tenant", rule.tenant, err);
	if (!rc)
		rc = zs_attach_rule_set(c->attach, &rule, zs_loop_now(c->loop), err);
	if (rc)
		return rc;
	one.list = json_array();
	add_rule(&one, &rule, false);
	*result = json_incref(json_array_get(one.list, 0));
	json_decref(one.list);
	return 0;
}

int zs_verb_attach_allow(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	return set_rule(c, args, false, result, err);
}

int zs_verb_attach_deny(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	return set_rule(c, args, true, result, err);
}

int zs_verb_attach_forget(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_peer_id peer;
	int rc = 0;

	if (zs_peer_id_parse(&peer, json_string_value(json_object_get(args, "peer"))))
		rc = no_peer(err);
	if (!rc)
		rc = zs_attach_forget(c->attach, &peer, zs_loop_now(c->loop), err);
	if (!rc)
		*result = json_pack("{s:o}", "peer", peer_text(&peer));
	return rc;
}

int zs_verb_attach_kick(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint32_t id;

	if (!(id = zs_verb_attachment(c, args, err)) ||
	    zs_attach_kick(c->attach, id, zs_loop_now(c->loop), err))
		return err->code;
	*result = json_pack("{s:I}", "attachment", (json_int_t)id);
	return 0;
}

int zs_verb_owner(struct zs_control *c, json_t *args, struct zs_peer_id *out, struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, "who"));
	struct zs_attach_info a;
	uint32_t id;

	if (!zs_peer_id_parse(out, text))
		return 0;
	id = zs_verb_attachment(c, args, err);
	if (!id)
		return err->code;
	if (!zs_attach_next(c->attach, id - 1, zs_loop_now(c->loop), &a) || a.id != id)
		return no_attachment(id, err);
	*out = a.owner;
	return 0;
}

int zs_verb_attach_limit(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	json_t *words = json_object_get(args, "limits");
	struct zs_attach_limits change = { 0 };
	struct zs_peer_id owner;
	int rc = zs_verb_owner(c, args, &owner, err);

	for (size_t i = 0; !rc && i < json_array_size(words); i++)
		rc = zs_attach_limit_parse(&change, json_string_value(json_array_get(words, i)), err);
	if (!rc)
		rc = zs_attach_limit(c->attach, &owner, &change, zs_loop_now(c->loop), err);
	if (rc)
		return rc;
	*result = json_pack("{s:o,s:o}", "peer", peer_text(&owner), "limited",
			    limited(zs_attach_limited(c->attach, &owner)));
	return 0;
}
