/* What a packet costs that is routed by its connection ID, from the frame to the wire, with so many attachments loaded as a control
 * plane does and bound as the binder does: sender and destination drawn uniformly from all of them, and from the first 1,000.
 * Beside it, in the same run, the same ports with nothing between them.
 *
 * What left is looked at: a sample of packets is caught at the port and compared with what was made (destination, source, checksum,
 * payload); over the whole run nothing may be dropped, and the accounts' meters count every packet once each way. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_ethdev.h>
#include "binds.h"
#include "net/checksum.h"
#include "relay/bed.h"

#define FEW	 1000
#define SETS	 2
#define FAMILIES 2
#define ROUNDS	 5  /* for each of --repeats */
#define PAYLOAD	 22 /* 64 bytes of frame over IPv4, FCS left out */
#define ROTATION 2

struct row {
	uint32_t ids;
	bool is4;
	struct zs_samples all, io, over;
	struct zs_samples stage[ZS_STAGES];
};

/* What was made, by its number, and what was caught of it. */
struct sent {
	uint32_t from, to;
	uint8_t payload[PAYLOAD];
};

struct bench {
	struct zs_bed *bed;
	struct zs_cidset mint; /* the generator's own */
	uint32_t attachments, nonce;
	uint8_t *refused; /* by id: the index of senders had no room for it, so it neither sends nor gets */
	uint32_t refusals;
	struct row row[SETS * FAMILIES];
	uint32_t rows;
	struct sent sent[ZS_BED_PACKETS];
	bool is4;
	uint32_t caught, wrong;
	uint64_t made;
};

/* --- attachments --- */

static struct zs_endpoint place(uint32_t id, bool is4)
{
	struct zs_endpoint at = { zs_bed_addr(is4 ? "10.128.0.0" : "fd00:8000::"), 6000 };

	at.addr.ip[13] |= (uint8_t)(id >> 16);
	at.addr.ip[14] = (uint8_t)(id >> 8);
	at.addr.ip[15] = (uint8_t)id;
	return at;
}

static uint8_t local_of(bool is4)
{
	return is4 ? ZS_BED_NEAR : ZS_BED_NEAR6;
}

static void load(struct bench *b, uint32_t id)
{
	struct zs_bed *bed = b->bed;
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_SOCKET,
				.bind_id = 1,
				.attachment = id,
				.generation = 1,
				.receiver = id,
				.incarnation = bed->dp.state.seg.base->incarnation };
	struct zs_attachment a = { .used = 1, .generation = 1, .session = id, .previous = ZS_SESSION_NONE };

	memcpy(v.root, "a root, its id comes after this.", sizeof(v.root));
	memcpy(v.root, &id, sizeof(id));
	ZS_CHECK(zs_sessions_set_session(&bed->sessions, id, &v) == 0);
	ZS_CHECK(zs_sessions_set_attachment(&bed->sessions, id, &a) == 0);
}

/* To its place in this family; it leaves the one it had. */
static void bind_all(struct bench *b, bool is4)
{
	struct zs_worker *w = b->bed->w;

	for (uint32_t id = 0; id < b->attachments; id++) {
		struct zs_binding before = zs_binds_get(w, id), after = before;
		struct zs_endpoint at = place(id, is4);

		b->refused[id] = !zs_binds_room(w, &at, local_of(is4));
		b->refusals += b->refused[id];
		if (b->refused[id])
			zs_binding_drop(&after);
		else
			after.port = at.port;
		after.generation = 1;
		after.addr = at.addr;
		after.local = local_of(is4);
		after.expires_ns = w->now_ns + 3600 * ZS_NS_PER_S;
		zs_binds_put(w, id, &before, &after);
	}
	zs_bed_settle(b->bed);
	b->is4 = is4;
}

static void load_all(struct bench *b)
{
	struct zs_cid_config config = {
		.used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4, .key = "a key, 16 bytes"
	};

	ZS_CHECK(zs_sessions_set_cid_config(&b->bed->sessions, ROTATION, &config) == 0);
	zs_cidset_init(&b->mint, zs_aes_best());
	zs_cidset_put(&b->mint, ROTATION, config.key);
	for (uint32_t id = 0; id < b->attachments; id++)
		load(b, id);
}

/* --- packets --- */

/* A short header toward attachment `to`, from where `from` is bound; its last bytes are the packet's number. */
static struct rte_mbuf *make(struct bench *b, uint32_t number, uint32_t from, uint32_t to)
{
	struct zs_cid cid = { .rotation = ROTATION,
			      .generation = 1,
			      .pop = ZS_BED_POP,
			      .attachment = to,
			      .nonce = b->nonce++ };
	struct zs_endpoint src = place(from, b->is4), dst = { { { 0 } }, ZS_BED_SERVICE };
	struct sent *s = &b->sent[number];
	uint8_t *payload;
	struct rte_mbuf *m = zs_bed_new(b->bed, 0, b->is4, &payload);

	ZS_CHECK(m);
	dst.addr = zs_bed_addr(b->is4 ? "10.1.0.1" : "fd00:1::1");
	*s = (struct sent){ .from = from, .to = to };
	s->payload[0] = 0x40;
	zs_cidset_encode(&b->mint, &cid, s->payload + 1);
	memcpy(s->payload + 1 + ZS_CID, &number, sizeof(number));
	memcpy(payload, s->payload, PAYLOAD);
	zs_bed_wrap(m, &src, &dst, payload, PAYLOAD);
	b->made++;
	return m;
}

/* Anybody who is bound, but `other`. */
static uint32_t draw(struct bench *b, uint32_t ids, uint32_t other)
{
	uint32_t id;

	do
		id = zs_bed_below(b->bed, ids);
	while (b->refused[id] || id == other);
	return id;
}

static void make_all(struct bench *b, uint32_t ids, struct rte_mbuf **m)
{
	for (uint32_t i = 0; i < ZS_BED_PACKETS; i++) {
		uint32_t from = draw(b, ids, UINT32_MAX);

		m[i] = make(b, i, from, draw(b, ids, from)); /* nobody sends to himself */
	}
}

/* --- what left --- */

static bool is_right(const struct bench *b, const uint8_t *frame, uint32_t len)
{
	uint32_t number;
	const struct sent *s;
	struct zs_endpoint to;
	struct zs_packet p;

	if (zs_packet_parse(frame, len, &p) != ZS_PARSE_OK || p.payload_len != PAYLOAD)
		return false;
	memcpy(&number, frame + p.payload_off + 1 + ZS_CID, sizeof(number));
	s = &b->sent[number % ZS_BED_PACKETS];
	to = place(s->to, b->is4);
	return zs_endpoint_eq(&p.dst, &to) && p.src.port == ZS_BED_SERVICE &&
	       zs_addr_eq(&p.src.addr, &b->bed->w->locals.entry[local_of(b->is4)].addr) &&
	       !memcmp(frame + p.payload_off, s->payload, PAYLOAD) &&
	       zs_csum_fold(zs_csum_add(zs_header_sum(&p.src, &p.dst, p.udp_len), frame + p.l4_off + 6,
					p.udp_len - 6u)) == 0xffff;
}

static uint16_t look(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n, void *arg)
{
	struct bench *b = arg;

	for (uint16_t i = 0; i < n; i++)
		b->wrong += !is_right(b, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len);
	b->caught += n;
	return n;
}

/* Runs packets that are looked at as they leave. */
static int sample(struct bench *b, uint32_t ids, struct zs_error *err)
{
	const struct zs_queue *out = &b->bed->dp.port[0].queue[0];
	const struct rte_eth_rxtx_callback *cb = rte_eth_add_tx_callback(out->ethdev, out->id, look, b);
	struct rte_mbuf *m[ZS_BED_PACKETS];
	struct zs_bed_cost cost;

	ZS_CHECK(cb);
	b->caught = 0;
	make_all(b, ids, m);
	zs_bed_run(b->bed, m, ZS_BED_PACKETS, &cost);
	rte_eth_remove_tx_callback(out->ethdev, out->id, cb);
	if (b->caught == ZS_BED_PACKETS && !b->wrong)
		return 0;
	return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "of %u packets %u left, %u of them wrong",
			    ZS_BED_PACKETS, b->caught, b->wrong);
}

/* Of all that was made in this run. */
static int check(const struct bench *b, struct zs_error *err)
{
	uint64_t from = 0, to = 0, bytes = 0, dropped;
	const char *name = "";

	for (uint32_t id = 0; id < b->attachments; id++) {
		const struct zs_account *a = &b->bed->w->account[id];

		from += a->meter[ZS_FROM_EDGE].packets;
		to += a->meter[ZS_TO_EDGE].packets;
		bytes += a->meter[ZS_TO_EDGE].bytes;
	}
	dropped = zs_bed_dropped(b->bed, &name);
	if (!dropped && from == b->made && to == b->made && bytes == b->made * PAYLOAD)
		return 0;
	return zs_error_set(
	    err, -EIO, ZS_EXIT_FAILED,
	    "%llu packets were made, %llu metered from, %llu to attachments; %llu dropped (%s)",
	    (unsigned long long)b->made, (unsigned long long)from, (unsigned long long)to,
	    (unsigned long long)dropped, name);
}

/* --- rounds --- */

static void round_of(struct bench *b, struct row *r)
{
	struct rte_mbuf *m[ZS_BED_PACKETS];
	struct zs_bed_cost cost;
	double io;

	make_all(b, r->ids, m);
	zs_bed_run(b->bed, m, ZS_BED_PACKETS, &cost);
	io = zs_bed_io(b->bed);
	zs_samples_add(&r->all, cost.all);
	zs_samples_add(&r->io, io);
	zs_samples_add(&r->over, cost.all / io);
	for (int i = 0; i < ZS_STAGES; i++)
		zs_samples_add(&r->stage[i], cost.stage[i]);
}

static int measure(struct bench *b, uint32_t rounds, struct zs_error *err)
{
	int rc = 0;

	for (int family = 0; family < FAMILIES && !rc; family++) {
		struct row *r = &b->row[b->rows];
		uint32_t few = b->attachments < FEW ? b->attachments : FEW;

		bind_all(b, family == 0);
		r[0] = (struct row){ .ids = few, .is4 = b->is4 };
		r[1] = (struct row){ .ids = b->attachments, .is4 = b->is4 };
		b->rows += SETS;
		rc = sample(b, b->attachments, err);
		for (uint32_t i = 0; i < rounds && !rc; i++)
			for (int k = 0; k < SETS; k++)
				round_of(b, &r[k]);
	}
	return rc ? rc : check(b, err);
}

/* --- report --- */

static void print(const struct row *r)
{
	fprintf(stderr, "  IPv%d  %7u ids  %4.0f (%.0f-%.0f)   io %3.0f   ", r->is4 ? 4 : 6, r->ids,
		zs_samples_median(&r->all), zs_samples_quantile(&r->all, 0.1),
		zs_samples_quantile(&r->all, 0.9), zs_samples_median(&r->io));
	for (int i = 0; i < ZS_STAGES; i++)
		if (zs_samples_median(&r->stage[i]) >= 0.5)
			fprintf(stderr, " %s %.0f", zs_stage_name((enum zs_stage)i),
				zs_samples_median(&r->stage[i]));
	fputc('\n', stderr);
}

static json_t *row_json(const struct row *r)
{
	json_t *stages = json_object();

	for (int i = 0; i < ZS_STAGES; i++)
		json_object_set_new(stages, zs_stage_name((enum zs_stage)i),
				    json_real(zs_samples_median(&r->stage[i])));
	return json_pack("{s:I,s:i,s:o,s:o,s:o,s:o}", "ids", (json_int_t)r->ids, "family", r->is4 ? 4 : 6,
			 "cycles", zs_samples_json(&r->all), "io", zs_samples_json(&r->io), "ratio_to_io",
			 zs_samples_json(&r->over), "stages", stages);
}

static void report_on(const struct bench *b, json_t *report)
{
	uint64_t all_kb, huge_kb;
	json_t *rows = json_array();

	zs_bed_memory(&all_kb, &huge_kb);
	fprintf(
	    stderr,
	    "%u attachments loaded and bound: %llu MiB of shared memory, %llu of it on huge pages\n"
	    "cycles (TSC) a packet from frame to wire, medians (10 %%-90 %%), %llu packets, none dropped:\n",
	    b->attachments, (unsigned long long)all_kb >> 10, (unsigned long long)huge_kb >> 10,
	    (unsigned long long)b->made);
	for (uint32_t i = 0; i < b->rows; i++) {
		print(&b->row[i]);
		json_array_append_new(rows, row_json(&b->row[i]));
	}
	json_object_set_new(report, "attachments", json_integer(b->attachments));
	json_object_set_new(report, "shared_memory_mib", json_integer((json_int_t)(all_kb >> 10)));
	json_object_set_new(report, "huge_pages_mib", json_integer((json_int_t)(huge_kb >> 10)));
	json_object_set_new(report, "senders_refused", json_integer(b->refusals));
	json_object_set_new(report, "packets", json_integer((json_int_t)b->made));
	json_object_set_new(report, "dropped", json_integer((json_int_t)zs_bed_dropped(b->bed, NULL)));
	json_object_set_new(report, "cid_few_cycles", json_real(zs_samples_median(&b->row[0].all)));
	json_object_set_new(report, "cid_cycles", json_real(zs_samples_median(&b->row[1].all)));
	json_object_set_new(report, "rows", rows);
}

static int run(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct zs_bed_shape shape = { .small_pages = opt->small_pages };
	int rc;

	shape.attachments = opt->attachments ? opt->attachments : 1u << 20;
	if (b)
		b->refused = calloc(shape.attachments, 1);
	if (!b || !b->refused)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");
	b->attachments = shape.attachments;
	b->bed = zs_bed_open(&shape, err);
	if (!b->bed)
		return err->code;
	load_all(b);
	if ((rc = measure(b, opt->repeats * ROUNDS, err)))
		return rc;
	report_on(b, report);
	return 0;
}

const struct zs_bench zs_bench_cid = {
	.name = "cid",
	.help = "cycles to route a packet by its connection ID, 1,000 and all attachments, against the ports "
		"alone",
	.run = run,
};
