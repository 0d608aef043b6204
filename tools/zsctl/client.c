/* The socket: one request line out, one answer line in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "zsctl.h"

#define ANSWER_MAX (16u << 20)
#define TIMEOUT_S  30 /* the server hangs up on a silent client after as long */

static int unreachable(const struct zsctl *z, struct zs_error *err, int code)
{
	if (code == EACCES || code == EPERM)
		return zs_error_set(err, -code, ZS_EXIT_PRIVILEGE,
				    "%s: %s; its folder must be searchable for you", z->socket,
				    strerror(code));
	return zs_error_set(err, -code, ZS_EXIT_UNREACHABLE,
			    "no control plane answers on %s (%s); start zs-controlplane --instance %s",
			    z->socket, code == ECONNREFUSED ? "it is dead" : strerror(code), z->instance);
}

static int dial(const struct zsctl *z, struct zs_error *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = z->patience_s ? z->patience_s : TIMEOUT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return zs_error_set(err, -errno, ZS_EXIT_FAILED, "socket: %s", strerror(errno));
	memcpy(sun.sun_path, z->socket, sizeof(sun.sun_path));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	unreachable(z, err, errno);
	close(fd);
	return err->code;
}

static void send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0 && errno != EINTR)
			return; /* the server may have refused already: its answer says why */
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

/* One line, or NULL; the caller frees it. */
static char *receive_line(int fd, size_t *out_len)
{
	size_t len = 0, cap = 64 << 10;
	char *buf = malloc(cap);

	while (buf) {
		ssize_t n = recv(fd, buf + len, cap - len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (buf[len - 1] == '\n') {
			*out_len = len;
			return buf;
		}
		if (len == cap) {
			char *more = cap < ANSWER_MAX ? realloc(buf, cap * 2) : NULL;

			if (!more)
				break;
			buf = more;
			cap *= 2;
		}
	}
	free(buf);
	return NULL;
}

static int read_answer(const struct zsctl *z, const char *text, size_t len, json_t **result,
		       struct zs_error *err)
{
	json_t *answer = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_t *inner = json_object_get(answer, "result"), *why = json_object_get(answer, "error");
	int status = (int)json_integer_value(json_object_get(answer, "exit"));

	if (json_is_true(json_object_get(answer, "ok")) && json_is_object(inner)) {
		*result = json_incref(inner);
	} else if (json_is_string(why)) {
		status = status > 0 && status < 128 ? status : ZS_EXIT_FAILED;
		zs_error_set(err, -EPROTO, (enum zs_exit)status, "%s", json_string_value(why));
	} else {
		status = ZS_EXIT_UNREACHABLE;
		zs_error_set(err, -EPROTO, ZS_EXIT_UNREACHABLE,
			     "%s ended the call without an answer; see its log, then try again", z->socket);
	}
	json_decref(answer);
	return status;
}

int zsctl_call(const struct zsctl *z, const struct zs_command *cmd, json_t *args, json_t **result,
	       struct zs_error *err)
{
	json_t *request = json_pack("{s:i,s:s,s:O}", "v", 1, "verb", cmd->verb, "args", args);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL, *line;
	size_t len = text ? strlen(text) : 0, line_len = 0;
	int fd, status;

	json_decref(request);
	if (!text)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_FAILED, "out of memory"), ZS_EXIT_FAILED;
	fd = dial(z, err);
	if (fd < 0) {
		free(text);
		return (int)err->exit;
	}
	text[len] = '\n';
	send_all(fd, text, len + 1);
	free(text);
	line = receive_line(fd, &line_len);
	status = read_answer(z, line, line_len, result, err);
	free(line);
	close(fd);
	return status;
}
