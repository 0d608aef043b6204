/* Bindings and tunnels of the state segment as JSON. What several words say is read racily: figures for people. */
#include <string.h>
#include "base/clock.h"
#include "cli/view.h"

static json_int_t ago_ms(uint64_t then_ms)
{
	uint64_t now = zs_clock_ns() / ZS_NS_PER_MS;

	return then_ms && then_ms < now ? (json_int_t)(now - then_ms) : 0;
}

/* Sums over all workers, who each have an account of their own. */
/* What an attachment sent and got, over all workers. */
static void add_account(json_t *o, const struct zs_state *s, uint32_t id)
{
	struct zs_meter from = { 0 }, to = { 0 };
	uint64_t flows = 0;

	for (uint32_t w = 0; w < s->partitions; w++) {
		const struct zs_hot *a = &zs_state_hot(s, w)[id];

		from.bytes += a->meter[ZS_FROM_EDGE].bytes;
		from.packets += a->meter[ZS_FROM_EDGE].packets;
		to.bytes += a->meter[ZS_TO_EDGE].bytes;
		to.packets += a->meter[ZS_TO_EDGE].packets;
		flows += zs_state_account(s, w)[id].flows;
	}
	json_object_set_new(o, "from_edge_packets", json_integer((json_int_t)from.packets));
	json_object_set_new(o, "from_edge_bytes", json_integer((json_int_t)from.bytes));
	json_object_set_new(o, "to_edge_packets", json_integer((json_int_t)to.packets));
	json_object_set_new(o, "to_edge_bytes", json_integer((json_int_t)to.bytes));
	json_object_set_new(o, "flows", json_integer((json_int_t)flows));
}

json_t *zs_view_binding(const struct zs_state *s, uint32_t id, uint16_t generation)
{
	uint64_t now = zs_clock_ns(), lasts = ZS_BIND_LIFETIME_S * ZS_NS_PER_S, left;
	struct zs_endpoint at;
	struct zs_binding b;
	json_t *o;

	if (id >= s->attachments || !s->binding[id].port || !zs_seqlock_get(&s->binding[id], &b, sizeof(b)) ||
	    !zs_binding_lives(&b, generation ? generation : b.generation, now))
		return NULL;
	at = (struct zs_endpoint){ b.addr, b.port };
	left = b.expires_ns - now;
	o = json_pack("{s:I,s:i,s:o,s:i,s:I,s:i}", "attachment", (json_int_t)id, "generation", b.generation,
		      "address", zs_view_endpoint(&at), "local", b.local, "expires_ms",
		      (json_int_t)((left < lasts ? left : lasts) / ZS_NS_PER_MS), "bind_id",
		      b.holder >= 1 && b.holder <= 2 ? b.bind_id[b.holder - 1] : 0);
	add_account(o, s, id);
	return o;
}

json_t *zs_view_bindings(const struct zs_state *s, uint32_t after, uint32_t limit)
{
	json_t *list = json_array(), *one;
	uint32_t id = after;

	while (++id < s->attachments && json_array_size(list) < limit)
		if ((one = zs_view_binding(s, id, 0)))
			json_array_append_new(list, one);
	return zs_view_page("bindings", list, id < s->attachments ? id - 1 : 0);
}

json_t *zs_view_page(const char *what, json_t *list, uint32_t next)
{
	json_t *o = json_pack("{s:I,s:o}", "listed", (json_int_t)json_array_size(list), what, list);

	json_object_set_new(o, "next", next ? json_integer(next) : json_null());
	return o;
}

/* --- tunnels --- */

/* Lanes of the edge, each with a window here. */
static json_t *lanes_in(const struct zs_state *s, const struct zs_tunnel_session *t, uint64_t *failed)
{
	json_t *list = json_array();

	for (uint32_t lane = 0; lane < ZS_TUNNEL_LANES; lane++) {
		uint32_t at = t->window[lane];

		if (!at || at > s->windows)
			continue;
		*failed += s->tunnel_window[at - 1].failed;
		json_array_append_new(list,
				      json_pack("{s:i,s:I,s:I,s:I}", "lane", (int)lane, "epoch",
						(json_int_t)s->tunnel_window[at - 1].epoch, "highest",
						(json_int_t)s->tunnel_window[at - 1].highest, "failed_tags",
						(json_int_t)s->tunnel_window[at - 1].failed));
	}
	return list;
}

/* Lanes of ours, one a worker. */
static json_t *lanes_out(const struct zs_state *s, uint32_t slot, uint64_t tag)
{
	json_t *list = json_array();

	for (uint32_t w = 0; w < s->partitions; w++) {
		const struct zs_tunnel_lane *l = &s->tunnel_lane[(size_t)w * s->sessions + slot];

		if (__atomic_load_n(&l->tag, __ATOMIC_RELAXED) == tag)
			json_array_append_new(list, json_pack("{s:i,s:I,s:I}", "lane", (int)w, "epoch",
							      (json_int_t)l->store.epoch, "below",
							      (json_int_t)l->store.end));
	}
	return list;
}

/* "0 1": for the table, where a row is a line. */
static json_t *numbers(json_t *lanes, const char *member)
{
	char text[ZS_TUNNEL_LANES * 12] = "";
	size_t i, n = 0;
	json_t *one;

	json_array_foreach(lanes, i, one)
	    n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lld", n ? " " : "",
				  (long long)json_integer_value(json_object_get(one, member)));
	return json_string(text);
}

static const char *path_state(const struct zs_pmtu *p)
{
	static const char *const names[] = { "base", "searching", "found", "too small" };

	return p->state < sizeof(names) / sizeof(names[0]) ? names[p->state] : "?";
}

/* What the dataplane knows of the session; nothing while it heard no datagram of it. */
static void add_heard(json_t *o, const struct zs_state *s, const struct zs_session *v, uint32_t slot)
{
	struct zs_tunnel_session t = s->tunnel_session[slot];
	uint64_t tag = zs_tunnel_tag(v), failed = 0;
	bool known = t.tag == tag;
	json_t *in, *out = lanes_out(s, slot, tag);
	struct zs_tunnel_path path;
	bool found = zs_tunnel_path_get(&s->tunnel_session[slot], tag, &path);

	if (!known)
		memset(&t, 0, sizeof(t));
	in = lanes_in(s, &t, &failed);
	json_object_set_new(o, "endpoint", found ? zs_view_endpoint(&path.to) : json_null());
	json_object_set_new(o, "local", found ? json_integer(path.local) : json_null());
	json_object_set_new(o, "pending",
			    t.roam.has_pending ? zs_view_endpoint(&t.roam.pending.remote) : json_null());
	json_object_set_new(o, "path_bytes", found ? json_integer(path.size) : json_null());
	json_object_set_new(o, "path_state", found ? json_string(path_state(&t.pmtu)) : json_null());
	json_object_set_new(o, "heard_ms", t.heard ? json_integer(ago_ms(t.heard_ms)) : json_null());
	json_object_set_new(o, "worker", t.owner ? json_integer(t.owner - 1) : json_null());
	json_object_set_new(o, "ended", json_boolean(t.ended));
	json_object_set_new(o, "failed_tags", json_integer((json_int_t)failed));
	json_object_set_new(o, "lanes_seen", numbers(in, "lane"));
	json_object_set_new(o, "epochs", numbers(in, "epoch"));
	json_object_set_new(o, "lanes_in", in);
	json_object_set_new(o, "lanes_out", out);
}

json_t *zs_view_tunnel(const struct zs_state *s, const struct zs_session *v)
{
	uint32_t slot = v->receiver & (s->sessions - 1);
	json_t *o = json_pack("{s:I,s:i,s:I,s:I,s:I,s:b}", "attachment", (json_int_t)v->attachment,
			      "generation", v->generation, "session", (json_int_t)slot, "receiver",
			      (json_int_t)v->receiver, "created_s", (json_int_t)v->created_s, "alive",
			      v->incarnation == s->seg.base->incarnation);

	add_heard(o, s, v, slot);
	if (v->attachment < s->attachments)
		add_account(o, s, v->attachment);
	return o;
}
