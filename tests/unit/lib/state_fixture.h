/* Writes a state segment of version 2 by a build that had three counters and other drop reasons,
 * stages and health codes. The flows of version 2 are frozen here: when a change of theirs breaks
 * this, raise ZS_STATE_VERSION and write a migration. */
#ifndef ZS_TESTS_STATE_FIXTURE_H
#define ZS_TESTS_STATE_FIXTURE_H

#include "unit/lib/fixture.h"

#define OTHER_FLOWS	 64u /* in each of two partitions */
#define OTHER_WORKER	 8192u
#define OTHER_HEAD	 (OTHER_WORKER + 4096u)
#define OTHER_BY_CLIENT	 (OTHER_HEAD + 4096u)
#define OTHER_BY_TARGET	 (OTHER_BY_CLIENT + 4096u)
#define OTHER_FLOW	 (OTHER_BY_TARGET + 4096u)
#define OTHER_SIZE	 (OTHER_FLOW + 2 * OTHER_FLOWS * 128u)
#define OTHER_PORT_ROW	 18 /* flow.port */
#define OTHER_REGION_ROW 41 /* @flow */

static const struct fixture_row other_rows[] = {
	{ "counters.counter", 0, 24 },
	{ "names.counters", 0, 0x1234 },
	{ "endpoint.addr", 0, 16 },
	{ "endpoint.port", 16, 2 },
	{ "head.capacity", 0, 4 },
	{ "head.buckets", 4, 4 },
	{ "head.port_first", 8, 2 },
	{ "head.port_last", 10, 2 },
	{ "head.used", 12, 4 },
	{ "head.free_head", 16, 4 },
	{ "head.sweep", 20, 4 },
	{ "head.owner", 24, 1 },
	{ "head.dirty", 25, 1 },
	{ "head.oldest", 28, 4 },
	{ "head.youngest", 32, 4 },
	{ "bucket.tag", 0, 12 }, /* indexes are made again: theirs may differ */
	{ "flow.client", 0, 18 },
	{ "flow.target", 18, 18 },
	{ "flow.port", 36, 2 },
	{ "flow.source_port", 38, 2 },
	{ "flow.local_client", 40, 1 },
	{ "flow.local_target", 41, 1 },
	{ "flow.used", 42, 1 },
	{ "flow.answered", 43, 1 },
	{ "flow.nexthop_client", 44, 4 },
	{ "flow.nexthop_target", 48, 4 },
	{ "flow.published_generation", 52, 4 },
	{ "flow.last_ms", 56, 4 },
	{ "flow.tables_change", 60, 4 },
	{ "flow.to_target_packets", 64, 8 },
	{ "flow.to_target_bytes", 72, 8 },
	{ "flow.to_client_packets", 80, 8 },
	{ "flow.to_client_bytes", 88, 8 },
	{ "flow.created_ms", 96, 4 },
	{ "flow.next", 100, 4 },
	{ "flow.older", 104, 4 },
	{ "flow.waits", 108, 4 },
	{ "@worker", OTHER_WORKER, 640 },
	{ "@flow_head", OTHER_HEAD, 2 * 64 },
	{ "@by_client", OTHER_BY_CLIENT, 2 * 16 * 48 },
	{ "@by_target", OTHER_BY_TARGET, 2 * 16 * 48 },
	{ "@flow", OTHER_FLOW, 2 * OTHER_FLOWS * 128 },
};
#define OTHER_ROWS (sizeof(other_rows) / sizeof(other_rows[0]))

/* 198.51.100.N:40000+N to port 4433, on to .99:443 from port 20000+N; N × 1000 bytes so far. */
static inline void other_flow(uint8_t *file, uint32_t partition, uint32_t id, uint8_t n)
{
	size_t at = OTHER_FLOW + (partition * OTHER_FLOWS + id) * 128u;

	put_addr(file, at, n);
	put16(file, at + 16, (uint16_t)(40000 + n));
	put_addr(file, at + 18, 99);
	put16(file, at + 34, 443);
	put16(file, at + 36, 4433);
	put16(file, at + 38, (uint16_t)(20000 + n));
	file[at + 40] = 3; /* own addresses by index */
	file[at + 41] = 5;
	file[at + 42] = 1;	       /* used */
	file[at + 43] = n & 1;	       /* answered */
	put32(file, at + 52, n + 5u);  /* published_generation */
	put32(file, at + 56, n + 70u); /* last_ms */
	put64(file, at + 64, n + 1u);
	put64(file, at + 72, n * 1000u);
	put64(file, at + 80, n + 2u);
	put64(file, at + 88, n * 2000u);
	put32(file, at + 96, n + 60u); /* created_ms */
}

/* `row` takes the place of the table's row `instead`; OTHER_ROWS: of none. */
static inline void other_write(const char *dir, size_t instead, struct fixture_row row)
{
	struct fixture_row rows[OTHER_ROWS];
	uint8_t *file = calloc(1, OTHER_SIZE);

	memcpy(rows, other_rows, sizeof(rows));
	if (instead < OTHER_ROWS)
		rows[instead] = row;
	fixture_header(file, "state", 2, OTHER_SIZE, rows, OTHER_ROWS);
	memset(file + OTHER_WORKER, 0x55, 640); /* counts that mean nothing here */
	for (uint32_t p = 0; p < 2; p++) {
		put32(file, OTHER_HEAD + p * 64, OTHER_FLOWS);
		put32(file, OTHER_HEAD + p * 64 + 4, 16);
		put16(file, OTHER_HEAD + p * 64 + 8, (uint16_t)(20000 + 100 * p));
		put16(file, OTHER_HEAD + p * 64 + 10, (uint16_t)(20099 + 100 * p));
	}
	other_flow(file, 0, 3, 7);
	other_flow(file, 0, 60, 8);
	other_flow(file, 1, 0, 101);
	fixture_write(dir, "state", file, OTHER_SIZE);
	free(file);
}

#endif
