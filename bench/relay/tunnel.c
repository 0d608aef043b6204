/* What a datagram of a tunnel costs to receive, beside BoringSSL's bare open of datagrams of the same length.
 *
 * A round makes ZS_BED_PACKETS datagrams of random tunnels, then has them run by the worker's own stages from the frame to the
 * wire; and as many that EVP_AEAD_CTX_open alone opens, in place, in such frames made the same way: under one key, whose context
 * is always at hand, and under each tunnel's own (`contexts`). Rounds take turns, so a drift of the machine meets all alike; what is
 * reported is the median of rounds, the first ones of a row left out: they find its tunnels cold. Stages count their own
 * cycles: the receive path is parse, classify and tunnel_in, from the frame to an authentic payload that knows its flow. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <rte_cycles.h>
#include <openssl/aead.h>
#include "relay/edges.h"

#define SIZES  3
#define SETS   2
#define ROUNDS 4 /* for each of --repeats */
#define FILLS  4 /* of packets a round: the first two warm up */
#define WARM   2

static const uint16_t sizes[SIZES] = { 64, 512, 1280 };

/* One row of the table: packets of one kind. */
struct row {
	uint32_t tunnels;
	bool auth;
	uint16_t size;
	struct zs_samples receive, forward, boringssl, contexts;
	struct zs_samples stage[ZS_STAGES];
};

struct bench {
	struct zs_bed *bed;
	struct zs_edges edges;
	EVP_AEAD_CTX *context; /* by edge */
	struct row row[SETS * 2 * SIZES];
	uint32_t rows;
	struct zs_datagram made[ZS_BED_PACKETS];
};

/* --- BoringSSL alone --- */

struct call {
	const EVP_AEAD_CTX *context;
	uint8_t nonce[ZS_GCM_NONCE], aad[ZS_TUNNEL_AAD];
	uint8_t *text;
	uint16_t text_len, aad_len; /* tag included */
};

static void nonce_of(const struct zs_edge *edge, uint64_t counter, uint8_t nonce[ZS_GCM_NONCE])
{
	memcpy(nonce, edge->key.iv, ZS_GCM_NONCE);
	for (int i = 0; i < 8; i++)
		nonce[ZS_GCM_NONCE - 1 - i] ^= (uint8_t)(counter >> 8 * i);
}

static struct call call_of(const struct bench *b, const struct zs_datagram *d, bool auth)
{
	uint16_t payload = (uint16_t)(d->len - ZS_TUNNEL_OVERHEAD), in_clear = auth ? payload : 0;
	struct call c = { .context = &b->context[d->edge],
			  .text = d->bytes + ZS_TUNNEL_HEADER + in_clear,
			  .text_len = (uint16_t)(payload - in_clear + ZS_GCM_TAG),
			  .aad_len = auth ? ZS_TUNNEL_AAD : ZS_TUNNEL_HEADER };

	nonce_of(&b->edges.edge[d->edge], d->counter, c.nonce);
	memcpy(c.aad, d->bytes, ZS_TUNNEL_HEADER);
	c.aad[ZS_TUNNEL_HEADER] = (uint8_t)(payload >> 8);
	c.aad[ZS_TUNNEL_HEADER + 1] = (uint8_t)payload;
	return c;
}

static void open_one(const struct call *c)
{
	size_t len;

	ZS_CHECK(EVP_AEAD_CTX_open(c->context, c->text, &len, c->text_len, c->nonce, ZS_GCM_NONCE, c->text,
				   c->text_len, c->aad, c->aad_len));
}

static double cycles_of(const struct call *call)
{
	uint64_t start = rte_rdtsc();

	for (uint32_t i = 0; i < ZS_BURST; i++)
		open_one(&call[i]);
	return (double)(rte_rdtsc() - start) / ZS_BURST;
}

/* Cycles a call, as of the relay. */
static double run_boringssl(const struct bench *b, const struct row *r)
{
	struct call call[ZS_BED_PACKETS];
	double each[ZS_BED_PACKETS / ZS_BURST];
	uint32_t warm = ZS_ARRAY_LEN(each) / 2;

	for (uint32_t i = 0; i < ZS_BED_PACKETS; i++)
		call[i] = call_of(b, &b->made[i], r->auth);
	for (uint32_t i = 0; i < ZS_ARRAY_LEN(each); i++)
		each[i] = cycles_of(&call[i * ZS_BURST]);
	for (uint32_t i = 0; i < ZS_BED_PACKETS; i++)
		rte_pktmbuf_free(b->made[i].m);
	return zs_bed_median(each + warm, ZS_ARRAY_LEN(each) - warm);
}

static int make_contexts(struct bench *b, struct zs_error *err)
{
	size_t bytes = ZS_ALIGN_UP(b->edges.count * sizeof(*b->context), 2u << 20);

	b->context = aligned_alloc(2u << 20, bytes);
	if (!b->context)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for BoringSSL's contexts");
	madvise(b->context, bytes, MADV_HUGEPAGE);
	for (uint32_t i = 0; i < b->edges.count; i++) {
		EVP_AEAD_CTX_zero(&b->context[i]);
		ZS_CHECK(EVP_AEAD_CTX_init(&b->context[i], EVP_aead_aes_128_gcm(), b->edges.edge[i].key.key,
					   ZS_GCM_KEY, ZS_GCM_TAG, NULL));
	}
	return 0;
}

/* --- rounds --- */

static void make_packets(struct bench *b, const struct row *r)
{
	for (uint32_t i = 0; i < ZS_BED_PACKETS; i++)
		b->made[i] = zs_edges_data(&b->edges, zs_bed_below(b->bed, r->tunnels), r->auth, r->size);
}

/* All of one edge, whose relay never hears of them. */
static void make_of_one(struct bench *b, const struct row *r)
{
	struct zs_edge *one = &b->edges.edge[0];
	uint64_t counter = one->counter;

	for (uint32_t i = 0; i < ZS_BED_PACKETS; i++)
		b->made[i] = zs_edges_data(&b->edges, 0, r->auth, r->size);
	one->counter = counter;
}

static void run_relay(struct bench *b, struct row *r, bool counts)
{
	struct rte_mbuf *m[ZS_BED_PACKETS];
	struct zs_bed_cost cost;

	for (uint32_t i = 0; i < ZS_BED_PACKETS; i++)
		m[i] = b->made[i].m;
	zs_bed_run(b->bed, m, ZS_BED_PACKETS, &cost);
	if (!counts)
		return;
	for (int i = 0; i < ZS_STAGES; i++)
		zs_samples_add(&r->stage[i], cost.stage[i]);
	zs_samples_add(&r->receive, cost.receive);
	zs_samples_add(&r->forward, cost.all);
}

static void round_of(struct bench *b, struct row *r)
{
	for (uint32_t fill = 0; fill < FILLS; fill++) {
		make_packets(b, r);
		run_relay(b, r, fill >= WARM);
	}
	make_packets(b, r);
	zs_samples_add(&r->contexts, run_boringssl(b, r));
	for (uint32_t fill = WARM; fill < FILLS; fill++) {
		make_of_one(b, r);
		zs_samples_add(&r->boringssl, run_boringssl(b, r));
	}
}

/* The relay must have opened and sent what was made for it. */
static int check(const struct bench *b, uint64_t made, uint64_t sent, struct zs_error *err)
{
	const uint64_t *count = b->bed->w->count;
	const char *name = "";
	uint64_t dropped = zs_bed_dropped(b->bed, &name);

	if (!dropped && count[ZS_COUNTER_tx] - sent == made)
		return 0;
	return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "of %llu packets %llu left, %llu were dropped (%s)",
			    (unsigned long long)made, (unsigned long long)(count[ZS_COUNTER_tx] - sent),
			    (unsigned long long)dropped, name);
}

static int measure(struct bench *b, uint32_t rounds, struct zs_error *err)
{
	uint64_t sent = b->bed->w->count[ZS_COUNTER_tx];

	for (uint32_t k = 0; k < rounds; k++)
		for (uint32_t i = 0; i < b->rows; i++)
			round_of(b, &b->row[i]);
	return check(b, (uint64_t)rounds * b->rows * FILLS * ZS_BED_PACKETS, sent, err);
}

/* --- report --- */

static void print(const struct row *r)
{
	double receive = zs_samples_median(&r->receive), bare = zs_samples_median(&r->boringssl);

	fprintf(
	    stderr,
	    "  %7u  %-4s %5u B  receive %4.0f (%.0f-%.0f)   boringssl %4.0f (%.0f-%.0f)  ratio %.2f   its "
	    "contexts %4.0f   to the wire %4.0f\n",
	    r->tunnels, r->auth ? "auth" : "seal", r->size, receive, zs_samples_quantile(&r->receive, 0.1),
	    zs_samples_quantile(&r->receive, 0.9), bare, zs_samples_quantile(&r->boringssl, 0.1),
	    zs_samples_quantile(&r->boringssl, 0.9), receive / bare, zs_samples_median(&r->contexts),
	    zs_samples_median(&r->forward));
}

static json_t *row_json(const struct row *r)
{
	json_t *stages = json_object();

	for (int i = 0; i < ZS_STAGES; i++)
		if (zs_samples_median(&r->stage[i]) > 0)
			json_object_set_new(stages, zs_stage_name((enum zs_stage)i),
					    json_real(zs_samples_median(&r->stage[i])));
	return json_pack("{s:I,s:s,s:i,s:o,s:o,s:o,s:o,s:o}", "tunnels", (json_int_t)r->tunnels, "mode",
			 r->auth ? "auth" : "seal", "bytes", r->size, "receive", zs_samples_json(&r->receive),
			 "to_wire", zs_samples_json(&r->forward), "boringssl", zs_samples_json(&r->boringssl),
			 "boringssl_contexts", zs_samples_json(&r->contexts), "stages", stages);
}

static void tell(const struct row *r, json_t *report)
{
	char name[64];

	snprintf(name, sizeof(name), "%s %u B received, %u tunnels", r->auth ? "auth" : "seal", r->size,
		 r->tunnels);
	zs_report_metric(report, name, "cycles", ZS_LESS, &r->receive);
}

static void report_on(const struct bench *b, json_t *report)
{
	uint64_t all_kb, huge_kb;
	json_t *rows = json_array();

	zs_bed_memory(&all_kb, &huge_kb);
	fprintf(stderr,
		"cycles (TSC) a packet, medians (10 %%-90 %%); %llu MiB of shared memory, %llu of it on huge "
		"pages\n",
		(unsigned long long)all_kb >> 10, (unsigned long long)huge_kb >> 10);
	for (uint32_t i = 0; i < b->rows; i++) {
		const struct row *r = &b->row[i];

		print(r);
		tell(r, report);
		json_array_append_new(rows, row_json(r));
		if (r->size != sizes[SIZES - 1] || r->tunnels != b->row[0].tunnels)
			continue;
		json_object_set_new(report, r->auth ? "auth_cycles" : "seal_cycles",
				    json_real(zs_samples_median(&r->receive)));
		json_object_set_new(report, r->auth ? "boringssl_auth_cycles" : "boringssl_seal_cycles",
				    json_real(zs_samples_median(&r->boringssl)));
	}
	json_object_set_new(report, "tunnels", json_integer(b->row[0].tunnels));
	json_object_set_new(report, "shared_memory_mib", json_integer((json_int_t)(all_kb >> 10)));
	json_object_set_new(report, "huge_pages_mib", json_integer((json_int_t)(huge_kb >> 10)));
	json_object_set_new(report, "rows", rows);
}

static void plan(struct bench *b, const uint32_t *sets, uint32_t n)
{
	for (uint32_t s = 0; s < n; s++)
		for (int auth = 1; auth >= 0; auth--)
			for (int i = 0; i < SIZES; i++)
				b->row[b->rows++] = (struct row){ .tunnels = sets[s],
								  .auth = auth,
								  .size = sizes[i] };
}

static int run(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	uint32_t sets[SETS] = { opt->tunnels ? opt->tunnels : 1000, 100000 }, most;
	struct bench *b = calloc(1, sizeof(*b));
	struct zs_bed_shape shape;
	int rc;

	plan(b, sets, opt->tunnels ? 1 : SETS);
	most = b->row[b->rows - 1].tunnels;
	shape = (struct zs_bed_shape){
		.attachments = most, .tunnels = most, .flows = most, .small_pages = opt->small_pages
	};
	b->bed = zs_bed_open(&shape, err);
	if (!b->bed)
		return err->code;
	fprintf(stderr, "  %u tunnels find their way\n", most);
	if ((rc = zs_edges_open(&b->edges, b->bed, most, err)) || (rc = make_contexts(b, err)) ||
	    (rc = measure(b, opt->repeats * ROUNDS, err)))
		return rc;
	report_on(b, report);
	return 0;
}

const struct zs_bench zs_bench_tunnel = {
	.name = "tunnel",
	.help = "cycles to receive a tunnel's datagram against BoringSSL's bare open of the same length",
	.run = run,
};
