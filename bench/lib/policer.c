/* What it costs to charge a packet to an attachment that has limits: from a lease that the worker holds, and from the buckets
 * that all workers share, with and without a tenant above. Nothing is refused: rates are beyond what is asked. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "core/cases.h"
#include "core/draw.h"
#include "shm/policer.h"

#define PACKETS	  8192 /* of a chunk */
#define MANY	  100000
#define PACKET_NS 100
#define TENANT	  1
#define BURST	  32

struct own {
	struct zs_sessions sessions;
	struct zs_policer policer;
	uint32_t id[PACKETS];
	uint64_t random, now_ns;
	uint32_t base; /* the first of the attachments meant */
};

/* As the control plane writes it: the first one fast, all others of 20 Mbit/s, and the second half a tenant's. */
static void fill(struct own *o)
{
	struct zs_police_limits wide = { .bit_s = 100000000000, .pkt_s = 100000000, .burst = 1u << 30 };
	struct zs_police_limits one = { .bit_s = 20000000, .pkt_s = 40000 };
	struct zs_tenant *t = &o->sessions.tenant[TENANT];

	*t = (struct zs_tenant){ .used = 1, .members = MANY };
	zs_police_of(&t->police, &wide);
	zs_police_share(&t->share_bytes, &t->share_packets, &wide, MANY);
	for (uint32_t i = 0; i < 2 * MANY; i++) {
		struct zs_attachment *a = &o->sessions.attachment[i];

		*a = (struct zs_attachment){
			.used = 1, .generation = 1, .session = ZS_SESSION_NONE, .previous = ZS_SESSION_NONE
		};
		a->tenant = i < MANY ? 0 : TENANT;
		zs_police_of(&a->police, i ? &one : &wide);
	}
}

static bool open_own(struct own *o)
{
	struct zs_policer_view v = { .sessions = &o->sessions,
				     .bucket = zs_huge(2 * MANY * sizeof(*v.bucket)),
				     .tenant = zs_huge(ZS_TENANTS * sizeof(*v.tenant)),
				     .account = zs_huge(2 * MANY * sizeof(*v.account)) };

	o->sessions.attachments = 2 * MANY;
	o->sessions.attachment = zs_huge(2 * MANY * sizeof(*o->sessions.attachment));
	o->sessions.tenant = zs_huge(ZS_TENANTS * sizeof(*o->sessions.tenant));
	if (!v.bucket || !v.tenant || !v.account || !o->sessions.attachment || !o->sessions.tenant)
		return false;
	fill(o);
	zs_policer_init(&o->policer, &v);
	o->now_ns = zs_clock_ns();
	o->random = 1;
	return true;
}

static void prepare(void *ctx, uint64_t arg)
{
	struct own *o = ctx;

	for (uint32_t i = 0; i < PACKETS; i++)
		o->id[i] = (uint32_t)(arg >> 32) + zs_draw_below(&o->random, (uint32_t)arg);
}

/* As the stage does it: a burst's lines are fetched, then charged. */
static uint64_t run(void *ctx, uint64_t arg)
{
	struct own *o = ctx;
	uint64_t refused = 0;

	for (uint32_t k = 0; k < PACKETS; k += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			__builtin_prefetch(&o->policer.v.account[o->id[k + i]], 1);
		for (uint32_t i = 0; i < BURST; i++)
			refused += zs_policer_packet(&o->policer, o->id[k + i], ZS_TO_EDGE, 64, false,
						     o->now_ns) == ZS_POLICE_DROP;
		o->now_ns += BURST * PACKET_NS;
		zs_policer_tick(&o->policer, o->now_ns, BURST);
	}
	ZS_CHECK(!refused, "nothing is refused");
	return PACKETS;
}

static uint64_t range(uint64_t first, uint64_t count)
{
	return first << 32 | count;
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct own *o = calloc(1, sizeof(*o));
	struct zs_case cases[] = {
		{ .name = "1 attachment", .arg = range(0, 1) },
		{ .name = "1,000 attachments", .arg = range(1, 1000) },
		{ .name = "100,000 attachments", .arg = range(1, MANY - 1) },
		{ .name = "1,000 attachments of a tenant", .arg = range(MANY, 1000) },
		{ .name = "100,000 attachments of a tenant", .arg = range(MANY, MANY) },
	};

	if (!o || !open_own(o))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for attachments");
	for (size_t i = 0; i < ZS_ARRAY_LEN(cases); i++) {
		cases[i].ctx = o;
		cases[i].prepare = prepare;
		cases[i].run = run;
	}
	return zs_cases_run(cases, ZS_ARRAY_LEN(cases), opt, report, err);
}

const struct zs_bench zs_bench_policer = {
	.name = "policer",
	.help = "cycles to charge a packet to an attachment with limits, alone and of a tenant",
	.run = bench,
};
