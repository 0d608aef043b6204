/* Keys are made from copies of the tables: each published port, the service port and the tunnel's on each own
 * address, and the flow source-port range as one key per address. What must not be steered never is: ports that
 * are neither published nor in the range stay the kernel's. */
#include <string.h>
#include "steering.h"

struct wanted {
	uint32_t count;
	struct zs_steer_key key[ZS_STEER_KEYS_MAX];
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	return (h ^ v) * 0x100000001b3u;
}

/* A fingerprint of all that the keys are made from. */
static uint64_t fingerprint(const struct zs_tables *t, const struct zs_settings *s)
{
	uint64_t h = mix(0xcbf29ce484222325u, atomic_load_explicit(t->change, memory_order_acquire));

	h = mix(h, t->seg.base->incarnation);
	h = mix(h, (uint64_t)s->flow_port_first << 16 | s->flow_port_last);
	h = mix(h, atomic_load_explicit(&t->meta->published_change, memory_order_acquire));
	return h | 1;
}

static void want(struct wanted *w, const struct zs_dp *dp, const struct zs_local *l, uint16_t port)
{
	struct zs_steer_key *k = &w->key[w->count];

	if (w->count == ZS_STEER_KEYS_MAX)
		return;
	memset(k, 0, sizeof(*k));
	k->ifindex = (uint32_t)dp->port[l->iface].steer.ifindex;
	k->vlan = l->vlan;
	k->port = port;
	memcpy(k->addr, l->addr.ip, sizeof(k->addr));
	w->count++;
}

static void collect(struct wanted *w, const struct zs_dp *dp, const struct zs_tables *t, uint32_t iface)
{
	w->count = 0;
	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++) {
		struct zs_local l;

		if (!zs_tables_local(t, i, &l) || !l.used || l.iface != iface)
			continue;
		want(w, dp, &l, 0);
		if (dp->service_port)
			want(w, dp, &l, dp->service_port);
		if (dp->tunnel_port)
			want(w, dp, &l, dp->tunnel_port);
		for (uint32_t port = 1; port < ZS_UDP_PORTS; port++)
			if (t->published[port].used)
				want(w, dp, &l, (uint16_t)port);
	}
}

static void sync_port(struct zs_dp *dp, struct wanted *w, uint32_t iface, const struct zs_settings *s)
{
	struct zs_steer_config c = { .flow_port_first = s->flow_port_first,
				     .flow_port_last = s->flow_port_last };
	int rc;

	memcpy(c.mac, dp->port[iface].mac, sizeof(c.mac));
	rc = zs_steer_sync(&dp->port[iface].steer, &c, w->key, w->count);
	if (rc || w->count == ZS_STEER_KEYS_MAX) {
		ZS_LOG(dp->log, STEER_FAILED, "port=%s keys=%u error=\"%s\"", dp->port[iface].conf->name,
		       w->count, strerror(-rc));
		zs_health_raise(dp->state.health, ZS_HEALTH_steering, "port %s", dp->port[iface].conf->name);
	} else {
		zs_health_clear(dp->state.health, ZS_HEALTH_steering);
	}
}

void zs_steering_sync(struct zs_dp *dp)
{
	const struct zs_tables *t = atomic_load(&dp->tables);
	struct zs_settings s;
	struct wanted w;
	uint64_t now;

	if (!t || zs_segment_faulted(&t->seg) || !zs_tables_settings(t, &s))
		return;
	now = fingerprint(t, &s);
	if (now == dp->steer_change)
		return;
	dp->steer_change = now;
	for (uint32_t i = 0; i < dp->ports; i++) {
		if (!dp->port[i].steered)
			continue;
		collect(&w, dp, t, i);
		sync_port(dp, &w, i, &s);
	}
}
