/* The same services for another program's QUIC stack: lines over a UNIX socket, one program at a time. We say
 *   relay ADDR:PORT     own HEX     dial HEX     out HEX (send it to the relay)     bound ADDR:PORT     unbound
 * and hear
 *   own     dial (a connection ID of that kind)     in HEX (the relay sent it)     sent HEX (the head of what leaves)     moved */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "interop/cid/cidpeer.h"

#define IN (1u << 16)

struct offer {
	int listener, fd; /* fd -1: nobody is there */
	struct zs_watch *listening, *reading;
	char in[IN];
	size_t have;
	bool told_relay;
	struct zs_endpoint bound; /* as told; port 0: not */
};

static void say(struct offer *o, const char *text)
{
	if (o->fd >= 0 && write(o->fd, text, strlen(text)) < 0)
		fprintf(stderr, "cidpeer: the program that was offered to does not read\n");
}

void offer_say(struct program *p, const char *what, const void *bytes, size_t len)
{
	char line[2 * ZS_BIND_BYTES + 16], hex[2 * ZS_BIND_BYTES + 1];

	sodium_bin2hex(hex, sizeof(hex), bytes, len);
	snprintf(line, sizeof(line), "%s %s\n", what, hex);
	say(p->offer, line);
}

static void say_endpoint(struct offer *o, const char *what, const struct zs_endpoint *ep)
{
	char line[ZS_ENDPOINT_TEXT + 16], text[ZS_ENDPOINT_TEXT];

	snprintf(line, sizeof(line), "%s %s\n", what, zs_endpoint_format(ep, text));
	say(o, line);
}

void offer_state(struct program *p)
{
	struct offer *o = p->offer;
	struct zs_endpoint seen = { 0 };

	if (o->fd < 0)
		return;
	if (!o->told_relay && p->has_relay) {
		say_endpoint(o, "relay", &p->binder.relay);
		o->told_relay = true;
	}
	if (p->has_relay && p->binder.state == ZS_BINDER_BOUND)
		seen = p->binder.seen;
	if (seen.port == o->bound.port && zs_addr_eq(&seen.addr, &o->bound.addr))
		return;
	o->bound = seen;
	if (seen.port)
		say_endpoint(o, "bound", &seen);
	else
		say(o, "unbound\n");
}

static void hand_out(struct program *p, const char *what)
{
	uint8_t cid[ZS_BIND_CID];

	if (*what == 'o' ? draw_own(p, cid) : stock_draw(&p->dial, cid))
		offer_say(p, what, cid, sizeof(cid));
	else
		say(p->offer, "none\n");
}

static void hear(struct program *p, char *line)
{
	uint64_t now = zs_loop_now(p->loop);
	uint8_t bytes[2048];
	char *rest = strchr(line, ' ');
	size_t len = 0;

	if (rest) {
		*rest++ = '\0';
		if (sodium_hex2bin(bytes, sizeof(bytes), rest, strlen(rest), NULL, &len, NULL))
			return;
	}
	if (!strcmp(line, "own") || !strcmp(line, "dial"))
		hand_out(p, line);
	else if (!strcmp(line, "in") && p->has_relay)
		zs_binder_receive(&p->binder, bytes, len, &p->binder.relay, now);
	else if (!strcmp(line, "sent") && p->has_relay)
		zs_binder_sent(&p->binder, bytes, len, now);
	else if (!strcmp(line, "moved") && p->has_relay)
		zs_binder_moved(&p->binder, now);
}

static void hang_up(struct offer *o)
{
	zs_watch_delete(o->reading);
	close(o->fd);
	o->fd = -1;
}

static void on_bytes(void *ctx, int fd, unsigned events)
{
	struct program *p = ctx;
	struct offer *o = p->offer;
	ssize_t n = read(fd, o->in + o->have, IN - o->have);
	char *end;

	if (n <= 0) {
		hang_up(o);
		return;
	}
	o->have += (size_t)n;
	while ((end = memchr(o->in, '\n', o->have))) {
		*end = '\0';
		hear(p, o->in);
		o->have -= (size_t)(end + 1 - o->in);
		memmove(o->in, end + 1, o->have);
	}
	turn(p);
}

static void on_caller(void *ctx, int fd, unsigned events)
{
	struct program *p = ctx;
	struct offer *o = p->offer;
	int caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (caller >= 0 && o->fd >= 0) {
		close(caller);
		return;
	}
	o->fd = caller;
	o->have = 0;
	o->told_relay = false;
	o->bound.port = 0;
	if (caller >= 0 && zs_watch_new(&o->reading, p->loop, caller, ZS_WATCH_READ, on_bytes, p))
		exit(1);
	turn(p);
}

int offer_open(struct program *p, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct offer *o = calloc(1, sizeof(*o));

	if (!o || strlen(path) >= sizeof(at.sun_path))
		return -1;
	strcpy(at.sun_path, path);
	unlink(path);
	p->offer = o;
	o->fd = -1;
	o->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (o->listener < 0 || bind(o->listener, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(o->listener, 1))
		return -1;
	return zs_watch_new(&o->listening, p->loop, o->listener, ZS_WATCH_READ, on_caller, p);
}
