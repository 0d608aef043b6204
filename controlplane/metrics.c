/* The scraper's door. libmicrohttpd keeps its sockets in an epoll descriptor of its own; our loop watches
 * that one and runs the daemon when it stirs or when its time-out is due. No thread.
 *
 * Limits: 32 connections, 32 KiB each, one request a connection and LIFE_NS from connect to answer. On loopback all
 * share one address, so there is no limit by address: a newcomer ends the oldest, and who asks at once is answered. */
#include "metrics.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/check.h"
#include "base/clock.h"
#include "metrics_text.h"

#define CONNECTIONS  32
#define SPARE	     4 /* those that were told to end and have not yet */
#define LIFE_NS	     (5 * ZS_NS_PER_S)
#define MEMORY_BYTES (32u << 10)

struct zs_metrics {
	struct zs_control *c;
	struct MHD_Daemon *daemon;
	struct zs_watch *watch;
	struct zs_timer *timer;
	struct visitor {
		struct MHD_Connection *conn; /* NULL: free */
		int fd;
		uint64_t since_ns;
	} visitor[CONNECTIONS + SPARE];
};

static enum MHD_Result answer_text(struct MHD_Connection *conn, unsigned status, char *text, size_t len,
				   enum MHD_ResponseMemoryMode mode, const char *type)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, mode);
	enum MHD_Result rc;

	if (!r) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	rc = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *conn, unsigned status, const char *text)
{
	return answer_text(conn, status, (char *)text, strlen(text), MHD_RESPMEM_PERSISTENT, "text/plain");
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *conn, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **state)
{
	struct zs_metrics *m = ctx;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(conn, MHD_HTTP_NOT_FOUND, "only /metrics\n");
	out = open_memstream(&text, &len);
	if (!out)
		return MHD_NO;
	zs_metrics_write(out, m->c);
	if (fclose(out) != 0) {
		free(text);
		return MHD_NO;
	}
	return answer_text(conn, MHD_HTTP_OK, text, len, MHD_RESPMEM_MUST_FREE, "text/plain; version=0.0.4");
}

/* The daemon finds its end of the connection closed and drops it. */
static void show_out(struct visitor *v)
{
	shutdown(v->fd, SHUT_RDWR);
	v->since_ns = UINT64_MAX;
}

static struct visitor *oldest(struct zs_metrics *m)
{
	struct visitor *found = NULL;

	for (size_t i = 0; i < ZS_ARRAY_LEN(m->visitor); i++) {
		struct visitor *v = &m->visitor[i];

		if (v->conn && v->since_ns != UINT64_MAX && (!found || v->since_ns < found->since_ns))
			found = v;
	}
	return found;
}

static void on_connection(void *ctx, struct MHD_Connection *conn, void **socket_ctx,
			  enum MHD_ConnectionNotificationCode code)
{
	struct zs_metrics *m = ctx;
	struct visitor *slot = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < ZS_ARRAY_LEN(m->visitor); i++) {
		struct visitor *v = &m->visitor[i];

		if (code == MHD_CONNECTION_NOTIFY_CLOSED && v->conn == conn)
			v->conn = NULL;
		else if (!v->conn)
			slot = v;
		count += v->conn && v->since_ns != UINT64_MAX;
	}
	if (code == MHD_CONNECTION_NOTIFY_CLOSED)
		return;
	ZS_CHECK(slot, "more connections than the daemon may have");
	if (count >= CONNECTIONS)
		show_out(oldest(m));
	*slot = (struct visitor){
		conn, MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
		zs_loop_now(m->c->loop)
	};
}

static void run(struct zs_metrics *m)
{
	uint64_t now = zs_loop_now(m->c->loop), due;
	MHD_UNSIGNED_LONG_LONG wait_ms;
	struct visitor *v;

	for (v = oldest(m); v && now - v->since_ns >= LIFE_NS; v = oldest(m))
		show_out(v);
	MHD_run(m->daemon);
	v = oldest(m);
	due = v ? v->since_ns + LIFE_NS : 0;
	if (MHD_get_timeout(m->daemon, &wait_ms) == MHD_YES && (!due || now + wait_ms * ZS_NS_PER_MS < due))
		due = now + wait_ms * ZS_NS_PER_MS + 1;
	zs_timer_set(m->timer, due);
}

static void on_epoll(void *ctx, int fd, unsigned events)
{
	run(ctx);
}

static void on_timer(void *ctx)
{
	run(ctx);
}

static void to_sockaddr(const struct zs_endpoint *ep, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (zs_addr_is4(&ep->addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(ep->port);
		v4->sin_addr.s_addr = zs_addr_get4(&ep->addr);
		return;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(ep->port);
	memcpy(&v6->sin6_addr, ep->addr.ip, sizeof(v6->sin6_addr));
}

static int start(struct zs_metrics *m, struct zs_error *err)
{
	char text[ZS_ENDPOINT_TEXT];
	const struct zs_endpoint *ep = &m->c->conf->metrics;
	unsigned flags = MHD_USE_EPOLL | (zs_addr_is4(&ep->addr) ? 0 : MHD_USE_IPv6);
	struct sockaddr_storage ss;

	to_sockaddr(ep, &ss);
	errno = 0;
	m->daemon = MHD_start_daemon(
	    flags, 0, NULL, NULL, on_request, m, MHD_OPTION_SOCK_ADDR, &ss, MHD_OPTION_CONNECTION_LIMIT,
	    CONNECTIONS + SPARE, MHD_OPTION_NOTIFY_CONNECTION, on_connection, m,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES, MHD_OPTION_END);
	if (m->daemon)
		return 0;
	return zs_error_set(err, errno ? -errno : -EADDRINUSE, ZS_EXIT_RESOURCE,
			    "metrics: cannot listen on %s (%s); free it or set metrics.listen to another",
			    zs_endpoint_format(ep, text), strerror(errno ? errno : EADDRINUSE));
}

int zs_metrics_new(struct zs_metrics **out, struct zs_control *c, struct zs_error *err)
{
	const union MHD_DaemonInfo *info;
	struct zs_metrics *m;
	int rc;

	*out = NULL;
	if (c->conf->metrics.port == 0)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	m->c = c;
	rc = start(m, err);
	if (rc != 0)
		goto undo;
	info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	rc = info ? zs_watch_new(&m->watch, c->loop, info->epoll_fd, ZS_WATCH_READ, on_epoll, m) : -ENOSYS;
	if (rc == 0)
		rc = zs_timer_new(&m->timer, c->loop, on_timer, m);
	if (rc != 0) {
		zs_error_set(err, rc, ZS_EXIT_RESOURCE, "metrics: %s", strerror(-rc));
		goto undo;
	}
	*out = m;
	return 0;

undo:
	zs_metrics_delete(m);
	return rc;
}

void zs_metrics_delete(struct zs_metrics *m)
{
	if (!m)
		return;
	if (m->timer)
		zs_timer_delete(m->timer);
	if (m->watch)
		zs_watch_delete(m->watch);
	if (m->daemon)
		MHD_stop_daemon(m->daemon);
	free(m);
}
