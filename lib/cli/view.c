/* The state segment as JSON. Words are read once, racily: they are counters. */
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "cli/view.h"

json_t *zs_view_text(const char *text, size_t cap)
{
	char plain[256];
	size_t i;

	for (i = 0; i < cap && i < sizeof(plain) && text[i]; i++)
		plain[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	return json_stringn(plain, i);
}

json_t *zs_view_endpoint(const struct zs_endpoint *ep)
{
	char text[ZS_ENDPOINT_TEXT];

	return json_string(zs_endpoint_format(ep, text));
}

static uint32_t running_workers(const struct zs_state *s)
{
	uint32_t count = 0;

	for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
		count += atomic_load_explicit(&s->worker[w].running, memory_order_relaxed) != 0;
	return count;
}

json_t *zs_view_dataplane(const struct zs_state *s)
{
	bool alive = s && zs_segment_writer_alive(&s->seg);
	uint64_t beat, now = zs_clock_ns();

	if (!alive)
		return json_pack("{s:b}", "running", 0);
	beat = atomic_load_explicit(&s->seg.base->heartbeat_ns, memory_order_relaxed);
	return json_pack("{s:b,s:I,s:I,s:I}", "running", 1, "pid",
			 (json_int_t)atomic_load_explicit(&s->seg.base->writer_pid, memory_order_relaxed),
			 "heartbeat_ms", (json_int_t)(now > beat ? (now - beat) / ZS_NS_PER_MS : 0),
			 "workers", (json_int_t)running_workers(s));
}

static json_t *counters_object(const uint64_t *counter)
{
	json_t *o = json_object();

	for (int c = 0; c < ZS_COUNTERS; c++)
		json_object_set_new(o, zs_counter_name(c), json_integer((json_int_t)counter[c]));
	return o;
}

static uint64_t drops_of(const struct zs_worker_counters *c)
{
	uint64_t sum = 0;

	for (int d = 0; d < ZS_DROPS; d++)
		sum += c->drop[d];
	return sum;
}

static json_t *workers_counters(const struct zs_state *s)
{
	json_t *list = json_array();

	for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++) {
		struct zs_worker_counters copy = s->worker[w].counters;
		json_t *o;

		if (copy.counter[ZS_COUNTER_polls] == 0 && copy.counter[ZS_COUNTER_rx] == 0)
			continue;
		o = counters_object(copy.counter);
		json_object_set_new(o, "drops", json_integer((json_int_t)drops_of(&copy)));
		json_object_set_new(o, "worker", json_integer(w));
		json_array_append_new(list, o);
	}
	return list;
}

json_t *zs_view_counters(const struct zs_state *s, bool workers)
{
	struct zs_worker_counters sum;
	const uint64_t *c = sum.counter;
	uint64_t in, out;
	json_t *o;

	zs_state_sum(s, &sum);
	in = c[ZS_COUNTER_rx] + c[ZS_COUNTER_from_twin] + c[ZS_COUNTER_originated];
	out = c[ZS_COUNTER_tx] + drops_of(&sum) + c[ZS_COUNTER_punted] + c[ZS_COUNTER_consumed];
	o = json_pack("{s:o,s:I,s:I}", "total", counters_object(c), "drops", (json_int_t)drops_of(&sum),
		      "balance", (json_int_t)(in - out));
	if (workers)
		json_object_set_new(o, "workers", workers_counters(s));
	return o;
}

json_t *zs_view_drops(const struct zs_state *s, bool all)
{
	struct zs_worker_counters sum;
	json_t *list = json_array();

	zs_state_sum(s, &sum);
	for (int d = 0; d < ZS_DROPS; d++)
		if (all || sum.drop[d])
			json_array_append_new(list,
					      json_pack("{s:s,s:I,s:s}", "reason", zs_drop_name(d), "count",
							(json_int_t)sum.drop[d], "text", zs_drop_text(d)));
	return json_pack("{s:I,s:o}", "total", (json_int_t)drops_of(&sum), "reasons", list);
}

static json_t *stages(const struct zs_worker_counters *c)
{
	json_t *list = json_array();

	for (int i = 0; i < ZS_STAGES; i++) {
		uint64_t packets = c->stage_packets[i];
		double each = packets ? (double)c->stage_cycles[i] / (double)packets : 0;

		json_array_append_new(list,
				      json_pack("{s:s,s:I,s:I,s:f}", "stage", zs_stage_name(i), "packets",
						(json_int_t)packets, "cycles", (json_int_t)c->stage_cycles[i],
						"cycles_per_packet", each));
	}
	return list;
}

static json_t *worker_runtime(const struct zs_worker_state *w, uint32_t index)
{
	struct zs_worker_counters c = w->counters;
	uint64_t bursts = c.counter[ZS_COUNTER_bursts], now = zs_clock_ns();
	uint64_t beat = atomic_load_explicit(&w->heartbeat_ns, memory_order_relaxed);

	return json_pack(
	    "{s:i,s:I,s:b,s:I,s:I,s:I,s:I,s:f,s:I,s:o}", "worker", (int)index, "cpu", (json_int_t)w->cpu,
	    "running", atomic_load_explicit(&w->running, memory_order_relaxed) != 0, "heartbeat_ms",
	    (json_int_t)(now > beat ? (now - beat) / ZS_NS_PER_MS : 0), "tsc_hz", (json_int_t)w->tsc_hz,
	    "polls", (json_int_t)c.counter[ZS_COUNTER_polls], "bursts", (json_int_t)bursts,
	    "packets_per_burst", bursts ? (double)c.counter[ZS_COUNTER_rx] / (double)bursts : 0.0, "sleeps",
	    (json_int_t)c.counter[ZS_COUNTER_sleeps], "stages", stages(&c));
}

json_t *zs_view_runtime(const struct zs_state *s)
{
	json_t *list = json_array();

	for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
		if (s->worker[w].counters.counter[ZS_COUNTER_polls] ||
		    atomic_load_explicit(&s->worker[w].running, memory_order_relaxed))
			json_array_append_new(list, worker_runtime(&s->worker[w], w));
	return json_pack("{s:o}", "workers", list);
}

void zs_view_flow_use(const struct zs_state *s, uint64_t *used, uint64_t *capacity)
{
	*used = *capacity = 0;
	for (uint32_t p = 0; p < s->partitions; p++) {
		uint32_t here = atomic_load_explicit(&s->flow_head[p].used, memory_order_relaxed);

		if (s->flow_head[p].capacity == 0)
			continue;
		*used += here < s->flow_capacity ? here : s->flow_capacity;
		*capacity += s->flow_capacity;
	}
}

/* An address, or "attachment 5 service 1", or "attachment 5 flow 77" for one that an edge opened. */
static json_t *flow_end(const struct zs_endpoint *ep)
{
	struct zs_attached e = zs_attached_of(&ep->addr);

	if (!zs_is_attached(&ep->addr))
		return zs_view_endpoint(ep);
	return e.service ? zs_view_attached(e.attachment, e.service)
			 : json_sprintf("attachment %u flow %u", e.attachment, ep->port);
}

static json_t *flow_object(const struct zs_flow *f, const struct zs_flow_rest *rest, uint32_t partition,
			   uint32_t now_ms)
{
	struct zs_flow_counts c = zs_flow_counts(f, rest);
	json_t *o = json_pack("{s:i,s:o,s:o,s:i,s:i,s:b}", "port", f->port, "client", flow_end(&f->client),
			      "target", flow_end(&f->target), "source_port", f->source_port, "worker",
			      (int)partition, "confirmed", f->answered == ZS_FLOW_CONFIRMED);

	json_object_set_new(o, "to_target_packets", json_integer((json_int_t)c.packets[ZS_FLOW_TO_TARGET]));
	json_object_set_new(o, "to_target_bytes", json_integer((json_int_t)c.bytes[ZS_FLOW_TO_TARGET]));
	json_object_set_new(o, "to_client_packets", json_integer((json_int_t)c.packets[ZS_FLOW_TO_CLIENT]));
	json_object_set_new(o, "to_client_bytes", json_integer((json_int_t)c.bytes[ZS_FLOW_TO_CLIENT]));
	json_object_set_new(o, "age_ms", json_integer((uint32_t)(now_ms - rest->created_ms)));
	json_object_set_new(
	    o, "idle_ms",
	    json_integer((int32_t)(now_ms - f->last_ms) < 0 ? 0 : (uint32_t)(now_ms - f->last_ms)));
	return o;
}

/* Appends a partition's flows; stops after as many used ones as its head counts. */
static uint32_t list_partition(json_t *list, const struct zs_state *s, uint32_t p, uint16_t port,
			       uint32_t room)
{
	uint32_t left = atomic_load_explicit(&s->flow_head[p].used, memory_order_relaxed), matched = 0;
	uint32_t now_ms = (uint32_t)(zs_clock_ns() / ZS_NS_PER_MS);

	for (uint32_t i = 0; i < s->flow_capacity && left; i++) {
		size_t at = (size_t)p * s->flow_capacity + i;
		struct zs_flow copy = s->flow[at];

		if (copy.used != ZS_FLOW_LIVE)
			continue;
		left--;
		if (port && copy.port != port)
			continue;
		if (matched++ < room)
			json_array_append_new(list, flow_object(&copy, &s->flow_rest[at], p, now_ms));
	}
	return matched;
}

json_t *zs_view_flows(const struct zs_state *s, uint16_t port, uint32_t limit)
{
	json_t *list = json_array();
	uint64_t used, capacity, matched = 0;

	limit = limit > ZS_VIEW_FLOWS_MAX ? ZS_VIEW_FLOWS_MAX : limit;
	zs_view_flow_use(s, &used, &capacity);
	for (uint32_t p = 0; p < s->partitions; p++)
		matched += list_partition(list, s, p, port, limit - (uint32_t)json_array_size(list));
	return json_pack("{s:I,s:I,s:I,s:I,s:o}", "used", (json_int_t)used, "capacity", (json_int_t)capacity,
			 "matched", (json_int_t)matched, "listed", (json_int_t)json_array_size(list), "flows",
			 list);
}

static json_t *interface_object(const struct zs_iface_state *from, uint32_t index)
{
	struct zs_iface_state i;
	char mac[18];

	memcpy(&i, from, sizeof(i));
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", i.mac[0], i.mac[1], i.mac[2], i.mac[3],
		 i.mac[4], i.mac[5]);
	return json_pack("{s:i,s:o,s:b,s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:I}", "interface", (int)index, "name",
			 zs_view_text(i.name, sizeof(i.name)), "up", i.up != 0, "mac", mac, "mtu", i.mtu,
			 "steered", (json_int_t)i.steered, "passed", (json_int_t)i.passed, "fallback_dropped",
			 (json_int_t)i.fallback_dropped, "blocked", (json_int_t)i.blocked, "missed",
			 (json_int_t)i.missed, "errors", (json_int_t)i.errors);
}

json_t *zs_view_interfaces(const struct zs_state *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ZS_IFACES_MAX; i++)
		if (s->iface[i].name[0])
			json_array_append_new(list, interface_object(&s->iface[i], i));
	return json_pack("{s:o}", "interfaces", list);
}
