/* The control plane's system calls under its real filter: rows, then its modules at work. */
#include <pthread.h>
#include "../sandbox_rows.h"
#include "../child.h"
#include "admin/admin.h"
#include "admin/handle.h"
#include "later_rig.h"
#include "rig.h"
#include "sandbox.h"

static int install(void)
{
	return zs_control_filter(NULL);
}

static const struct sandbox_row own[] = {
	{ "another netlink family", REFUSED, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_GENERIC } },
	{ "a TCP socket, IPv6", REFUSED, SYS_socket, { AF_INET6, SOCK_STREAM | SOCK_CLOEXEC } },
	{ "an AF_XDP socket", REFUSED, SYS_socket, { AF_XDP, SOCK_RAW } },
	{ "a map's value", REFUSED, SYS_bpf, { BPF_MAP_LOOKUP_ELEM, TEXT(sandbox_room), 32 } },
	{ "what a ring may do", REFUSED, SYS_io_uring_register, { NO_FD, IORING_REGISTER_PROBE, 0, 0 } },
	{ "a file's rights by its path",
	  REFUSED,
	  SYS_fchmodat,
	  { (uintptr_t)AT_FDCWD, TEXT("/nonesuch"), 0777 } },
	{ "another resource limit", REFUSED, SYS_prlimit64, { 0, 7, 0, 0 } },
	{ "a UDP socket", PASSES, SYS_socket, { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK } },
	{ "a UDP socket, IPv6", PASSES, SYS_socket, { AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC } },
	{ "routes", PASSES, SYS_socket, { AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE } },
	{ "the loop's ring", PASSES, SYS_io_uring_enter, { NO_FD } },
	{ "a file", PASSES, SYS_openat, { (uintptr_t)AT_FDCWD, TEXT("/dev/null"), O_RDWR | O_CLOEXEC } },
};

static void test_common(void **state)
{
	sandbox_check(sandbox_both, ZS_ARRAY_LEN(sandbox_both), install);
}

static void test_own(void **state)
{
	sandbox_check(own, ZS_ARRAY_LEN(own), install);
}

/* Which step failed, 0: none. No assertion: this is a child. */
static int ask(struct rig *r, const char *req)
{
	static const struct zs_caller owner = { .level = ZS_LEVEL_owner };
	json_t *answer = NULL;
	int rc = rig_handle(&r->c, &owner, req, strlen(req), &answer);

	if (rc == 0 && !json_is_true(json_object_get(answer, "ok"))) {
		fprintf(stderr, "%s: %s\n", req, json_string_value(json_object_get(answer, "error")));
		rc = -EPERM;
	}
	json_decref(answer);
	return rc;
}

/* More than two write buffers: RocksDB makes threads and files for them. */
static int fill_store(struct rig *r)
{
	static const char value[64 << 10];
	struct zs_error err = { 0 };
	int rc = 0;

	for (uint32_t key = 0; rc == 0 && key < 160; key++) {
		struct zs_store_batch *b = zs_store_begin(r->c.store);

		zs_store_put(b, &key, sizeof(key), value, sizeof(value));
		rc = zs_store_commit(b, &err);
	}
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	return rc;
}

static void *nothing(void *arg)
{
	return arg;
}

/* What a failed write leads to, and a start of the dataplane, a second instance, a reload. */
static int reopen_store(struct rig *r)
{
	struct zs_error err = { 0 };
	char dir[128];
	int rc;

	snprintf(dir, sizeof(dir), "%s/store", r->dir);
	zs_store_close(r->c.store);
	rc = zs_store_open(&r->c.store, dir, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	return rc;
}

static int work(struct rig *r)
{
	uint64_t end = zs_clock_ns() + 300 * ZS_NS_PER_MS;
	pthread_t thread;
	char req[128];

	/* Tests of this kind run side by side: each has a port of its own. */
	snprintf(req, sizeof(req),
		 "{\"v\":1,\"verb\":\"publish add\",\"args\":{\"port\":%d,\"target\":\"8.8.8.8:443\"}}",
		 2000 + (int)getpid() % 16000);
	if (ask(r, req))
		return 1;
	if (fill_store(r))
		return 2;
	if (ask(r, "{\"v\":1,\"verb\":\"stop\"}") || ask(r, "{\"v\":1,\"verb\":\"resume\"}"))
		return 3;
	while (zs_clock_ns() < end)
		if (zs_loop_turn(r->c.loop, 10 * ZS_NS_PER_MS) < 0)
			return 4;
	if (ask(r, "{\"v\":1,\"verb\":\"audit verify\"}") || ask(r, "{\"v\":1,\"verb\":\"memory\"}"))
		return 5;
	if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
		return 6;
	zs_admin_delete(r->c.admin);
	r->c.admin = NULL;
	zs_netlink_delete(r->c.netlink);
	r->c.netlink = NULL;
	zs_program_delete(r->c.program);
	return reopen_store(r) ? 7 : 0;
}

static int child(struct rig *r)
{
	struct zs_error err = { 0 };

	r->c.conf = rig_conf(r, "");
	if (zs_control_drop(&err))
		return 90;
	rig_open(r);
	if (zs_netlink_new(&r->c.netlink, &r->c, &err) || zs_admin_new(&r->c.admin, &r->c, &err))
		return 91;
	if (zs_control_filter(&err))
		return 92;
	return work(r);
}

static void test_goes_on(void **state)
{
	pid_t pid = fork(); /* before there is any thread */

	if (pid == 0)
		_exit(child(*state));
	child_judges(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_own),
		cmocka_unit_test_setup_teardown(test_goes_on, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
