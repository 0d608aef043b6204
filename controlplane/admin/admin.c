/* The admin server: connections on the loop. A connection has one request in work at a time: read a line, wait for
 * its turn (turns.c), answer it, write the answer out, read on. A client that does not read its answers is not read
 * from either. */
#include "admin/admin.h"
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "admin/server.h"
#include "base/clock.h"
#include "supplies.h"

#define AGAIN_NS (500 * ZS_NS_PER_MS)

static void hang_up(struct zs_admin_conn *conn)
{
	if (!conn->admin)
		return;
	if (conn->waiting)
		conn->later.cancel(conn->later.ctx);
	zs_watch_delete(conn->watch);
	zs_timer_delete(conn->deadline);
	close(conn->fd);
	free(conn->in);
	free(conn->out);
	memset(conn, 0, sizeof(*conn));
}

/* The caller's patience with an answer that comes later, else ours with the caller. */
static void on_deadline(void *ctx)
{
	struct zs_admin_conn *conn = ctx;
	struct zs_error err = { 0 };

	if (!conn->waiting) {
		hang_up(conn);
		return;
	}
	conn->later.cancel(conn->later.ctx);
	zs_error_set(&err, -ETIMEDOUT, ZS_EXIT_FAILED, "no answer within %u s",
		     (unsigned)(conn->later.timeout_ns / ZS_NS_PER_S));
	zs_later_done(&conn->later, -ETIMEDOUT, NULL, &err);
}

static void set_deadline(struct zs_admin_conn *conn, uint64_t in_ns)
{
	conn->until_ns = zs_loop_now(conn->admin->c->loop) + in_ns;
	zs_timer_set(conn->deadline, conn->until_ns);
}

static json_t *too_long(void)
{
	return json_pack("{s:i,s:b,s:i,s:s,s:s}", "v", 1, "ok", 0, "exit", ZS_EXIT_USAGE, "name",
			 zs_exit_name(ZS_EXIT_USAGE), "error",
			 "request is larger than 65536 bytes, or the answer too large; ask for less");
}

/* Takes the answer over. */
static int put_answer(struct zs_admin_conn *conn, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	json_decref(answer);
	if (len > ZS_ADMIN_ANSWER_MAX) {
		free(text);
		answer = too_long();
		text = json_dumps(answer, JSON_COMPACT);
		len = text ? strlen(text) : 0;
		json_decref(answer);
	}
	if (!text)
		return -ENOMEM;
	text[len] = '\n'; /* in the terminator's place: the length is what counts */
	conn->out = text;
	conn->out_len = len + 1;
	conn->out_at = 0;
	return 0;
}

/* false: the connection is gone. */
static bool flush(struct zs_admin_conn *conn)
{
	while (conn->out_at < conn->out_len) {
		ssize_t n = send(conn->fd, conn->out + conn->out_at, conn->out_len - conn->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			hang_up(conn);
			return false;
		}
		conn->out_at += (size_t)n;
	}
	free(conn->out);
	conn->out = NULL;
	/* Not while more of what it sent at once is left: a heap of requests has one deadline. */
	if (conn->caller.level > ZS_LEVEL_none && conn->in_len == 0)
		set_deadline(conn, ZS_ADMIN_CALL_NS);
	if (!conn->closing)
		return true;
	hang_up(conn);
	return false;
}

/* One whole line, or more than a line may be. */
static bool has_request(const struct zs_admin_conn *conn)
{
	return conn->in_len > ZS_ADMIN_REQUEST_MAX || memchr(conn->in, '\n', conn->in_len);
}

/* What the connection waits for now: to be read from, to be written to, an answer that comes later or its turn. */
static void listen_on(struct zs_admin_conn *conn)
{
	unsigned events = ZS_WATCH_READ;

	if (conn->out) {
		events = ZS_WATCH_WRITE;
	} else if (conn->waiting) {
		events = ZS_WATCH_HUP;
	} else if (has_request(conn)) {
		events = 0; /* what was asked for is done, also when who asked is gone */
		zs_admin_queue(conn);
	}
	zs_watch_set(conn->watch, events);
}

static void answer_later(struct zs_later *l, json_t *answer)
{
	struct zs_admin_conn *conn = (struct zs_admin_conn *)((char *)l -
							      offsetof(struct zs_admin_conn, later));

	conn->waiting = false;
	zs_timer_set(conn->deadline, conn->until_ns);
	if (!answer || put_answer(conn, answer) != 0)
		hang_up(conn);
	else if (flush(conn))
		listen_on(conn);
}

/* Answers one whole line of the buffer, if there is one. 1: answered, 0: none or not yet, <0: hang up. */
static int serve_line(struct zs_admin_conn *conn)
{
	char *end = memchr(conn->in, '\n', conn->in_len);
	json_t *answer = NULL;
	size_t len;
	int rc;

	if (!end && conn->in_len <= ZS_ADMIN_REQUEST_MAX)
		return 0;
	if (!end) {
		conn->closing = true;
		answer = too_long();
		return answer && put_answer(conn, answer) == 0 ? 1 : -ENOMEM;
	}
	len = (size_t)(end - conn->in);
	conn->later = (struct zs_later){ .answer = answer_later };
	rc = zs_admin_handle(conn->admin->c, &conn->caller, conn->in, len, &conn->later, &answer);
	conn->in_len -= len + 1;
	memmove(conn->in, end + 1, conn->in_len);
	if (rc == -EINPROGRESS) {
		conn->waiting = true;
		zs_timer_after(conn->deadline, conn->later.timeout_ns);
		return 0;
	}
	if (rc == 0)
		rc = put_answer(conn, answer);
	return rc == 0 ? 1 : rc;
}

void zs_admin_serve(struct zs_admin_conn *conn)
{
	int rc = serve_line(conn);

	if (rc < 0)
		hang_up(conn);
	else if (!conn->out || flush(conn))
		listen_on(conn);
}

/* Has the other end closed its socket, and not its sending side alone? */
static bool is_gone(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR);
}

static void on_conn(void *ctx, int fd, unsigned events)
{
	struct zs_admin_conn *conn = ctx;
	ssize_t n;

	if (conn->waiting) {
		if (is_gone(fd))
			hang_up(conn);
		else
			zs_watch_set(conn->watch, 0); /* it will write no more, and reads */
		return;
	}
	if (conn->out) {
		if (flush(conn))
			listen_on(conn);
		return;
	}
	n = recv(fd, conn->in + conn->in_len, ZS_ADMIN_REQUEST_MAX + 1 - conn->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(conn);
		return;
	}
	conn->in_len += (size_t)n;
	listen_on(conn);
}

static struct zs_admin_conn *free_slot(struct zs_admin *a, const struct zs_caller *caller)
{
	static const unsigned slots[] = { [ZS_LEVEL_none] = ZS_ADMIN_SLOTS_none,
					  [ZS_LEVEL_user] = ZS_ADMIN_SLOTS_user,
					  [ZS_LEVEL_admin] = ZS_ADMIN_SLOTS_admin,
					  [ZS_LEVEL_owner] = ZS_ADMIN_CONNECTIONS };
	struct zs_admin_conn *slot = NULL;
	unsigned own = 0, not_above = 0;

	for (unsigned i = 0; i < ZS_ADMIN_CONNECTIONS; i++) {
		if (!a->conn[i].admin) {
			slot = &a->conn[i];
			continue;
		}
		own += a->conn[i].caller.uid == caller->uid;
		not_above += a->conn[i].caller.level <= caller->level;
	}
	if (not_above >= slots[caller->level] || (caller->level != ZS_LEVEL_owner && own >= ZS_ADMIN_PER_UID))
		return NULL;
	return slot;
}

/* Takes no memory, for there may be none. */
static void turn_away(int fd, const char *why)
{
	char line[128];
	int n = snprintf(
	    line, sizeof(line),
	    "{\"v\":1,\"ok\":false,\"exit\":6,\"name\":\"RESOURCE\",\"error\":\"%s; try again\"}\n", why);

	send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int admit(struct zs_admin *a, int fd, const struct zs_caller *caller)
{
	struct zs_admin_conn *conn = free_slot(a, caller);
	int rc;

	if (!conn) {
		a->counts.connections_refused++;
		ZS_LOG(&a->c->log, ADMIN_LIMIT, "uid=%u", (unsigned)caller->uid);
		turn_away(fd, "too many admin connections");
		return -EMFILE;
	}
	conn->in = malloc(ZS_ADMIN_REQUEST_MAX + 1);
	if (!conn->in) {
		turn_away(fd, "the control plane is out of memory");
		return -ENOMEM;
	}
	rc = zs_watch_new(&conn->watch, a->c->loop, fd, ZS_WATCH_READ, on_conn, conn);
	if (rc != 0)
		goto undo_in;
	rc = zs_timer_new(&conn->deadline, a->c->loop, on_deadline, conn);
	if (rc != 0)
		goto undo_watch;
	conn->admin = a;
	conn->fd = fd;
	conn->caller = *caller;
	set_deadline(conn, caller->level > ZS_LEVEL_none ? ZS_ADMIN_CALL_NS : ZS_ADMIN_NONE_NS);
	a->counts.connections++;
	return 0;

undo_watch:
	zs_watch_delete(conn->watch);
undo_in:
	free(conn->in);
	memset(conn, 0, sizeof(*conn));
	return rc;
}

/* Who waits in the queue would wake the loop without end. */
static void wait_for_descriptors(struct zs_admin *a)
{
	zs_watch_set(a->watch, 0);
	zs_timer_after(a->again, AGAIN_NS);
}

static void listen_again(void *ctx)
{
	zs_watch_set(((struct zs_admin *)ctx)->watch, ZS_WATCH_READ);
}

/* As many a turn as there are slots: whoever the queue is full of, the owner is in it for a turn or two. */
static void on_listen(void *ctx, int fd, unsigned events)
{
	struct zs_admin *a = ctx;
	struct zs_caller caller;

	for (unsigned i = 0; i < ZS_ADMIN_CONNECTIONS; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (peer < 0 && errno == EMFILE && zs_supplies_descriptor(a->c->supplies))
			peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (peer < 0 && (errno == EMFILE || errno == ENFILE))
			wait_for_descriptors(a);
		if (peer < 0)
			return;
		if (zs_admin_identify(a, peer, &caller) != 0 || admit(a, peer, &caller) != 0)
			close(peer);
	}
}

struct zs_admin_counts *zs_admin_counts(struct zs_control *c)
{
	return c->admin ? &c->admin->counts : NULL;
}

static void open_audit(struct zs_control *c)
{
	struct zs_error err = { 0 };

	if (zs_audit_open(&c->audit, c->conf->state_dir, c->conf->admin.audit_mb, c->store, &err) != 0) {
		/* The relay goes on; without a file nothing may be changed. */
		zs_late_health(c, err.code, &err);
		return;
	}
	if (zs_audit_broken(c->audit)) {
		zs_health_raise(c->health, ZS_HEALTH_audit_broken, "%s", zs_audit_broken(c->audit));
		ZS_LOG(&c->log, AUDIT_FAILED, "error=\"%s\"", zs_audit_broken(c->audit));
	}
}

int zs_admin_new(struct zs_admin **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_admin *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	a->c = c;
	a->listen_fd = a->lock_fd = -1;
	memcpy(a->path, c->conf->admin.socket, sizeof(a->path));
	zs_admin_groups(a);
	rc = zs_admin_listen(a, err);
	if (rc != 0)
		goto undo;
	rc = zs_late_new(&a->late, c);
	if (rc == 0)
		rc = zs_checkup_new(&a->checkup, c);
	if (rc == 0)
		rc = zs_timer_new(&a->turn, c->loop, zs_admin_turn, a);
	if (rc == 0)
		rc = zs_timer_new(&a->again, c->loop, listen_again, a);
	if (rc == 0)
		rc = zs_watch_new(&a->watch, c->loop, a->listen_fd, ZS_WATCH_READ, on_listen, a);
	if (rc != 0) {
		zs_error_set(err, rc, ZS_EXIT_RESOURCE, "admin.socket: %s", strerror(-rc));
		goto undo_late;
	}
	*out = a;
	open_audit(c);
	return 0;

undo_late:
	zs_timer_delete(a->again);
	zs_timer_delete(a->turn);
	zs_checkup_delete(&a->checkup);
	zs_timer_delete(a->late.timer);
undo:
	zs_admin_unlisten(a);
	free(a);
	return rc;
}

void zs_admin_delete(struct zs_admin *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < ZS_ADMIN_CONNECTIONS; i++)
		hang_up(&a->conn[i]);
	zs_watch_delete(a->watch);
	zs_timer_delete(a->again);
	zs_timer_delete(a->turn);
	zs_admin_unlisten(a);
	zs_late_delete(&a->late, a->c);
	zs_checkup_delete(&a->checkup);
	zs_audit_close(a->c->audit);
	a->c->audit = NULL;
	free(a);
}
