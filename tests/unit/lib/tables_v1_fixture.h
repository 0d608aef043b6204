/* Writes a tables segment as version 1 laid it out: a frozen generator of bytes by offset.
 * It uses no struct of the library, so it stays what it was when the library changes. */
#ifndef ZS_TESTS_TABLES_V1_FIXTURE_H
#define ZS_TESTS_TABLES_V1_FIXTURE_H

#include "unit/lib/shm_test.h"

#define V1_PAGES(bytes) (((bytes) + 4095u) / 4096u * 4096u)
#define V1_STOP		8192u
#define V1_SETTINGS	(V1_STOP + 4096u)
#define V1_LOCAL	(V1_SETTINGS + 4096u)
#define V1_PUBLISHED	(V1_LOCAL + 4096u)
#define V1_SIZE		(V1_PUBLISHED + 65536u * 64u)
#define V1_HASH		0xd1b54a32d192ed03u /* readers of version 2 cannot know it */

struct v1_row {
	const char *name;
	uint64_t offset, size;
};

static const struct v1_row v1_rows[] = {
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

static inline void v1_put(uint8_t *file, size_t at, const void *value, size_t size)
{
	memcpy(file + at, value, size);
}

static inline void v1_put32(uint8_t *file, size_t at, uint32_t value)
{
	v1_put(file, at, &value, 4);
}
static inline void v1_put64(uint8_t *file, size_t at, uint64_t value)
{
	v1_put(file, at, &value, 8);
}
static inline void v1_put16(uint8_t *file, size_t at, uint16_t value)
{
	v1_put(file, at, &value, 2);
}

/* ::ffff:198.51.100.N */
static inline void v1_put_addr(uint8_t *file, size_t at, uint8_t n)
{
	static const uint8_t a[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 0 };
	memcpy(file + at, a, 16);
	file[at + 15] = n;
}

static inline void v1_header(uint8_t *file)
{
	v1_put64(file, 0, 0x0031474553535au); /* magic */
	memcpy(file + 8, "tables", 6);
	v1_put32(file, 24, 1); /* version */
	v1_put32(file, 28, sizeof(v1_rows) / sizeof(v1_rows[0]));
	v1_put64(file, 32, V1_HASH);
	v1_put64(file, 40, V1_SIZE);
	v1_put64(file, 48, 0xfeedu); /* incarnation */
	v1_put64(file, 56, 7);	     /* generation */
	for (size_t i = 0; i < sizeof(v1_rows) / sizeof(v1_rows[0]); i++) {
		size_t at = 88 + i * 48;
		memcpy(file + at, v1_rows[i].name, strlen(v1_rows[i].name));
		v1_put64(file, at + 32, v1_rows[i].offset);
		v1_put64(file, at + 40, v1_rows[i].size);
	}
}

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
	v1_put32(file, V1_STOP, 1);
	v1_put32(file, V1_SETTINGS, 2);
	v1_put32(file, V1_SETTINGS + 4, 60000);
	v1_put32(file, V1_SETTINGS + 8, 5000);
	v1_put16(file, V1_SETTINGS + 28, 30000);
	v1_put16(file, V1_SETTINGS + 30, 31000);
	v1_put64(file, V1_SETTINGS + 32, 41);
	v1_put32(file, V1_SETTINGS + 40, 2);
	v1_put_addr(file, V1_SETTINGS + 44, 0);
	memcpy(file + V1_SETTINGS + 44 + 12, (uint8_t[]){ 10, 0, 0, 0, 104 }, 5); /* 10.0.0.0/8 */
	v1_put_addr(file, V1_SETTINGS + 61, 0);
	memcpy(file + V1_SETTINGS + 61 + 12, (uint8_t[]){ 127, 0, 0, 0, 104 }, 5); /* never allowed */
	memcpy(file + V1_SETTINGS + 1132, "0123456789abcdef", 16);
	v1_put32(file, V1_LOCAL + 3 * 64, 6);
	memcpy(file + V1_LOCAL + 3 * 64 + 4, (uint8_t[]){ 1, 2, 9, 0 }, 4);
	v1_put_addr(file, V1_LOCAL + 3 * 64 + 8, 1);
	file[V1_LOCAL + 3 * 64 + 24] = 120;
	for (size_t i = 0; i < 3; i++) {
		size_t at = V1_PUBLISHED + ports[i].port * 64u;
		v1_put32(file, at, ports[i].seq);
		v1_put32(file, at + 4, 3);
		v1_put_addr(file, at + 8, ports[i].host);
		v1_put16(file, at + 24, ports[i].target_port);
		file[at + 26] = 1;
	}
}

static inline void v1_write(const char *dir)
{
	uint8_t *file = calloc(1, V1_SIZE);
	char path[128];
	int fd;

	v1_header(file);
	v1_contents(file);
	snprintf(path, sizeof(path), "%s/tables", dir);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0640);
	assert_true(fd >= 0 && write(fd, file, V1_SIZE) == (ssize_t)V1_SIZE);
	close(fd);
	free(file);
}

#endif
