#include "flood/world.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include "base/clock.h"
#include "binds.h"
#include "flows.h"
#include "hot.h"
#include "relay/edge_tunnel.h"
#include "tunnels.h"

#define POP	   7
#define GENERATION 300
#define RECEIVER   (0xabcd0000u | FLOOD_EDGE)
#define MBUFS	   16384
#define STEPS	   20000 /* turns until something that must come has come */

static const char conf_text[] = "instance: bench\n"
				"targets: {allow: [10.0.0.0/8]}\n"
				"dataplane:\n  workers: 1\n  ports:\n"
				"    - {name: a, driver: ring, addresses: [10.1.0.1/24]}\n"
				"    - {name: b, driver: ring, addresses: [10.2.0.1/24]}\n"
				"attach: {capacity: 1024, pop: 7, service_port: 4433, tunnel_port: 4434}\n";

uint64_t flood_random(struct flood_world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* --- ports --- */

static int start_eal(struct zs_error *err)
{
	char lcores[32];
	char *argv[] = { "zs-bench", "--no-huge",	  "-m256",
			 "--no-pci", "--no-shconf",	  "--no-telemetry",
			 lcores,     "--log-level=error", NULL };

	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", sched_getcpu());
	if (rte_eal_init(8, argv) < 0)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE,
				    "DPDK does not start; 256 MiB of memory are needed");
	return 0;
}

static int make_port(struct flood_world *w, uint32_t i, struct zs_error *err)
{
	static const struct rte_eth_conf eth;
	struct zs_port *p = &w->dp.port[i];
	char name[16];
	int id;

	snprintf(name, sizeof(name), "in%u", i);
	w->in[i] = rte_ring_create(name, FLOOD_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "out%u", i);
	w->out[i] = rte_ring_create(name, 4 * FLOOD_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "flood%u", i);
	id = w->in[i] && w->out[i] ? rte_eth_from_rings(name, &w->in[i], 1, &w->out[i], 1, 0) : -1;
	if (id < 0 || rte_eth_dev_configure((uint16_t)id, 1, 1, &eth) ||
	    rte_eth_rx_queue_setup((uint16_t)id, 0, FLOOD_RING, 0, NULL, w->dp.pool) ||
	    rte_eth_tx_queue_setup((uint16_t)id, 0, FLOOD_RING, 0, NULL) || rte_eth_dev_start((uint16_t)id))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no port made of rings");
	*p = (struct zs_port){
		.conf = &w->dp.conf->dataplane.port[i], .queues = 1, .tx_queues = 1, .mtu = 1500, .vlans = 1
	};
	p->queue[0].ethdev = (uint16_t)id;
	return 0;
}

static int make_ports(struct flood_world *w, struct zs_error *err)
{
	int rc = start_eal(err);

	if (rc)
		return rc;
	w->dp.pool = rte_pktmbuf_pool_create("packets", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					     SOCKET_ID_ANY);
	if (!w->dp.pool)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for packets");
	for (uint32_t i = 0; i < 2 && !rc; i++)
		rc = make_port(w, i, err);
	w->dp.ports = 2;
	return rc;
}

/* --- what a control plane would write --- */

static struct zs_addr v4(const char *text)
{
	struct zs_addr a;

	ZS_CHECK(!zs_addr_parse(&a, text), "%s", text);
	return a;
}

static void write_tables(struct flood_world *w)
{
	static const char *const own[] = { "10.1.0.1", "10.2.0.1" }, *const next[] = { "10.1.0.254",
										       "10.2.0.2" };
	struct zs_published p = {
		.used = 1, .generation = 1, .target = flood_target.addr, .target_port = flood_target.port
	};
	struct zs_route world = { .used = 1, .len = 96, .dest = v4("0.0.0.0"), .gateway = v4(next[0]) };
	struct zs_settings s;

	for (uint8_t i = 0; i < 2; i++) {
		struct zs_local l = { .used = 1, .iface = i, .prefix_len = 120, .addr = v4(own[i]) };
		struct zs_route link = { .used = 1, .iface = i, .len = 120, .onlink = 1, .dest = v4(own[i]) };
		struct zs_nexthop n = { .used = 1, .iface = i, .valid = 1, .mtu = 1500, .addr = v4(next[i]) };

		link.dest.ip[15] = 0;
		zs_tables_set_local(&w->tables, i, &l);
		zs_tables_put_route(&w->tables, &link);
		zs_tables_put_nexthop(&w->tables, &n);
	}
	zs_tables_put_route(&w->tables, &world);
	zs_tables_set_published(&w->tables, FLOOD_PUBLISHED, &p);
	ZS_CHECK(zs_tables_settings(&w->tables, &s), "fresh settings");
	s.deny = w->dp.conf->targets;
	s.new_flows_per_prefix_s = 1000; /* as the configuration has it unless told */
	s.new_flows_prefix_burst = 2000;
	s.generation++;
	zs_tables_set_settings(&w->tables, &s);
}

static void attach(struct flood_world *w, uint32_t id, uint8_t mode, uint32_t receiver)
{
	struct zs_session v = { .used = 1,
				.mode = mode,
				.bind_id = 1,
				.attachment = id,
				.generation = GENERATION,
				.receiver = receiver,
				.peer = 0x11223344,
				.incarnation = w->dp.state.seg.base->incarnation,
				.created_s = 1700000000 };
	struct zs_attachment a = {
		.used = 1, .generation = GENERATION, .session = id, .previous = ZS_SESSION_NONE
	};

	memset(v.root, (int)(id % 200) + 1, sizeof(v.root));
	ZS_CHECK(!zs_sessions_set_session(&w->sessions, id, &v) &&
		     !zs_sessions_set_attachment(&w->sessions, id, &a),
		 "room for attachment %u", id);
}

static void write_sessions(struct flood_world *w)
{
	struct zs_cid_config config = {
		.used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4, .key = "a key, 16 bytes"
	};
	struct zs_cookie_secret cookie = { .step = 1, .now = "cookies, 16 byt" };

	zs_sessions_set_cid_config(&w->sessions, 2, &config);
	zs_sessions_set_cookie_secret(&w->sessions, &cookie);
	zs_cidset_init(&w->mint, zs_aes_best());
	zs_cidset_put(&w->mint, 2, config.key);
	for (uint32_t id = 1; id <= FLOOD_PEERS; id++)
		attach(w, id, ZS_SESSION_SOCKET, id);
	attach(w, FLOOD_UNBOUND, ZS_SESSION_SOCKET, FLOOD_UNBOUND);
	attach(w, FLOOD_EDGE, ZS_SESSION_TUNNEL, RECEIVER);
}

static int open_segments(struct flood_world *w, bool *fresh, struct zs_error *err)
{
	struct zs_sessions_shape sessions = { FLOOD_SLOTS, FLOOD_SLOTS };
	struct zs_state_shape state = { .flow_capacity = w->dp.conf->flows.capacity,
					.event_capacity = CONFIG_EVENTS,
					.partitions = 1,
					.attachments = FLOOD_SLOTS,
					.sessions = FLOOD_SLOTS,
					.windows = 1024 };
	struct zs_tables_shape tables = { .rules = 1024 };
	bool ignored;
	int rc;

	strcpy(w->dir, "/dev/shm/zs-bench-XXXXXX");
	if (!mkdtemp(w->dir))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "no folder in /dev/shm");
	strcpy(w->dp.shm_dir, w->dir);
	if ((rc = zs_tables_open_writer(&w->tables, w->dir, &tables, false, &ignored, err)) ||
	    (rc = zs_sessions_open_writer(&w->sessions, w->dir, &sessions, &ignored, err)) ||
	    (rc = zs_state_open_writer(&w->dp.state, w->dir, &state, fresh, err)))
		return rc;
	atomic_store(&w->dp.tables, &w->tables);
	atomic_store(&w->dp.sessions, &w->sessions);
	return 0;
}

/* --- turns --- */

static uint32_t stranger_of(const uint8_t *dst)
{
	return dst[0] == 20 ? (uint32_t)dst[1] << 8 | dst[2] : FLOOD_STRANGERS;
}

/* An edge's datagram, kept for whoever puts it into the ring. */
static void edge_send(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *datagram,
		      size_t len)
{
	struct flood_world *w = ctx;

	if (len > FLOOD_FRAME - 64) /* a PROBE of the path's MTU: lost */
		return;
	flood_udp(&w->from_edge, &flood_edge, to, datagram, (uint16_t)len);
	w->edge_spoke = true;
}

/* Who gets what left, by its destination. */
static void deliver(struct flood_world *w, uint32_t port, struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + ZS_ETH_LEN, *udp = ip + ZS_IP4_MIN;
	uint32_t stranger = stranger_of(ip + 16), len = m->data_len - ZS_ETH_LEN;
	uint64_t magic = FLOOD_MAGIC;
	struct zs_endpoint relay = flood_relay(0, FLOOD_TUNNEL);

	if (!memcmp(rte_pktmbuf_mtod(m, uint8_t *) + m->data_len - sizeof(magic), &magic, sizeof(magic)))
		w->good_out++;
	else
		w->bogus_out++;
	if (stranger < FLOOD_STRANGERS)
		w->told[stranger] += len;
	if (port == 1 && w->learning < FLOOD_FLOWS)
		w->flow_port[w->learning] = (uint16_t)(udp[0] << 8 | udp[1]);
	if (w->edge && !w->edge_up && !memcmp(ip + 16, flood_edge.addr.ip + 12, 4))
		zs_edge_tunnel_receive(w->edge, &relay, 0, udp + ZS_UDP_LEN, len - ZS_IP4_MIN - ZS_UDP_LEN,
				       zs_clock_ns());
}

static void sink(struct flood_world *w)
{
	struct rte_mbuf *m[ZS_BURST];

	for (uint32_t port = 0; port < 2; port++) {
		uint32_t n;

		while ((n = rte_ring_sc_dequeue_burst(w->out[port], (void **)m, ZS_BURST, NULL)))
			for (uint32_t i = 0; i < n; i++) {
				deliver(w, port, m[i]);
				rte_pktmbuf_free(m[i]);
			}
	}
}

uint64_t flood_turn(struct flood_world *w)
{
	uint64_t from = rte_rdtsc(), cycles;

	zs_worker_turn(w->dp.worker[0], &w->burst, true);
	cycles = rte_rdtsc() - from;
	sink(w);
	return cycles;
}

uint32_t flood_waiting(const struct flood_world *w)
{
	return rte_ring_count(w->in[0]) + rte_ring_count(w->in[1]);
}

uint64_t flood_put(struct flood_world *w, uint32_t port, const struct flood_frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp.pool);
	uint64_t cycles = 0;

	ZS_CHECK(m, "a leak of packets");
	memcpy(rte_pktmbuf_append(m, f->len), f->bytes, f->len);
	while (rte_ring_sp_enqueue(w->in[port], m))
		cycles += flood_turn(w);
	return cycles;
}

static void drain(struct flood_world *w)
{
	do
		flood_turn(w);
	while (flood_waiting(w));
}

/* --- who is there before the flood --- */

static void bind_peers(struct flood_world *w)
{
	struct zs_worker *me = w->dp.worker[ZS_BINDER];

	for (uint32_t i = 0; i < FLOOD_PEERS; i++) {
		struct zs_binding before = zs_binds_get(me, i + 1), after = before;
		struct zs_endpoint at = flood_peer(i);

		after.generation = GENERATION;
		after.addr = at.addr;
		after.port = at.port;
		after.expires_ns = zs_clock_ns() + 3600 * ZS_NS_PER_S;
		zs_binds_put(me, i + 1, &before, &after);
	}
}

/* Asked, answered, asked again. */
static void confirm_flows(struct flood_world *w)
{
	struct flood_frame f;

	for (uint32_t i = 0; i < FLOOD_FLOWS; i++) {
		w->learning = i;
		flood_good_client(w, &f, i);
		flood_put(w, 0, &f);
		drain(w);
		w->learning = FLOOD_FLOWS;
		flood_good_target(w, &f, i);
		flood_put(w, 1, &f);
		drain(w);
		flood_good_client(w, &f, i);
		flood_put(w, 0, &f);
		drain(w);
	}
}

static void nothing_opened(void *ctx, const struct zs_tunnel_flow *flow, const struct zs_endpoint *client,
			   uint16_t port)
{
}

static void nothing_came(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
			 size_t len)
{
}

static void nothing_closed(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason) {}

static void path(void *ctx, enum zs_edge_path what, uint32_t payload)
{
	((struct flood_world *)ctx)->edge_up |= what == ZS_EDGE_PATH_UP;
}

static void nothing_ended(void *ctx, uint16_t reason) {}

static void fill(void *ctx, void *out, size_t len)
{
	ZS_CHECK(getrandom(out, len, 0) == (ssize_t)len, "the kernel's random numbers");
}

static const struct zs_edge_tunnel_ops edge_ops = { .send = edge_send,
						    .opened = nothing_opened,
						    .data = nothing_came,
						    .closed = nothing_closed,
						    .path = path,
						    .ended = nothing_ended };

/* A tunnel in use, its edge at its endpoint. Its last datagram that the worker took is kept. */
static int raise_tunnel(struct flood_world *w, struct zs_error *err)
{
	static const struct zs_random random = { .fill = fill };
	static const struct zs_edge_tunnel_config config = { .flows = 16, .idle_ns = 10 * ZS_NS_PER_S };
	struct zs_edge_session s = { .receiver = 0x11223344,
				     .peer = RECEIVER,
				     .relay = { flood_relay(0, FLOOD_TUNNEL) },
				     .relays = 1,
				     .most = 1472 };

	memset(s.root, FLOOD_EDGE % 200 + 1, sizeof(s.root));
	w->edge = zs_edge_tunnel_new(&config, &edge_ops, w, &random);
	if (!w->edge || zs_edge_tunnel_session(w->edge, &s, zs_clock_ns()))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for an edge");
	for (int i = 0; i < STEPS && !w->edge_up; i++) {
		if (zs_edge_tunnel_deadline(w->edge) <= zs_clock_ns())
			zs_edge_tunnel_due(w->edge, zs_clock_ns());
		if (w->edge_spoke) {
			w->edge_spoke = false;
			w->recorded = w->from_edge;
			flood_put(w, 0, &w->recorded);
		}
		flood_turn(w);
	}
	return w->edge_up ? 0 : zs_error_set(err, -ETIMEDOUT, ZS_EXIT_FAILED, "the tunnel does not come up");
}

static int settle(struct flood_world *w, struct zs_error *err)
{
	uint64_t until = zs_clock_ns() + ZS_NS_PER_S;
	int rc;

	drain(w);
	bind_peers(w);
	while (w->dp.worker[0]->hot[FLOOD_PEERS].port == 0 && zs_clock_ns() < until)
		flood_turn(w);
	confirm_flows(w);
	rc = raise_tunnel(w, err);
	w->good_out = w->bogus_out = 0;
	return rc;
}

int flood_open(struct flood_world *w, struct zs_error *err)
{
	bool fresh;
	int rc;

	memset(w, 0, sizeof(*w));
	w->random = 0x9e3779b97f4a7c15u;
	w->learning = FLOOD_FLOWS;
	zs_log_init(&w->log, -1, "zs-bench");
	w->dp.log = &w->log;
	w->dp.conf = calloc(1, sizeof(*w->dp.conf));
	if (!w->dp.conf)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = zs_conf_parse(w->dp.conf, "bench", conf_text, sizeof(conf_text) - 1, err);
	if (rc)
		return rc;
	w->dp.workers = 1;
	w->dp.service_port = FLOOD_SERVICE;
	w->dp.tunnel_port = FLOOD_TUNNEL;
	if ((rc = open_segments(w, &fresh, err)))
		return rc;
	write_tables(w);
	write_sessions(w);
	if ((rc = make_ports(w, err)) || (rc = zs_workers_new(&w->dp, err)) ||
	    (rc = zs_flows_open(&w->dp, fresh, err)) || (rc = zs_binds_open(&w->dp, err)) ||
	    (rc = zs_tunnels_open(&w->dp, err)))
		return rc;
	return settle(w, err);
}

void flood_close(struct flood_world *w)
{
	char command[96];

	zs_tables_close(&w->tables);
	zs_sessions_close(&w->sessions);
	if (w->dp.state.seg.base)
		zs_state_close(&w->dp.state);
	if (w->edge)
		zs_edge_tunnel_delete(w->edge);
	free(w->dp.conf);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	if (w->dir[0] && system(command))
		fprintf(stderr, "zs-bench: %s stays\n", w->dir);
}
