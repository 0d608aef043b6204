#include "bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_errno.h>
#include "binds.h"
#include "core/draw.h"
#include "core/shm.h"
#include "eal.h"
#include "flows.h"
#include "housekeeping.h"
#include "offenders.h"
#include "port.h"
#include "tunnels.h"

#define POOL	  (2 * ZS_BED_PACKETS - 1)
#define MEMORY_MB 128
#define HUGE_MB	  "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

struct zs_addr zs_bed_addr(const char *text)
{
	struct zs_addr a;

	ZS_CHECK(zs_addr_parse(&a, text) == 0, "%s", text);
	return a;
}

uint64_t zs_bed_random(struct zs_bed *bed)
{
	return zs_draw(&bed->random);
}

uint32_t zs_bed_below(struct zs_bed *bed, uint32_t n)
{
	return zs_draw_below(&bed->random, n);
}

/* --- making it --- */

static bool free_huge(void)
{
	unsigned long pages = 0;
	FILE *f = fopen(HUGE_MB, "re");

	if (f && fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * 2 >= MEMORY_MB;
}

static uint32_t power_of_two(uint32_t least, uint32_t n)
{
	while (least < n)
		least *= 2;
	return least;
}

static int configure(struct zs_bed *bed, const struct zs_bed_shape *shape, struct zs_error *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t workers = shape->workers ? shape->workers : 1;
	const char *driver = shape->rings ? "ring" : "\"null\"";
	char text[2048], cpu[8 * ZS_BED_WORKERS] = "";
	size_t at = 0;
	int n;

	/* From the last CPU down: the first is everybody's. */
	for (uint32_t i = 0; i < workers; i++)
		at += (size_t)snprintf(cpu + at, sizeof(cpu) - at, "%s%ld", i ? ", " : "",
				       (2 * cpus - 1 - i) % cpus);
	n = snprintf(
	    text, sizeof(text),
	    "instance: bench\nstate_dir: /tmp\nrun_dir: /tmp\n"
	    "dataplane:\n  workers: %u\n  cpus: [%s]\n  main_cpu: %ld\n  hugepages: %s\n  memory_mb: %d\n"
	    "  ports:\n"
	    "    - {name: near, driver: %s, device: \"size=64\", addresses: [10.1.0.1/24, "
	    "\"fd00:1::1/64\"]}\n"
	    "    - {name: far, driver: %s, device: \"size=64,copy=0\", addresses: [10.2.0.1/24, "
	    "\"fd00:2::1/64\"]}\n"
	    "attach: {capacity: %u, sessions: %u, lanes: %u, tunnel_port: %d, service_port: %d, pop: %d}\n",
	    workers, cpu, cpus - 1, free_huge() ? "true" : "false", MEMORY_MB, driver, driver,
	    power_of_two(64, shape->attachments), shape->tunnels ? shape->tunnels : 1,
	    shape->tunnels > 64 ? shape->tunnels : 64, ZS_BED_TUNNEL, ZS_BED_SERVICE, ZS_BED_POP);

	return zs_conf_parse(&bed->conf, "bench", text, (size_t)n, err);
}

static int open_segments(struct zs_bed *bed, const struct zs_bed_shape *shape, struct zs_error *err)
{
	struct zs_dp *dp = &bed->dp;
	uint32_t slots = power_of_two(64, shape->tunnels > shape->attachments ? shape->tunnels
									      : shape->attachments);
	struct zs_tables_shape tables = { .rules = shape->rules };
	struct zs_state_shape state = { .flow_capacity = shape->flows < 1024 ? 1024 : shape->flows,
					.event_capacity = CONFIG_EVENTS,
					.partitions = shape->workers ? shape->workers : 1,
					.attachments = bed->conf.attach.capacity,
					.sessions = slots,
					.windows = bed->conf.attach.lanes };
	struct zs_sessions_shape sessions = { bed->conf.attach.capacity, slots };
	bool fresh;
	int rc;

	if ((rc = zs_segment_dir(dp->shm_dir, bed->conf.instance, true, err)) ||
	    (rc = zs_state_open_writer(&dp->state, dp->shm_dir, &state, &fresh, err)) ||
	    (rc = zs_tables_open_writer(&bed->tables, dp->shm_dir, &tables, false, &fresh, err)))
		return rc;
	return zs_sessions_open_writer(&bed->sessions, dp->shm_dir, &sessions, &fresh, err);
}

/* EAL opens what the configuration names and no other device of the bus. */
static int start_eal(struct zs_bed *bed, const struct zs_bed_shape *shape, struct zs_error *err)
{
	uint32_t *ports = &bed->conf.dataplane.ports, own = *ports;
	int rc;

	for (int i = 0; i < ZS_BED_PCI; i++)
		if (shape->pci[i]) {
			struct zs_conf_port *p = &bed->conf.dataplane.port[(*ports)++];

			p->driver = ZS_DRIVER_PCI;
			snprintf(p->device, sizeof(p->device), "%s", shape->pci[i]);
		}
	rc = zs_eal_start(&bed->dp, err);
	*ports = own;
	return rc;
}

/* What main() does, but for a configuration of its own and threads. */
static int start(struct zs_bed *bed, const struct zs_bed_shape *shape, struct zs_error *err)
{
	struct zs_dp *dp = &bed->dp;
	int rc;

	dp->workers = bed->conf.dataplane.workers;
	dp->service_port = ZS_BED_SERVICE;
	dp->tunnel_port = ZS_BED_TUNNEL;
	if ((rc = start_eal(bed, shape, err)) ||
	    (rc = shape->rings ? zs_bed_rings(bed, shape->packets, err) : zs_ports_start(dp, err)) ||
	    (rc = zs_workers_new(dp, err)))
		return rc;
	dp->offenders = zs_offenders_new(dp);
	if (!dp->offenders)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for source prefixes");
	if ((rc = zs_flows_open(dp, true, err)) || (rc = zs_binds_open(dp, err)) ||
	    (rc = zs_tunnels_open(dp, err)))
		return rc;
	bed->packets = rte_pktmbuf_pool_create("bench", POOL, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					       SOCKET_ID_ANY);
	return bed->packets ? 0 : zs_error_set(err, -rte_errno, ZS_EXIT_RESOURCE, "no memory for packets");
}

/* --- the world around it, as a control plane would write it --- */

static void put_local(struct zs_bed *bed, uint32_t index, uint8_t iface, const char *addr, uint8_t len)
{
	struct zs_local l = { .used = 1, .iface = iface, .prefix_len = len, .addr = zs_bed_addr(addr) };

	ZS_CHECK(zs_tables_set_local(&bed->tables, index, &l) == 0);
}

static void put_router(struct zs_bed *bed, uint8_t iface, const char *router, const char *dest, uint8_t len)
{
	struct zs_route beyond = { .used = 1,
				   .iface = iface,
				   .len = len,
				   .dest = zs_bed_addr(dest),
				   .gateway = zs_bed_addr(router) };
	struct zs_nexthop hop = {
		.used = 1, .iface = iface, .valid = 1, .mtu = 1500, .addr = beyond.gateway
	};

	memset(hop.dmac, ZS_BED_ROUTER, sizeof(hop.dmac));
	memcpy(hop.smac, bed->dp.port[iface].mac, sizeof(hop.smac));
	ZS_CHECK(zs_tables_put_route(&bed->tables, &beyond) == 0);
	ZS_CHECK(zs_tables_put_nexthop(&bed->tables, &hop) == 0);
}

static void put_world(struct zs_bed *bed)
{
	put_router(bed, 0, "10.1.0.2", "32.0.0.0", 96 + 3);
	put_router(bed, 0, "fd00:1::2", "2a00::", 12);
	put_router(bed, 1, "10.2.0.2", "128.0.0.0", 96 + 3);
	put_router(bed, 1, "fd00:2::2", "2600::", 12);
	atomic_store(&bed->dp.tables, &bed->tables); /* the worker's own loop takes them from there */
	atomic_store(&bed->dp.sessions, &bed->sessions);
}

static void make_world(struct zs_bed *bed)
{
	struct zs_published p = { .used = 1,
				  .kind = ZS_PUBLISHED_ATTACHED,
				  .service = 1,
				  .protection = 1,
				  .attachment_generation = 1,
				  .generation = 1 };
	struct zs_settings s;

	put_local(bed, ZS_BED_NEAR, 0, "10.1.0.1", 120);
	put_local(bed, ZS_BED_FAR, 1, "10.2.0.1", 120);
	put_local(bed, ZS_BED_NEAR6, 0, "fd00:1::1", 64);
	put_router(bed, 0, "10.1.0.2", "10.128.0.0", 96 + 9);
	put_router(bed, 0, "fd00:1::2", "fd00:8000::", 20);
	put_local(bed, ZS_BED_FAR6, 1, "fd00:2::1", 64);
	put_router(bed, 1, "10.2.0.2", "10.64.0.0", 96 + 10);
	if (bed->queues[0].in[0])
		put_world(bed);
	ZS_CHECK(zs_tables_set_published(&bed->tables, ZS_BED_PORT, &p) == 0);
	ZS_CHECK(zs_tables_settings(&bed->tables, &s));
	s.generation++;
	ZS_CHECK(zs_deny_allow(&s.deny, &(struct zs_prefix){ zs_bed_addr("10.0.0.0"), 104 }) == 0);
	ZS_CHECK(zs_deny_allow(&s.deny, &(struct zs_prefix){ zs_bed_addr("fd00::"), 8 }) == 0);
	ZS_CHECK(zs_tables_set_settings(&bed->tables, &s) == 0);
}

/* The worker's view of it, as its loop takes it. The clock stands still from here on. */
static void look(struct zs_bed *bed)
{
	struct zs_worker *w = bed->w = bed->dp.worker[0];

	w->now_ns = zs_clock_ns();
	w->now_ms = (uint32_t)(w->now_ns / ZS_NS_PER_MS);
	w->unix_s = zs_clock_wall_ns() / ZS_NS_PER_S;
	w->tables = &bed->tables;
	w->acl = zs_acl_look(&bed->tables.acl);
	w->stamp = 1;
	zs_locals_load(&w->locals, &bed->tables, w->dp->conf);
	ZS_CHECK(zs_tables_settings(&bed->tables, &w->settings));
	w->sessions = w->policer.v.sessions = &bed->sessions;
}

struct zs_bed *zs_bed_open(const struct zs_bed_shape *shape, struct zs_error *err)
{
	struct zs_bed *bed = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*bed), 64));

	if (!bed) {
		zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a worker");
		return NULL;
	}
	memset(bed, 0, sizeof(*bed));
#ifndef CONFIG_STAGE_CYCLES
	zs_error_set(err, -ENOTSUP, ZS_EXIT_FAILED, "stages are not timed: build with CONFIG_STAGE_CYCLES");
	free(bed);
	return NULL;
#endif
	bed->random = 1;
	bed->dp.conf = &bed->conf;
	bed->dp.log = &bed->log;
	zs_log_init(&bed->log, STDERR_FILENO, "zs-bench");
	if (zs_shm_private(!shape->small_pages, err) || configure(bed, shape, err) ||
	    open_segments(bed, shape, err) || start(bed, shape, err)) {
		free(bed);
		return NULL;
	}
	make_world(bed);
	look(bed);
	return bed;
}

void zs_bed_settle(struct zs_bed *bed)
{
	uint32_t turns = bed->dp.state.attachments / ZS_HOT_SLICE + 16;

	for (uint32_t i = 0; i < turns; i++)
		zs_housekeeping(bed->w);
}
