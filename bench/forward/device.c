/* zs-bench device: what a packet costs on devices in the place of the rings that other benches use: NICs, the kernel's devices, or
 * recorded packets that come again and again.
 *
 *     --near pcap                      generator ──► file ──► net_pcap, infinite_rx ──► worker ──► nowhere
 *     --near DEV --near-peer DEV       generator ──► peer ═cable═► device ──► worker ──► device ═cable═► peer ──► sink
 *
 * DEV is what DPDK calls devargs: 0000:03:00.0, or net_af_packet0,iface=veth0. Entries are loaded over the rings first. A cable
 * brings packets when it likes: only turns that took some count. */
#include "forward/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include "core/tsc.h"

#define BATCHES	     256		 /* of a round, of the relay and of io each */
#define WAIT_NS	     (200 * 1000 * 1000) /* for what a cable still brings */
#define BUFFERS	     16383
#define BUFFER_CACHE 512
#define NONE	     UINT16_MAX

struct devices {
	struct zs_forward *f;
	struct rte_mempool *pool;
	uint16_t port[2], peer[2]; /* near and far; NONE: a ring */
	bool recorded;
	const char *name[2];
};

struct result {
	struct zs_samples all, io, over, mpps;
	struct zs_probe probe;
	double hz;
};

/* --- devices --- */

static int start_device(struct devices *d, const char *name, uint16_t id, struct zs_error *err)
{
	static const struct rte_eth_conf eth;
	uint16_t rx = ZS_BED_RING, tx = ZS_BED_RING;
	int rc;

	if ((rc = rte_eth_dev_configure(id, 1, 1, &eth)) ||
	    (rc = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx)) ||
	    (rc = rte_eth_rx_queue_setup(id, 0, rx, SOCKET_ID_ANY, NULL, d->pool)) ||
	    (rc = rte_eth_tx_queue_setup(id, 0, tx, SOCKET_ID_ANY, NULL)) || (rc = rte_eth_dev_start(id)))
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "the device %s does not start: %s", name,
				    strerror(-rc));
	rte_eth_promiscuous_enable(id); /* frames have the bed's link addresses */
	return 0;
}

static int open_device(struct devices *d, const char *devargs, uint16_t *id, struct zs_error *err)
{
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(devargs, ","), devargs);
	if (rte_eth_dev_get_port_by_name(name, id) && /* a PCI device is there from the beginning */
	    (rte_dev_probe(devargs) || rte_eth_dev_get_port_by_name(name, id)))
		return zs_error_set(err, -ENODEV, ZS_EXIT_RESOURCE,
				    "DPDK finds no device '%s'; a PCI device must be bound to vfio-pci",
				    devargs);
	return start_device(d, name, *id, err);
}

/* The worker's loop takes from there and sends into it from now on. */
static void put_in_place(struct devices *d, int in)
{
	struct zs_worker *w = d->f->w;

	for (uint32_t i = 0; i < w->polls; i++)
		if (w->poll[i].port == in)
			w->poll[i].ethdev = d->port[in];
	w->out[in].ethdev = d->f->bed->dp.port[in].queue[0].ethdev = d->port[in];
}

/* --- recorded packets --- */

static int open_recorded(struct devices *d, struct zs_error *err)
{
	static const char *const names[] = { "net_pcap_near", "net_pcap_far" };
	uint32_t written[2] = { 0 };
	char path[2][300], devargs[700];
	int rc;

	for (int in = 0; in < 2; in++)
		snprintf(path[in], sizeof(path[in]), "%s/%s.pcapng", d->f->bed->dp.shm_dir, names[in]);
	if ((rc = zs_forward_record(d->f, path, written)))
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "%s cannot be written: %s", path[0],
				    strerror(-rc));
	for (int in = 0; in < 2 && !rc; in++) {
		if (!written[in])
			continue;
		d->name[in] = "net_pcap, infinite_rx";
		snprintf(devargs, sizeof(devargs), "%s,rx_pcap=%s,infinite_rx=1", names[in], path[in]);
		if (!(rc = open_device(d, devargs, &d->port[in], err)))
			put_in_place(d, in);
	}
	return rc;
}

/* --- cabled devices --- */

static int open_cabled(struct devices *d, const struct zs_bench_options *opt, struct zs_error *err)
{
	const char *device[2] = { opt->near, opt->far }, *peer[2] = { opt->near_peer, opt->far_peer };
	int rc = 0;

	for (int in = 0; in < 2 && !rc; in++) {
		if (!*device[in])
			continue;
		if (!*peer[in])
			return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
					    "--%s-peer: which device is cabled to '%s'?", in ? "far" : "near",
					    device[in]);
		d->name[in] = device[in];
		if (!(rc = open_device(d, device[in], &d->port[in], err)) &&
		    !(rc = open_device(d, peer[in], &d->peer[in], err)))
			put_in_place(d, in);
	}
	return rc;
}

/* What the generator left in the rings goes onto the cables … */
static void feed(struct devices *d)
{
	for (int in = 0; in < 2; in++) {
		struct rte_mbuf *m[ZS_BURST];
		uint32_t n;

		while (d->peer[in] != NONE &&
		       (n = rte_ring_sc_dequeue_burst(d->f->queues.in[in], (void **)m, ZS_BURST, NULL)))
			for (uint32_t sent = 0; sent < n;)
				sent += rte_eth_tx_burst(d->peer[in], 0, m + sent, (uint16_t)(n - sent));
	}
}

/* … and what comes back by them into the sink's rings. */
static uint32_t collect(struct devices *d)
{
	uint32_t all = 0;

	for (int out = 0; out < 2; out++) {
		struct rte_mbuf *m[ZS_BURST];
		uint16_t n = d->peer[out] == NONE ? 0 : rte_eth_rx_burst(d->peer[out], 0, m, ZS_BURST);

		ZS_CHECK(rte_ring_sp_enqueue_bulk(d->f->queues.out[out], (void **)m, n, NULL) == n, "room");
		all += n;
	}
	return all;
}

/* Until as many came back, or nothing more does. */
static void bring_back(struct devices *d, uint32_t n)
{
	uint64_t until = zs_clock_ns() + WAIT_NS;
	uint32_t back = 0;

	for (int out = 0; out < 2; out++)
		back += rte_ring_count(d->f->queues.out[out]);
	while (back < n && zs_clock_ns() < until)
		back += collect(d);
}

/* --- measuring --- */

typedef uint32_t turn_fn(struct zs_forward *f);

static uint32_t relay(struct zs_forward *f)
{
	return zs_worker_turn(f->w, &f->burst, true);
}

/* A batch through the worker or past it: cycles a packet of the turns that took some. */
static double batch(struct devices *d, turn_fn *turn, zs_forward_expect *look)
{
	uint64_t cycles = 0, until = zs_clock_ns() + WAIT_NS;
	uint32_t done = 0;

	if (!d->recorded) {
		zs_forward_fill(d->f, ZS_FORWARD_BATCH);
		feed(d);
	}
	while (done < ZS_FORWARD_BATCH && zs_clock_ns() < until) {
		uint64_t start = zs_tsc();
		uint32_t n = turn(d->f);

		if (n)
			cycles += zs_tsc() - start;
		done += n;
	}
	if (turn == relay)
		d->f->packets += done;
	if (!d->recorded) {
		bring_back(d, ZS_FORWARD_BATCH);
		zs_forward_sink(d->f, ZS_FORWARD_BATCH, look);
	}
	return done ? (double)cycles / done : 0;
}

static void one_round(struct devices *d, struct result *r)
{
	double own[BATCHES], bare[BATCHES];

	for (uint32_t i = 0; i < BATCHES; i++) {
		own[i] = batch(d, relay, d->f->kind->expect);
		bare[i] = batch(d, zs_forward_io_turn, NULL);
	}
	zs_probe_round(&r->probe);
	zs_samples_add(&r->all, zs_bed_median(own, BATCHES));
	zs_samples_add(&r->io, zs_bed_median(bare, BATCHES));
	zs_samples_add(&r->over, r->all.value[r->all.count - 1] - r->io.value[r->io.count - 1]);
	zs_samples_add(&r->mpps, r->hz / r->all.value[r->all.count - 1] / 1e6);
}

static int measure(struct devices *d, struct result *r, uint32_t rounds, struct zs_error *err)
{
	int rc = zs_probe_open(&r->probe, ZS_PROBE_BYTES, err);

	if (rc)
		return rc;
	r->hz = zs_tsc_hz();
	for (int i = 0; i < BATCHES; i++)
		batch(d, relay, d->f->kind->expect);
	for (uint32_t i = 0; i < rounds; i++)
		one_round(d, r);
	zs_probe_close(&r->probe);
	return zs_forward_check(d->f, err);
}

/* --- report --- */

static void report_on(const struct devices *d, const struct result *r, json_t *report)
{
	zs_forward_describe(d->f, report);
	for (int in = 0; in < 2; in++)
		json_object_set_new(report, in ? "far" : "near",
				    d->name[in] ? json_string(d->name[in]) : json_null());
	zs_probe_report(&r->probe, report);
	zs_report_metric(report, "cycles_per_packet", "cycles", ZS_LESS, &r->all);
	zs_report_metric(report, "io_cycles_per_packet", "cycles", ZS_LESS, &r->io);
	zs_report_metric(report, "cycles_over_io", "cycles", ZS_LESS, &r->over);
	zs_report_metric(report, "mpps", "Mpps", ZS_MORE, &r->mpps);
	fprintf(stderr, "  %-4s on %s: %.1f cycles a packet, io %.1f, over io %.1f, %.2f Mpps%s\n",
		d->f->kind->name, d->name[0], zs_samples_median(&r->all), zs_samples_median(&r->io),
		zs_samples_median(&r->over), zs_samples_median(&r->mpps),
		zs_probe_disturbed(&r->probe) ? " (disturbed)" : "");
}

static int open_devices(struct devices *d, const struct zs_bench_options *opt, struct zs_error *err)
{
	d->pool = rte_pktmbuf_pool_create("devices", BUFFERS, BUFFER_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	if (!d->pool)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for packets");
	return d->recorded ? open_recorded(d, err) : open_cabled(d, opt, err);
}

static int run(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct devices d = { .port = { NONE, NONE },
			     .peer = { NONE, NONE },
			     .recorded = !*opt->near || !strcmp(opt->near, "pcap") };
	struct result r = { .hz = 0 };
	int rc;

	d.f = zs_forward_open(opt, err);
	rc = d.f ? open_devices(&d, opt, err) : err->code;
	if (!rc)
		rc = measure(&d, &r, opt->repeats, err);
	if (!rc)
		report_on(&d, &r, report);
	zs_forward_close(d.f);
	return rc;
}

const struct zs_bench zs_bench_device = {
	.name = "device",
	.help = "the same on devices: NICs, the kernel's, or recorded packets again and again (net_pcap, "
		"infinite_rx)",
	.run = run,
};
