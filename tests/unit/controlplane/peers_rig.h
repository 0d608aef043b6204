/* Control planes with a libp2p host each, on loopback, asked over their admin sockets. */
#ifndef ZS_TEST_PEERS_RIG_H
#define ZS_TEST_PEERS_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "admin/admin.h"
#include "ident.h"
#include "metrics_text.h"
#include "peers/internal.h"
#include "rig.h"

#define NOBODY "12D3KooWHHybYhyVCJZ1ASkMLr6hq1ckkzzNTsEhFMDZRLGbUpPn"

struct plane {
	struct rig r;
	struct zs_pulse *pulse;
	uint16_t port;
};

static inline void open_plane(struct plane *p, const char *more)
{
	struct rig *r = &p->r;
	char text[512];

	snprintf(text, sizeof(text),
		 "attach: {ports: 1024-2047}\nmetrics: {listen: off}\n"
		 "p2p:\n  listen: ['127.0.0.1:%u', '[::1]:%u']\n  profile: test\n%s",
		 p->port, p->port, more);
	r->c.conf = rig_conf(r, text);
	rig_open(r);
	p->pulse = NULL;
	if (zs_ident_open(&r->c.ident, r->dir, &r->err) ||
	    (zs_module_on(r->c.conf, ZS_MODULE_attach) && zs_pulse_new(&p->pulse, &r->c, &r->err)) ||
	    zs_peers_new(&r->c.peers, &r->c, p->pulse, &r->err) || zs_admin_new(&r->c.admin, &r->c, &r->err))
		fail_msg("%s", r->err.text);
}

static inline void close_plane(struct plane *p)
{
	struct rig *r = &p->r;

	zs_admin_delete(r->c.admin);
	r->c.admin = NULL;
	zs_peers_delete(r->c.peers);
	r->c.peers = NULL;
	zs_pulse_delete(p->pulse);
	zs_ident_close(r->c.ident);
	r->c.ident = NULL;
	rig_close(r);
	r->c.loop = NULL;
	free(r->c.conf);
	r->c.conf = NULL;
}

static inline int setup(void **state)
{
	struct plane *two = calloc(2, sizeof(*two));

	for (int i = 0; i < 2; i++) {
		rig_make(&two[i].r);
		two[i].port = rig_port();
	}
	*state = two;
	return 0;
}

static inline int teardown(void **state)
{
	struct plane *two = *state;

	for (int i = 0; i < 2; i++)
		rig_remove(&two[i].r);
	free(two);
	return 0;
}

static inline void turn(struct plane *two)
{
	for (int i = 0; i < 2; i++)
		if (two[i].r.c.loop)
			assert_true(zs_loop_turn(two[i].r.c.loop, ZS_NS_PER_MS) >= 0);
}

static inline int ask(struct plane *p, const char *verb, const char *args)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char line[512];

	memcpy(sun.sun_path, p->r.c.conf->admin.socket, sizeof(sun.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	int n = snprintf(line, sizeof(line), "{\"v\":1,\"verb\":\"%s\",\"args\":%s}\n", verb, args);
	assert_int_equal(send(fd, line, (size_t)n, 0), n);
	return fd;
}

/* The answer within ns; NULL: none came. */
static inline json_t *answer(struct plane *two, int fd, uint64_t ns)
{
	static char buf[65536];
	uint64_t end = zs_clock_ns() + ns;
	size_t len = 0;

	while (zs_clock_ns() < end) {
		ssize_t n = recv(fd, buf + len, sizeof(buf) - len, MSG_DONTWAIT);

		if (n > 0)
			len += (size_t)n;
		if (n == 0 || (len && buf[len - 1] == '\n'))
			break;
		turn(two);
	}
	return len ? json_loadb(buf, len, 0, NULL) : NULL;
}

static inline json_t *call(struct plane *two, int from, const char *verb, const char *args)
{
	int fd = ask(&two[from], verb, args);
	json_t *a = answer(two, fd, 5 * ZS_NS_PER_S);

	close(fd);
	assert_non_null(a);
	return a;
}

static inline json_t *result(json_t *answer)
{
	if (!json_is_true(json_object_get(answer, "ok")))
		fail_msg("%s", json_string_value(json_object_get(answer, "error")));
	return json_object_get(answer, "result");
}

static inline const char *text(json_t *o, const char *name)
{
	const char *t = json_string_value(json_object_get(o, name));

	return t ? t : "";
}

static inline const char *who(const struct plane *p, const char *ip, char out[256])
{
	snprintf(out, 256, "{\"who\":\"/%s/udp/%u/quic-v1/p2p/%s\",\"timeout\":4}", ip, p->port,
		 zs_ident_peer(p->r.c.ident));
	return out;
}

#endif
