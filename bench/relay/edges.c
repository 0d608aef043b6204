/* An edge's first datagram makes the relay derive keys, claim a window and send a PROBE; its ECHO settles the path. The nonce
 * is taken from the relay's memory there, in the place of opening the PROBE: before any measurement. */
#include "relay/edges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tunnels.h"

#define STEP_NS (32 * ZS_NS_PER_MS) /* for each 32 new lanes: the relay takes 2,000 a second */

static void root_of(uint32_t index, uint8_t root[ZS_SESSION_ROOT])
{
	memset(root, 0x5a, ZS_SESSION_ROOT);
	memcpy(root, &index, sizeof(index));
}

static struct zs_endpoint place(uint32_t index)
{
	struct zs_endpoint at = { zs_bed_addr("10.64.0.0"), 7777 };

	at.addr.ip[13] |= (uint8_t)(index >> 16);
	at.addr.ip[14] = (uint8_t)(index >> 8);
	at.addr.ip[15] = (uint8_t)index;
	return at;
}

static uint32_t receiver(uint32_t index)
{
	return 0xab000000u | index;
}

static void attach(struct zs_edges *e, uint32_t index)
{
	struct zs_bed *bed = e->bed;
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_TUNNEL,
				.attachment = index,
				.generation = 1,
				.receiver = receiver(index),
				.peer = 1 + index,
				.incarnation = bed->dp.state.seg.base->incarnation,
				.created_s = 1700000000 };
	struct zs_attachment a = {
		.used = 1, .generation = 1, .session = index, .previous = ZS_SESSION_NONE
	};
	uint8_t secret[ZS_ATTACH_SECRET];

	root_of(index, v.root);
	ZS_CHECK(zs_sessions_set_session(&bed->sessions, index, &v) == 0);
	ZS_CHECK(zs_sessions_set_attachment(&bed->sessions, index, &a) == 0);
	zs_attach_lane(v.root, ZS_ATTACH_DIR_EDGE, 0, secret);
	zs_attach_key(secret, &e->edge[index].key);
}

/* As if its client had sent a packet to the published port. */
static void add_flow(struct zs_edges *e, uint32_t index)
{
	struct zs_attached end = { index, 1, 1 };
	struct zs_bed *bed = e->bed;
	struct zs_flow_table *t = &bed->dp.partition[0];
	struct zs_flow_new want = { .client = place(index),
				    .target = { zs_attached_addr(&end), 0 },
				    .port = ZS_BED_PORT,
				    .local_client = ZS_BED_NEAR,
				    .local_target = ZS_LOCAL_ATTACHED,
				    .published_generation = 1,
				    .now_ms = bed->w->now_ms };
	uint32_t id;

	want.client.addr.ip[13] |= 0x80; /* beyond the near router */
	ZS_CHECK(zs_flow_add(t, &want, (uint32_t)zs_bed_random(bed), &id, NULL) == ZS_FLOW_OK);
	e->edge[index].flow = t->flow[id].source_port;
}

static struct zs_datagram make(struct zs_edges *e, uint32_t index, struct zs_tunnel_head *head,
			       const void *payload, uint16_t len)
{
	struct zs_endpoint from = place(index), to = { zs_bed_addr("10.2.0.1"), ZS_BED_TUNNEL };
	struct zs_edge *edge = &e->edge[index];
	struct zs_datagram d = { .edge = index, .len = (uint16_t)(len + ZS_TUNNEL_OVERHEAD) };
	uint8_t aad[ZS_TUNNEL_AAD];
	struct zs_gcm_job job;
	struct zs_gcm_key key;

	d.m = zs_bed_new(e->bed, 1, true, &d.bytes);
	ZS_CHECK(d.m);
	head->receiver = receiver(index);
	head->counter = d.counter = ++edge->counter;
	zs_tunnel_write(head, d.bytes);
	if (payload)
		memcpy(d.bytes + ZS_TUNNEL_HEADER, payload, len);
	zs_gcm_key_set(&e->engine, &key, edge->key.key, edge->key.iv);
	zs_tunnel_job(&job, head, d.bytes, d.len, &key, aad);
	zs_gcm_seal(&e->engine, &job);
	zs_bed_wrap(d.m, &from, &to, d.bytes, d.len);
	return d;
}

struct zs_datagram zs_edges_data(struct zs_edges *e, uint32_t index, bool auth, uint16_t len)
{
	struct zs_tunnel_head head = { .type = ZS_TUNNEL_DATA,
				       .auth = auth,
				       .flow = { e->edge[index].flow, 1, ZS_TUNNEL_RELAY } };

	return make(e, index, &head, NULL, len);
}

static void run(struct zs_edges *e, uint32_t from, uint32_t n, uint8_t type)
{
	struct rte_mbuf *m[ZS_BURST];
	struct zs_bed_cost cost;

	for (uint32_t i = 0; i < n; i++) {
		struct zs_tunnel_head head = { .type = type };
		uint8_t payload[ZS_TUNNEL_PROBE] = { 0 };

		if (type == ZS_TUNNEL_ECHO)
			memcpy(payload, e->bed->dp.state.tunnel_session[from + i].roam.nonce,
			       sizeof(payload));
		m[i] = make(e, from + i, &head, payload, sizeof(payload)).m;
	}
	zs_bed_run(e->bed, m, n, &cost);
}

int zs_edges_open(struct zs_edges *e, struct zs_bed *bed, uint32_t count, struct zs_error *err)
{
	struct zs_worker *w = bed->w;

	*e = (struct zs_edges){ .bed = bed, .count = count, .edge = calloc(count, sizeof(*e->edge)) };
	if (!e->edge)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for %u edges", count);
	zs_gcm_engine_best(&e->engine);
	for (uint32_t i = 0; i < count; i++) {
		attach(e, i);
		add_flow(e, i);
	}
	for (uint32_t i = 0; i < count; i += ZS_BURST) {
		uint32_t n = count - i < ZS_BURST ? count - i : ZS_BURST;

		run(e, i, n, ZS_TUNNEL_KEEPALIVE);
		run(e, i, n, ZS_TUNNEL_ECHO);
		w->now_ns += STEP_NS;
		w->now_ms = (uint32_t)(w->now_ns / ZS_NS_PER_MS);
	}
	for (uint32_t i = 0; i < count; i++)
		if (!bed->dp.state.tunnel_session[i].path.to.port)
			return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "tunnel %u has not found its way", i);
	return 0;
}
