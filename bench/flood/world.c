#include "flood/world.h"

#include <string.h>
#include <sys/resource.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include "base/clock.h"
#include "relay/edge_tunnel.h"
#include "targets.h"

#define PACKETS	   16383 /* more than both rings hold */
#define FLOWS	   65536
#define LONG_TURNS 20000 /* a second: a turn takes some 10 us */

/* --- what a control plane would write --- */

static void write_ports(struct flood_world *w)
{
	struct zs_published p = {
		.used = 1, .generation = 1, .target = flood_target.addr, .target_port = flood_target.port
	};
	struct zs_tables *t = &w->bed->tables;

	ZS_CHECK(!zs_tables_set_published(t, FLOOD_PUBLISHED, &p));
	p.target_port = flood_full_target.port;
	ZS_CHECK(!zs_tables_set_published(t, FLOOD_FULL, &p));
	zs_targets_sync(w->bed->dp.targets, t);
}

/* The target is a neighbour; strangers come from anywhere. */
static void write_tables(struct flood_world *w)
{
	struct zs_route link = {
		.used = 1, .iface = 1, .len = 120, .onlink = 1, .dest = zs_bed_addr("10.2.0.0")
	};
	struct zs_route world = {
		.used = 1, .len = 96, .dest = zs_bed_addr("0.0.0.0"), .gateway = zs_bed_addr("10.1.0.2")
	};
	struct zs_tables *t = &w->bed->tables;
	struct zs_settings s;

	ZS_CHECK(!zs_tables_put_route(t, &link) && !zs_tables_put_route(t, &world));
	write_ports(w);
	ZS_CHECK(zs_tables_settings(t, &s), "fresh settings");
	s.new_flows_per_prefix_s = 1000; /* as the configuration has it unless told */
	s.new_flows_prefix_burst = 2000;
	s.generation++;
	ZS_CHECK(!zs_tables_set_settings(t, &s));
}

static bool is_greedy(uint32_t id)
{
	return id > FLOOD_PEERS && id <= FLOOD_PEERS + FLOOD_GREEDY;
}

static void attach(struct flood_world *w, uint32_t id, uint8_t mode, uint32_t receiver)
{
	struct zs_session v = { .used = 1,
				.mode = mode,
				.bind_id = 1,
				.attachment = id,
				.generation = FLOOD_GENERATION,
				.receiver = receiver,
				.peer = 0x11223344,
				.incarnation = w->bed->dp.state.seg.base->incarnation,
				.created_s = 1700000000 };
	struct zs_attachment a = {
		.used = 1, .generation = FLOOD_GENERATION, .session = id, .previous = ZS_SESSION_NONE
	};
	static const struct zs_police_limits budget = { .pkt_s = 1 };

	if (is_greedy(id))
		zs_police_of(&a.police, &budget);
	memset(v.root, (int)(id % 200) + 1, sizeof(v.root));
	ZS_CHECK(!zs_sessions_set_session(&w->bed->sessions, id, &v) &&
		     !zs_sessions_set_attachment(&w->bed->sessions, id, &a),
		 "room for attachment %u", id);
}

static void write_sessions(struct flood_world *w)
{
	struct zs_cid_config config = {
		.used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4, .key = "a key, 16 bytes"
	};
	struct zs_cookie_secret cookie = { .step = 1, .now = "cookies, 16 byt" };

	ZS_CHECK(!zs_sessions_set_cid_config(&w->bed->sessions, 2, &config) &&
		 !zs_sessions_set_cookie_secret(&w->bed->sessions, &cookie));
	zs_cidset_init(&w->mint, zs_aes_best());
	zs_cidset_put(&w->mint, 2, config.key);
	for (uint32_t id = 1; id <= FLOOD_PEERS + FLOOD_GREEDY; id++)
		attach(w, id, ZS_SESSION_SOCKET, id);
	attach(w, FLOOD_UNBOUND, ZS_SESSION_SOCKET, FLOOD_UNBOUND);
	attach(w, FLOOD_EDGE, ZS_SESSION_TUNNEL, FLOOD_RECEIVER);
}

/* --- turns --- */

static uint32_t stranger_of(const uint8_t *dst)
{
	return dst[0] == 20 ? (uint32_t)dst[1] << 8 | dst[2] : FLOOD_STRANGERS;
}

static void tell(struct flood_world *w, uint32_t stranger, uint32_t len)
{
	uint16_t *longest = w->longest[stranger];
	int answered = len <= longest[1]; /* the shorter one that it can have been */

	w->told += len;
	w->amplified += len > longest[answered];
	longest[0] = answered ? longest[0] : longest[1];
	longest[1] = 0;
}

/* Who gets what left, by its destination. */
static void deliver(struct flood_world *w, uint32_t port, struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + ZS_ETH_LEN, *udp = ip + ZS_IP4_MIN;
	uint32_t stranger = stranger_of(ip + 16), len = m->data_len - ZS_ETH_LEN;
	struct zs_endpoint relay = flood_relay(0, ZS_BED_TUNNEL);
	uint64_t magic;

	memcpy(&magic, rte_pktmbuf_mtod(m, uint8_t *) + m->data_len - sizeof(magic), sizeof(magic));
	if (magic - FLOOD_MAGIC < FLOOD_GOODS)
		w->left[magic - FLOOD_MAGIC]++;
	if (stranger < FLOOD_STRANGERS)
		tell(w, stranger, len);
	if (port == 1)
		w->last_port = (uint16_t)(udp[0] << 8 | udp[1]);
	if (w->edge && !w->edge_up && !memcmp(ip + 16, flood_edge.addr.ip + 12, 4))
		zs_edge_tunnel_receive(w->edge, &relay, 0, udp + ZS_UDP_LEN, len - ZS_IP4_MIN - ZS_UDP_LEN,
				       zs_clock_ns());
}

static void sink(struct flood_world *w)
{
	struct rte_mbuf *m[ZS_BURST];

	for (uint32_t port = 0; port < 2; port++) {
		uint32_t n;

		while (
		    (n = rte_ring_sc_dequeue_burst(w->bed->queues[0].out[port], (void **)m, ZS_BURST, NULL)))
			for (uint32_t i = 0; i < n; i++) {
				deliver(w, port, m[i]);
				rte_pktmbuf_free(m[i]);
			}
	}
}

/* Has somebody else had the core since it was asked last? */
static bool cut_in_upon(struct flood_world *w)
{
	struct rusage u = { .ru_nivcsw = 0 };
	long before = w->switches;

	getrusage(RUSAGE_THREAD, &u);
	w->switches = u.ru_nivcsw;
	return u.ru_nivcsw != before;
}

uint64_t flood_turn(struct flood_world *w)
{
	uint64_t from = rte_rdtsc(), cycles;

	zs_worker_turn(w->bed->w, &w->bed->burst, true);
	cycles = rte_rdtsc() - from;
	sink(w);
	if (cycles > w->long_turn && cut_in_upon(w)) {
		w->cut++;
		return w->usual_turn;
	}
	w->usual_turn = cycles;
	return cycles;
}

uint32_t flood_waiting(const struct flood_world *w)
{
	return rte_ring_count(w->bed->queues[0].in[0]) + rte_ring_count(w->bed->queues[0].in[1]);
}

bool flood_room(const struct flood_world *w, uint32_t port)
{
	return !rte_ring_full(w->bed->queues[0].in[port]);
}

void flood_put(struct flood_world *w, uint32_t port, const struct flood_frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->bed->dp.pool);

	ZS_CHECK(m, "a leak of packets");
	memcpy(rte_pktmbuf_append(m, f->len), f->bytes, f->len);
	ZS_CHECK(!rte_ring_sp_enqueue(w->bed->queues[0].in[port], m), "room in port %u", port);
}

void flood_drain(struct flood_world *w)
{
	do
		flood_turn(w);
	while (flood_waiting(w));
}

int flood_open(struct flood_world *w, struct zs_error *err)
{
	static const struct zs_bed_shape shape = { .attachments = FLOOD_SLOTS,
						   .tunnels = FLOOD_SLOTS,
						   .flows = FLOWS,
						   .small_pages = true,
						   .rings = true,
						   .packets = PACKETS };

	memset(w, 0, sizeof(*w));
	w->bed = zs_bed_open(&shape, err);
	if (!w->bed)
		return err->code;
	write_tables(w);
	write_sessions(w);
	w->long_turn = rte_get_tsc_hz() / LONG_TURNS;
	return flood_settle(w, err);
}

void flood_close(struct flood_world *w)
{
	if (w->edge)
		zs_edge_tunnel_delete(w->edge);
}
