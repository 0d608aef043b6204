/* trace begin, trace read: zsctl trace writes what they answer into a file. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "admin/verbs.h"
#include "cli/view.h"
#include "tracing.h"

#define RECORDS 2000	   /* in one answer … */
#define BYTES	(2u << 20) /* … and captured bytes: some 3 MiB as text */

static int need(struct zs_control *c, struct zs_error *err)
{
	return c->tracing ? 0
			  : zs_error_set(err, -ENODEV, ZS_EXIT_FAILED, "this control plane does not trace");
}

static int bounded(json_t *args, const char *name, uint32_t otherwise, uint32_t max, uint32_t *out,
		   struct zs_error *err)
{
	*out = zs_verb_number(args, name, otherwise);
	if (*out >= 1 && *out <= max)
		return 0;
	return zs_error_set(err, -ERANGE, ZS_EXIT_USAGE, "%s: 1 to %u", name, max);
}

static int read_class(json_t *args, struct zs_trace_want *want, struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, "class"));

	want->class = ZS_TRACE_ANY;
	for (uint8_t i = 0; text && i < ZS_TRACE_CLASSES; i++)
		if (strcmp(text, zs_trace_class_name(i)) == 0)
			want->class = i;
	return 0;
}

static int read_drop(json_t *args, struct zs_trace_want *want, struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, "drop"));

	_Static_assert(ZS_DROPS <= ZS_TRACE_ANY_DROP, "reasons fit beside the two words");
	want->drop = !text ? ZS_TRACE_ANY : ZS_TRACE_ANY_DROP;
	if (!text || strcmp(text, "any") == 0)
		return 0;
	for (uint8_t i = 0; i < ZS_DROPS; i++)
		if (strcmp(text, zs_drop_name(i)) == 0) {
			want->drop = i;
			return 0;
		}
	return zs_error_set(err, -ENOENT, ZS_EXIT_USAGE,
			    "drop: no reason '%.40s'; write any, or one of zsctl show drops --all", text);
}

static int read_client(json_t *args, struct zs_trace_want *want, struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, "client"));

	if (!text)
		return 0;
	want->has_client = 1;
	return zs_addr_parse(&want->client, text) == 0
		   ? 0
		   : zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "client: '%.60s' is no IP address", text);
}

static int read_want(json_t *args, struct zs_trace_want *want, uint32_t *seconds, uint32_t *packets,
		     struct zs_error *err)
{
	bool payload = json_object_get(args, "payload") != NULL;
	uint32_t snap;
	int rc;

	*want = (struct zs_trace_want){ .payload = payload,
					.port = (uint16_t)zs_verb_number(args, "port", 0),
					.attachment = zs_verb_number(args, "attachment", 0) };
	if ((rc = read_class(args, want, err)) || (rc = read_drop(args, want, err)) ||
	    (rc = read_client(args, want, err)) ||
	    (rc = bounded(args, "every", 1, 1000000000, &want->every, err)) ||
	    (rc = bounded(args, "rate", ZS_TRACING_RATE, ZS_TRACE_RATE_MAX, &want->rate, err)) ||
	    (rc = bounded(args, "snap", payload ? ZS_TRACE_SNAP : 128, ZS_TRACE_SNAP, &snap, err)) ||
	    (rc = bounded(args, "seconds", ZS_TRACING_SECONDS, ZS_TRACING_SECONDS_MAX, seconds, err)) ||
	    (rc = bounded(args, "packets", ZS_TRACING_PACKETS, ZS_TRACING_PACKETS_MAX, packets, err)))
		return rc;
	want->snap = (uint16_t)snap;
	return 0;
}

static json_t *interfaces(const struct zs_control *c)
{
	json_t *view = zs_view_interfaces(c->state), *list = json_incref(json_object_get(view, "interfaces"));

	json_decref(view);
	return list;
}

int zs_verb_trace_begin(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_trace_want want;
	uint32_t seconds, packets, id;
	int rc = need(c, err);

	if (!rc)
		rc = read_want(args, &want, &seconds, &packets, err);
	if (!rc)
		rc = zs_tracing_begin(c->tracing, &want, seconds, packets, &id, err);
	if (!rc)
		*result = json_pack("{s:I,s:I,s:i,s:o}", "trace", (json_int_t)id, "seconds",
				    (json_int_t)seconds, "snap", want.snap, "interfaces", interfaces(c));
	return rc;
}

static json_t *record(const struct zs_trace_record *r, const uint8_t *capture, uint64_t time_ns)
{
	char text[sodium_base64_ENCODED_LEN(ZS_TRACE_SNAP, sodium_base64_VARIANT_ORIGINAL)];
	bool dropped = r->verdict == ZS_TRACE_DROPPED;

	sodium_bin2base64(text, sizeof(text), capture, r->captured, sodium_base64_VARIANT_ORIGINAL);
	return json_pack("{s:I,s:i,s:s,s:s?,s:s,s:I,s:I,s:i,s:o,s:I,s:s}", "time_ns", (json_int_t)time_ns,
			 "interface", r->iface, "verdict", zs_trace_verdict_name(r->verdict), "reason",
			 dropped ? zs_drop_name(r->reason) : NULL, "class", zs_trace_class_name(r->class),
			 "from", (json_int_t)r->from, "to", (json_int_t)r->to, "port", r->port, "client",
			 zs_view_endpoint(&r->client), "length", (json_int_t)r->length, "bytes", text);
}

static json_t *records(struct zs_control *c)
{
	json_t *list = json_array();
	uint8_t capture[ZS_TRACE_SNAP];
	struct zs_trace_record r;
	uint64_t time_ns;
	size_t bytes = 0;

	while (json_array_size(list) < RECORDS && bytes < BYTES &&
	       zs_tracing_take(c->tracing, &r, capture, &time_ns)) {
		json_array_append_new(list, record(&r, capture, time_ns));
		bytes += r.captured;
	}
	return list;
}

static json_t *counts(const struct zs_control *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ZS_IFACES_MAX; i++) {
		struct zs_trace_count n;

		zs_tracing_count(c->tracing, i, &n);
		if (n.matched || n.unseen)
			json_array_append_new(list, json_pack("{s:i,s:I,s:I,s:I,s:I}", "interface", (int)i,
							      "matched", (json_int_t)n.matched, "over_rate",
							      (json_int_t)n.over_rate, "ring_full",
							      (json_int_t)n.ring_full, "unseen",
							      (json_int_t)n.unseen));
	}
	return list;
}

int zs_verb_trace_read(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	const char *over;
	json_t *list;
	int rc = need(c, err);

	if (rc)
		return rc;
	if (!zs_tracing_is(c->tracing, zs_verb_number(args, "id", 0)))
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
				    "there is no such trace any more; begin another");
	if (json_object_get(args, "end"))
		zs_tracing_end(c->tracing, "command");
	over = zs_tracing_over(c->tracing); /* before what is left is taken */
	list = records(c);
	if (json_array_size(list))
		over = NULL; /* there may be more */
	*result = json_pack("{s:b,s:s?,s:o,s:o}", "running", over == NULL, "over", over, "records", list,
			    "counts", counts(c));
	return 0;
}
