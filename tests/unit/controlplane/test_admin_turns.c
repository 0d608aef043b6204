/* Whose request is next, and how long anybody can hold off anybody else. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "admin/server.h"
#include "admin_rig.h"

#define LINE(verb) "{\"v\":1,\"verb\":\"" verb "\"}\n"

/* A connection whose caller has this level. */
static int dial(struct rig *r, enum zs_level level, struct zs_admin_conn **conn)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	bool before[ZS_ADMIN_CONNECTIONS];

	for (int i = 0; i < ZS_ADMIN_CONNECTIONS; i++)
		before[i] = r->c.admin->conn[i].admin != NULL;
	memcpy(sun.sun_path, r->c.conf->admin.socket, sizeof(sun.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	zs_loop_turn(r->c.loop, ZS_NS_PER_MS);
	for (int i = 0; i < ZS_ADMIN_CONNECTIONS; i++) {
		if (before[i] || !r->c.admin->conn[i].admin)
			continue;
		r->c.admin->conn[i].caller = callers[level];
		if (conn)
			*conn = &r->c.admin->conn[i];
		return fd;
	}
	fail_msg("no connection");
	return -1;
}

/* As much of `line`, over and over, as a connection takes. */
static void send_heap(int fd, const char *line)
{
	size_t len = strlen(line), at = 0;
	char heap[ZS_ADMIN_REQUEST_MAX];

	for (; at + len <= sizeof(heap); at += len)
		memcpy(heap + at, line, len);
	assert_int_equal(send(fd, heap, at, 0), at);
}

static void turns(struct rig *r, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(zs_loop_turn(r->c.loop, 0), 0);
}

static uint64_t calls(const struct rig *r, enum zs_command_id id)
{
	return r->c.admin->counts.calls[id];
}

/* Heaps of requests on every slot there is for them; the owner's stop goes before all but a few. */
static void test_owner_waits_for_nobody(void **state)
{
	static const char stop[] = LINE("stop");
	struct rig *r = *state;
	uint64_t before;
	int fd;

	open_all(r);
	for (unsigned i = 0; i < ZS_ADMIN_SLOTS_admin; i++)
		send_heap(dial(r, i % 2 ? ZS_LEVEL_admin : ZS_LEVEL_user, NULL), LINE("version"));
	turns(r, 10);
	before = calls(r, ZS_COMMAND_version);
	assert_true(before > 0);
	fd = dial(r, ZS_LEVEL_owner, NULL);
	assert_int_equal(send(fd, stop, strlen(stop), 0), strlen(stop));
	for (int i = 0; i < 100 && !zs_program_stopped(r->c.program); i++)
		turns(r, 1);
	assert_true(zs_program_stopped(r->c.program));
	assert_true(calls(r, ZS_COMMAND_version) - before <= 3);
	close_all(r);
}

/* One request a turn, whatever lies there. */
static void test_one_request_a_turn(void **state)
{
	struct rig *r = *state;

	open_all(r);
	send_heap(dial(r, ZS_LEVEL_user, NULL), LINE("version"));
	send_heap(dial(r, ZS_LEVEL_user, NULL), LINE("health"));
	turns(r, 1);
	for (int i = 0; i < 20; i++) {
		uint64_t before = calls(r, ZS_COMMAND_version) + calls(r, ZS_COMMAND_health);

		turns(r, 1);
		assert_true(calls(r, ZS_COMMAND_version) + calls(r, ZS_COMMAND_health) - before <= 1);
	}
	/* Equals take turns. */
	assert_in_range(calls(r, ZS_COMMAND_version), 8, 12);
	assert_in_range(calls(r, ZS_COMMAND_health), 8, 12);
	close_all(r);
}

static void test_order(void **state)
{
	static const struct {
		enum zs_level level;
		bool queued;
		uint64_t served;
	} row[] = {
		{ ZS_LEVEL_user, true, 1 },  { ZS_LEVEL_admin, true, 9 },  { ZS_LEVEL_none, true, 0 },
		{ ZS_LEVEL_owner, true, 8 }, { ZS_LEVEL_owner, true, 7 },  { ZS_LEVEL_admin, true, 3 },
		{ ZS_LEVEL_user, true, 0 },  { ZS_LEVEL_owner, false, 0 },
	};
	static const unsigned order[] = { 4, 3, 5, 1, 6, 0, 2 };
	struct zs_admin *a = calloc(1, sizeof(*a));

	for (unsigned i = 0; i < ZS_ARRAY_LEN(row); i++) {
		a->conn[i].admin = a;
		a->conn[i].caller.level = row[i].level;
		a->conn[i].queued = row[i].queued;
		a->conn[i].served = row[i].served;
	}
	for (unsigned i = 0; i < ZS_ARRAY_LEN(order); i++) {
		assert_ptr_equal(zs_admin_next(a), &a->conn[order[i]]);
		a->conn[order[i]].queued = false;
	}
	assert_null(zs_admin_next(a));
	free(a);
}

/* Answers to a heap do not move its deadline; an answer to all that was sent does. */
static void test_a_heap_has_one_deadline(void **state)
{
	struct rig *r = *state;
	struct zs_admin_conn *conn;
	uint64_t until;
	int fd;

	open_all(r);
	fd = dial(r, ZS_LEVEL_admin, &conn);
	until = conn->until_ns;
	send_heap(fd, LINE("version"));
	turns(r, 20);
	assert_true(calls(r, ZS_COMMAND_version) > 10);
	assert_int_equal(conn->until_ns, until);
	fd = dial(r, ZS_LEVEL_admin, &conn);
	until = conn->until_ns;
	assert_int_equal(send(fd, LINE("health"), strlen(LINE("health")), 0), strlen(LINE("health")));
	for (int i = 0; i < 10000 && calls(r, ZS_COMMAND_health) == 0; i++)
		turns(r, 1);
	assert_true(conn->until_ns > until);
	close_all(r);
}

/* What was asked for is done, also when who asked does not wait for the answer. */
static void test_asked_and_gone(void **state)
{
	struct rig *r = *state;
	struct zs_admin_conn *conn;
	int fd;

	open_all(r);
	fd = dial(r, ZS_LEVEL_owner, &conn);
	assert_int_equal(send(fd, LINE("stop"), strlen(LINE("stop")), 0), strlen(LINE("stop")));
	close(fd);
	turns(r, 6);
	assert_true(zs_program_stopped(r->c.program));
	assert_null(conn->admin);
	close_all(r);
}

static void add_records(struct rig *r, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(call(r, ZS_LEVEL_admin,
				      "{\"v\":1,\"verb\":\"log level\",\"args\":{\"level\":\"info\"}}", NULL),
				 0);
}

/* Length of what is there, -EAGAIN: nothing. */
static ssize_t take(int fd, char *buf, size_t cap)
{
	ssize_t n = recv(fd, buf, cap - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return n < 0 ? -errno : n;
}

/* A check of the audit file takes no turn of anybody else's, is alone, and ends with its caller. */
static void test_verify_in_steps(void **state)
{
	static const char verify[] = LINE("audit verify");
	struct rig *r = *state;
	struct zs_admin_conn *conn;
	char buf[4096];
	int fd, other, i;

	open_all(r);
	add_records(r, 300);
	fd = dial(r, ZS_LEVEL_admin, &conn);
	other = dial(r, ZS_LEVEL_admin, NULL);
	assert_int_equal(send(fd, verify, strlen(verify), 0), strlen(verify));
	for (i = 0; i < 10 && !conn->waiting; i++)
		turns(r, 1);
	assert_true(conn->waiting);
	assert_int_equal(call(r, ZS_LEVEL_owner, LINE("stop"), NULL), 0);
	assert_int_equal(send(other, verify, strlen(verify), 0), strlen(verify));
	for (i = 0; i < 1000 && (take(fd, buf, sizeof(buf)) == -EAGAIN); i++)
		turns(r, 1);
	assert_non_null(strstr(buf, "\"intact\":true"));
	assert_non_null(strstr(buf, "\"records\":301"));
	for (i = 0; i < 1000 && (take(other, buf, sizeof(buf)) == -EAGAIN); i++)
		turns(r, 1);
	assert_true(strstr(buf, "being checked already") || strstr(buf, "\"intact\":true"));
	/* Half closed it is answered … */
	assert_int_equal(send(fd, verify, strlen(verify), 0), strlen(verify));
	shutdown(fd, SHUT_WR);
	for (i = 0; i < 1000 && (take(fd, buf, sizeof(buf)) == -EAGAIN); i++)
		turns(r, 1);
	assert_non_null(strstr(buf, "\"intact\":true"));
	/* … and closed it leaves nothing behind. */
	fd = dial(r, ZS_LEVEL_admin, &conn);
	assert_int_equal(send(fd, verify, strlen(verify), 0), strlen(verify));
	for (i = 0; i < 10 && !conn->waiting; i++)
		turns(r, 1);
	close(fd);
	for (i = 0; i < 100 && conn->admin; i++)
		turns(r, 1);
	assert_null(conn->admin);
	assert_int_equal(call(r, ZS_LEVEL_owner, verify, NULL), 0);
	/* One that is under way when the server ends. */
	fd = dial(r, ZS_LEVEL_admin, &conn);
	assert_int_equal(send(fd, verify, strlen(verify), 0), strlen(verify));
	for (i = 0; i < 10 && !conn->waiting; i++)
		turns(r, 1);
	close_all(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_owner_waits_for_nobody), TEST(test_one_request_a_turn),
		cmocka_unit_test(test_order),	   TEST(test_a_heap_has_one_deadline),
		TEST(test_asked_and_gone),	   TEST(test_verify_in_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
