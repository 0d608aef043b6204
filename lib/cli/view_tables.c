/* The tables segment, segments themselves and health boards as JSON. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/check.h"
#include "base/clock.h"
#include "cli/view.h"

static json_t *address(const struct zs_addr *addr)
{
	char text[ZS_ADDR_TEXT];

	return json_string(zs_addr_format(addr, text));
}

static json_t *mac_text(const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return json_string(text);
}

json_t *zs_view_attached(uint32_t attachment, uint8_t service)
{
	return json_sprintf("attachment %u service %u", attachment, service);
}

json_t *zs_view_published(const struct zs_tables *t)
{
	json_t *list = json_array();

	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++) {
		struct zs_published p;
		struct zs_endpoint target;

		if (!t->published[port].used || !zs_tables_published(t, (uint16_t)port, &p) || !p.used)
			continue;
		target = (struct zs_endpoint){ p.target, p.target_port };
		json_array_append_new(
		    list,
		    json_pack("{s:I,s:o,s:I,s:I,s:I}", "port", (json_int_t)port, "target",
			      p.kind == ZS_PUBLISHED_ATTACHED ? zs_view_attached(p.attachment, p.service)
							      : zs_view_endpoint(&target),
			      "new_flows_s", (json_int_t)p.new_flows_s, "new_flows_burst",
			      (json_int_t)p.new_flows_burst, "max_flows", (json_int_t)p.max_flows));
	}
	return json_pack("{s:o}", "published", list);
}

json_t *zs_view_neighbours(const struct zs_tables *t)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < t->nexthops; i++) {
		struct zs_nexthop n;

		if (!t->nexthop[i].used || !zs_tables_nexthop(t, i, &n) || !n.used)
			continue;
		json_array_append_new(list,
				      json_pack("{s:o,s:i,s:i,s:b,s:o,s:i}", "address", address(&n.addr),
						"interface", n.iface, "vlan", n.vlan, "resolved",
						n.valid != 0, "mac", mac_text(n.dmac), "mtu", n.mtu));
	}
	return json_pack("{s:o}", "neighbours", list);
}

static bool copy_route(const struct zs_route *from, struct zs_route *out)
{
	for (int i = 0; i < ZS_SEQLOCK_TRIES; i++) {
		uint32_t seq = zs_seqlock_read(&from->seq);

		memcpy(out, from, sizeof(*out));
		if (zs_seqlock_good(&from->seq, seq))
			return out->used != 0 && out->len <= 128;
	}
	return false;
}

static json_t *route_object(const struct zs_route *r)
{
	char text[ZS_ADDR_TEXT + 8], addr[ZS_ADDR_TEXT];
	int len = zs_addr_is4(&r->dest) && r->len >= 96 ? r->len - 96 : r->len;

	snprintf(text, sizeof(text), "%s/%d", zs_addr_format(&r->dest, addr), len);
	return json_pack("{s:s,s:o,s:i,s:i,s:I}", "destination", text, "gateway",
			 r->onlink ? json_null() : address(&r->gateway), "interface", r->iface, "vlan",
			 r->vlan, "metric", (json_int_t)r->metric);
}

json_t *zs_view_routes(const struct zs_tables *t)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < t->routes; i++) {
		struct zs_route r;

		if (copy_route(&t->route[i], &r))
			json_array_append_new(list, route_object(&r));
	}
	return json_pack("{s:o}", "routes", list);
}

json_t *zs_view_segment(const struct zs_segment *seg)
{
	const struct zs_segment_header *h = seg->base;
	struct stat st = { 0 };
	bool there = stat(seg->path, &st) == 0;

	return json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:b}", "segment", zs_view_text(h->kind, sizeof(h->kind)),
			 "bytes", (json_int_t)seg->size, "resident",
			 (json_int_t)(there ? st.st_blocks * 512 : 0), "version", (json_int_t)h->version,
			 "generation", (json_int_t)atomic_load_explicit(&h->generation, memory_order_relaxed),
			 "writer_pid", (json_int_t)atomic_load_explicit(&h->writer_pid, memory_order_relaxed),
			 "writer_alive", zs_segment_writer_alive(seg));
}

void zs_view_health(json_t *list, const struct zs_health_cell *board, const char *plane, bool all)
{
	for (int h = 0; h < ZS_HEALTHS; h++) {
		const struct zs_health_info *info = zs_health_info(h);
		struct zs_health_cell cell;

		zs_health_read(board, h, &cell);
		if (!cell.raised && !all)
			continue;
		json_array_append_new(
		    list, json_pack("{s:s,s:s,s:s,s:s,s:b,s:I,s:I,s:o,s:s,s:s}", "code", info->code, "name",
				    info->name, "plane", plane, "severity",
				    info->severity == ZS_HEALTH_ERROR ? "error" : "warn", "raised",
				    cell.raised != 0, "since_s", (json_int_t)(cell.since_ns / ZS_NS_PER_S),
				    "count", (json_int_t)cell.count, "detail",
				    zs_view_text(cell.detail, sizeof(cell.detail)), "text", info->text,
				    "action", info->action));
	}
}

json_t *zs_view_healthy(json_t *list)
{
	bool healthy = true;
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *severity = json_string_value(json_object_get(one, "severity"));

		if (json_is_true(json_object_get(one, "raised")) && severity &&
		    strcmp(severity, "error") == 0)
			healthy = false;
	}
	return json_pack("{s:b,s:o}", "healthy", healthy, "codes", list);
}
