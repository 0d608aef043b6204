/* The scraper's door. libmicrohttpd keeps its sockets in an epoll descriptor of its own; our loop watches
 * that one and runs the daemon when it stirs or when its time-out is due. No thread.
 *
 * Limits: 16 connections, 4 of one address, 10 s of silence, 32 KiB a connection. */
#include "metrics.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "metrics_text.h"

#define CONNECTIONS  16
#define PER_ADDRESS  4
#define SILENCE_S    10
#define MEMORY_BYTES (32u << 10)
#define NS_PER_MS    1000000ull

struct zs_metrics {
	struct zs_control *c;
	struct MHD_Daemon *daemon;
	struct zs_watch *watch;
	struct zs_timer *timer;
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

static void run(struct zs_metrics *m)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(m->daemon);
	if (MHD_get_timeout(m->daemon, &wait_ms) == MHD_YES)
		zs_timer_after(m->timer, wait_ms ? wait_ms * NS_PER_MS : 1);
	else
		zs_timer_set(m->timer, 0);
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
	    CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT, PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT,
	    SILENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES, MHD_OPTION_END);
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
		zs_error_set(err, rc, ZS_EXIT_FAILED, "metrics: %s", strerror(-rc));
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
