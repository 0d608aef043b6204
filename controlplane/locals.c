/* Own addresses and settings in the tables. An address keeps its index as long as it is
 * configured: flows remember the index. */
#include <errno.h>
#include "program_internal.h"

static bool local_same(const struct zs_local *a, const struct zs_local *b)
{
	return a->iface == b->iface && a->vlan == b->vlan && zs_addr_eq(&a->addr, &b->addr);
}

static uint32_t wanted(const struct zs_conf *conf, struct zs_local out[ZS_LOCALS_MAX], bool *full)
{
	const struct zs_conf_interface_address *own;
	struct zs_conf_place at = { 0 };
	uint32_t n = 0;

	while ((own = zs_conf_own_next(conf, &at))) {
		if (n == ZS_LOCALS_MAX) {
			*full = true;
			return n;
		}
		out[n++] = (struct zs_local){ .used = 1,
					      .iface = (uint8_t)at.port,
					      .vlan = conf->dataplane.port[at.port].vlan[at.vlan].id,
					      .addr = own->addr,
					      .prefix_len = own->len };
	}
	return n;
}

static void clear_unwanted(struct zs_tables *t, const struct zs_local *want, uint32_t n)
{
	struct zs_local now;

	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++) {
		bool keep = false;

		if (!zs_tables_local(t, i, &now)) {
			if (t->local[i].used) /* damaged */
				zs_tables_set_local(t, i, NULL);
			continue;
		}
		for (uint32_t w = 0; w < n && !keep; w++)
			keep = local_same(&now, &want[w]);
		if (!keep)
			zs_tables_set_local(t, i, NULL);
	}
}

static int put(struct zs_tables *t, const struct zs_local *want)
{
	struct zs_local now;
	uint32_t free_index = ZS_LOCALS_MAX;

	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++) {
		if (!zs_tables_local(t, i, &now)) {
			free_index = free_index == ZS_LOCALS_MAX ? i : free_index;
			continue;
		}
		if (!local_same(&now, want))
			continue;
		return now.prefix_len == want->prefix_len ? 0 : zs_tables_set_local(t, i, want);
	}
	return free_index == ZS_LOCALS_MAX ? -ENOSPC : zs_tables_set_local(t, free_index, want);
}

int zs_program_set_locals(struct zs_program *p, const struct zs_conf *conf)
{
	struct zs_local want[ZS_LOCALS_MAX];
	bool full = false;
	uint32_t n = wanted(conf, want, &full);
	int rc = full ? -ENOSPC : 0;

	clear_unwanted(&p->tables, want, n);
	for (uint32_t i = 0; i < n; i++) {
		int one = put(&p->tables, &want[i]);
		rc = rc ? rc : one;
	}
	if (rc) {
		zs_control_raise(p->c, ZS_HEALTH_table_full, "own addresses: %u", ZS_LOCALS_MAX);
		ZS_LOG(&p->c->log, TABLE_FULL, "table=local entries=%u", ZS_LOCALS_MAX);
	}
	return rc;
}

static bool settings_same(const struct zs_settings *a, const struct zs_settings *b)
{
	return a->flow_idle_answered_ms == b->flow_idle_answered_ms &&
	       a->flow_idle_unanswered_ms == b->flow_idle_unanswered_ms &&
	       a->new_flows_per_prefix_s == b->new_flows_per_prefix_s &&
	       a->new_flows_prefix_burst == b->new_flows_prefix_burst &&
	       a->max_flows_per_prefix == b->max_flows_per_prefix && a->port_share == b->port_share &&
	       !memcmp(a->log_level, b->log_level, sizeof(a->log_level)) &&
	       a->busy_poll_us == b->busy_poll_us && a->sleep_max_us == b->sleep_max_us &&
	       a->flow_port_first == b->flow_port_first && a->flow_port_last == b->flow_port_last &&
	       a->deny.allowed_count == b->deny.allowed_count &&
	       !memcmp(a->deny.allowed, b->deny.allowed, a->deny.allowed_count * sizeof(a->deny.allowed[0]));
}

int zs_program_set_settings(struct zs_program *p, const struct zs_conf *conf)
{
	struct zs_settings now = { 0 }, want = { 0 };
	bool there = zs_tables_settings(&p->tables, &now);

	want.flow_idle_answered_ms = conf->flows.idle_confirmed_s * 1000;
	want.flow_idle_unanswered_ms = conf->flows.idle_unconfirmed_s * 1000;
	want.new_flows_per_prefix_s = conf->flows.new_per_prefix_s;
	want.new_flows_prefix_burst = conf->flows.new_per_prefix_burst;
	want.max_flows_per_prefix = conf->flows.max_per_prefix;
	want.port_share = conf->flows.port_share;
	_Static_assert(ZS_LOG_MODULES <= ZS_TABLES_MODULES, "the log has more modules than the tables room");
	memcpy(want.log_level, p->c->log.level, sizeof(p->c->log.level));
	want.busy_poll_us = conf->dataplane.busy_poll_us;
	want.sleep_max_us = conf->dataplane.sleep_max_us;
	want.flow_port_first = conf->flows.port_first;
	want.flow_port_last = conf->flows.port_last;
	want.deny = conf->targets;
	if (there && settings_same(&now, &want))
		return 0;
	want.generation = now.generation + 1;
	return zs_tables_set_settings(&p->tables, &want);
}

void zs_program_log_levels(struct zs_program *p)
{
	zs_program_set_settings(p, p->c->conf);
}
