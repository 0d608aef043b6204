/* From options to a worker that is ready. */
#include "forward/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct zs_error *err, const char *what)
{
	return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "%s", what);
}

static int read_words(struct zs_forward *f, const struct zs_bench_options *opt, struct zs_error *err)
{
	if (!*opt->kind || !strcmp(opt->kind, "cid"))
		f->kind = &zs_forward_cid;
	else if (!strcmp(opt->kind, "flow"))
		f->kind = &zs_forward_flow;
	else
		return refuse(err, "--kind is cid or flow");
	if (!strcmp(opt->header, "long"))
		f->header = ZS_FORWARD_LONG;
	else if (!strcmp(opt->header, "mixed"))
		f->header = ZS_FORWARD_MIXED;
	else if (*opt->header && strcmp(opt->header, "short"))
		return refuse(err, "--header is short, long or mixed");
	return opt->family == 5 ? refuse(err, "--family is 4 or 6") : 0;
}

static void choose_sizes(struct zs_forward *f, uint32_t first, bool imix)
{
	uint32_t headers = 4 + ZS_ETH_LEN + (f->is4 ? ZS_IP4_MIN : ZS_IP6_LEN) + ZS_UDP_LEN;

	f->sizes = imix ? ZS_FORWARD_SIZES : 1;
	f->size[0] = first;
	f->size[1] = 594;
	f->size[2] = 1518;
	for (uint32_t i = 0; i < f->sizes; i++)
		f->payload[i] = f->size[i] - headers;
}

static int configure(struct zs_forward *f, const struct zs_bench_options *opt, struct zs_error *err)
{
	uint32_t least;
	int rc = read_words(f, opt, err);

	if (rc)
		return rc;
	f->is4 = opt->family != 6;
	f->entries = opt->entries ? opt->entries : 1000;
	f->rules = opt->deny ? opt->deny : 1000;
	f->keys = opt->keys ? opt->keys : 3;
	f->random = 1;
	if (opt->zipf > 0)
		zs_zipf_init(&f->zipf, f->entries, opt->zipf);
	least = f->kind->smallest(f);
	if (opt->size && opt->size < least)
		return zs_error_set(
		    err, -EINVAL, ZS_EXIT_USAGE,
		    "a frame of %u bytes is smaller than the kind's smallest: --size %u or more", opt->size,
		    least);
	choose_sizes(f, opt->size ? opt->size : least, opt->imix);
	if (f->kind == &zs_forward_cid && (f->entries < 2 || f->entries > ZS_ATTACHMENTS_MAX))
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "a relay has 2 to %u attachments: --entries",
				    ZS_ATTACHMENTS_MAX);
	return 0;
}

/* What a control plane would say of flows: none ends by itself here, nobody is limited. */
static void settings(struct zs_forward *f)
{
	struct zs_settings s;

	ZS_CHECK(zs_tables_settings(&f->bed->tables, &s), "settings");
	s.flow_idle_answered_ms = s.flow_idle_unanswered_ms = 86400 * 1000;
	s.new_flows_per_prefix_s = s.max_flows_per_prefix = 0;
	s.port_share = 100;
	s.generation++;
	ZS_CHECK(zs_tables_set_settings(&f->bed->tables, &s) == 0, "settings are taken");
}

/* DPDK's virtual devices are called net_…. */
static bool is_pci(const char *device)
{
	return *device && strcmp(device, "pcap") && strncmp(device, "net_", 4) != 0;
}

static int set_up(struct zs_forward *f, const struct zs_bench_options *opt, uint32_t workers,
		  struct zs_error *err)
{
	struct zs_bed_shape shape = { .small_pages = opt->small_pages, .rings = true, .workers = workers };
	const char *device[ZS_BED_PCI] = { opt->near, opt->near_peer, opt->far, opt->far_peer };
	int rc;

	for (int i = 0; i < ZS_BED_PCI; i++)
		shape.pci[i] = is_pci(device[i]) ? device[i] : NULL;
	f->kind->shape(f, &shape);
	f->bed = zs_bed_open(&shape, err);
	if (!f->bed)
		return err->code ? err->code : -EIO;
	f->w = f->bed->w;
	f->queues = f->bed->queues[0];
	zs_forward_pattern(f);
	settings(f);
	zs_forward_deny(f);
	zs_worker_turn(f->w, &f->burst, false); /* it looks at its tables */
	if ((rc = f->kind->open(f, err)))
		return rc;
	zs_bed_settle(f->bed);
	return 0;
}

struct zs_forward *zs_forward_open_many(const struct zs_bench_options *opt, uint32_t workers,
					struct zs_error *err)
{
	struct zs_forward *f = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*f), 64));

	if (!f) {
		zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");
		return NULL;
	}
	memset(f, 0, sizeof(*f));
	f->began_ns = zs_clock_ns();
	if (configure(f, opt, err) || set_up(f, opt, workers, err)) {
		zs_forward_close(f);
		return NULL;
	}
	return f;
}

struct zs_forward *zs_forward_open(const struct zs_bench_options *opt, struct zs_error *err)
{
	return zs_forward_open_many(opt, 1, err);
}

struct zs_forward *zs_forward_another(const struct zs_forward *f, uint32_t worker)
{
	struct zs_forward *another = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*f), 64));

	if (!another)
		return NULL;
	memcpy(another, f, sizeof(*f));
	another->w = f->bed->dp.worker[worker];
	another->queues = f->bed->queues[worker];
	another->random += worker * UINT64_C(0x632be59bd9b4e019);
	another->serial = worker << 28; /* no nonce twice */
	return another;
}

void zs_forward_close(struct zs_forward *f)
{
	if (f && f->own && f->kind->close)
		f->kind->close(f);
	if (f)
		free(f->own);
	free(f);
}

/* --- behind a run --- */

int zs_forward_check(const struct zs_forward *f, struct zs_error *err)
{
	const char *reason = "by nobody's count";
	uint64_t dropped = zs_bed_dropped(f->bed, &reason), metered = f->kind->metered(f);

	if (f->lost || dropped)
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED,
				    "of %llu packets %llu did not leave, %llu were dropped (%s)",
				    (unsigned long long)f->packets, (unsigned long long)f->lost,
				    (unsigned long long)dropped, reason);
	if (f->wrong)
		return zs_error_set(
		    err, -EIO, ZS_EXIT_FAILED, "of %llu packets looked at %llu left with a wrong %s",
		    (unsigned long long)f->verified, (unsigned long long)f->wrong, f->wrong_what);
	if (metered != f->packets)
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%llu packets were sent, meters have %llu",
				    (unsigned long long)f->packets, (unsigned long long)metered);
	return 0;
}

void zs_forward_describe(const struct zs_forward *f, json_t *report)
{
	static const char *const headers[] = { "short", "long", "mixed" };

	json_object_set_new(report, "kind", json_string(f->kind->name));
	json_object_set_new(report, "entries", json_integer(f->entries));
	json_object_set_new(report, "size", json_integer(f->size[0]));
	json_object_set_new(report, "imix", json_boolean(f->sizes > 1));
	json_object_set_new(report, "family", json_integer(f->is4 ? 4 : 6));
	json_object_set_new(report, "header", json_string(headers[f->header]));
	json_object_set_new(report, "zipf", f->zipf.n ? json_real(f->zipf.s) : json_null());
	json_object_set_new(report, "deny_rules", json_integer(f->rules));
	json_object_set_new(report, "cid_keys", json_integer(f->keys));
	json_object_set_new(report, "refused_entries", json_integer(f->unplaced));
	json_object_set_new(report, "packets", json_integer((json_int_t)f->packets));
	json_object_set_new(report, "verified", json_integer((json_int_t)f->verified));
	json_object_set_new(report, "dropped", json_integer(0));
}
