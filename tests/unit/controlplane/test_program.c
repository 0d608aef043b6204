/* The writer of the tables: publishing, refusing, stopping, and a restart that touches nothing. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "program_internal.h"
#include "program_rig.h"

static int taker(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);

	a.sin_addr.s_addr = htonl(0xc6336401); /* 198.51.100.1, which no interface here has */
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)), 0);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -errno;
}

static void test_publish_and_unpublish(void **state)
{
	struct rig *r = *state;
	struct zs_publication list[4];
	struct zs_published e;

	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	assert_true(entry(r, PORT, &e));
	assert_int_equal(e.target_port, 443);
	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0); /* the same again */
	assert_int_equal(publish(r, PORT, "8.8.4.4:443"), -EEXIST);
	assert_int_equal(publish(r, PORT - 1, "9.9.9.9:1"), 0);
	assert_int_equal(zs_program_publications(r->c.program, list, 4), 2);
	assert_int_equal(list[0].port, PORT - 1);
	assert_int_equal(list[1].port, PORT);
	assert_true(taker(PORT) < 0); /* the placeholder */
	assert_int_equal(zs_program_unpublish(r->c.program, PORT, &r->err), 0);
	assert_false(entry(r, PORT, &e));
	assert_int_equal(zs_program_unpublish(r->c.program, PORT, &r->err), -ENOENT);
	int fd = taker(PORT);
	assert_true(fd >= 0);
	close(fd);
}

static void test_limits_change_in_place(void **state)
{
	struct rig *r = *state;
	struct zs_publication p = publication(PORT, "8.8.8.8:443");
	struct zs_published a, b;

	assert_int_equal(zs_program_publish(r->c.program, &p, &r->err), 0);
	assert_true(entry(r, PORT, &a));
	p.max_flows = 7;
	assert_int_equal(zs_program_publish(r->c.program, &p, &r->err), 0);
	assert_true(entry(r, PORT, &b));
	assert_int_equal(b.max_flows, 7);
	assert_int_equal(a.generation, b.generation); /* flows go on */
	assert_int_equal(zs_program_unpublish(r->c.program, PORT, NULL), 0);
	assert_int_equal(zs_program_publish(r->c.program, &p, NULL), 0);
	assert_true(entry(r, PORT, &b));
	assert_int_not_equal(a.generation, b.generation); /* old flows end */
}

static void test_refusals(void **state)
{
	static const struct {
		uint16_t port;
		const char *target;
		int code;
	} rows[] = {
		{ PORT, "127.0.0.1:53", -EPERM },    { PORT, "10.0.0.1:53", -EPERM },
		{ PORT, "[::1]:53", -EPERM },	     { PORT, "224.0.0.1:53", -EPERM },
		{ PORT, "198.51.100.1:53", -EPERM }, { 20000, "8.8.8.8:53", -EINVAL },
		{ 32767, "8.8.8.8:53", -EINVAL },    { 0, "8.8.8.8:53", -EINVAL },
	};
	struct rig *r = *state;
	struct zs_published e;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		memset(&r->err, 0, sizeof(r->err));
		assert_int_equal(publish(r, rows[i].port, rows[i].target), rows[i].code);
		assert_int_equal(r->err.exit, ZS_EXIT_REFUSED);
		assert_true(strlen(r->err.text) > 20);
		assert_false(entry(r, rows[i].port, &e));
	}
	/* Nothing that runs is wrong: a warning alone. */
	assert_true(rig_raised(r, ZS_HEALTH_publish_refused));
	assert_int_equal(zs_health_info(ZS_HEALTH_publish_refused)->severity, ZS_HEALTH_WARN);
	assert_false(rig_raised(r, ZS_HEALTH_target_denied));
	rig_run(r, 1100 * ZS_NS_PER_MS);
	assert_true(rig_raised(r, ZS_HEALTH_publish_refused));
	r->c.program->refused_until_ns = 1;
	rig_run(r, 1100 * ZS_NS_PER_MS);
	assert_false(rig_raised(r, ZS_HEALTH_publish_refused));
	assert_int_equal(zs_program_publications(r->c.program, NULL, 0), 0);
}

/* Ports of the relay's own: with a host they are nobody's to publish, without one they are like any other. */
static void test_own_ports(void **state)
{
	static const uint16_t own[] = { 9633, 9634, 4001 };
	struct rig *r = *state;
	struct zs_conf *without = r->c.conf;
	struct zs_published e;

	r->c.conf = rig_conf(r, "attach: {service_port: 9633, tunnel_port: 9634}\n"
				"p2p:\n  listen: ['198.51.100.1:4001']\n");
	for (size_t i = 0; i < ZS_ARRAY_LEN(own); i++) {
		assert_int_equal(publish(r, own[i], "8.8.8.8:443"), -EINVAL);
		assert_non_null(strstr(r->err.text, own[i] == 4001 ? "p2p.listen" : "attach."));
		assert_false(entry(r, own[i], &e));
	}
	free(r->c.conf);
	r->c.conf = without;
	for (size_t i = 0; i < ZS_ARRAY_LEN(own); i++)
		assert_int_equal(publish(r, own[i], "8.8.8.8:443"), 0);
}

static void test_port_taken(void **state)
{
	struct rig *r = *state;
	struct zs_published e;
	int fd = taker(PORT);

	assert_true(fd >= 0);
	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), -EADDRINUSE);
	assert_non_null(strstr(r->err.text, "19443"));
	assert_non_null(strstr(r->err.text, "198.51.100.1"));
	assert_true(rig_raised(r, ZS_HEALTH_publish_refused));
	assert_false(rig_raised(r, ZS_HEALTH_port_taken));
	assert_false(entry(r, PORT, &e));
	close(fd);
	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
}

/* A crash: nothing is deleted in order, the segment and the store stay behind. */
static void test_restart_touches_nothing(void **state)
{
	struct rig *r = *state;
	struct zs_tables *t;
	struct zs_published before, after;
	uint32_t seq, local_seq, settings_seq;

	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	assert_int_equal(publish(r, PORT + 1, "8.8.8.8:444"), 0);
	t = zs_program_tables(r->c.program);
	assert_true(entry(r, PORT, &before));
	seq = t->published[PORT].seq;
	local_seq = t->local[0].seq;
	settings_seq = t->settings->seq;
	assert_true(local_seq != 0);
	rig_close(r);
	rig_open(r);
	t = zs_program_tables(r->c.program);
	assert_true(entry(r, PORT, &after));
	assert_int_equal(before.generation, after.generation);
	assert_int_equal(t->published[PORT].seq, seq);
	assert_int_equal(t->local[0].seq, local_seq);
	assert_int_equal(t->settings->seq, settings_seq);
	assert_int_equal(zs_program_publications(r->c.program, NULL, 0), 0);
	struct zs_publication list[4];
	assert_int_equal(zs_program_publications(r->c.program, list, 4), 2);
	assert_false(list[0].from_config);
}

/* After the segment is lost (a reboot) the store alone brings the ports back. */
static void test_store_brings_ports_back(void **state)
{
	struct rig *r = *state;
	struct zs_published e;
	char path[160];

	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	assert_int_equal(zs_program_stop(r->c.program, true, &r->err), 0);
	rig_close(r);
	snprintf(path, sizeof(path), "%s/tables", r->c.shm_dir);
	assert_int_equal(unlink(path), 0);
	rig_open(r);
	assert_true(entry(r, PORT, &e));
	assert_int_equal(e.target_port, 443);
	assert_true(zs_program_stopped(r->c.program));
	assert_true(rig_raised(r, ZS_HEALTH_stopped));
}

/* The tables hold what nobody asked for (another life's leftovers): it goes. */
static void test_strays_are_cleared(void **state)
{
	struct rig *r = *state;
	struct zs_published stray = { .used = 1, .target = zs_addr_from4(0x08080808), .target_port = 1 }, e;

	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	assert_int_equal(zs_tables_set_published(zs_program_tables(r->c.program), 4000, &stray), 0);
	zs_tables_set_published(zs_program_tables(r->c.program), PORT, &stray);
	rig_close(r);
	rig_open(r);
	assert_false(entry(r, 4000, &e));
	assert_true(entry(r, PORT, &e));
	assert_int_equal(e.target_port, 443);
}

static void test_stop_and_resume(void **state)
{
	struct rig *r = *state;

	assert_false(zs_program_stopped(r->c.program));
	assert_int_equal(zs_program_stop(r->c.program, true, &r->err), 0);
	assert_true(zs_program_stopped(r->c.program));
	rig_close(r);
	rig_open(r);
	assert_true(zs_program_stopped(r->c.program));
	assert_int_equal(zs_program_stop(r->c.program, false, &r->err), 0);
	rig_close(r);
	rig_open(r);
	assert_false(zs_program_stopped(r->c.program));
	assert_false(rig_raised(r, ZS_HEALTH_stopped));
	/* A word set without a record (the disk was full) stays set, and is recorded. */
	zs_tables_set_stop(zs_program_tables(r->c.program), true);
	rig_close(r);
	rig_open(r);
	assert_true(zs_program_stopped(r->c.program));
}

static void test_full_disk(void **state)
{
	struct rig *r = *state;
	struct rlimit old, tight;
	struct zs_published e;

	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight = old;
	tight.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	assert_true(publish(r, PORT + 1, "8.8.8.8:444") < 0);
	assert_false(entry(r, PORT + 1, &e));
	assert_true(zs_program_unpublish(r->c.program, PORT, &r->err) < 0);
	assert_true(entry(r, PORT, &e)); /* what ran goes on */
	assert_true(rig_raised(r, ZS_HEALTH_store_failed));
	assert_true(zs_program_stop(r->c.program, true, &r->err) < 0);
	assert_true(zs_program_stopped(r->c.program)); /* stopped all the same */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(publish(r, PORT + 1, "8.8.8.8:444"), 0);
	assert_false(rig_raised(r, ZS_HEALTH_store_failed));
}

static void apply(struct rig *r, const char *more, int expect)
{
	struct zs_conf *next = rig_conf(r, more);
	int rc = zs_control_apply(&r->c, next, &r->err);

	if (rc)
		free(next);
	assert_int_equal(rc, expect);
}

static void test_apply(void **state)
{
	struct rig *r = *state;
	struct zs_published a, b;
	struct zs_settings s;

	assert_int_equal(publish(r, PORT + 5, "8.8.8.8:1"), 0);
	apply(
	    r,
	    "publish:\n  - {port: 19443, target: '8.8.8.8:443'}\n  - {port: 19444, target: '8.8.8.8:444'}\n",
	    0);
	assert_true(entry(r, PORT, &a));
	assert_int_equal(zs_program_unpublish(r->c.program, PORT, &r->err), -EPERM);
	apply(r, "publish:\n  - {port: 19443, target: '8.8.4.4:443'}\nflows: {idle_confirmed_s: 33}\n", 0);
	assert_true(entry(r, PORT, &b));
	assert_int_not_equal(a.generation, b.generation);
	assert_false(entry(r, PORT + 1, &a)); /* gone from the file */
	assert_true(entry(r, PORT + 5, &a));  /* published by command */
	assert_true(zs_tables_settings(zs_program_tables(r->c.program), &s));
	assert_int_equal(s.flow_idle_answered_ms, 33000);
}

static void test_apply_is_all_or_nothing(void **state)
{
	struct rig *r = *state;
	struct zs_published e;
	const struct zs_conf *before = r->c.conf;
	int fd = taker(PORT + 1);

	assert_true(fd >= 0);
	apply(
	    r,
	    "publish:\n  - {port: 19443, target: '8.8.8.8:443'}\n  - {port: 19444, target: '8.8.8.8:444'}\n",
	    -EADDRINUSE);
	assert_false(entry(r, PORT, &e));
	assert_ptr_equal(before, r->c.conf);
	assert_true(rig_raised(r, ZS_HEALTH_config_rejected));
	int other = taker(PORT); /* the first one's placeholder is gone again */
	assert_true(other >= 0);
	close(other);
	close(fd);
	apply(r, "flows: {capacity: 2048}\n", -EBUSY); /* wants a restart */
	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	apply(r, "publish:\n  - {port: 19443, target: '8.8.4.4:443'}\n", -EEXIST);
	apply(r, "", 0);
	assert_false(rig_raised(r, ZS_HEALTH_config_rejected));
}

/* At a start a port that is taken does not keep the others from working, and comes when it is free. */
static void test_taken_at_start(void **state)
{
	struct rig *r = *state;
	struct zs_published e;
	int fd;

	apply(
	    r,
	    "publish:\n  - {port: 19443, target: '8.8.8.8:443'}\n  - {port: 19444, target: '8.8.8.8:444'}\n",
	    0);
	rig_close(r);
	fd = taker(PORT);
	assert_true(fd >= 0);
	rig_open(r);
	assert_true(entry(r, PORT, &e)); /* adopted: it worked and goes on */
	assert_true(rig_raised(r, ZS_HEALTH_port_taken));
	zs_tables_set_published(zs_program_tables(r->c.program), PORT, NULL);
	rig_close(r);
	rig_open(r);
	assert_false(entry(r, PORT, &e));
	assert_true(entry(r, PORT + 1, &e));
	close(fd);
	rig_run(r, 1200 * ZS_NS_PER_MS);
	assert_true(entry(r, PORT, &e));
	assert_false(rig_raised(r, ZS_HEALTH_port_taken));
}

/* The ports of connection IDs and of tunnels are the relay's from its start on, if there is a host; one that another program
 * has is told, and taken when it is free. */
static void test_own_ports_are_held(void **state)
{
#define OWN "attach: {service_port: 9533, tunnel_port: 9534}\n"
	struct rig *r = *state;
	int fd;

	for (uint16_t port = 9533; port <= 9534; port++) {
		rig_close(r);
		free(r->c.conf);
		r->c.conf = rig_conf(r, OWN); /* nobody attaches */
		rig_open(r);
		fd = taker(port);
		assert_true(fd >= 0);
		rig_close(r);
		free(r->c.conf);
		r->c.conf = rig_conf(r, OWN "p2p: {listen: ['127.0.0.1:9535']}\n");
		rig_open(r);
		assert_true(rig_raised(r, ZS_HEALTH_port_taken));
		assert_true(taker(port ^ 9533 ^ 9534) < 0);
		close(fd);
		rig_run(r, 1200 * ZS_NS_PER_MS);
		assert_false(rig_raised(r, ZS_HEALTH_port_taken));
		assert_int_equal(taker(port), -EADDRINUSE);
	}
}

/* Tables that were cut short reach nobody: changes are refused, the emergency stop is not; the next start makes
 * new ones from the store. */
static void test_damaged_tables(void **state)
{
	struct rig *r = *state;
	struct zs_tables *t = zs_program_tables(r->c.program);
	struct zs_published e;
	struct zs_error err;

	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	assert_int_equal(zs_program_writable(r->c.program, &err), 0);
	atomic_fetch_add(&t->seg.faulted, 1); /* what the handler of shm/fault.h counts */
	assert_int_equal(zs_program_writable(r->c.program, &err), -EUCLEAN);
	assert_int_equal(err.exit, ZS_EXIT_REFUSED);
	assert_int_equal(publish(r, PORT + 1, "8.8.8.8:443"), -EUCLEAN);
	assert_int_equal(zs_program_unpublish(r->c.program, PORT, &err), -EUCLEAN);
	assert_int_equal(zs_program_stop(r->c.program, true, &err), 0);
	assert_int_equal(zs_program_stop(r->c.program, false, &err), -EUCLEAN);
	atomic_store(&t->seg.base->magic, 1); /* and what the next start finds */
	rig_close(r);
	rig_open(r);
	assert_true(rig_raised(r, ZS_HEALTH_segment_lost));
	assert_true(entry(r, PORT, &e));
	assert_true(zs_program_stopped(r->c.program)); /* stored: a new segment does not forget it */
	assert_int_equal(zs_program_stop(r->c.program, false, &err), 0);
}

/* The configuration's own networks, static routes and neighbours, by difference. */
static void test_static_routes(void **state)
{
	struct rig *r = *state;
	struct zs_tables *t = zs_program_tables(r->c.program);
	struct zs_nexthop missing, hop = { .used = 1, .valid = 1, .mtu = 1500 };
	struct zs_route route[3] = { { .used = 1, .len = 96, .metric = 1 },
				     { .used = 1, .len = 104 },
				     { 0 } };
	struct zs_addr far;
	uint64_t change;

	zs_addr_parse(&far, "9.9.9.9");
	zs_addr_parse(&hop.addr, "198.51.100.9");
	route[0].dest = zs_addr_from4(0);
	route[0].gateway = hop.addr;
	zs_addr_parse(&route[1].dest, "9.0.0.0");
	route[1].onlink = 1;
	route[2] = route[0]; /* a double: the first of equal keys holds */
	assert_int_equal(zs_program_set_nexthops(r->c.program, &hop, 1), 0);
	assert_int_equal(zs_program_set_routes(r->c.program, route, 1), 0);
	assert_int_not_equal(zs_tables_resolve(t, &far, &missing), ZS_NEXTHOP_NONE);
	change = *t->change;
	assert_int_equal(zs_program_set_routes(r->c.program, route, 1), 0);
	assert_int_equal(zs_program_set_nexthops(r->c.program, &hop, 1), 0);
	assert_int_equal(*t->change, change); /* nothing was written */
	assert_int_equal(zs_program_set_routes(r->c.program, route, 3), 0);
	assert_int_equal(zs_tables_resolve(t, &far, &missing), ZS_NEXTHOP_NONE); /* 9/8 is on the link now */
	assert_true(missing.used);
	assert_memory_equal(&missing.addr, &far, 16);
	assert_int_equal(zs_program_set_routes(r->c.program, route, 0), 0);
	assert_int_equal(zs_tables_resolve(t, &far, &missing), ZS_NEXTHOP_NONE);
	assert_false(missing.used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_publish_and_unpublish, rig_setup_open,
						rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_limits_change_in_place, rig_setup_open,
						rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_refusals, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_own_ports, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_port_taken, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_restart_touches_nothing, rig_setup_open,
						rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_store_brings_ports_back, rig_setup_open,
						rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_strays_are_cleared, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_stop_and_resume, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_full_disk, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_apply, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_apply_is_all_or_nothing, rig_setup_open,
						rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_taken_at_start, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_own_ports_are_held, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_damaged_tables, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_static_routes, rig_setup_open, rig_teardown_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
