/* zs-bench xdp: what a packet costs in the kernel's fast path, by BPF_PROG_TEST_RUN, in ns: by connection ID with 1,000 and a million
 * attachments, sender and destination uniform and independent of each other; of a flow with 1,000 and a million. Beside them,
 * in turns, the same frames put into the packet (copy) and read (parse). Frames lie in order, so they cost no random line.
 *
 * After each run every packet must have been forwarded, and be in the counts once. How fast the maps are filled is measured as they
 * are: entries written through the mapping, and by the kernel's batches for comparison. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "bench.h"
#include "core/probe.h"
#include "loader.h"
#include "net/checksum.h"
#include "relay/cidset.h"
#include "shm/senders_find.h"
#include "writer_load.h"
#include "xdp/frames.h"

#define LO	 1
#define FEW	 1000
#define MANY	 (1u << 20)
#define SERVICE	 4433
#define PORT	 443
#define POP	 1
#define RUNS_MIN 200000
#define BATCH	 4096
#define REPEATS	 5

enum row { COPY, PARSE, CID_FEW, CID_MANY, FLOW_FEW, FLOW_MANY, ROWS };
static const char *const row_names[ROWS] = { "copy", "parse", "cid_1k", "cid_1m", "flow_1k", "flow_1m" };
static const uint8_t station[6] = { 2, 0, 0, 0, 0, 1 };

struct bench {
	struct bpf_object *object;
	struct zs_fast f;
	struct zs_senders senders;
	struct zs_cidset mint;
	struct zs_xdp_frame *frames;
	struct zs_xdp_state *state;
	int prog[3]; /* copy, parse, path */
	uint64_t random;
	struct zs_samples ns[ROWS];
	double writes_s, batch_s;
};

static uint32_t draw(struct bench *b, uint32_t below)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (uint32_t)((b->random >> 32) * below >> 32);
}

static int fail(struct zs_error *err, int rc, const char *what)
{
	if (rc == -EPERM)
		return zs_error_set(err, rc, ZS_EXIT_PRIVILEGE,
				    "%s: programs are root's to load: run as root", what);
	return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "%s: %s", what, strerror(-rc));
}

/* --- the world --- */

static struct zs_endpoint place(uint32_t id)
{
	struct zs_endpoint e = { zs_addr_from4(htobe32(10u << 24 | 1u << 23 | id)), 6000 };

	return e;
}

static struct zs_addr own(void)
{
	return zs_addr_from4(htobe32(192u << 24 | 168u << 16 | 1));
}

static void configure(struct bench *b)
{
	static const uint64_t keys[2] = { 0x9f0d1f2b7c3a5e41, 0x4be2f6d8130c97a5 }; /* any, but not small */
	static const uint8_t key[16] = "sixteen bytes...";
	struct zs_fast_config c = { .pop = POP,
				    .service_port = SERVICE,
				    .flow_idle_ms = 3600000,
				    .sender_key = { keys[0], keys[1] } };
	struct zs_steer_config steer = { 0 };
	struct zs_fast_hop hop = { .ifindex = LO, .mtu = 1500 };
	uint32_t zero = 0;

	zs_fast_begin(&b->f, keys);
	b->senders = (struct zs_senders){ .bucket = b->f.senders,
					  .mask = zs_senders_for(b->f.shape.attachments) - 1,
					  .key = { keys[0], keys[1] } };
	zs_senders_clear(&b->senders);
	c.local[0] = (struct zs_fast_local){ .addr = own(), .ifindex = LO, .used = 1 };
	c.slot[zs_addr_spread(&c.local[0].addr)] = 1;
	zs_fast_renew(&b->f, &c);
	zs_fast_alive(&b->f, zs_clock_ns() + 3600 * ZS_NS_PER_S);
	zs_cidset_put(&b->mint, 0, key);
	zs_fast_put_cids(&b->f, 0, key);
	memcpy(hop.macs, station, 6);
	zs_fast_hop(&b->f, &hop);
	memcpy(steer.mac, station, 6);
	bpf_map_update_elem(bpf_object__find_map_fd_by_name(b->object, "steer_config"), &zero, &steer,
			    BPF_ANY);
}

static void put_attachment(struct bench *b, uint32_t id)
{
	struct zs_endpoint e = place(id);
	struct zs_fast_attachment a = { .generation = 1,
					.port = e.port,
					.addr = e.addr,
					.hop = b->f.half * ZS_FAST_HOPS,
					.expires_ns = UINT64_MAX };

	zs_fast_put_to(&b->f, id, &a);
	zs_fast_put_limits(&b->f, id, &a);
	zs_fast_put_from(&b->f, id);
	zs_senders_insert(&b->senders, zs_senders_hash(&b->senders, &e, 0), id);
}

static void put_flow(struct bench *b, uint32_t id)
{
	struct zs_endpoint target = { zs_addr_from4(htobe32(172u << 24 | 16u << 16 | id % 256)), 443 };
	uint16_t source = (uint16_t)(20000 + id / 256 % 8192);
	struct zs_fast_flow ends = { .way = { { .from = place(id), .port = PORT },
					      { .from = target, .port = source } } };
	uint32_t hop = b->f.half * ZS_FAST_HOPS, now_ms = (uint32_t)(zs_clock_ns() / ZS_NS_PER_MS);

	zs_fast_put_way(&b->f, id, ZS_FAST_CLIENT, &ends, hop, now_ms);
	zs_fast_put_way(&b->f, id, ZS_FAST_TARGET, &ends, hop, now_ms);
}

/* Entries a second through the mapping: all attachments, with the index of their senders. */
static void fill(struct bench *b)
{
	uint64_t t = zs_clock_ns();

	for (uint32_t id = 0; id < MANY; id++)
		put_attachment(b, id);
	b->writes_s = MANY * 1e9 / (double)(zs_clock_ns() - t);
	for (uint32_t id = 0; id < MANY; id++)
		put_flow(b, id);
}

/* The same entries by BPF_MAP_UPDATE_BATCH, as they stand. */
static int fill_by_batches(struct bench *b, struct zs_error *err)
{
	static uint32_t key[BATCH];
	int fd = bpf_object__find_map_fd_by_name(b->object, zs_fast_map_name(ZS_FAST_MAP_attachments));
	uint64_t t = zs_clock_ns();
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	for (uint32_t id = 0; id < MANY; id += BATCH) {
		uint32_t n = BATCH;

		for (uint32_t i = 0; i < BATCH; i++)
			key[i] = id + i;
		if (bpf_map_update_batch(fd, key, &b->f.attachments[id], &n, &opts))
			return fail(err, -errno, "a batch of map entries");
	}
	b->batch_s = MANY * 1e9 / (double)(zs_clock_ns() - t);
	return 0;
}

/* --- frames --- */

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void make_frame(uint8_t *out, const struct zs_endpoint *from, uint16_t port)
{
	uint8_t *ip = out + 14, *udp = ip + 20;
	struct zs_addr to = own();
	uint16_t sum;

	memset(out, 0, 64);
	memcpy(out, station, 6);
	put16(out + 12, 0x0800);
	put16(ip, 0x4500);
	put16(ip + 2, ZS_XDP_FRAME - 14);
	put16(ip + 8, 64 << 8 | 17);
	memcpy(ip + 12, from->addr.ip + 12, 4);
	memcpy(ip + 16, to.ip + 12, 4);
	sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
	put16(udp, from->port);
	put16(udp + 2, port);
	put16(udp + 4, ZS_XDP_FRAME - 34);
	put16(udp + 6, 0x1234);
}

/* One whose place in the index was not taken: with a quarter of the words in use that is all but one in a million. */
static uint32_t draw_sender(struct bench *b, uint32_t entries)
{
	for (;;) {
		uint32_t id = draw(b, entries);
		struct zs_endpoint e = place(id);

		if (zs_senders_find(&b->senders, zs_senders_hash(&b->senders, &e, 0)) == id)
			return id;
	}
}

static void make_frames(struct bench *b, bool by_cid, uint32_t entries)
{
	for (uint32_t i = 0; i < ZS_XDP_FRAMES; i++) {
		uint32_t sender = draw_sender(b, entries);
		struct zs_endpoint from = place(sender);
		uint8_t *f = b->frames[i].bytes;
		struct zs_cid cid = { .generation = 1, .pop = POP, .nonce = i };

		make_frame(f, &from, by_cid ? SERVICE : PORT);
		f[42] = 0x40;
		do
			cid.attachment = draw(b, entries);
		while (cid.attachment == sender);
		zs_cidset_encode(&b->mint, &cid, f + 43);
	}
	b->state->mask = ZS_XDP_FRAMES - 1;
}

/* --- runs --- */

static int measure(struct bench *b, int prog, uint32_t runs, double *ns, struct zs_error *err)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = b->frames, .data_size_in = ZS_XDP_FRAME,
		    .repeat = (int)runs);
	uint64_t counts[ZS_FAST_COUNTS];
	int rc;

	zs_fast_take_counts(&b->f, counts);
	b->state->slow = 0;
	rc = bpf_prog_test_run_opts(prog, &run);
	if (rc)
		return fail(err, rc, "PROG_TEST_RUN");
	zs_fast_take_counts(&b->f, counts);
	if (run.retval != XDP_TX || b->state->slow ||
	    (prog == b->prog[2] && counts[ZS_FAST_FORWARDED] != runs))
		return zs_error_set(
		    err, -EPROTO, ZS_EXIT_FAILED,
		    "%llu of %u packets were forwarded, %llu left to the worker, last verdict %u",
		    (unsigned long long)counts[ZS_FAST_FORWARDED], runs, (unsigned long long)b->state->slow,
		    run.retval);
	*ns = run.duration;
	return 0;
}

/* One kind of packet, in a row of its own and with the two baselines around it. */
static int measure_rows(struct bench *b, enum row row, uint32_t repeats, uint32_t entries,
			struct zs_error *err)
{
	uint32_t runs = entries > RUNS_MIN ? entries : RUNS_MIN;
	double ns = 0;
	int rc = 0;

	make_frames(b, row == CID_FEW || row == CID_MANY, entries);
	for (uint32_t i = 0; !rc && i <= repeats; i++) { /* the first warms up */
		const struct {
			enum row row;
			int prog;
		} turn[] = { { COPY, b->prog[0] }, { PARSE, b->prog[1] }, { row, b->prog[2] } };

		for (unsigned k = 0; !rc && k < 3; k++) {
			rc = measure(b, turn[k].prog, runs, &ns, err);
			if (!rc && i)
				zs_samples_add(&b->ns[turn[k].row], ns);
		}
	}
	return rc;
}

/* --- open and close --- */

static void *map_memory(struct bench *b, const char *name, size_t bytes)
{
	int fd = bpf_object__find_map_fd_by_name(b->object, name);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int open_bench(struct bench *b, struct zs_error *err)
{
	static const struct zs_fast_shape shape = { .attachments = MANY, .flows = MANY };
	static const char *const progs[] = { "bench_copy", "bench_parse", "bench_path" };
	char path[ZS_FILE_PATH];
	int rc;

	libbpf_set_print(NULL);
	b->object = bpf_object__open_file(zs_file_beside(path, "xdp_bench.bpf.o"), NULL);
	if (!b->object)
		return fail(err, -errno, path);
	rc = zs_fast_size(b->object, &shape);
	if (!rc)
		rc = bpf_map__set_max_entries(bpf_object__find_map_by_name(b->object, "bench_frames"),
					      ZS_XDP_FRAMES);
	if (!rc)
		rc = bpf_object__load(b->object);
	if (!rc)
		rc = zs_fast_map_object(&b->f, b->object, &shape);
	if (rc)
		return fail(err, rc, path);
	b->frames = map_memory(b, "bench_frames", ZS_XDP_FRAMES * sizeof(*b->frames));
	b->state = map_memory(b, "bench_state", sizeof(*b->state));
	if (!b->frames || !b->state)
		return fail(err, -ENOMEM, "mapping the frames");
	for (unsigned i = 0; i < 3; i++)
		b->prog[i] = bpf_program__fd(bpf_object__find_program_by_name(b->object, progs[i]));
	zs_cidset_init(&b->mint, zs_aes_best());
	return 0;
}

static void close_bench(struct bench *b)
{
	if (b->frames)
		munmap(b->frames, ZS_XDP_FRAMES * sizeof(*b->frames));
	if (b->state)
		munmap(b->state, sizeof(*b->state));
	zs_fast_unmap(&b->f);
	bpf_object__close(b->object);
}

static void tell(const struct bench *b, const struct zs_probe *probe, json_t *report)
{
	char name[32];

	for (enum row r = 0; r < ROWS; r++) {
		snprintf(name, sizeof(name), "%s_ns", row_names[r]);
		zs_report_metric(report, name, "ns", ZS_LESS, &b->ns[r]);
		json_object_set_new(report, name, json_real(zs_samples_median(&b->ns[r])));
		fprintf(stderr, "  %-8s %5.0f ns (spread %.0f %%)\n", row_names[r],
			zs_samples_median(&b->ns[r]), 100 * zs_samples_spread(&b->ns[r]));
	}
	zs_report_value(report, "map_entries_s", "1/s", ZS_MORE, b->writes_s);
	zs_report_value(report, "batch_entries_s", "1/s", ZS_MORE, b->batch_s);
	json_object_set_new(report, "map_entries_s", json_real(b->writes_s));
	json_object_set_new(report, "batch_entries_s", json_real(b->batch_s));
	fprintf(stderr, "  entries  %.1f M/s through the mapping, %.1f M/s by batches\n", b->writes_s / 1e6,
		b->batch_s / 1e6);
	zs_probe_report(probe, report);
}

static int run(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	static const struct {
		enum row row;
		uint32_t entries;
	} rows[] = { { CID_FEW, FEW }, { FLOW_FEW, FEW }, { CID_MANY, MANY }, { FLOW_MANY, MANY } };
	struct bench b = { .random = 88172645463325252ull };
	struct zs_probe probe;
	int rc = zs_probe_open(&probe, ZS_PROBE_BYTES, err);

	if (rc)
		return rc;
	rc = open_bench(&b, err);
	if (!rc) {
		configure(&b);
		fill(&b);
		rc = fill_by_batches(&b, err);
	}
	for (unsigned i = 0; !rc && i < ZS_ARRAY_LEN(rows); i++) {
		zs_probe_round(&probe);
		rc = measure_rows(&b, rows[i].row, opt->repeats ? opt->repeats : REPEATS, rows[i].entries,
				  err);
	}
	if (!rc)
		tell(&b, &probe, report);
	close_bench(&b);
	zs_probe_close(&probe);
	return rc;
}

const struct zs_bench zs_bench_xdp = {
	.name = "xdp",
	.help = "ns a packet of the kernel's fast path by PROG_TEST_RUN: connection IDs, flows, beside "
		"reading alone",
	.run = run,
};
