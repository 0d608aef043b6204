/* Metrics: what a scraper gets, over a real connection; the series are well-formed and bounded. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "admin/handle.h"
#include "metrics.h"
#include "metrics_text.h"
#include "rig.h"
#include "shm/state.h"

static uint16_t free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

static void open_all(struct rig *r)
{
	r->c.conf = malloc(sizeof(*r->c.conf));
	zs_conf_defaults(r->c.conf, "unit");
	assert_int_equal(zs_addr_parse(&r->c.conf->metrics.addr, "127.0.0.1"), 0);
	r->c.conf->metrics.port = free_port();
	rig_open(r);
	if (zs_metrics_new(&r->c.metrics, &r->c, &r->err) != 0)
		fail_msg("%s", r->err.text);
}

static void close_all(struct rig *r)
{
	zs_metrics_delete(r->c.metrics);
	rig_close(r);
}

/* One request while the loop turns; the whole answer in buf. */
static void fetch(struct rig *r, const char *req, char *buf, size_t cap)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(r->c.conf->metrics.port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t len = 0;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(send(fd, req, strlen(req), 0), strlen(req));
	for (int i = 0; i < 400; i++) {
		ssize_t n = recv(fd, buf + len, cap - 1 - len, MSG_DONTWAIT);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else
			assert_true(zs_loop_turn(r->c.loop, 5 * ZS_NS_PER_MS) >= 0);
	}
	buf[len] = '\0';
	close(fd);
}

static void test_scrape(void **state)
{
	struct rig *r = *state;
	char *buf = malloc(1 << 20);

	open_all(r);
	zs_health_raise(r->c.health, ZS_HEALTH_store_failed, "test");
	fetch(r, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", buf, 1 << 20);
	assert_non_null(strstr(buf, "HTTP/1.1 200"));
	assert_non_null(strstr(buf, "text/plain; version=0.0.4"));
	assert_non_null(strstr(buf, "\nzs_dataplane_up 0\n"));
	assert_non_null(strstr(buf, "zs_health{code=\"ZH012\",name=\"store_failed\",plane=\"control\"} 1\n"));
	assert_non_null(strstr(buf, "zs_control_memory_bytes{kind=\"resident\"} "));
	fetch(r, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", buf, 1 << 20);
	assert_non_null(strstr(buf, "HTTP/1.1 404"));
	fetch(r, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
	      buf, 1 << 20);
	assert_non_null(strstr(buf, "HTTP/1.1 405"));
	fetch(r, "nonsense\r\n\r\n", buf, 1 << 20);
	assert_null(strstr(buf, " 200 "));
	free(buf);
	close_all(r);
}

static void test_port_taken(void **state)
{
	struct rig *r = *state;
	struct zs_metrics *second = NULL;

	open_all(r);
	assert_true(zs_metrics_new(&second, &r->c, &r->err) < 0);
	assert_non_null(strstr(r->err.text, "cannot listen on 127.0.0.1"));
	assert_null(second);
	r->c.conf->metrics.port = 0; /* off */
	assert_int_equal(zs_metrics_new(&second, &r->c, &r->err), 0);
	assert_null(second);
	close_all(r);
}

/* The state segment as a dataplane would leave it. */
static void fill_state(struct zs_state *s)
{
	struct zs_worker_state *w = &s->worker[0];

	for (int i = 0; i < 2; i++, w++) {
		w->counters.counter[ZS_COUNTER_polls] = 1;
		w->counters.counter[ZS_COUNTER_rx] = 100 + (uint64_t)i;
		w->counters.drop[ZS_DROP_ttl] = 3;
	}
	memcpy(s->iface[0].name, "wan\"x\n\\", 8);
	s->iface[0].steered = 77;
}

static void test_state_series(void **state)
{
	struct zs_state_shape shape = { .flow_capacity = 1024, .partitions = 2 };
	struct rig *r = *state;
	struct zs_state s;
	char *text = NULL;
	size_t len = 0, lines = 0;
	bool fresh;
	FILE *out;

	open_all(r);
	assert_int_equal(zs_state_open_writer(&s, r->c.shm_dir, &shape, &fresh, &r->err), 0);
	fill_state(&s);
	r->c.state = &s;
	out = open_memstream(&text, &len);
	zs_metrics_write(out, &r->c);
	fclose(out);
	assert_non_null(strstr(text, "\nzs_rx_total{worker=\"0\"} 100\nzs_rx_total{worker=\"1\"} 101\n"));
	assert_non_null(strstr(text, "\nzs_drops_total{reason=\"ttl\",worker=\"1\"} 3\n"));
	assert_non_null(strstr(text, "\nzs_interface_steered_total{interface=\"wan_x__\"} 77\n"));
	assert_non_null(strstr(text, "\nzs_dataplane_up 1\n"));
	assert_null(strstr(text, "worker=\"2\""));
	/* Each line is a comment or `name{labels} value`; each name has one TYPE. */
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		char *value = strrchr(line, ' '), *end;

		if (line[0] == '#')
			continue;
		assert_non_null(value);
		strtod(value + 1, &end);
		assert_true(end > value + 1 && *end == '\0');
		assert_int_equal(strncmp(line, "zs_", 3), 0);
	}
	assert_true(lines < 1000);
	free(text);
	r->c.state = NULL;
	zs_state_close(&s);
	close_all(r);
}

/* Clients that connect and keep silent, more of them than there is room, do not shut out a scraper, nor
 * grow anything; and each is gone after a while, bytes or not. */
static void test_silent_clients(void **state)
{
	struct rig *r = *state;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char *buf = malloc(1 << 20);
	int fd[40];

	open_all(r);
	sin.sin_port = htons(r->c.conf->metrics.port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 40; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fd[i], (struct sockaddr *)&sin, sizeof(sin));
		zs_loop_turn(r->c.loop, ZS_NS_PER_MS);
	}
	fetch(r, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", buf, 1 << 20);
	assert_non_null(strstr(buf, "HTTP/1.1 200"));
	for (int i = 0; i < 60; i++) {
		for (int j = 0; j < 40; j++)
			send(fd[j], "G", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		rig_run(r, 100 * ZS_NS_PER_MS);
	}
	for (int i = 0; i < 40; i++) {
		ssize_t n = recv(fd[i], buf, 1, MSG_DONTWAIT);

		assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
		close(fd[i]);
	}
	fetch(r, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", buf, 1 << 20);
	assert_non_null(strstr(buf, "HTTP/1.1 200"));
	free(buf);
	close_all(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_scrape),
		TEST(test_port_taken),
		TEST(test_state_series),
		TEST(test_silent_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
