/* Lines in, lines out. Whoever does not read what it is told, or says a line without an end, is hung up on. */
#include "cid_socket.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE  8192 /* a datagram of 4,000 bytes in hex */
#define BYTES (LINE / 2)

struct zs_cid_socket {
	struct zs_loop *loop;
	const struct zs_cid_socket_ops *ops;
	void *ctx;
	struct sockaddr_un at;
	int listener, fd; /* fd -1: nobody is there */
	struct zs_watch *listening, *reading;
	size_t have;
	struct zs_endpoint relay, bound; /* as told; port 0: not */
	char in[LINE];
};

/* --- out -------------------------------------------------------------------------------------- */

static void hang_up(struct zs_cid_socket *s)
{
	if (s->fd < 0)
		return;
	zs_watch_delete(s->reading);
	close(s->fd);
	s->fd = -1;
	if (s->ops->gone)
		s->ops->gone(s->ctx);
}

static void say(struct zs_cid_socket *s, const char *text)
{
	size_t len = strlen(text);

	if (s->fd >= 0 && send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		hang_up(s);
}

static void say_bytes(struct zs_cid_socket *s, const char *what, const void *bytes, size_t len)
{
	char line[LINE], hex[2 * ZS_BIND_BYTES + 1];

	if (2 * len >= sizeof(hex))
		return;
	sodium_bin2hex(hex, sizeof(hex), bytes, len);
	snprintf(line, sizeof(line), "%s %s\n", what, hex);
	say(s, line);
}

void zs_cid_socket_out(struct zs_cid_socket *s, const void *bytes, size_t len)
{
	say_bytes(s, "out", bytes, len);
}

static void say_none(struct zs_cid_socket *s, const char *why)
{
	char line[LINE];

	snprintf(line, sizeof(line), "none%s%.200s\n", why[0] ? " " : "", why);
	say(s, line);
}

void zs_cid_socket_dial(struct zs_cid_socket *s, const uint8_t *cid, const char *why)
{
	if (cid)
		say_bytes(s, "dial", cid, ZS_BIND_CID);
	else
		say_none(s, why);
}

void zs_cid_socket_refuse(struct zs_cid_socket *s, int rc)
{
	say_none(s, rc == -EINVAL     ? "say whom to dial: dial PEERID"
		    : rc == -ENOTCONN ? "not attached now"
				      : "too many questions at once");
}

static void say_endpoint(struct zs_cid_socket *s, const char *what, const struct zs_endpoint *ep)
{
	char line[ZS_ENDPOINT_TEXT + 16], text[ZS_ENDPOINT_TEXT];

	snprintf(line, sizeof(line), "%s %s\n", what, zs_endpoint_format(ep, text));
	say(s, line);
}

void zs_cid_socket_state(struct zs_cid_socket *s, const struct zs_endpoint *relay,
			 const struct zs_endpoint *bound)
{
	static const struct zs_endpoint none;

	relay = relay ? relay : &none;
	bound = bound ? bound : &none;
	if (s->fd < 0)
		return;
	if (!zs_endpoint_eq(relay, &s->relay) && relay->port)
		say_endpoint(s, "relay", relay);
	s->relay = *relay;
	if (zs_endpoint_eq(bound, &s->bound))
		return;
	s->bound = *bound;
	if (bound->port)
		say_endpoint(s, "bound", bound);
	else
		say(s, "unbound\n");
}

/* --- in --------------------------------------------------------------------------------------- */

static void own(struct zs_cid_socket *s)
{
	uint8_t cid[ZS_BIND_CID];

	if (s->ops->own(s->ctx, cid))
		say_bytes(s, "own", cid, sizeof(cid));
	else
		say_none(s, "no connection ID is left now; ask again in a moment");
}

static void dial(struct zs_cid_socket *s, const char *rest)
{
	struct zs_peer_id callee;

	if (rest && zs_peer_id_parse(&callee, rest))
		say_none(s, "what follows dial is no peer id");
	else
		s->ops->dial(s->ctx, rest ? &callee : NULL);
}

static void hear(struct zs_cid_socket *s, char *line)
{
	char *rest = strchr(line, ' ');
	uint8_t bytes[BYTES];
	size_t len = 0;

	if (rest)
		*rest++ = '\0';
	if (!strcmp(line, "own")) {
		own(s);
	} else if (!strcmp(line, "dial")) {
		dial(s, rest);
	} else if (!strcmp(line, "moved")) {
		s->ops->moved(s->ctx);
	} else if (rest && !sodium_hex2bin(bytes, sizeof(bytes), rest, strlen(rest), NULL, &len, NULL)) {
		if (!strcmp(line, "in"))
			s->ops->in(s->ctx, bytes, len);
		else if (!strcmp(line, "sent"))
			s->ops->sent(s->ctx, bytes, len);
	} /* else: a word of a later version */
}

static void on_bytes(void *ctx, int fd, unsigned events)
{
	struct zs_cid_socket *s = ctx;
	ssize_t n = recv(fd, s->in + s->have, LINE - s->have, MSG_DONTWAIT);
	char *at = s->in, *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* gone, or no room left for a line that does not end */
		hang_up(s);
		return;
	}
	s->have += (size_t)n;
	while (s->fd == fd && (end = memchr(at, '\n', s->have - (size_t)(at - s->in)))) {
		*end = '\0';
		hear(s, at);
		at = end + 1;
	}
	s->have -= (size_t)(at - s->in);
	memmove(s->in, at, s->have);
	if (s->fd == fd)
		s->ops->turn(s->ctx);
}

static void on_caller(void *ctx, int fd, unsigned events)
{
	struct zs_cid_socket *s = ctx;
	int caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (caller < 0)
		return;
	if (s->fd >= 0) { /* one at a time: there is one binding */
		close(caller);
		return;
	}
	if (zs_watch_new(&s->reading, s->loop, caller, ZS_WATCH_READ, on_bytes, s)) {
		close(caller);
		return;
	}
	s->fd = caller;
	s->have = 0;
	s->relay.port = s->bound.port = 0;
	s->ops->turn(s->ctx);
}

/* --- life ------------------------------------------------------------------------------------- */

/* A socket at which nobody answers is what a killed process left. */
static bool is_left_over(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	bool dead;

	dead = fd >= 0 && lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return dead;
}

static int open_listener(struct zs_cid_socket *s)
{
	mode_t mask;
	int rc;

	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return -errno;
	if (is_left_over(&s->at))
		unlink(s->at.sun_path);
	mask = umask(0177);
	rc = bind(s->listener, (struct sockaddr *)&s->at, sizeof(s->at)) ? -errno : 0;
	umask(mask);
	if (rc)
		s->at.sun_path[0] = '\0'; /* another's: not ours to remove */
	else if (listen(s->listener, 4))
		rc = -errno;
	return rc ? rc : zs_watch_new(&s->listening, s->loop, s->listener, ZS_WATCH_READ, on_caller, s);
}

int zs_cid_socket_new(struct zs_cid_socket **out, struct zs_loop *loop, const char *path,
		      const struct zs_cid_socket_ops *ops, void *ctx, struct zs_error *err)
{
	struct zs_cid_socket *s = calloc(1, sizeof(*s));
	int rc = s ? 0 : -ENOMEM;

	if (s) {
		*s = (struct zs_cid_socket){ .loop = loop, .ops = ops, .ctx = ctx, .listener = -1, .fd = -1 };
		s->at.sun_family = AF_UNIX;
		if (snprintf(s->at.sun_path, sizeof(s->at.sun_path), "%s", path) >=
		    (int)sizeof(s->at.sun_path)) {
			s->at.sun_path[0] = '\0';
			rc = -ENAMETOOLONG;
		}
		rc = rc ? rc : open_listener(s);
	}
	if (rc) {
		zs_cid_socket_delete(s);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "%.120s: %s; name another path", path,
				    strerror(-rc));
	}
	*out = s;
	return 0;
}

void zs_cid_socket_delete(struct zs_cid_socket *s)
{
	if (!s)
		return;
	hang_up(s);
	if (s->listening)
		zs_watch_delete(s->listening);
	if (s->listener >= 0)
		close(s->listener);
	if (s->at.sun_path[0])
		unlink(s->at.sun_path);
	free(s);
}
