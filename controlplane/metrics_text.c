/* Series: names and help come from the .def tables. Labels are workers, reasons, stages, interfaces,
 * health codes and verbs: sets of the build and the configuration, never of traffic. */
#include "metrics_text.h"
#include <string.h>
#include "admin/handle.h"
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "cli/view.h"
#include "memory.h"
#include "metrics_peers.h"
#include "program.h"
#include "usage/usage.h"

static void head(FILE *out, const char *name, const char *type, const char *text)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, text, name, type);
}

static void gauge(FILE *out, const char *name, const char *text, uint64_t value)
{
	head(out, name, "gauge", text);
	fprintf(out, "%s %lu\n", name, value);
}

static void total(FILE *out, const char *name, const char *text, uint64_t value)
{
	head(out, name, "counter", text);
	fprintf(out, "%s %lu\n", name, value);
}

/* A label's value out of shared memory or elsewhere: nothing that could end the quotes. */
static const char *label(const char *text, size_t cap, char out[64])
{
	size_t i;

	for (i = 0; i < cap && i < 63 && text[i]; i++)
		out[i] = text[i] > 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\' ? text[i]
											       : '_';
	out[i] = '\0';
	return out;
}

static bool has_run(const struct zs_state *s, uint32_t w)
{
	return s->worker[w].counters.counter[ZS_COUNTER_polls] != 0 ||
	       atomic_load_explicit(&s->worker[w].running, memory_order_relaxed) != 0;
}

static void counters(FILE *out, const struct zs_state *s)
{
	for (int c = 0; c < ZS_COUNTERS; c++) {
		char name[64];

		snprintf(name, sizeof(name), "zs_%s_total", zs_counter_name(c));
		head(out, name, "counter", zs_counter_text(c));
		for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
			if (has_run(s, w))
				fprintf(out, "%s{worker=\"%u\"} %lu\n", name, w,
					s->worker[w].counters.counter[c]);
	}
}

static void drops(FILE *out, const struct zs_state *s)
{
	head(out, "zs_drops_total", "counter", "packets dropped, by reason");
	for (int d = 0; d < ZS_DROPS; d++)
		for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
			if (has_run(s, w))
				fprintf(out, "zs_drops_total{reason=\"%s\",worker=\"%u\"} %lu\n",
					zs_drop_name(d), w, s->worker[w].counters.drop[d]);
}

static void stages(FILE *out, const struct zs_state *s, const char *name, const char *text, bool cycles)
{
	head(out, name, "counter", text);
	for (int i = 0; i < ZS_STAGES; i++)
		for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
			if (has_run(s, w))
				fprintf(out, "%s{stage=\"%s\",worker=\"%u\"} %lu\n", name, zs_stage_name(i),
					w,
					cycles ? s->worker[w].counters.stage_cycles[i]
					       : s->worker[w].counters.stage_packets[i]);
}

static const struct {
	const char *name, *type, *text;
	size_t offset;
} iface_series[] = {
	{ "zs_interface_steered_total", "counter", "packets steered to the workers",
	  offsetof(struct zs_iface_state, steered) },
	{ "zs_interface_passed_total", "counter", "packets passed to the kernel",
	  offsetof(struct zs_iface_state, passed) },
	{ "zs_interface_unbound_drops_total", "counter", "relay packets dropped while no worker was bound",
	  offsetof(struct zs_iface_state, fallback_dropped) },
	{ "zs_interface_blocked_total", "counter",
	  "packets of source prefixes that are blocked before the workers",
	  offsetof(struct zs_iface_state, blocked) },
	{ "zs_interface_missed_total", "counter", "packets the port had no room for",
	  offsetof(struct zs_iface_state, missed) },
	{ "zs_interface_errors_total", "counter", "packets the port found wrong",
	  offsetof(struct zs_iface_state, errors) },
};

static void interfaces(FILE *out, const struct zs_state *s)
{
	char name[64];

	head(out, "zs_interface_up", "gauge", "is the interface up");
	for (uint32_t i = 0; i < ZS_IFACES_MAX; i++)
		if (s->iface[i].name[0])
			fprintf(out, "zs_interface_up{interface=\"%s\"} %d\n",
				label(s->iface[i].name, sizeof(s->iface[i].name), name),
				atomic_load_explicit(&s->iface[i].up, memory_order_relaxed) != 0);
	for (size_t k = 0; k < ZS_ARRAY_LEN(iface_series); k++) {
		head(out, iface_series[k].name, iface_series[k].type, iface_series[k].text);
		for (uint32_t i = 0; i < ZS_IFACES_MAX; i++) {
			uint64_t value;

			memcpy(&value, (const char *)&s->iface[i] + iface_series[k].offset, sizeof(value));
			if (s->iface[i].name[0])
				fprintf(out, "%s{interface=\"%s\"} %lu\n", iface_series[k].name,
					label(s->iface[i].name, sizeof(s->iface[i].name), name), value);
		}
	}
}

static void board(FILE *out, const struct zs_health_cell *cells, const char *plane)
{
	for (int h = 0; h < ZS_HEALTHS; h++) {
		const struct zs_health_info *info = zs_health_info(h);
		struct zs_health_cell cell;

		zs_health_read(cells, h, &cell);
		fprintf(out, "zs_health{code=\"%s\",name=\"%s\",plane=\"%s\"} %d\n", info->code, info->name,
			plane, cell.raised != 0);
	}
}

static void dataplane(FILE *out, const struct zs_state *s)
{
	uint64_t used, capacity,
	    now = zs_clock_ns(),
	    beat = atomic_load_explicit(&s->seg.base->heartbeat_ns, memory_order_relaxed);

	head(out, "zs_dataplane_heartbeat_age_seconds", "gauge",
	     "time since the dataplane's last sign of life");
	fprintf(out, "zs_dataplane_heartbeat_age_seconds %.3f\n",
		now > beat ? (double)(now - beat) / 1e9 : 0.0);
	counters(out, s);
	drops(out, s);
	stages(out, s, "zs_stage_cycles_total", "cycles spent, by stage", true);
	stages(out, s, "zs_stage_packets_total", "packets that passed, by stage", false);
	interfaces(out, s);
	zs_view_flow_use(s, &used, &capacity);
	gauge(out, "zs_flows", "flows in use", used);
	gauge(out, "zs_flows_capacity", "flows there is room for", capacity);
}

static void memory(FILE *out)
{
	struct zs_memory_figure figure[ZS_MEMORY_FIGURES];
	unsigned count = zs_memory_figures(figure);

	head(out, "zs_control_memory_bytes", "gauge", "memory of the control plane");
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "zs_control_memory_bytes{kind=\"%s\"} %lu\n", figure[i].name, figure[i].bytes);
}

static void modules(FILE *out, const struct zs_control *c)
{
	struct zs_memory_module m[ZS_MEMORY_MODULES];
	unsigned count = zs_memory_modules(c, m);

	head(out, "zs_module_on", "gauge", "does the module run, by the roles of the configuration");
	for (int i = ZS_MODULE_none + 1; i < ZS_MODULES; i++)
		if (zs_module_built((enum zs_module)i))
			fprintf(out, "zs_module_on{module=\"%s\"} %d\n", zs_module_name((enum zs_module)i),
				zs_module_on(c->conf, (enum zs_module)i));
	head(out, "zs_control_module_bytes", "gauge", "memory of the control plane's modules");
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "zs_control_module_bytes{module=\"%s\"} %lu\n", m[i].name, m[i].used);
	head(out, "zs_control_module_refused_total", "counter", "refused for want of memory");
	for (int i = 0; i < ZS_MEMORIES; i++)
		fprintf(out, "zs_control_module_refused_total{module=\"%s\"} %lu\n", m[i].name, m[i].refused);
}

static void admin(FILE *out, const struct zs_admin_counts *n)
{
	head(out, "zs_admin_calls_total", "counter", "calls of the admin API, by verb");
	for (int id = 0; id < ZS_COMMANDS; id++)
		if (zs_command_get(id)->served)
			fprintf(out, "zs_admin_calls_total{verb=\"%s\"} %lu\n", zs_command_get(id)->verb,
				n->calls[id]);
	total(out, "zs_admin_refused_total", "calls refused", n->refused);
	total(out, "zs_admin_failed_total", "calls that failed", n->failed);
	total(out, "zs_admin_malformed_total", "requests that were none", n->malformed);
	total(out, "zs_admin_connections_total", "connections taken", n->connections);
	total(out, "zs_admin_connections_refused_total", "connections above the limit",
	      n->connections_refused);
}

static void usage(FILE *out, const struct zs_usage_sum *sum)
{
	static const char *const way[ZS_DIRECTIONS] = {
		[ZS_TO_EDGE] = "to_edge", [ZS_FROM_EDGE] = "from_edge"
	};

	head(out, "zs_usage_bytes_total", "counter", "UDP payload of attachments, since the start");
	for (uint32_t d = 0; d < ZS_DIRECTIONS; d++)
		fprintf(out, "zs_usage_bytes_total{direction=\"%s\"} %lu\n", way[d], sum->to[d].bytes);
	head(out, "zs_usage_packets_total", "counter", "packets of attachments, since the start");
	for (uint32_t d = 0; d < ZS_DIRECTIONS; d++)
		fprintf(out, "zs_usage_packets_total{direction=\"%s\"} %lu\n", way[d], sum->to[d].packets);
}

static void attach(FILE *out, const struct zs_attach_counts *n)
{
	gauge(out, "zs_attachments", "attachments, leased ones too", n->attachments);
	gauge(out, "zs_attach_connections", "control connections with an attach stream", n->connections);
	gauge(out, "zs_attach_sessions", "sessions that live", n->sessions);
	gauge(out, "zs_attach_ports", "ports granted", n->ports);
	head(out, "zs_attach_granted_total", "counter", "sessions granted, by what was kept");
	for (uint32_t i = ZS_ATTACH_CONTINUITY_resumed; i < ZS_ARRAY_LEN(n->granted); i++)
		fprintf(out, "zs_attach_granted_total{continuity=\"%s\"} %lu\n",
			zs_attach_name(ZS_ATTACH_TABLE_CONTINUITY, i), n->granted[i]);
	head(out, "zs_attach_refused_total", "counter", "requests of edges refused, by error");
	for (uint32_t i = 1; i < ZS_ARRAY_LEN(n->refused); i++)
		fprintf(out, "zs_attach_refused_total{error=\"%s\"} %lu\n",
			zs_attach_name(ZS_ATTACH_TABLE_ERROR, i), n->refused[i]);
	total(out, "zs_attach_spent_total", "owners whose bytes were used up", n->spent);
	total(out, "zs_attach_superseded_total", "connections that a newer instance took over",
	      n->superseded);
	total(out, "zs_attach_expired_total", "attachments whose lease ended", n->expired);
	total(out, "zs_attach_kicked_total", "attachments ended by command", n->kicked);
	total(out, "zs_attach_wiped_total", "sessions lost with the dataplane's state", n->wiped);
}

static void build_info(FILE *out, const struct zs_control *c)
{
	const char *version = c->version ? c->version : "unknown";
	char text[64];

	head(out, "zs_build_info", "gauge", "version of this build");
	fprintf(out, "zs_build_info{version=\"%s\"} 1\n", label(version, strlen(version), text));
}

static uint64_t published(const struct zs_tables *t)
{
	uint64_t count = 0;

	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++)
		count += t->published[port].used != 0;
	return count;
}

void zs_metrics_write(FILE *out, struct zs_control *c)
{
	const struct zs_admin_counts *n = zs_admin_counts(c);

	build_info(out, c);
	gauge(out, "zs_control_start_time_seconds", "when the control plane was started, Unix time",
	      c->started_ns / ZS_NS_PER_S);
	if (c->program) {
		gauge(out, "zs_dataplane_up", "is the dataplane running",
		      c->state && zs_segment_writer_alive(&c->state->seg));
		gauge(out, "zs_draining", "0 serving, 1 draining, 2 drained", c->drain.state);
		gauge(out, "zs_stopped", "is the emergency stop set", zs_program_stopped(c->program));
		gauge(out, "zs_published_ports", "published ports", published(zs_program_tables(c->program)));
	}
	head(out, "zs_health", "gauge", "raised health codes");
	board(out, c->health, "control");
	if (c->state) {
		board(out, c->state->health, "data");
		dataplane(out, c->state);
	}
	memory(out);
	modules(out, c);
	if (c->attach)
		attach(out, zs_attach_counts(c->attach));
	if (c->usage)
		usage(out, zs_usage_total(c->usage));
	if (c->peers)
		zs_metrics_peers(out, c->peers);
	if (n)
		admin(out, n);
	if (c->audit) {
		total(out, "zs_audit_records_total", "records of the audit file", zs_audit_count(c->audit));
		gauge(out, "zs_audit_broken", "was the audit file found altered",
		      zs_audit_broken(c->audit) != NULL);
	}
}
