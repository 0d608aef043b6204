/* A world for both ends of a tunnel: zs_edge_tunnel behind a NAT, tests/unit/relay/relay_end.h, a simulated net between,
 * and letters that are checked when they come: never changed, never twice, no nonce twice. */
#ifndef ZS_TEST_TUNNEL_WORLD_H
#define ZS_TEST_TUNNEL_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>

#include "base/check.h"
#include "relay/codes.h"
#include "relay/edge_tunnel.h"
#include "sim/sim.h"
#include "unit/random.h"
#include "unit/relay/relay_end.h"

#define S	ZS_NS_PER_S
#define MS	ZS_NS_PER_MS
#define LETTERS (1 << 16)
#define SEEN	(1 << 20)
#define SERVICE 3 /* seal */
#define AUTH	9 /* auth is granted */

enum { UP, DOWN };

struct world {
	struct random rnd;
	struct zs_random random;
	struct zs_sim *sim;
	uint32_t nat, edge_node, relay_node;
	struct zs_endpoint edge_at, relay_at, dead;
	struct zs_edge_tunnel *edge;
	struct relay_end relay;
	uint32_t ids; /* receiver ids so far */
	/* Letters: payloads by number, each way. */
	uint32_t letters[2], came[2];
	bool has_come[2][LETTERS];
	uint64_t *nonces; /* set of (receiver, lane, counter) */
	uint32_t nonces_used;
	struct own {
		struct zs_tunnel_flow flow;
		uint16_t target; /* port of its target; 0: not open */
	} own[16];
	uint16_t targets;
	uint64_t drop[ZS_DROPS + 1];
	uint32_t ups, mtus, smalls, silents, ended, payload, reason, opened, closed;
	uint8_t record[256][128]; /* datagrams that the edge was given */
	size_t record_len[256];
	uint32_t records;
};

static inline void fill(void *ctx, void *out, size_t len)
{
	random_bytes(ctx, out, len);
}

/* Every datagram of either end passes here: its nonce is new. */
static inline void note_nonce(struct world *w, const uint8_t *d)
{
	struct zs_tunnel_head h;

	assert_int_equal(zs_tunnel_read(&h, d, ZS_TUNNEL_OVERHEAD), ZS_DROPS);
	uint64_t id = (uint64_t)(h.receiver & 0xfff) << 48 | (uint64_t)h.lane << 44 | h.counter;
	assert_true(h.counter && h.counter < 1ull << 44 && h.receiver < 1 << 12);
	assert_true(w->nonces_used < SEEN / 2);
	for (uint64_t at = id * 0x9e3779b97f4a7c15ull >> 44;; at = (at + 1) % SEEN) {
		assert_true(w->nonces[at] != id);
		if (w->nonces[at])
			continue;
		w->nonces[at] = id;
		w->nonces_used++;
		return;
	}
}

static inline void relay_out(void *ctx, const struct zs_endpoint *to, const uint8_t *d, size_t len)
{
	struct world *w = ctx;

	note_nonce(w, d);
	assert_int_equal(zs_sim_send(w->sim, w->relay_node, &w->relay_at, to, d, len), 0);
}

/* Letter: number 4, flow 4, then bytes of the number. */
static inline size_t letter_write(struct world *w, int dir, const struct zs_tunnel_flow *f, uint8_t *out,
				  size_t most)
{
	uint32_t number = w->letters[dir]++, id = zs_tunnel_flow_id(f);
	size_t len = 8 + random_below(&w->rnd, (uint32_t)most - 7);

	assert_true(number < LETTERS);
	memset(out, (int)(number * 7), len);
	memcpy(out, &number, 4);
	memcpy(out + 4, &id, 4);
	return len;
}

static inline void letter_read(struct world *w, int dir, const struct zs_tunnel_flow *f,
			       const uint8_t *payload, size_t len)
{
	uint32_t number, id;

	assert_true(len >= 8);
	memcpy(&number, payload, 4);
	memcpy(&id, payload + 4, 4);
	assert_true(number < w->letters[dir]);
	assert_int_equal(id, zs_tunnel_flow_id(f));
	for (size_t n = 8; n < len; n++)
		assert_int_equal(payload[n], (uint8_t)(number * 7));
	assert_false(w->has_come[dir][number]);
	w->has_come[dir][number] = true;
	w->came[dir]++;
}

static inline void relay_data(void *ctx, const struct zs_tunnel_flow *f, uint8_t ecn, const uint8_t *payload,
			      size_t len)
{
	struct world *w = ctx;

	letter_read(w, UP, f, payload, len);
	assert_int_equal(ecn, 2);
	for (size_t n = 0; n < ZS_ARRAY_LEN(w->own); n++) /* the OPEN that came was this flow's */
		if (w->own[n].target && zs_tunnel_flow_id(&w->own[n].flow) == zs_tunnel_flow_id(f))
			assert_int_equal(w->relay.target[f->number % RELAY_FLOWS].port, w->own[n].target);
}

static inline void relay_closed(void *ctx, const struct zs_tunnel_flow *f, uint16_t reason)
{
	struct world *w = ctx;

	w->closed++;
	w->reason = reason;
}

static inline void edge_send(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *d,
			     size_t len)
{
	struct world *w = ctx;

	note_nonce(w, d);
	assert_int_equal(zs_sim_send(w->sim, w->edge_node, &w->edge_at, to, d, len), 0);
}

static inline void edge_opened(void *ctx, const struct zs_tunnel_flow *f, const struct zs_endpoint *client,
			       uint16_t port)
{
	struct world *w = ctx;

	assert_int_equal(client->port, f->number);
	assert_int_equal(port, 7000 + f->service);
	w->opened++;
}

static inline void edge_data(void *ctx, const struct zs_tunnel_flow *f, uint8_t ecn, const uint8_t *payload,
			     size_t len)
{
	assert_int_equal(ecn, 1);
	letter_read(ctx, DOWN, f, payload, len);
}

static inline void edge_closed(void *ctx, const struct zs_tunnel_flow *f, uint16_t reason)
{
	struct world *w = ctx;

	w->closed++;
	w->reason = reason;
}

static inline void edge_path(void *ctx, enum zs_edge_path what, uint32_t payload)
{
	struct world *w = ctx;

	w->ups += what == ZS_EDGE_PATH_UP;
	w->mtus += what == ZS_EDGE_PATH_MTU;
	w->smalls += what == ZS_EDGE_PATH_SMALL;
	w->silents += what == ZS_EDGE_PATH_SILENT;
	w->payload = payload;
}

static inline void edge_ended(void *ctx, uint16_t reason)
{
	struct world *w = ctx;

	w->ended++;
	w->reason = reason;
}

static const struct zs_edge_tunnel_ops edge_ops = { edge_send,	 edge_opened, edge_data,
						    edge_closed, edge_path,   edge_ended };

static inline void wind(struct world *w)
{
	uint64_t at = zs_edge_tunnel_deadline(w->edge);

	zs_sim_set_timer(w->sim, w->edge_node, at == UINT64_MAX ? ZS_SIM_NEVER : at);
}

static inline void edge_node_receive(void *ctx, uint64_t now, const struct zs_endpoint *from,
				     const struct zs_endpoint *to, const uint8_t *bytes, size_t len)
{
	struct world *w = ctx;
	uint8_t d[4096];

	memcpy(d, bytes, len);
	if (len <= sizeof(w->record[0])) {
		memcpy(w->record[w->records % 256], bytes, len);
		w->record_len[w->records++ % 256] = len;
	}
	w->drop[zs_edge_tunnel_receive(w->edge, from, 1, d, len, now)]++;
	wind(w);
}

static inline void edge_node_timer(void *ctx, uint64_t now)
{
	struct world *w = ctx;

	zs_edge_tunnel_due(w->edge, now);
	wind(w);
}

static inline void relay_node_receive(void *ctx, uint64_t now, const struct zs_endpoint *from,
				      const struct zs_endpoint *to, const uint8_t *bytes, size_t len)
{
	struct world *w = ctx;
	uint8_t d[4096];

	memcpy(d, bytes, len);
	w->relay.drop[relay_take(&w->relay, from, d, len, now)]++;
}

static inline void no_timer(void *ctx, uint64_t now) {}

static const struct zs_sim_ops edge_node_ops = { edge_node_receive, edge_node_timer },
			       relay_node_ops = { relay_node_receive, no_timer };

static inline uint64_t now(const struct world *w)
{
	return zs_sim_now(w->sim);
}

/* Housekeeping of the relay runs every 5 ms. */
static inline void run(struct world *w, uint64_t ns)
{
	for (uint64_t until = now(w) + ns; now(w) < until;) {
		zs_sim_run(w->sim, now(w) + 5 * MS);
		relay_housekeeping(&w->relay, now(w));
	}
}

static inline int setup(void **state)
{
	const struct zs_edge_tunnel_config config = { .flows = 16, .idle_ns = 10 * S, .ratchet = 100 };
	struct world *w = calloc(1, sizeof(*w));
	struct zs_addr outside = zs_addr_from4(htonl(0xc6336401));

	w->rnd = random_new("edge tunnel");
	w->random = (struct zs_random){ fill, &w->rnd };
	w->nonces = calloc(SEEN, sizeof(*w->nonces));
	w->sim = zs_sim_new(random_u64(&w->rnd));
	w->relay_at = (struct zs_endpoint){ zs_addr_from4(htonl(0xc0000201)), 4434 };
	w->dead = (struct zs_endpoint){ zs_addr_from4(htonl(0xc0000202)), 4434 };
	w->edge_at = (struct zs_endpoint){ zs_addr_from4(htonl(0x0a000001)), 999 };
	w->relay = (struct relay_end){
		.random = w->random, .data = relay_data, .closed = relay_closed, .send = relay_out, .ctx = w
	};
	zs_gcm_engine_best(&w->relay.engine);
	zs_tunnel_grant(&w->relay.grants, AUTH);
	w->relay_node = zs_sim_node(w->sim, &relay_node_ops, w);
	w->edge_node = zs_sim_node(w->sim, &edge_node_ops, w);
	w->nat = zs_sim_nat(w->sim, &outside, ZS_SIM_NAT_SYMMETRIC, 120 * S);
	zs_sim_behind(w->sim, w->edge_node, w->nat);
	assert_int_equal(zs_sim_bind(w->sim, w->relay_node, &w->relay_at), 0);
	assert_int_equal(zs_sim_bind(w->sim, w->edge_node, &w->edge_at), 0);
	w->edge = zs_edge_tunnel_new(&config, &edge_ops, w, &w->random);
	zs_edge_tunnel_grant(w->edge, AUTH);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	zs_edge_tunnel_delete(w->edge);
	relay_delete(&w->relay);
	zs_sim_delete(w->sim);
	free(w->nonces);
	free(w);
	return 0;
}

static inline struct zs_edge_session attach(struct world *w, bool continues)
{
	struct zs_edge_session s = { .receiver = ++w->ids,
				     .peer = ++w->ids,
				     .relay = { w->dead, w->relay_at },
				     .relays = 2,
				     .most = RELAY_MOST,
				     .continues = continues };

	random_bytes(&w->rnd, s.root, sizeof(s.root));
	relay_grant(&w->relay, s.root, s.peer, s.receiver);
	assert_int_equal(zs_edge_tunnel_session(w->edge, &s, now(w)), 0);
	zs_edge_tunnel_due(w->edge, now(w));
	wind(w);
	return s;
}

static inline void links(struct world *w, uint32_t loss, uint32_t duplicate, uint32_t reorder, uint32_t mtu)
{
	const struct zs_sim_link link = { .delay_ns = 10 * MS,
					  .jitter_ns = 3 * MS,
					  .loss_ppm = loss,
					  .duplicate_ppm = duplicate,
					  .reorder_ppm = reorder,
					  .reorder_ns = 15 * MS,
					  .mtu = mtu };

	zs_sim_set_links(w->sim, w->edge_node, &link, &link);
}

static inline struct zs_tunnel_flow relays_flow(struct world *w)
{
	return (struct zs_tunnel_flow){ (uint16_t)(1 + random_below(&w->rnd, 5)),
					random_below(&w->rnd, 2) ? SERVICE : AUTH, ZS_TUNNEL_RELAY };
}

static inline enum zs_drop edge_letter(struct world *w, const struct zs_tunnel_flow *f)
{
	uint8_t buffer[ZS_EDGE_HEADROOM + 1200 + ZS_EDGE_TAILROOM];
	size_t len = letter_write(w, UP, f, buffer + ZS_EDGE_HEADROOM, 1200);
	enum zs_drop why = zs_edge_tunnel_data(w->edge, f, 2, buffer + ZS_EDGE_HEADROOM, len, now(w));

	wind(w);
	return why;
}

static inline enum zs_drop relay_letter(struct world *w, const struct zs_tunnel_flow *f)
{
	const struct zs_endpoint client = { .port = f->number };
	uint8_t payload[1200], open[ZS_TUNNEL_OPEN];
	size_t len = letter_write(w, DOWN, f, payload, sizeof(payload));

	if (f->service && !random_below(&w->rnd, 10)) {
		zs_tunnel_write_open(open, &client, (uint16_t)(7000 + f->service));
		relay_send(&w->relay, ZS_TUNNEL_TYPE_OPEN, f, 0, open, sizeof(open));
	}
	return relay_send(&w->relay, ZS_TUNNEL_DATA, f, 1, payload, len);
}

/* Opens a flow of the edge, or closes it. */
static inline void own_flow(struct world *w, struct own *o)
{
	struct zs_endpoint target = { .port = ++w->targets };

	if (o->target)
		zs_edge_tunnel_close(w->edge, &o->flow, ZS_ATTACH_CLOSE_shutdown, now(w));
	if (o->target || zs_edge_tunnel_open(w->edge, &target, now(w), &o->flow))
		o->target = 0;
	else
		o->target = target.port;
	wind(w);
}

/* A few letters each way, on the relay's flows, the edge's own and routed by CID. */
static inline void talk(struct world *w, uint32_t most)
{
	for (uint32_t n = random_below(&w->rnd, most + 1); n; n--) {
		struct zs_tunnel_flow f = relays_flow(w), cid = { 0 };
		edge_letter(w, random_below(&w->rnd, 5) ? &f : &cid);
		f = relays_flow(w);
		relay_letter(w, random_below(&w->rnd, 5) ? &f : &cid);
		struct own *o = &w->own[random_below(&w->rnd, ZS_ARRAY_LEN(w->own))];
		if (!o->target || !random_below(&w->rnd, 20))
			own_flow(w, o);
		if (o->target && edge_letter(w, &o->flow) == ZS_DROPS && random_below(&w->rnd, 2))
			relay_letter(w, &o->flow);
	}
}

static inline void nothing_wrong(const struct world *w)
{
	static const uint8_t never[] = { ZS_DROP_tunnel_short,	  ZS_DROP_tunnel_type,
					 ZS_DROP_tunnel_reserved, ZS_DROP_tunnel_auth_type,
					 ZS_DROP_tunnel_auth,	  ZS_DROP_tunnel_tag,
					 ZS_DROP_tunnel_form,	  ZS_DROP_tunnel_ecn,
					 ZS_DROP_tunnel_lane,	  ZS_DROP_tunnel_epoch };

	for (size_t n = 0; n < ZS_ARRAY_LEN(never); n++)
		if (w->drop[never[n]] || w->relay.drop[never[n]])
			fail_msg("drop %u: the edge %llu, the relay %llu", never[n],
				 (unsigned long long)w->drop[never[n]],
				 (unsigned long long)w->relay.drop[never[n]]);
}

static inline void all_arrive(struct world *w)
{
	uint32_t came[2] = { w->came[UP], w->came[DOWN] };

	for (int n = 0; n < 200; n++) {
		const struct zs_tunnel_flow f = relays_flow(w);
		assert_int_equal(edge_letter(w, &f), ZS_DROPS);
		assert_int_equal(relay_letter(w, &f), ZS_DROPS);
		run(w, 5 * MS);
	}
	run(w, S);
	assert_int_equal(w->came[UP] - came[UP], 200);
	assert_int_equal(w->came[DOWN] - came[DOWN], 200);
}

#endif
