/* zs-bench memory: bytes that one more flow, attachment or tunnel takes of shared memory and of the dataplane's own, by the
 * regions' sizes with so many and with twice as many. Not measured: counted. */
#include <stdio.h>
#include "base/check.h"
#include "bench.h"
#include "dataplane.h"
#include "relay/window.h"
#include "shm/flow_port.h"

#define MANY (1u << 16)

struct shape {
	uint32_t flows, attachments, sessions, workers;
};

static double bytes_of(const struct shape *s)
{
	struct zs_state_shape state = { .flow_capacity = s->flows,
					.partitions = s->workers,
					.event_capacity = CONFIG_EVENTS,
					.attachments = s->attachments,
					.sessions = s->sessions,
					.windows = s->sessions };
	struct zs_sessions_shape sessions = { s->attachments, s->sessions };
	struct zs_state_shape shaped = zs_state_shaped(&state);
	struct zs_sessions_shape keys = zs_sessions_shaped(&sessions);
	double own = (double)zs_flow_ports_bytes(s->flows) * s->workers +
		     (double)s->sessions * (sizeof(struct zs_window_room) + sizeof(uint64_t));

	return (double)zs_segment_footprint(&zs_state_kind, &shaped) +
	       (double)zs_segment_footprint(&zs_sessions_kind, &keys) + own;
}

static double per(const struct shape *one, const struct shape *two)
{
	return (bytes_of(two) - bytes_of(one)) / MANY;
}

static void tell(json_t *report, const char *name, double bytes)
{
	zs_report_value(report, name, "bytes", ZS_LESS, bytes);
	fprintf(stderr, "  %-36s %7.0f bytes\n", name, bytes);
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct shape one = { MANY, MANY, MANY, 1 }, flows = one, attachments = one, sessions = one, two = one,
		     more = one;

	flows.flows = attachments.attachments = sessions.sessions = 2 * MANY;
	two.workers = more.workers = 2;
	more.attachments = 2 * MANY;
	tell(report, "a flow", per(&one, &flows));
	tell(report, "an attachment", per(&one, &attachments));
	tell(report, "an attachment, each further worker", per(&two, &more) - per(&one, &attachments));
	tell(report, "a tunnel's session", per(&one, &sessions));
	return 0;
}

const struct zs_bench zs_bench_memory = {
	.name = "memory",
	.help = "bytes that a flow, an attachment, a tunnel takes",
	.run = bench,
};
