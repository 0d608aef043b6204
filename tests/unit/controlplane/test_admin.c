/* The admin API: every verb at every level, hostile requests, and the server's sockets. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "admin/server.h"
#include "admin_rig.h"

#define PEER "12D3KooWM6CgA9iBFZmcYAHA6A2qvbAxqfkmrYiRQuz3XEsk4Ksv"

/* Arguments that each served verb takes. */
static const struct {
	const char *verb, *args;
	int exit; /* at a level that may call it, with no dataplane there */
} verbs[] = {
	{ "status", "{}", 0 },
	{ "health", "{}", 0 },
	{ "health", "{\"all\":true}", 0 },
	{ "publish add", "{\"port\":9443,\"target\":\"10.0.0.2:443\",\"max-flows\":9}", 0 },
	{ "publish add", "{\"port\":9443,\"target\":\"10.0.0.2:443\",\"max-flows\":9}", 0 },
	{ "publish add", "{\"port\":9443,\"target\":\"10.0.0.3:443\"}", ZS_EXIT_REFUSED },
	{ "publish add", "{\"port\":9444,\"target\":\"127.0.0.1:443\"}", ZS_EXIT_REFUSED },
	{ "publish list", "{}", 0 },
	{ "publish del", "{\"port\":9443}", 0 },
	{ "publish del", "{\"port\":9443}", ZS_EXIT_REFUSED },
	{ "attach list", "{}", 0 },
	{ "attach allow", "{\"peer\":\"" PEER "\",\"name\":\"edge\"}", 0 },
	{ "attach allow", "{\"peer\":\"" PEER "\",\"policy\":\"nosuch\"}", ZS_EXIT_REFUSED },
	{ "attach allow", "{\"peer\":\"edge\"}", ZS_EXIT_USAGE },
	{ "attach allow", "{\"peer\":\"" PEER "\",\"name\":\"a b\"}", ZS_EXIT_USAGE },
	{ "attach deny", "{\"peer\":\"" PEER "\"}", 0 },
	{ "attach show", "{\"who\":\"" PEER "\"}", ZS_EXIT_REFUSED },
	{ "attach show", "{\"who\":\"1\"}", ZS_EXIT_REFUSED },
	{ "deny add",
	  "{\"prefixes\":[\"192.0.2.0/24\",\"2001:db8::/32\"],\"direction\":\"in\",\"comment\":\"who "
	  "floods\"}",
	  0 },
	{ "deny add", "{\"prefixes\":[\"192.0.2.0/24\"],\"allow\":true,\"direction\":\"out\"}", 0 },
	{ "deny add", "{\"prefixes\":[\"192.0.2.1/24\"]}", ZS_EXIT_USAGE },
	{ "deny add", "{\"prefixes\":[]}", ZS_EXIT_USAGE },
	{ "deny add", "{\"prefixes\":[\"192.0.2.0/24\"],\"direction\":\"up\"}", ZS_EXIT_USAGE },
	{ "deny add",
	  "{\"prefixes\":[\"10.0.0.0/"
	  "8\"],\"comment\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
	  ZS_EXIT_USAGE },
	{ "deny list", "{}", 0 },
	{ "deny list", "{\"limit\":1}", 0 },
	{ "deny remove", "{\"prefixes\":[\"192.0.2.0/24\",\"10.0.0.0/8\"]}", ZS_EXIT_REFUSED },
	{ "deny remove", "{\"prefixes\":[\"192.0.2.0/24\",\"2001:db8::/32\"]}", 0 },
	{ "attach limit", "{\"who\":\"" PEER "\",\"limits\":[\"bit_s=10M\",\"excess=mark\"]}", 0 },
	{ "attach limit", "{\"who\":\"1\",\"limits\":[\"bit_s=10M\"]}", ZS_EXIT_REFUSED },
	{ "attach limit", "{\"who\":\"" PEER "\",\"limits\":[\"bit_s=fast\"]}", ZS_EXIT_USAGE },
	{ "attach limit", "{\"who\":\"" PEER "\",\"limits\":[]}", ZS_EXIT_USAGE },
	{ "attach limit", "{\"who\":\"" PEER "\",\"limits\":\"bit_s=1\"}", ZS_EXIT_USAGE },
	{ "attach limit", "{\"who\":\"" PEER "\",\"limits\":[1]}", ZS_EXIT_USAGE },
	{ "show usage", "{}", 0 },
	{ "show usage", "{\"who\":\"" PEER "\"}", ZS_EXIT_REFUSED },
	{ "attach kick", "{\"who\":\"1\"}", ZS_EXIT_REFUSED },
	{ "attach kick", "{\"who\":\" 1\"}", ZS_EXIT_USAGE },
	{ "attach kick", "{\"who\":\"+1\"}", ZS_EXIT_USAGE },
	{ "attach kick", "{\"who\":\"\"}", ZS_EXIT_USAGE },
	{ "attach forget", "{\"peer\":\"" PEER "\"}", 0 },
	{ "attach forget", "{\"peer\":\"" PEER "\"}", ZS_EXIT_REFUSED },
	{ "attach forget", "{\"peer\":\"1\"}", ZS_EXIT_USAGE },
	{ "attach kick", "{\"who\":\"edge\"}", ZS_EXIT_USAGE },
	{ "cid mint", "{\"who\":\"1\"}", ZS_EXIT_REFUSED },
	{ "cid mint", "{\"who\":\"1\",\"count\":65}", ZS_EXIT_USAGE },
	{ "cid mint", "{\"who\":\"" PEER "\"}", ZS_EXIT_REFUSED },
	{ "cid decode", "{\"hex\":\"00\"}", ZS_EXIT_USAGE },
	{ "cid decode", "{\"hex\":\"f0000000000000000000000000000000000\"}", ZS_EXIT_USAGE },
	{ "cid decode", "{\"hex\":\"f000000000000000000000000000000000\"}", ZS_EXIT_REFUSED },
	{ "keys list", "{}", 0 },
	{ "keys rotate", "{}", 0 },
	{ "keys export", "{\"into\":\"x\"}", 0 },
	{ "keys import", "{\"file\":{\"name\":\"x\",\"text\":\"nonsense\"}}", ZS_EXIT_USAGE },
	/* No libp2p host runs here. */
	{ "peers", "{}", ZS_EXIT_MODULE_OFF },
	{ "p2p dial", "{\"who\":\"" PEER "\"}", ZS_EXIT_MODULE_OFF },
	{ "p2p ping", "{\"who\":\"" PEER "\"}", ZS_EXIT_MODULE_OFF },
	{ "p2p identify", "{\"who\":\"" PEER "\"}", ZS_EXIT_MODULE_OFF },
	{ "p2p qlog", "{\"state\":\"on\"}", ZS_EXIT_MODULE_OFF },
	{ "show flows", "{}", ZS_EXIT_FAILED },
	{ "show bindings", "{}", ZS_EXIT_FAILED },
	{ "show tunnels", "{}", ZS_EXIT_FAILED },
	{ "show ports", "{}", ZS_EXIT_FAILED },
	{ "show counters", "{}", ZS_EXIT_FAILED },
	{ "show drops", "{}", ZS_EXIT_FAILED },
	{ "show runtime", "{}", ZS_EXIT_FAILED },
	{ "show neighbours", "{}", 0 },
	{ "show routes", "{}", 0 },
	{ "memory", "{}", 0 },
	{ "config diff", "{\"file\":{\"name\":\"x.yaml\",\"text\":\"nonsense: 1\\n\"}}", ZS_EXIT_CONFIG },
	{ "config apply", "{\"file\":{\"name\":\"x.yaml\",\"text\":\"nonsense: 1\\n\"}}", ZS_EXIT_CONFIG },
	{ "config apply", "{\"file\":{\"name\":\"x.yaml\",\"text\":\"\"},\"confirm\":0}", ZS_EXIT_USAGE },
	{ "config history", "{}", 0 },
	{ "config show", "{}", 0 },
	{ "config show", "{\"revision\":9}", ZS_EXIT_REFUSED },
	{ "config confirm", "{\"revision\":1}", ZS_EXIT_REFUSED }, /* none is on trial */
	{ "config rollback", "{}", ZS_EXIT_REFUSED },
	{ "config rollback", "{\"revision\":9}", ZS_EXIT_REFUSED },
	{ "config rollback", "{\"revision\":1}", 0 },
	{ "stop", "{}", 0 },
	{ "resume", "{}", 0 },
	{ "log level", "{\"level\":\"debug\"}", 0 },
	{ "log level", "{\"level\":\"debug\",\"module\":\"nosuch\"}", ZS_EXIT_USAGE },
	{ "audit show", "{}", 0 },
	{ "audit verify", "{}", 0 },
	{ "audit accept", "{}", ZS_EXIT_REFUSED }, /* nothing is wrong */
	{ "version", "{}", 0 },
	{ "upgrade record", "{\"state\":\"begun\",\"from\":\"1\",\"to\":\"2\"}", 0 },
	{ "trace begin", "{}", ZS_EXIT_FAILED }, /* no tracing in this rig */
	{ "trace read", "{\"id\":1}", ZS_EXIT_FAILED },
	{ "undrain", "{}", ZS_EXIT_REFUSED },
	{ "drain", "{\"timeout\":1}", 0 },
};

static void test_every_verb_at_every_level(void **state)
{
	struct rig *r = *state;
	bool covered[ZS_COMMANDS] = { false };

	open_all(r);
	for (size_t i = 0; i < ZS_ARRAY_LEN(verbs); i++) {
		const struct zs_command *cmd = zs_command_find(verbs[i].verb);

		assert_non_null(cmd);
		covered[cmd->id] = true;
		for (int level = ZS_LEVEL_none; level <= ZS_LEVEL_owner; level++) {
			bool allowed = level >= (int)cmd->level, last = level == ZS_LEVEL_owner;
			uint64_t records = zs_audit_count(r->c.audit);
			char req[512], text[256];
			int status;

			/* A verb that works changes the world: only the owner's call is let through. */
			if (allowed && !last && cmd->mutating)
				continue;
			snprintf(req, sizeof(req), "{\"v\":1,\"verb\":\"%s\",\"args\":%s}", verbs[i].verb,
				 verbs[i].args);
			/* More refusals than a level's budget of records has room for. */
			memset(zs_admin_counts(&r->c)->refusals, 0, sizeof(zs_admin_counts(&r->c)->refusals));
			status = call(r, (enum zs_level)level, req, text);
			if (status != (allowed ? verbs[i].exit : ZS_EXIT_DENIED))
				fail_msg("%s %s at %s: %d %s", verbs[i].verb, verbs[i].args,
					 zs_level_name((enum zs_level)level), status, text);
			/* Each mutating call, a refused one too, is a record; others are not. */
			assert_int_equal(zs_audit_count(r->c.audit) - records, cmd->mutating ? 1 : 0);
		}
	}
	for (int id = 0; id < ZS_COMMANDS; id++)
		assert_true(covered[id] || !zs_command_get(id)->served);
	close_all(r);
}

/* An admin may do what the table says, and not more. */
static void test_admin_may(void **state)
{
	struct rig *r = *state;
	char text[256];

	open_all(r);
	assert_int_equal(call(r, ZS_LEVEL_admin, "{\"v\":1,\"verb\":\"stop\"}", NULL), 0);
	assert_true(zs_program_stopped(r->c.program));
	assert_int_equal(call(r, ZS_LEVEL_admin, "{\"v\":1,\"verb\":\"resume\"}", text), ZS_EXIT_DENIED);
	assert_non_null(strstr(text, "owner"));
	assert_true(zs_program_stopped(r->c.program));
	assert_int_equal(call(r, ZS_LEVEL_owner, "{\"v\":1,\"verb\":\"resume\"}", NULL), 0);
	assert_false(zs_program_stopped(r->c.program));
	close_all(r);
}

/* One rule for the file and the command: a burst left out is 0, which is a second's worth. */
static void test_burst_left_out(void **state)
{
	static const char req[] = "{\"v\":1,\"verb\":\"publish add\",\"args\":"
				  "{\"port\":9443,\"target\":\"10.0.0.2:443\",\"new-flows\":100}}";
	struct rig *r = *state;
	json_t *answer, *result;

	open_all(r);
	answer = call_bytes(r, ZS_LEVEL_admin, req, strlen(req));
	result = json_object_get(answer, "result");
	assert_int_equal(json_integer_value(json_object_get(result, "new_flows_s")), 100);
	assert_true(json_is_integer(json_object_get(result, "new_flows_burst")));
	assert_int_equal(json_integer_value(json_object_get(result, "new_flows_burst")), 0);
	json_decref(answer);
	close_all(r);
}

static void test_audit_says_what(void **state)
{
	struct rig *r = *state;
	json_t *list, *record;

	open_all(r);
	call(r, ZS_LEVEL_user,
	     "{\"v\":1,\"verb\":\"publish add\",\"args\":{\"port\":1,\"target\":\"10.0.0.1:1\"}}", NULL);
	assert_int_equal(zs_audit_show(r->c.audit, 1, &list, &r->err), 0);
	record = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(record, "operation")), "publish add");
	assert_string_equal(json_string_value(json_object_get(record, "result")), "refused");
	assert_non_null(
	    strstr(json_string_value(json_object_get(record, "reason")), "needs the level admin"));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(record, "caller"), "uid")), 1001);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(record, "args"), "port")), 1);
	json_decref(list);
	/* A file is kept by its digest. */
	call(r, ZS_LEVEL_admin,
	     "{\"v\":1,\"verb\":\"config apply\",\"args\":{\"file\":{\"name\":\"n\",\"text\":\"secret\"}}}",
	     NULL);
	assert_int_equal(zs_audit_show(r->c.audit, 1, &list, &r->err), 0);
	record = json_object_get(json_object_get(json_array_get(list, 0), "args"), "file");
	assert_int_equal(json_integer_value(json_object_get(record, "bytes")), 6);
	assert_null(json_object_get(record, "text"));
	assert_string_equal(json_string_value(json_object_get(record, "sha256")),
			    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
	json_decref(list);
	close_all(r);
}

/* Strangers cannot fill the disk with refusals; what is held back is told. */
static void test_refusals_are_bounded(void **state)
{
	struct rig *r = *state;
	uint64_t records;
	json_t *list;

	open_all(r);
	for (int i = 0; i < 3 * ZS_ADMIN_REFUSED_MAX; i++)
		assert_int_equal(call(r, ZS_LEVEL_none, "{\"v\":1,\"verb\":\"stop\"}", NULL), ZS_EXIT_DENIED);
	records = zs_audit_count(r->c.audit);
	assert_true(records >= ZS_ADMIN_REFUSED_MAX && records <= ZS_ADMIN_REFUSED_MAX + 1);
	assert_int_equal(call(r, ZS_LEVEL_owner, "{\"v\":1,\"verb\":\"stop\"}", NULL), 0);
	assert_int_equal(zs_audit_show(r->c.audit, 1000, &list, &r->err), 0);
	for (size_t i = records = 0; i < json_array_size(list); i++)
		records += (uint64_t)json_integer_value(json_object_get(json_array_get(list, i), "held"));
	assert_int_equal(json_array_size(list) + records, 3 * ZS_ADMIN_REFUSED_MAX + 1);
	json_decref(list);
	/* A stranger's flood hides no user. */
	records = zs_audit_count(r->c.audit);
	assert_int_equal(call(r, ZS_LEVEL_user, "{\"v\":1,\"verb\":\"stop\"}", NULL), ZS_EXIT_DENIED);
	assert_int_equal(zs_audit_count(r->c.audit), records + 1);
	close_all(r);
}

static const struct {
	const char *req;
	const char *why;
} hostile[] = {
	{ "", "no JSON" },
	{ "nonsense", "no JSON" },
	{ "[]", "request is not" },
	{ "{}", "request is not" },
	{ "{\"v\":1}", "no such verb" },
	{ "{\"v\":2,\"verb\":\"status\"}", "request is not" },
	{ "{\"v\":1,\"verb\":\"statu\"}", "no such verb" },
	{ "{\"v\":1,\"verb\":17}", "no such verb" },
	{ "{\"v\":1,\"verb\":\"top\"}", "by zsctl alone" },
	{ "{\"v\":1,\"verb\":\"status\",\"more\":1}", "unknown member" },
	{ "{\"v\":1,\"verb\":\"status\",\"args\":[]}", "must be an object" },
	{ "{\"v\":1,\"verb\":\"status\",\"verb\":\"stop\"}", "no JSON" },
	{ "{\"v\":1,\"verb\":\"status\\u0000\"}", "no JSON" },
	{ "{\"v\":1,\"verb\":\"status\"}}", "no JSON" },
	{ "{\"v\":1,\"verb\":\"status\",\"args\":{\"a\":[[[[[[[[[[]]]]]]]]]]}}", "nested deeper" },
	{ "{\"v\":1,\"verb\":\"publish add\",\"args\":{\"port\":1e999,\"target\":\"10.0.0.1:1\"}}",
	  "no JSON" },
	{ "{\"v\":1,\"verb\":\"publish add\",\"args\":{\"port\":99999999999999999999,\"target\":\"\"}}",
	  "no JSON" },
	{ "{\"v\":1,\"verb\":\"publish add\",\"args\":{\"port\":1,\"target\":\"\xff\xfe\"}}", "no JSON" },
};

static void test_hostile_requests(void **state)
{
	struct rig *r = *state;
	char text[256], *big = malloc(ZS_ADMIN_REQUEST_MAX + 2);

	open_all(r);
	for (size_t i = 0; i < ZS_ARRAY_LEN(hostile); i++) {
		int status = call(r, ZS_LEVEL_owner, hostile[i].req, text);

		if (status != ZS_EXIT_USAGE || !strstr(text, hostile[i].why))
			fail_msg("%s: %d \"%s\"", hostile[i].req, status, text);
	}
	memset(big, '[', ZS_ADMIN_REQUEST_MAX + 1);
	json_decref(call_bytes(r, ZS_LEVEL_owner, big, ZS_ADMIN_REQUEST_MAX));
	json_decref(call_bytes(r, ZS_LEVEL_owner, big, ZS_ADMIN_REQUEST_MAX + 1));
	free(big);
	close_all(r);
}

static int dial(struct rig *r)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(sun.sun_path, r->c.conf->admin.socket, sizeof(sun.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* Turns the loop until there is an answer or the end; returns its length. */
static ssize_t answer(struct rig *r, int fd, char *buf, size_t cap)
{
	for (int i = 0; i < 200; i++) {
		ssize_t n = recv(fd, buf, cap - 1, MSG_DONTWAIT);

		if (n >= 0) {
			buf[n] = '\0';
			return n;
		}
		if (errno != EAGAIN)
			return -errno;
		assert_true(zs_loop_turn(r->c.loop, 5 * ZS_NS_PER_MS) >= 0);
	}
	return -EAGAIN;
}

/* What is there after a few turns. */
static ssize_t answer_now(struct rig *r, int fd, char *buf, size_t cap)
{
	ssize_t n;

	for (int i = 0; i < 3; i++)
		zs_loop_turn(r->c.loop, 0);
	n = recv(fd, buf, cap - 1, MSG_DONTWAIT);
	buf[n > 0 ? n : 0] = '\0';
	return n < 0 ? -errno : n;
}

static void test_server_answers(void **state)
{
	static const char req[] = "{\"v\":1,\"verb\":\"version\"}\n";
	struct rig *r = *state;
	char buf[4096];
	int fd;

	open_all(r);
	fd = dial(r);
	for (size_t i = 0; i < strlen(req); i++) { /* byte by byte */
		assert_int_equal(send(fd, req + i, 1, 0), 1);
		zs_loop_turn(r->c.loop, 0);
	}
	assert_true(answer(r, fd, buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "\"ok\":true"));
	/* Two at once are two answers. */
	assert_int_equal(send(fd, req, strlen(req), 0), strlen(req));
	assert_int_equal(send(fd, req, strlen(req), 0), strlen(req));
	for (int lines = 0; lines < 2;) {
		assert_true(answer(r, fd, buf, sizeof(buf)) > 0);
		for (char *at = buf; (at = strchr(at, '\n')); at++)
			lines++;
	}
	close(fd);
	zs_loop_turn(r->c.loop, ZS_NS_PER_MS);
	close_all(r);
}

static void test_server_refuses_long_lines(void **state)
{
	struct rig *r = *state;
	char *big = malloc(ZS_ADMIN_REQUEST_MAX * 2), buf[4096];
	size_t sent = 0;
	int fd;

	open_all(r);
	fd = dial(r);
	memset(big, 'x', ZS_ADMIN_REQUEST_MAX * 2);
	for (int i = 0; i < 100 && sent < ZS_ADMIN_REQUEST_MAX + 100; i++) {
		ssize_t n = send(fd, big, ZS_ADMIN_REQUEST_MAX + 100 - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		zs_loop_turn(r->c.loop, ZS_NS_PER_MS);
	}
	assert_true(answer(r, fd, buf, sizeof(buf)) > 0);
	assert_true(strstr(buf, "larger than") && strstr(buf, "\"name\":\"USAGE\""));
	assert_true(answer(r, fd, buf, sizeof(buf)) <= 0); /* hung up */
	close(fd);
	free(big);
	close_all(r);
}

/* A client that asks and never reads holds one answer, not memory without end. */
static void test_server_backpressure(void **state)
{
	static const char req[] = "{\"v\":1,\"verb\":\"health\",\"args\":{\"all\":true}}\n";
	struct rig *r = *state;
	struct zs_admin_conn *conn = NULL;
	char *batch = malloc(100 * strlen(req) + 1), buf[8192];
	uint64_t served;
	int fd;

	open_all(r);
	fd = dial(r);
	batch[0] = '\0';
	for (int i = 0; i < 100; i++)
		strcat(batch, req);
	for (int i = 0; i < 200; i++) {
		send(fd, batch, strlen(batch), MSG_NOSIGNAL);
		zs_loop_turn(r->c.loop, 0);
	}
	for (int i = 0; i < ZS_ADMIN_CONNECTIONS; i++)
		if (r->c.admin->conn[i].admin)
			conn = &r->c.admin->conn[i];
	assert_non_null(conn);
	assert_non_null(conn->out); /* the answer under way is held … */
	served = r->c.admin->counts.calls[ZS_COMMAND_health];
	assert_true(served > 0 && served < 5000);
	rig_run(r, 20 * ZS_NS_PER_MS);
	assert_int_equal(r->c.admin->counts.calls[ZS_COMMAND_health],
			 served); /* … and nothing is done beside it */
	assert_true(answer(r, fd, buf, sizeof(buf)) > 0);
	for (int i = 0; i < 100; i++)
		answer(r, fd, buf, sizeof(buf));
	assert_true(r->c.admin->counts.calls[ZS_COMMAND_health] > served);
	close(fd);
	rig_run(r, 20 * ZS_NS_PER_MS);
	assert_null(conn->admin);
	free(batch);
	close_all(r);
}

static void test_server_is_bounded(void **state)
{
	int fd[ZS_ADMIN_CONNECTIONS + 1];
	struct rig *r = *state;
	char buf[256];

	open_all(r);
	for (int i = 0; i <= ZS_ADMIN_CONNECTIONS; i++) {
		fd[i] = dial(r);
		zs_loop_turn(r->c.loop, ZS_NS_PER_MS);
	}
	assert_true(answer(r, fd[ZS_ADMIN_CONNECTIONS], buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "too many"));
	for (int i = 0; i <= ZS_ADMIN_CONNECTIONS; i++)
		close(fd[i]);
	rig_run(r, 30 * ZS_NS_PER_MS);
	fd[0] = dial(r); /* room again */
	assert_int_equal(send(fd[0], "{\"v\":1,\"verb\":\"version\"}\n", 25, 0), 25);
	assert_true(answer(r, fd[0], buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "\"ok\":true"));
	close(fd[0]);
	close_all(r);
}

/* As another user, for the kernel's word on the caller. */
static int dial_as(struct rig *r, uid_t uid)
{
	int fd;

	assert_int_equal(seteuid(uid), 0);
	fd = dial(r);
	assert_int_equal(seteuid(0), 0);
	zs_loop_turn(r->c.loop, ZS_NS_PER_MS);
	return fd;
}

/* `room` connections of this user stand, one more does not. */
static void fill(struct rig *r, uid_t uid, int room)
{
	char buf[256];

	for (int i = 0; i < room; i++)
		assert_int_equal(answer_now(r, dial_as(r, uid), buf, sizeof(buf)), -EAGAIN);
	assert_true(answer_now(r, dial_as(r, uid), buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "too many"));
}

/* No level shuts out the one above it; descriptors end with the test's process. */
static void test_slots_of_levels(void **state)
{
	struct rig *r = *state;

	if (geteuid())
		skip();
	open_all(r);
	assert_int_equal(chmod(r->dir, 0755), 0);
	fill(r, 65534, ZS_ADMIN_SLOTS_none);
	fill(r, 65533, 0);
	r->c.admin->user_gid = getegid();
	fill(r, 60001, ZS_ADMIN_PER_UID);
	fill(r, 60002, ZS_ADMIN_SLOTS_user - ZS_ADMIN_SLOTS_none - ZS_ADMIN_PER_UID);
	fill(r, 60003, 0);
	r->c.admin->admin_gid = getegid();
	fill(r, 60004, ZS_ADMIN_SLOTS_admin - ZS_ADMIN_SLOTS_user);
	fill(r, 60005, 0);
	fill(r, 0, ZS_ADMIN_CONNECTIONS - ZS_ADMIN_SLOTS_admin);
	close_all(r);
}

/* Bytes do not move a call's deadline, a whole answer does; nothing does for a caller without a level. */
static void test_deadline(void **state)
{
	static const char req[] = "{\"v\":1,\"verb\":\"version\"}\n";
	struct rig *r = *state;
	struct zs_admin_conn *conn;

	open_all(r);
	for (int level = ZS_LEVEL_none; level <= ZS_LEVEL_user; level++) {
		for (int whole = 0; whole <= 1; whole++) {
			bool stays = whole && level > ZS_LEVEL_none;
			int fd = dial(r);

			zs_loop_turn(r->c.loop, ZS_NS_PER_MS);
			conn = &r->c.admin->conn[ZS_ADMIN_CONNECTIONS - 1];
			assert_ptr_equal(conn->admin, r->c.admin);
			conn->caller.level = (enum zs_level)level;
			zs_timer_after(conn->deadline, 60 * ZS_NS_PER_MS);
			for (int i = 0; i < 10; i++) {
				send(fd, whole ? req : " ", whole ? strlen(req) : 1, MSG_NOSIGNAL);
				rig_run(r, 10 * ZS_NS_PER_MS);
			}
			assert_int_equal(conn->admin != NULL, stays);
			close(fd);
			rig_run(r, 10 * ZS_NS_PER_MS);
			assert_null(conn->admin);
		}
	}
	close_all(r);
}

static void test_socket_path(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct zs_admin *second = NULL;
	struct stat st;
	int fd;

	/* A dead server's socket is replaced. */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/admin.sock", r->dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	open_all(r);
	assert_int_equal(stat(sun.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	/* A second server is refused and the first one stays. */
	assert_int_equal(zs_admin_new(&second, &r->c, &r->err), -EBUSY);
	assert_int_equal(r->err.exit, ZS_EXIT_RUNNING);
	fd = dial(r);
	close(fd);
	close_all(r);
	assert_int_equal(stat(sun.sun_path, &st), -1);
}

static void test_socket_path_is_no_file(void **state)
{
	struct rig *r = *state;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/admin.sock", r->dir);
	f = fopen(path, "w");
	fputs("precious", f);
	fclose(f);
	r->c.conf = own_conf(r);
	rig_open(r);
	assert_int_equal(zs_admin_new(&r->c.admin, &r->c, &r->err), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	rig_close(r);
}

static void test_level_of_caller(void **state)
{
	static const gid_t none[] = { 5 }, user[] = { 5, 20 }, admin[] = { 20, 10 }, odd[] = { (gid_t)-1 };

	assert_int_equal(zs_admin_level(0, 900, none, 1, 10, 20), ZS_LEVEL_owner);
	assert_int_equal(zs_admin_level(900, 900, none, 1, 10, 20), ZS_LEVEL_owner);
	assert_int_equal(zs_admin_level(1000, 900, none, 1, 10, 20), ZS_LEVEL_none);
	assert_int_equal(zs_admin_level(1000, 900, user, 2, 10, 20), ZS_LEVEL_user);
	assert_int_equal(zs_admin_level(1000, 900, admin, 2, 10, 20), ZS_LEVEL_admin);
	/* A group that does not exist gives nobody a level. */
	assert_int_equal(zs_admin_level(1000, 900, odd, 1, (gid_t)-1, (gid_t)-1), ZS_LEVEL_none);
	assert_int_equal(zs_admin_level(1000, 900, none, 0, 10, 20), ZS_LEVEL_none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_verb_at_every_level),
		TEST(test_admin_may),
		TEST(test_burst_left_out),
		TEST(test_audit_says_what),
		TEST(test_refusals_are_bounded),
		TEST(test_hostile_requests),
		TEST(test_server_answers),
		TEST(test_server_refuses_long_lines),
		TEST(test_server_backpressure),
		TEST(test_server_is_bounded),
		TEST(test_slots_of_levels),
		TEST(test_deadline),
		TEST(test_socket_path),
		TEST(test_socket_path_is_no_file),
		cmocka_unit_test(test_level_of_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
