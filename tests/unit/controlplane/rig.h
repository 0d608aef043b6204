/* A control plane in temporary folders: no root, no kernel, no dataplane. */
#ifndef ZS_TESTS_CONTROLPLANE_RIG_H
#define ZS_TESTS_CONTROLPLANE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/clock.h"
#include "control.h"
#include "drain.h"
#include "netlink.h"
#include "program.h"
#include "store.h"

struct rig {
	char dir[64];
	struct zs_control c;
	struct zs_error err;
};

static inline struct zs_conf *rig_conf(const struct rig *r, const char *more)
{
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error err = { 0 };
	char text[4096];
	int n = snprintf(text, sizeof(text),
			 "instance: unit\nstate_dir: %s\nrun_dir: %s\n"
			 "dataplane:\n  ports:\n    - name: p0\n      driver: null\n"
			 "      addresses: [198.51.100.1/24]\n"
			 "      neighbours: [{address: 198.51.100.9, mac: '02:00:00:00:00:09'}]\n"
			 "      routes: [{to: 0.0.0.0/0, via: 198.51.100.9}]\n"
			 "%s",
			 r->dir, r->dir, more);

	if (zs_conf_parse(conf, "unit.yaml", text, (size_t)n, &err))
		fail_msg("%s", err.text);
	return conf;
}

static inline void rig_open(struct rig *r)
{
	char path[128];

	r->c.health[0].raised = 0;
	assert_int_equal(zs_loop_new(&r->c.loop, ZS_LOOP_AUTO, &r->err), 0);
	snprintf(path, sizeof(path), "%s/store", r->dir);
	if (zs_store_open(&r->c.store, path, &r->err))
		fail_msg("%s", r->err.text);
	zs_drain_load(&r->c);
	if (zs_program_new(&r->c.program, &r->c, &r->err))
		fail_msg("%s", r->err.text);
}

static inline void rig_close(struct rig *r)
{
	zs_netlink_delete(r->c.netlink);
	r->c.netlink = NULL;
	zs_drain_delete(&r->c);
	zs_program_delete(r->c.program);
	zs_store_close(r->c.store);
	zs_loop_delete(r->c.loop);
}

/* Its folders and its log; the configuration is the caller's. */
static inline void rig_make(struct rig *r)
{
	strcpy(r->dir, "/tmp/zs-unit-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->c.shm_dir, sizeof(r->c.shm_dir), "%s/shm", r->dir);
	assert_int_equal(mkdir(r->c.shm_dir, 0750), 0);
	zs_log_init(&r->c.log, -1, "unit");
}

static inline void rig_remove(struct rig *r)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
	assert_int_equal(system(cmd), 0);
	free(r->c.conf);
}

static inline int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_make(r);
	*state = r;
	return 0;
}

static inline int rig_teardown(void **state)
{
	rig_remove(*state);
	free(*state);
	return 0;
}

/* … and open, under the plain configuration. */
static inline int rig_setup_open(void **state)
{
	struct rig *r;

	rig_setup(state);
	r = *state;
	r->c.conf = rig_conf(r, "");
	rig_open(r);
	return 0;
}

static inline int rig_teardown_open(void **state)
{
	rig_close(*state);
	return rig_teardown(state);
}

static inline bool rig_raised(struct rig *r, enum zs_health h)
{
	struct zs_health_cell cell;

	zs_health_read(r->c.health, h, &cell);
	return cell.raised;
}

/* A port that is free on both families' loopback, which nobody else of this machine's tests is told. */
static inline uint16_t rig_port(void)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	do { /* outside of the ports that the configuration gives away */
		sa.sin6_port = htons((uint16_t)(33000 + rand() % 27000));
	} while (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	close(fd);
	return ntohs(sa.sin6_port);
}

/* Runs the loop for that long. */
static inline void rig_run(struct rig *r, uint64_t ns)
{
	uint64_t end = zs_clock_ns() + ns;

	while (zs_clock_ns() < end)
		assert_int_equal(zs_loop_turn(r->c.loop, 10 * ZS_NS_PER_MS) < 0, 0);
}

#endif
