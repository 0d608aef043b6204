#include "flood/world.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include "base/clock.h"
#include "binds.h"
#include "core/shm.h"
#include "flows.h"
#include "hot.h"
#include "relay/edge_tunnel.h"
#include "tunnels.h"

#define MBUFS	   16384
#define LONG_TURNS 20000 /* a second: a turn takes some 10 us */

static const char conf_text[] = "instance: bench\n"
				"targets: {allow: [10.0.0.0/8]}\n"
				"dataplane:\n  workers: 1\n  ports:\n"
				"    - {name: a, driver: ring, addresses: [10.1.0.1/24]}\n"
				"    - {name: b, driver: ring, addresses: [10.2.0.1/24]}\n"
				"flows: {capacity: 65536}\n"
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
	p.target_port = flood_full_target.port;
	zs_tables_set_published(&w->tables, FLOOD_FULL, &p);
	ZS_CHECK(zs_tables_settings(&w->tables, &s), "fresh settings");
	s.deny = w->dp.conf->targets;
	s.new_flows_per_prefix_s = 1000; /* as the configuration has it unless told */
	s.new_flows_prefix_burst = 2000;
	s.generation++;
	zs_tables_set_settings(&w->tables, &s);
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
				.incarnation = w->dp.state.seg.base->incarnation,
				.created_s = 1700000000 };
	struct zs_attachment a = {
		.used = 1, .generation = FLOOD_GENERATION, .session = id, .previous = ZS_SESSION_NONE
	};
	static const struct zs_police_limits budget = { .pkt_s = 1 };

	if (is_greedy(id))
		zs_police_of(&a.police, &budget);
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
	for (uint32_t id = 1; id <= FLOOD_PEERS + FLOOD_GREEDY; id++)
		attach(w, id, ZS_SESSION_SOCKET, id);
	attach(w, FLOOD_UNBOUND, ZS_SESSION_SOCKET, FLOOD_UNBOUND);
	attach(w, FLOOD_EDGE, ZS_SESSION_TUNNEL, FLOOD_RECEIVER);
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

	if ((rc = zs_shm_private(false, err)))
		return rc;
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
	struct zs_endpoint relay = flood_relay(0, FLOOD_TUNNEL);
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

		while ((n = rte_ring_sc_dequeue_burst(w->out[port], (void **)m, ZS_BURST, NULL)))
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

	zs_worker_turn(w->dp.worker[0], &w->burst, true);
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
	return rte_ring_count(w->in[0]) + rte_ring_count(w->in[1]);
}

bool flood_room(const struct flood_world *w, uint32_t port)
{
	return !rte_ring_full(w->in[port]);
}

void flood_put(struct flood_world *w, uint32_t port, const struct flood_frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp.pool);

	ZS_CHECK(m, "a leak of packets");
	memcpy(rte_pktmbuf_append(m, f->len), f->bytes, f->len);
	ZS_CHECK(!rte_ring_sp_enqueue(w->in[port], m), "room in port %u", port);
}

void flood_drain(struct flood_world *w)
{
	do
		flood_turn(w);
	while (flood_waiting(w));
}

int flood_open(struct flood_world *w, struct zs_error *err)
{
	bool fresh;
	int rc;

	memset(w, 0, sizeof(*w));
	w->random = 0x9e3779b97f4a7c15u;
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
	w->long_turn = rte_get_tsc_hz() / LONG_TURNS;
	return flood_settle(w, err);
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
