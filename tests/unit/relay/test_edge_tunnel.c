/* Both ends of a tunnel over a simulated net: loss, duplicates, reordering, NAT rebindings, restarts of the relay and
 * new sessions in random order, with tiny ratchets. No nonce twice, no payload twice, none changed; and when the net
 * is quiet again everything arrives. */
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
	uint32_t nat, edge_node;
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
	uint32_t ups, mtus, smalls, ended, payload, reason, opened, closed;
	uint8_t record[256][128]; /* datagrams that the edge was given */
	size_t record_len[256];
	uint32_t records;
};

static void fill(void *ctx, void *out, size_t len)
{
	random_bytes(ctx, out, len);
}

/* Every datagram of either end passes here: its nonce is new. */
static void note_nonce(struct world *w, const uint8_t *d)
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

static void relay_sent(void *ctx, const uint8_t *d)
{
	note_nonce(ctx, d);
}

/* Letter: number 4, flow 4, then bytes of the number. */
static size_t letter_write(struct world *w, int dir, const struct zs_tunnel_flow *f, uint8_t *out,
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

static void letter_read(struct world *w, int dir, const struct zs_tunnel_flow *f, const uint8_t *payload,
			size_t len)
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

static void relay_data(void *ctx, const struct zs_tunnel_flow *f, uint8_t ecn, const uint8_t *payload,
		       size_t len)
{
	struct world *w = ctx;

	letter_read(w, UP, f, payload, len);
	assert_int_equal(ecn, 2);
	for (size_t n = 0; n < ZS_ARRAY_LEN(w->own); n++) /* the OPEN that came was this flow's */
		if (w->own[n].target && zs_tunnel_flow_id(&w->own[n].flow) == zs_tunnel_flow_id(f))
			assert_int_equal(w->relay.target[f->number % RELAY_FLOWS].port, w->own[n].target);
}

static void relay_closed(void *ctx, const struct zs_tunnel_flow *f, uint16_t reason)
{
	struct world *w = ctx;

	w->closed++;
	w->reason = reason;
}

static void edge_send(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *d, size_t len)
{
	struct world *w = ctx;

	note_nonce(w, d);
	assert_int_equal(zs_sim_send(w->sim, w->edge_node, &w->edge_at, to, d, len), 0);
}

static void edge_opened(void *ctx, const struct zs_tunnel_flow *f, const struct zs_endpoint *client,
			uint16_t port)
{
	struct world *w = ctx;

	assert_int_equal(client->port, f->number);
	assert_int_equal(port, 7000 + f->service);
	w->opened++;
}

static void edge_data(void *ctx, const struct zs_tunnel_flow *f, uint8_t ecn, const uint8_t *payload,
		      size_t len)
{
	assert_int_equal(ecn, 1);
	letter_read(ctx, DOWN, f, payload, len);
}

static void edge_closed(void *ctx, const struct zs_tunnel_flow *f, uint16_t reason)
{
	struct world *w = ctx;

	w->closed++;
	w->reason = reason;
}

static void edge_path(void *ctx, enum zs_edge_path what, uint32_t payload)
{
	struct world *w = ctx;

	w->ups += what == ZS_EDGE_PATH_UP;
	w->mtus += what == ZS_EDGE_PATH_MTU;
	w->smalls += what == ZS_EDGE_PATH_SMALL;
	w->payload = payload;
}

static void edge_ended(void *ctx, uint16_t reason)
{
	struct world *w = ctx;

	w->ended++;
	w->reason = reason;
}

static const struct zs_edge_tunnel_ops edge_ops = { edge_send,	 edge_opened, edge_data,
						    edge_closed, edge_path,   edge_ended };

static void wind(struct world *w)
{
	uint64_t at = zs_edge_tunnel_deadline(w->edge);

	zs_sim_set_timer(w->sim, w->edge_node, at == UINT64_MAX ? ZS_SIM_NEVER : at);
}

static void edge_node_receive(void *ctx, uint64_t now, const struct zs_endpoint *from,
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

static void edge_node_timer(void *ctx, uint64_t now)
{
	struct world *w = ctx;

	zs_edge_tunnel_due(w->edge, now);
	wind(w);
}

static void relay_node_receive(void *ctx, uint64_t now, const struct zs_endpoint *from,
			       const struct zs_endpoint *to, const uint8_t *bytes, size_t len)
{
	struct world *w = ctx;
	uint8_t d[4096];

	memcpy(d, bytes, len);
	w->relay.drop[relay_take(&w->relay, from, d, len, now)]++;
}

static void no_timer(void *ctx, uint64_t now) {}

static const struct zs_sim_ops edge_node_ops = { edge_node_receive, edge_node_timer },
			       relay_node_ops = { relay_node_receive, no_timer };

static uint64_t now(const struct world *w)
{
	return zs_sim_now(w->sim);
}

/* Housekeeping of the relay runs every 5 ms. */
static void run(struct world *w, uint64_t ns)
{
	for (uint64_t until = now(w) + ns; now(w) < until;) {
		zs_sim_run(w->sim, now(w) + 5 * MS);
		relay_housekeeping(&w->relay, now(w));
	}
}

static int setup(void **state)
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
	w->relay = (struct relay_end){ .sim = w->sim,
				       .at = w->relay_at,
				       .random = w->random,
				       .data = relay_data,
				       .closed = relay_closed,
				       .sent = relay_sent,
				       .ctx = w };
	zs_gcm_engine_best(&w->relay.engine);
	zs_tunnel_grant(&w->relay.grants, AUTH);
	w->relay.node = zs_sim_node(w->sim, &relay_node_ops, w);
	w->edge_node = zs_sim_node(w->sim, &edge_node_ops, w);
	w->nat = zs_sim_nat(w->sim, &outside, ZS_SIM_NAT_SYMMETRIC, 120 * S);
	zs_sim_behind(w->sim, w->edge_node, w->nat);
	assert_int_equal(zs_sim_bind(w->sim, w->relay.node, &w->relay_at), 0);
	assert_int_equal(zs_sim_bind(w->sim, w->edge_node, &w->edge_at), 0);
	w->edge = zs_edge_tunnel_new(&config, &edge_ops, w, &w->random);
	zs_edge_tunnel_grant(w->edge, AUTH);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	zs_edge_tunnel_delete(w->edge);
	relay_delete(&w->relay);
	zs_sim_delete(w->sim);
	free(w->nonces);
	free(w);
	return 0;
}

static struct zs_edge_session attach(struct world *w, bool continues)
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

static void links(struct world *w, uint32_t loss, uint32_t duplicate, uint32_t reorder, uint32_t mtu)
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

static struct zs_tunnel_flow relays_flow(struct world *w)
{
	return (struct zs_tunnel_flow){ (uint16_t)(1 + random_below(&w->rnd, 5)),
					random_below(&w->rnd, 2) ? SERVICE : AUTH, ZS_TUNNEL_RELAY };
}

static enum zs_drop edge_letter(struct world *w, const struct zs_tunnel_flow *f)
{
	uint8_t buffer[ZS_EDGE_HEADROOM + 1200 + ZS_EDGE_TAILROOM];
	size_t len = letter_write(w, UP, f, buffer + ZS_EDGE_HEADROOM, 1200);
	enum zs_drop why = zs_edge_tunnel_data(w->edge, f, 2, buffer + ZS_EDGE_HEADROOM, len, now(w));

	wind(w);
	return why;
}

static enum zs_drop relay_letter(struct world *w, const struct zs_tunnel_flow *f)
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
static void own_flow(struct world *w, struct own *o)
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
static void talk(struct world *w, uint32_t most)
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

static void nothing_wrong(const struct world *w)
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

static void all_arrive(struct world *w)
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

static void random_life(void **state)
{
	struct world *w = *state;
	uint32_t rebinds = 0, restarts = 0, renewals = 0, deepest = 0;
	uint64_t last = 0;

	links(w, 50000, 30000, 80000, 0);
	attach(w, false);
	run(w, 10 * S);
	assert_int_equal(w->ups, 1);
	for (int n = 0; n < 6000; n++) {
		talk(w, 3);
		run(w, random_below(&w->rnd, 25) * MS);
		if (w->relay.session[0]->window[0].epoch > deepest)
			deepest = w->relay.session[0]->window[0].epoch;
		if (!random_below(&w->rnd, 300)) {
			zs_sim_rebind(w->sim, w->nat);
			rebinds++;
		}
		/* A restart skips a block of counters and with it most of a key's life (RELAY_RATCHET). Two of them while
		 * nothing arrives would leave the edge two keys behind, which no receiver follows. */
		if (!random_below(&w->rnd, 200) && now(w) > last + 5 * S) {
			relay_restart(&w->relay);
			restarts++;
			last = now(w);
		}
		if (!random_below(&w->rnd, 600)) {
			attach(w, true);
			renewals++;
		}
	}
	links(w, 0, 0, 0, 0);
	for (int n = 0; n < 60; n++) { /* whatever was lost last is found again while the edge speaks */
		talk(w, 1);
		run(w, S);
	}
	all_arrive(w);
	nothing_wrong(w);
	printf("%u rebindings, %u restarts, %u new sessions; %llu moves; letters %u of %u up, %u of %u down; "
	       "replays %llu\n",
	       rebinds, restarts, renewals, (unsigned long long)w->relay.moves, w->came[UP], w->letters[UP],
	       w->came[DOWN], w->letters[DOWN], (unsigned long long)w->relay.drop[ZS_DROP_tunnel_replay]);
	assert_true(w->relay.drop[ZS_DROP_tunnel_replay] > 50 && w->drop[ZS_DROP_tunnel_replay] > 50);
	assert_int_equal(w->ended, 0);
	assert_true(w->came[UP] > w->letters[UP] / 10 * 8); /* the edge's part heals without a move */
	assert_true(w->opened > 100);
	assert_true(deepest > 8); /* more than its 3 bits count */
}

/* The dead address is tried in turn; an upright path is found and its length searched, in both directions. */
static void starts_and_measures(void **state)
{
	struct world *w = *state;

	links(w, 0, 0, 0, 1300);
	attach(w, false);
	assert_int_equal(zs_edge_tunnel_payload(w->edge), 0);
	const struct zs_tunnel_flow f = { 1, SERVICE, ZS_TUNNEL_RELAY };
	assert_int_equal(edge_letter(w, &f), ZS_DROP_no_endpoint);
	run(w, 200 * MS);
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->payload, 1200);
	run(w, 30 * S);
	assert_int_equal(w->payload, zs_edge_tunnel_payload(w->edge));
	assert_true(w->payload + ZS_TUNNEL_OVERHEAD <= 1300 && w->payload + ZS_TUNNEL_OVERHEAD > 1290);
	assert_true(w->relay.session[0]->pmtu.size <= 1300 && w->relay.session[0]->pmtu.size > 1290);
	all_arrive(w);
	uint8_t big[ZS_EDGE_HEADROOM + 1300 + ZS_EDGE_TAILROOM] = { 0 };
	assert_int_equal(zs_edge_tunnel_data(w->edge, &f, 0, big + ZS_EDGE_HEADROOM, w->payload + 1, now(w)),
			 ZS_DROP_tunnel_mtu);
	/* Shrinks to what carries no QUIC: told once, while the relay is heard. */
	links(w, 0, 0, 0, 1231);
	for (int n = 0; n < 60; n++) {
		relay_send(&w->relay, ZS_TUNNEL_TYPE_OPEN, &f, 0,
			   (uint8_t[20]){ [17] = 1, [18] = 27, [19] = 91 }, 20);
		run(w, S);
	}
	assert_int_equal(w->smalls, 1);
	nothing_wrong(w);
}

static void sessions_end(void **state)
{
	struct world *w = *state;
	struct zs_edge_session s;
	uint8_t reason[2];

	/* Nobody answers: over after a minute, however many KEEPALIVEs. */
	zs_sim_partition(w->sim, w->relay.node, 1);
	attach(w, false);
	run(w, 59 * S);
	assert_int_equal(w->ended, 0);
	run(w, 2 * S);
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_idle);
	assert_int_equal(zs_edge_tunnel_deadline(w->edge), UINT64_MAX);
	zs_sim_partition(w->sim, w->relay.node, 0);
	/* The relay closes the session. */
	attach(w, false);
	run(w, S);
	assert_int_equal(w->ups, 1);
	zs_tunnel_write_close(reason, ZS_ATTACH_CLOSE_drain);
	assert_int_equal(
	    relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &(struct zs_tunnel_flow){ 0 }, 0, reason, 2),
	    ZS_DROPS);
	run(w, S);
	assert_int_equal(w->ended, 2);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_drain);
	/* The edge does. */
	attach(w, false);
	run(w, S);
	assert_int_equal(w->ups, 2);
	zs_edge_tunnel_shutdown(w->edge, ZS_ATTACH_CLOSE_shutdown, now(w));
	run(w, S);
	assert_int_equal(w->relay.session_closed, ZS_ATTACH_CLOSE_shutdown);
	assert_int_equal(w->ended, 2);
	s.relays = 0;
	assert_int_equal(zs_edge_tunnel_session(w->edge, &s, now(w)), -EINVAL);
}

/* Make before break: while the new session finds no way, the one before carries; nothing is lost in the change. */
static void make_before_break(void **state)
{
	struct world *w = *state;

	links(w, 0, 0, 0, 0);
	attach(w, false);
	run(w, 2 * S);
	for (int round = 0; round < 5; round++) {
		struct zs_edge_session s = attach(w, true);
		for (int n = 0; n < 100; n++) {
			const struct zs_tunnel_flow f = relays_flow(w);
			assert_int_equal(edge_letter(w, &f), ZS_DROPS);
			assert_int_equal(relay_letter(w, &f), ZS_DROPS);
			run(w, 5 * MS);
		}
		run(w, S);
		assert_int_equal(w->ups, 2 + round);
		assert_int_equal(relay_in_use(&w->relay)->receiver, s.peer);
		assert_null(w->relay.session[1]);
		all_arrive(w);
		run(w, 10 * S);
	}
	/* What was under way on the old session when the relay ended it may be lost, nothing else. */
	assert_true(w->letters[UP] - w->came[UP] <= 5 * 12);
	assert_int_equal(w->letters[DOWN], w->came[DOWN]);
	nothing_wrong(w);
}

static uint64_t empty(struct world *w, const struct zs_tunnel_flow *f)
{
	uint8_t b[ZS_EDGE_HEADROOM + 8 + ZS_EDGE_TAILROOM] = { 0 };

	return zs_edge_tunnel_data(w->edge, f, 2, b + ZS_EDGE_HEADROOM, 0, now(w));
}

static void flows_of_our_own(void **state)
{
	struct world *w = *state;
	struct zs_tunnel_flow more;
	uint8_t reason[2];

	links(w, 0, 0, 0, 0);
	attach(w, false);
	run(w, 2 * S);
	for (int n = 0; n < 16; n++) {
		own_flow(w, &w->own[n]);
		assert_int_equal(w->own[n].target, n + 1);
		assert_true(w->own[n].flow.opener == ZS_TUNNEL_EDGE && w->own[n].flow.service == 0);
		for (int k = 0; k < n; k++)
			assert_int_not_equal(w->own[n].flow.number, w->own[k].flow.number);
	}
	assert_int_equal(zs_edge_tunnel_open(w->edge, &w->relay_at, now(w), &more), -EAGAIN);
	/* OPEN goes before the data, again after 100 ms, and no more when DATA has come back. */
	const struct zs_tunnel_flow f = w->own[3].flow;
	for (int n = 0; n < 21; n++) {
		edge_letter(w, &f);
		run(w, 10 * MS);
	}
	run(w, 50 * MS);
	assert_int_equal(w->relay.opens, 3);
	assert_int_equal(w->came[UP], 21);
	relay_letter(w, &f);
	run(w, 100 * MS);
	assert_int_equal(w->came[DOWN], 1);
	for (int n = 0; n < 50; n++) {
		edge_letter(w, &f);
		run(w, 10 * MS);
	}
	assert_int_equal(w->relay.opens, 3);
	/* The relay closes it: nothing goes or comes any more, and its number rests. */
	zs_tunnel_write_close(reason, ZS_ATTACH_CLOSE_not_published);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &f, 0, reason, 2);
	run(w, 100 * MS);
	assert_int_equal(w->closed, 1);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_not_published);
	assert_int_equal(empty(w, &f), ZS_DROP_no_flow);
	relay_letter(w, &f);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &f, 0, reason, 2);
	run(w, 100 * MS);
	assert_int_equal(w->drop[ZS_DROP_no_flow], 2);
	assert_int_equal(w->closed, 1);
	assert_int_equal(zs_edge_tunnel_open(w->edge, &w->relay_at, now(w), &more), -EAGAIN);
	run(w, 20 * S);
	assert_int_equal(zs_edge_tunnel_open(w->edge, &w->relay_at, now(w), &more), 0);
	assert_int_equal(more.number, f.number);
	/* The edge closes one of the relay's: the relay hears why. */
	const struct zs_tunnel_flow theirs = { 7, SERVICE, ZS_TUNNEL_RELAY };
	zs_edge_tunnel_close(w->edge, &theirs, ZS_ATTACH_CLOSE_refused, now(w));
	run(w, 100 * MS);
	assert_int_equal(w->closed, 2);
	assert_int_equal(w->reason, ZS_ATTACH_CLOSE_refused);
	assert_int_equal(w->relay.opens, 3);
	nothing_wrong(w);
}

/* What was recorded on the way comes again: as it was, from elsewhere, with each bit of its header and tag changed. */
static void replays(void **state)
{
	struct world *w = *state;
	uint64_t replay, accepted;

	links(w, 0, 0, 0, 0);
	attach(w, false);
	run(w, 2 * S);
	w->records = 0;
	for (int n = 0; n < 40; n++) {
		const struct zs_tunnel_flow f = { 1, SERVICE, ZS_TUNNEL_RELAY };
		uint8_t payload[16] = { 0 };
		memcpy(payload, &w->letters[DOWN], 4);
		memcpy(payload + 4, &(uint32_t){ zs_tunnel_flow_id(&f) }, 4);
		memset(payload + 8, (int)(w->letters[DOWN]++ * 7), 8);
		relay_send(&w->relay, ZS_TUNNEL_DATA, &f, 1, payload, sizeof(payload));
	}
	run(w, S);
	assert_true(w->records >= 40);
	accepted = w->drop[ZS_DROPS];
	replay = w->drop[ZS_DROP_tunnel_replay];
	for (uint32_t n = 0; n < 40; n++) {
		uint8_t d[128];
		memcpy(d, w->record[n], w->record_len[n]);
		assert_int_equal(
		    zs_edge_tunnel_receive(w->edge, &w->relay_at, 1, d, w->record_len[n], now(w)),
		    ZS_DROP_tunnel_replay);
		assert_int_equal(zs_edge_tunnel_receive(w->edge, &w->dead, 1, d, w->record_len[n], now(w)),
				 ZS_DROP_tunnel_replay);
		for (size_t bit = 0; bit < w->record_len[n] * 8; bit++) {
			memcpy(d, w->record[n], w->record_len[n]);
			d[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(
			    zs_edge_tunnel_receive(w->edge, &w->relay_at, 1, d, w->record_len[n], now(w)),
			    ZS_DROPS);
		}
		/* And to its sender. */
		memcpy(d, w->record[n], w->record_len[n]);
		assert_int_equal(relay_take(&w->relay, &w->relay_at, d, w->record_len[n], now(w)),
				 ZS_DROP_tunnel_receiver);
	}
	assert_int_equal(w->came[DOWN], 40);
	assert_int_equal(w->drop[ZS_DROPS], accepted);
	assert_int_equal(w->drop[ZS_DROP_tunnel_replay], replay);
	all_arrive(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_life, setup, teardown),
		cmocka_unit_test_setup_teardown(starts_and_measures, setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_end, setup, teardown),
		cmocka_unit_test_setup_teardown(make_before_break, setup, teardown),
		cmocka_unit_test_setup_teardown(flows_of_our_own, setup, teardown),
		cmocka_unit_test_setup_teardown(replays, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
