/* A relay's worker stages and an edge's end of a tunnel, wire and all, without a process or a socket: what either sends is
 * a frame that the other reads. */
#ifndef ZS_TESTS_TUNNEL_RIG_H
#define ZS_TESTS_TUNNEL_RIG_H

#include "dp_rig.h"
#include "fake_port.h"
#include "net/checksum.h"
#include "relay/edge_tunnel.h"

#define EDGE_PORT    7777
#define TUNNEL_PORT  4434
#define EDGE_SERVICE 3
#define RIG_FRAMES   256
#define RIG_FRAME    2048
#define RIG_RECEIVER (0xabcd0000u | 5) /* slot 5 of 64 */

struct frame {
	uint32_t len;
	uint8_t bytes[RIG_FRAME];
};

struct heard { /* what the edge's program got last */
	uint32_t data, opened, closed, ended;
	struct zs_tunnel_flow flow;
	struct zs_endpoint client;
	uint16_t port, reason;
	uint8_t ecn;
	size_t len;
	uint8_t payload[RIG_FRAME];
	uint32_t path; /* payload that it surely carries */
};

struct tunnel_rig {
	struct rig *r;
	struct fake_port port;
	struct zs_sessions sessions;
	struct zs_edge_tunnel *edge;
	struct zs_endpoint at;	  /* where the edge is */
	struct zs_endpoint relay; /* the tunnel's port as the edge knows it */
	struct heard heard;
	struct frame up[RIG_FRAMES]; /* datagrams of the edge, on their way */
	uint32_t ups;
	struct frame client[RIG_FRAMES]; /* frames that left for others than the edge */
	uint32_t clients;
	struct frame seen[RIG_FRAMES]; /* every datagram that left for the edge, whole frames */
	uint32_t sights;
	struct frame said[RIG_FRAMES]; /* every datagram that came from the edge, as it came */
	uint32_t sayings;
	uint64_t arrived;
	uint64_t seed;
	uint32_t worker; /* who receives */
	bool six;
	bool cut;     /* the way to the edge is down */
	uint32_t cap; /* longest IP packet toward the edge; 0: any */
};

static inline void rig_fill(void *ctx, void *out, size_t len)
{
	uint64_t *seed = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] =
		    (uint8_t)((*seed = *seed * 6364136223846793005u + 1442695040888963407u) >> 56);
}

static inline void edge_send(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *datagram,
			     size_t len)
{
	struct tunnel_rig *t = ctx;
	struct frame *f = &t->up[t->ups++];

	(void)to;
	assert_true(t->ups < RIG_FRAMES && len < RIG_FRAME);
	f->len = (uint32_t)len;
	f->bytes[RIG_FRAME - 1] = ecn;
	memcpy(f->bytes, datagram, len);
}

static inline void edge_opened(void *ctx, const struct zs_tunnel_flow *flow, const struct zs_endpoint *client,
			       uint16_t port)
{
	struct tunnel_rig *t = ctx;

	t->heard.opened++;
	t->heard.flow = *flow;
	t->heard.client = *client;
	t->heard.port = port;
}

static inline void edge_data(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn,
			     const uint8_t *payload, size_t len)
{
	struct tunnel_rig *t = ctx;

	t->heard.data++;
	t->heard.flow = *flow;
	t->heard.ecn = ecn;
	t->heard.len = len;
	memcpy(t->heard.payload, payload, len);
}

static inline void edge_closed(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason)
{
	struct tunnel_rig *t = ctx;

	t->heard.closed++;
	t->heard.flow = *flow;
	t->heard.reason = reason;
}

static inline void edge_path(void *ctx, enum zs_edge_path what, uint32_t payload)
{
	struct tunnel_rig *t = ctx;

	(void)what;
	t->heard.path = payload;
}

static inline void edge_ended(void *ctx, uint16_t reason)
{
	struct tunnel_rig *t = ctx;

	(void)reason;
	t->heard.ended++;
}

static const struct zs_edge_tunnel_ops edge_ops = { .send = edge_send,
						    .opened = edge_opened,
						    .data = edge_data,
						    .closed = edge_closed,
						    .path = edge_path,
						    .ended = edge_ended };

/* --- frames --- */

/* A UDP packet as a NIC would give it. */
static inline struct rte_mbuf *rig_packet(const struct rig *r, uint8_t iface, const struct zs_endpoint *src,
					  const struct zs_endpoint *dst, uint8_t ecn, const void *payload,
					  uint16_t len)
{
	struct zs_item it = { .m = fake_new() };
	struct zs_header h = { *src, *dst, zs_csum_add(0, payload, len), ecn };
	uint8_t *at = (uint8_t *)it.m->buf_addr + 200;

	memcpy(it.hop.dmac, r->dp.port[iface].mac, 6);
	memcpy(at, payload, len);
	assert_true(zs_header_put(&it, &h, at, len));
	it.m->port = iface;
	return it.m;
}

/* What parse and classify make of a packet that is ours. The rest is what the burst before left there. */
static inline void rig_item_of(struct zs_worker *w, struct zs_item *it, struct rte_mbuf *m, bool handed)
{
	memset(it, 0xa5, sizeof(*it));
	it->m = m;
	it->class = ZS_CLASS_FLOW;
	it->inner = it->sealed = 0;
	it->handed = handed;
	it->iface = (uint8_t)m->port;
	if (zs_stage_resume(it))
		return;
	it->frame = (uint8_t *)m->buf_addr + m->data_off;
	assert_int_equal(zs_packet_parse(it->frame, m->data_len, &it->p), ZS_PARSE_OK);
	assert_int_equal(zs_packet_hygiene(&it->p), -1);
	it->ip = it->frame + it->p.l3_off;
	it->l4 = it->frame + it->p.l4_off;
	it->ip_len = it->p.ip_len;
	it->l4_len = (uint16_t)(it->p.ip_len - (it->p.l4_off - it->p.l3_off));
	it->local = (uint8_t)zs_locals_find(&w->locals, &it->p.dst.addr, it->iface, 0);
	if (it->p.dst.port == TUNNEL_PORT)
		it->class = ZS_CLASS_TUNNEL;
	else if (it->p.dst.port == w->dp->service_port) {
		it->class = ZS_CLASS_CID;
		it->side = ZS_SIDE_CLIENT;
	} else if (zs_stage_published(w, it, it->p.dst.port))
		it->side = ZS_SIDE_CLIENT;
	else
		it->side = ZS_SIDE_TARGET;
}

static inline void rig_send(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	n = zs_stage_flow(w, at, n);
	n = zs_stage_police(w, at, n);
	n = zs_stage_tunnel_out(w, at, n);
	n = zs_stage_rewrite(w, at, n);
	for (uint32_t i = 0; i < n; i++)
		zs_tx_put(w, at[i]->hop.iface, at[i]->m, NULL);
}

/* The stages over a burst on one worker; what leaves is kept by the fake port. */
static inline void rig_stages(struct zs_worker *w, struct rte_mbuf **m, uint32_t n, bool handed)
{
	static struct zs_item item[ZS_BURST];
	struct zs_item *at[ZS_BURST];

	for (uint32_t i = 0; i < n; i++) {
		rig_item_of(w, &item[i], m[i], handed);
		at[i] = &item[i];
	}
	n = zs_stage_tunnel_in(w, at, n);
	rig_send(w, at, zs_stage_cid(w, at, n));
	rig_send(w, at, zs_stage_late(w, at));
}

/* Is the UDP checksum right? */
static inline bool rig_sum_ok(const uint8_t *frame, uint32_t len)
{
	struct zs_packet p;
	uint32_t sum;

	assert_int_equal(zs_packet_parse(frame, len, &p), ZS_PARSE_OK);
	sum = zs_header_sum(&p.src, &p.dst, p.udp_len);
	return zs_csum_fold(zs_csum_add(sum, frame + p.l4_off + 6, p.udp_len - 6u)) == 0xffff;
}

/* Hands what workers passed on to them, and takes what left to where it goes, until nothing moves. */
static inline bool rig_step(struct tunnel_rig *t);
static inline void rig_settle(struct tunnel_rig *t)
{
	for (int i = 0; i < 1000; i++)
		if (!rig_step(t))
			return;
	fail_msg("it never comes to rest");
}

static inline uint64_t rig_now(const struct tunnel_rig *t)
{
	return t->r->worker[0].now_ns;
}

static inline void rig_to_edge(struct tunnel_rig *t, const uint8_t *frame, uint32_t len)
{
	uint8_t copy[RIG_FRAME];
	struct zs_packet p;

	assert_int_equal(zs_packet_parse(frame, len, &p), ZS_PARSE_OK);
	assert_true(t->sights < RIG_FRAMES);
	t->seen[t->sights].len = len;
	memcpy(t->seen[t->sights++].bytes, frame, len);
	if (t->cut || (t->cap && p.ip_len > t->cap) || !rig_sum_ok(frame, len))
		return; /* a kernel would not give it to a socket */
	memcpy(copy, frame + p.payload_off, p.payload_len);
	zs_edge_tunnel_receive(t->edge, &p.src, p.ecn, copy, p.payload_len, rig_now(t));
}

static inline void rig_leave(struct tunnel_rig *t, struct rte_mbuf *m)
{
	const uint8_t *frame = (uint8_t *)m->buf_addr + m->data_off;
	struct zs_packet p;

	if (zs_packet_parse(frame, m->data_len, &p) == ZS_PARSE_OK && p.kind == ZS_PACKET_UDP &&
	    p.src.port == TUNNEL_PORT) {
		rig_to_edge(t, frame, m->data_len);
	} else {
		assert_true(t->clients < RIG_FRAMES);
		t->client[t->clients].len = m->data_len;
		memcpy(t->client[t->clients++].bytes, frame, m->data_len);
	}
	fake_free(m);
}

/* A datagram from any address to the tunnel's port. */
static inline void rig_datagram(struct tunnel_rig *t, const struct zs_endpoint *from, uint8_t ecn,
				const uint8_t *datagram, uint16_t len)
{
	struct rte_mbuf *m = rig_packet(t->r, 0, from, &t->relay, ecn, datagram, len);

	t->arrived++;
	rig_stages(&t->r->worker[t->worker], &m, 1, false);
}

static inline bool rig_step(struct tunnel_rig *t)
{
	if (t->port.passed) {
		struct rte_mbuf *m = t->port.pass[--t->port.passed].m;

		rig_stages(&t->r->worker[t->port.pass[t->port.passed].worker], &m, 1, true);
		return true;
	}
	if (t->port.sent) {
		struct rte_mbuf *m = t->port.out[0];

		memmove(t->port.out, t->port.out + 1, --t->port.sent * sizeof(m));
		rig_leave(t, m);
		return true;
	}
	if (t->ups) {
		struct frame f = t->up[0];

		memmove(t->up, t->up + 1, --t->ups * sizeof(f));
		assert_true(t->sayings < RIG_FRAMES);
		t->said[t->sayings++] = f;
		rig_datagram(t, &t->at, f.bytes[RIG_FRAME - 1], f.bytes, (uint16_t)f.len);
		return true;
	}
	return false;
}

static inline void rig_advance(struct tunnel_rig *t, uint64_t ms)
{
	for (uint32_t i = 0; i < 2; i++) {
		t->r->worker[i].now_ns += ms * ZS_NS_PER_MS;
		t->r->worker[i].now_ms += (uint32_t)ms;
	}
	for (uint32_t i = 0; i < t->r->dp.workers; i++) {
		zs_tunnels_keep(&t->r->worker[i]);
		zs_hot_refresh(&t->r->worker[i]);
	}
	if (t->edge && zs_edge_tunnel_deadline(t->edge) <= rig_now(t))
		zs_edge_tunnel_due(t->edge, rig_now(t));
	rig_settle(t);
}

/* Every packet ended in one way: the sum over all workers. */
static inline void rig_conserved(struct tunnel_rig *t)
{
	struct zs_worker_counters c;
	uint64_t out, drops = 0;

	zs_state_sum(&t->r->dp.state, &c);
	for (int d = 0; d < ZS_DROPS; d++)
		drops += c.drop[d];
	out = c.counter[ZS_COUNTER_tx] + c.counter[ZS_COUNTER_consumed] + drops;
	assert_int_equal(t->arrived + c.counter[ZS_COUNTER_originated], out);
}

static inline uint64_t rig_drops(struct tunnel_rig *t, enum zs_drop d)
{
	struct zs_worker_counters c;

	zs_state_sum(&t->r->dp.state, &c);
	return c.drop[d];
}

/* --- the world --- */

static inline struct zs_session rig_session(struct tunnel_rig *t)
{
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_TUNNEL,
				.attachment = 9,
				.generation = 2,
				.receiver = RIG_RECEIVER,
				.peer = 0x11223344,
				.incarnation = t->r->dp.state.seg.base->incarnation,
				.created_s = 1700000000 };

	memset(v.root, 0x5a, sizeof(v.root));
	return v;
}

static inline void rig_attach(struct tunnel_rig *t, const struct zs_session *v, uint32_t previous)
{
	struct zs_attachment a = {
		.used = 1, .generation = v->generation, .session = v->receiver & 63, .previous = previous
	};
	struct zs_edge_session s = { .receiver = v->peer,
				     .peer = v->receiver,
				     .relay = { t->relay },
				     .relays = 1,
				     .most = zs_addr_is4(&t->relay.addr) ? 1472 : 1452,
				     .continues = previous != ZS_SESSION_NONE };

	memcpy(s.root, v->root, sizeof(s.root));
	assert_int_equal(zs_sessions_set_session(&t->sessions, v->receiver & 63, v), 0);
	assert_int_equal(zs_sessions_set_attachment(&t->sessions, v->attachment, &a), 0);
	assert_int_equal(zs_edge_tunnel_session(t->edge, &s, rig_now(t)), 0);
}

static inline void rig_allow(struct rig *r, const char *addr, uint8_t len)
{
	struct zs_settings s;

	assert_true(zs_tables_settings(&r->writer, &s));
	assert_int_equal(zs_deny_allow(&s.deny, &(struct zs_prefix){ rig_addr(addr), len }), 0);
	s.generation++;
	assert_int_equal(zs_tables_set_settings(&r->writer, &s), 0);
	for (uint32_t i = 0; i < r->dp.workers; i++)
		assert_true(zs_tables_settings(&r->writer, &r->worker[i].settings));
}

static inline void rig_open(struct tunnel_rig *t, uint32_t workers)
{
	rig_state(t->r, workers, 256);
	rig_settings(t->r, 0, 100);
	if (t->six)
		rig_allow(t->r, "fd00::", 8);
	t->r->dp.tunnel_port = TUNNEL_PORT;
	t->r->dp.pool = (void *)&t->port;
	for (uint32_t i = 0; i < 2; i++) {
		t->r->dp.port[i].mtu = 1500;
		t->r->worker[i].sessions = t->r->worker[i].policer.v.sessions = &t->sessions;
		t->r->worker[i].hot_view = (struct zs_hot_view){ 0 };
		zs_entropy_refill(&t->r->worker[i].entropy);
	}
}

static inline void rig_publish_edge(struct tunnel_rig *t, uint8_t protection)
{
	struct zs_published p = { .used = 1,
				  .kind = ZS_PUBLISHED_ATTACHED,
				  .service = EDGE_SERVICE,
				  .protection = protection,
				  .attachment = 9,
				  .attachment_generation = 2,
				  .generation = 1 };

	assert_int_equal(zs_tables_set_published(&t->r->writer, RIG_CLIENT_PORT, &p), 0);
}

static inline int tunnel_setup(void **state)
{
	struct tunnel_rig *t = calloc(1, sizeof(*t));
	struct zs_sessions_shape shape = { .attachments = 64, .sessions = 64 };
	static const struct zs_edge_tunnel_config config = { .flows = 100, .idle_ns = 10 * ZS_NS_PER_S };
	static struct zs_random random;
	struct zs_error err = { 0 };
	void *r = NULL;
	bool fresh;

	assert_int_equal(rig_setup(&r), 0);
	t->r = r;
	t->seed = 7;
	random = (struct zs_random){ rig_fill, &t->seed };
	t->at = (struct zs_endpoint){ rig_addr("10.1.0.2"), EDGE_PORT };
	t->relay = (struct zs_endpoint){ rig_addr("10.1.0.1"), TUNNEL_PORT };
	assert_int_equal(zs_sessions_open_writer(&t->sessions, t->r->dp.shm_dir, &shape, &fresh, &err), 0);
	t->edge = zs_edge_tunnel_new(&config, &edge_ops, t, &random);
	rig_publish_edge(t, 0);
	*state = t;
	return 0;
}

static inline int tunnel_teardown(void **state)
{
	struct tunnel_rig *t = *state;
	void *r = t->r;

	zs_edge_tunnel_delete(t->edge);
	fake_clear(&t->port);
	rig_teardown(&r);
	zs_sessions_close(&t->sessions);
	free(t);
	return 0;
}

/* The edge is behind IPv6: another own address on interface 0 and its neighbour. */
static inline void rig_six(struct tunnel_rig *t)
{
	struct zs_local l = { .used = 1, .iface = 0, .prefix_len = 64, .addr = rig_addr("fd00:1::1") };
	struct zs_route to = { .used = 1, .iface = 0, .len = 64, .onlink = 1, .dest = rig_addr("fd00:1::") };
	struct zs_nexthop n = {
		.used = 1, .iface = 0, .valid = 1, .mtu = 1500, .addr = rig_addr("fd00:1::2")
	};

	assert_int_equal(zs_tables_set_local(&t->r->writer, 2, &l), 0);
	assert_int_equal(zs_tables_put_route(&t->r->writer, &to), 0);
	assert_int_equal(zs_tables_put_nexthop(&t->r->writer, &n), 0);
	t->at.addr = n.addr;
	t->relay.addr = l.addr;
	t->six = true;
}

/* A session that has found its way. */
static inline void rig_up(struct tunnel_rig *t, uint32_t workers)
{
	struct zs_session v;

	rig_open(t, workers);
	v = rig_session(t);
	rig_attach(t, &v, ZS_SESSION_NONE);
	rig_advance(t, 1);
}

/* The dataplane is killed and comes back with what is in shared memory. */
static inline void rig_restart(struct tunnel_rig *t, uint32_t workers)
{
	fake_clear(&t->port);
	rig_open(t, workers);
}

/* A client's packet to the published port. */
static inline void rig_client(struct tunnel_rig *t, uint8_t n, uint8_t ecn, const void *payload, uint16_t len)
{
	struct zs_endpoint src = { rig_addr("10.2.0.2"), (uint16_t)(5000 + n) };
	struct zs_endpoint dst = { rig_addr("10.2.0.1"), RIG_CLIENT_PORT };
	struct rte_mbuf *m = rig_packet(t->r, 1, &src, &dst, ecn, payload, len);

	t->arrived++;
	rig_stages(&t->r->worker[t->worker], &m, 1, false);
	rig_settle(t);
}

static inline enum zs_drop rig_edge_says(struct tunnel_rig *t, const struct zs_tunnel_flow *flow,
					 const void *payload, size_t len)
{
	uint8_t bytes[RIG_FRAME];
	enum zs_drop why;

	memcpy(bytes + ZS_EDGE_HEADROOM, payload, len);
	why = zs_edge_tunnel_data(t->edge, flow, 0, bytes + ZS_EDGE_HEADROOM, len, rig_now(t));
	rig_settle(t);
	return why;
}

#endif
