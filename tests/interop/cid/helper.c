/* The other end of zs-edge --cid-socket (docs/PROTOCOL.md): somebody else attaches, hands out connection IDs and knows where our
 * socket is; we send what we are told to, and dial where we are told. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "interop/cid/cidpeer.h"

#define WANTED	 64 /* own connection IDs in stock */
#define AGAIN_NS (200 * ZS_NS_PER_MS)

static void say(struct program *p, const char *line)
{
	if (send(p->helper.fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
		p->ended = true;
}

void helper_moved(struct program *p)
{
	say(p, "moved\n");
}

void helper_ask(struct program *p, const char *peer, uint32_t count)
{
	char line[256];

	snprintf(line, sizeof(line), "dial %.200s\n", peer);
	while (count--)
		say(p, line);
}

void helper_turn(struct program *p)
{
	struct helper *h = &p->helper;

	if (!h->bound.port || zs_loop_now(p->loop) < h->again_ns)
		return;
	for (; p->own.count + h->asked < WANTED; h->asked++)
		say(p, "own\n");
}

uint64_t helper_deadline(const struct program *p)
{
	return p->helper.bound.port && p->own.count < WANTED && !p->helper.asked ? p->helper.again_ns
										 : UINT64_MAX;
}

static void take(struct program *p, const char *what, const char *rest)
{
	struct helper *h = &p->helper;
	uint8_t bytes[256];
	size_t n = 0;

	sodium_hex2bin(bytes, sizeof(bytes), rest, strlen(rest), NULL, &n, NULL);
	if (!strcmp(what, "own")) {
		h->asked--;
		stock_add(&p->own, bytes, n);
	} else if (!strcmp(what, "dial")) {
		stock_add(&p->dial, bytes, n);
	} else if (!strcmp(what, "out")) {
		const struct zs_udp_datagram d = { .peer = h->relay, .data = bytes, .len = n };

		zs_udp_send(p->udp, &d, 1);
	} else if (!strcmp(what, "relay")) {
		zs_endpoint_parse(&h->relay, rest);
	} else if (!strcmp(what, "bound")) {
		zs_endpoint_parse(&h->bound, rest);
	} else if (!strcmp(what, "unbound")) {
		h->bound.port = 0;
	} else if (!strcmp(what, "none") && !strncmp(rest, "no connection ID is left", 24)) {
		h->asked--;
		h->again_ns = zs_loop_now(p->loop) + AGAIN_NS;
	} else if (!strcmp(what, "none")) {
		snprintf(p->attach_why, sizeof(p->attach_why), "%.150s", rest);
	}
}

static void on_line(void *ctx, int fd, unsigned events)
{
	struct program *p = ctx;
	struct helper *h = &p->helper;
	ssize_t n = recv(fd, h->in + h->have, sizeof(h->in) - h->have, MSG_DONTWAIT);
	char *at = h->in, *end;

	if (n <= 0 && errno != EAGAIN)
		p->ended = true;
	h->have += n > 0 ? (size_t)n : 0;
	while ((end = memchr(at, '\n', h->have - (size_t)(at - h->in)))) {
		char *rest = memchr(at, ' ', (size_t)(end - at));

		*end = '\0';
		if (rest)
			*rest++ = '\0';
		take(p, at, rest ? rest : "");
		at = end + 1;
	}
	h->have -= (size_t)(at - h->in);
	memmove(h->in, at, h->have);
	turn(p);
}

int helper_open(struct program *p, const char *path, struct zs_error *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	p->helper.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	p->helper.is = true;
	if (connect(p->helper.fd, (const struct sockaddr *)&at, sizeof(at)) ||
	    zs_watch_new(&p->helper.watch, p->loop, p->helper.fd, ZS_WATCH_READ, on_line, p))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "%.100s: %s", path, strerror(errno));
	return 0;
}
