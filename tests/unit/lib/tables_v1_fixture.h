/* Writes a tables segment as version 1 laid it out: a frozen generator of bytes by offset. */
#ifndef ZS_TESTS_TABLES_V1_FIXTURE_H
#define ZS_TESTS_TABLES_V1_FIXTURE_H

#include "unit/lib/fixture.h"

#define V1_PAGES(bytes) (((bytes) + 4095u) / 4096u * 4096u)
#define V1_STOP		8192u
#define V1_SETTINGS	(V1_STOP + 4096u)
#define V1_LOCAL	(V1_SETTINGS + 4096u)
#define V1_PUBLISHED	(V1_LOCAL + 4096u)
#define V1_SIZE		(V1_PUBLISHED + 65536u * 64u)

static const struct fixture_row v1_rows[] = {
	{ "set.flow_idle_answered_ms", 4, 4 },
	{ "set.flow_idle_unanswered_ms", 8, 4 },
	{ "set.new_flows_per_prefix_s", 12, 4 },
	{ "set.new_flows_prefix_burst", 16, 4 },
	{ "set.busy_poll_us", 20, 4 },
	{ "set.sleep_max_us", 24, 4 },
	{ "set.flow_port_first", 28, 2 },
	{ "set.flow_port_last", 30, 2 },
	{ "set.generation", 32, 8 },
	{ "set.allowed_count", 40, 4 },
	{ "set.allowed", 44, 1088 },
	{ "set.hash_key", 1132, 16 },
	{ "local.used", 4, 1 },
	{ "local.iface", 5, 1 },
	{ "local.vlan", 6, 2 },
	{ "local.addr", 8, 16 },
	{ "local.prefix_len", 24, 1 },
	{ "published.generation", 4, 4 },
	{ "published.target", 8, 16 },
	{ "published.target_port", 24, 2 },
	{ "published.used", 26, 1 },
	{ "@stop", V1_STOP, 64 },
	{ "@settings", V1_SETTINGS, 1152 },
	{ "@local", V1_LOCAL, 4096 },
	{ "@published", V1_PUBLISHED, 65536 * 64 },
};

/* Stopped; ports 4433 → .7:443 and 5000 → .8:5001; 6000 half written; own address .1/24 on 2.9. */
static inline void v1_contents(uint8_t *file)
{
	static const struct {
		uint16_t port, target_port;
		uint8_t host;
		uint32_t seq;
	} ports[] = {
		{ 4433, 443, 7, 2 },
		{ 5000, 5001, 8, 4 },
		{ 6000, 6001, 9, 3 },
	};
	put32(file, V1_STOP, 1);
	put32(file, V1_SETTINGS, 2);
	put32(file, V1_SETTINGS + 4, 60000);
	put32(file, V1_SETTINGS + 8, 5000);
	put16(file, V1_SETTINGS + 28, 30000);
	put16(file, V1_SETTINGS + 30, 31000);
	put64(file, V1_SETTINGS + 32, 41);
	put32(file, V1_SETTINGS + 40, 2);
	put_addr(file, V1_SETTINGS + 44, 0);
	memcpy(file + V1_SETTINGS + 44 + 12, (uint8_t[]){ 10, 0, 0, 0, 104 }, 5); /* 10.0.0.0/8 */
	put_addr(file, V1_SETTINGS + 61, 0);
	memcpy(file + V1_SETTINGS + 61 + 12, (uint8_t[]){ 127, 0, 0, 0, 104 }, 5); /* never allowed */
	memcpy(file + V1_SETTINGS + 1132, "0123456789abcdef", 16);
	put32(file, V1_LOCAL + 3 * 64, 6);
	memcpy(file + V1_LOCAL + 3 * 64 + 4, (uint8_t[]){ 1, 2, 9, 0 }, 4);
	put_addr(file, V1_LOCAL + 3 * 64 + 8, 1);
	file[V1_LOCAL + 3 * 64 + 24] = 120;
	for (size_t i = 0; i < 3; i++) {
		size_t at = V1_PUBLISHED + ports[i].port * 64u;
		put32(file, at, ports[i].seq);
		put32(file, at + 4, 3);
		put_addr(file, at + 8, ports[i].host);
		put16(file, at + 24, ports[i].target_port);
		file[at + 26] = 1;
	}
}

static inline void v1_write(const char *dir)
{
	uint8_t *file = calloc(1, V1_SIZE);

	fixture_header(file, "tables", 1, V1_SIZE, v1_rows, sizeof(v1_rows) / sizeof(v1_rows[0]));
	v1_contents(file);
	fixture_write(dir, "tables", file, V1_SIZE);
	free(file);
}

#endif
