#include "loop/shell.h"

#include <errno.h>
#include <stdlib.h>

/* Datagrams at once: with fewer than a congestion controller lets go together (64 KiB) each burst is cut, and its rest waits for the
 * pacing of the first part: a third of the throughput. */
#define PULL	 64
#define DATAGRAM 1500 /* bytes of one at most: no endpoint looks for a larger path */

struct zs_shell {
	struct zs_loop *loop;
	const struct zs_shell_ops *ops;
	void *ctx;
	struct zs_timer *timer;
	bool busy; /* within an op */
	unsigned count;
	struct {
		struct zs_udp *udp;
		struct zs_endpoint local;
		bool four, six; /* whom it reaches */
	} socket[ZS_SHELL_SOCKETS];
};

static const struct zs_addr any;

static bool is_any(const struct zs_addr *a)
{
	return zs_addr_eq(a, &any) || (zs_addr_is4(a) && zs_addr_get4(a) == 0);
}

/* --- turns ------------------------------------------------------------------------------------ */

static bool reaches(const struct zs_shell *s, unsigned i, const struct zs_udp_datagram *d)
{
	return zs_addr_is4(&d->peer.addr) ? s->socket[i].four : s->socket[i].six;
}

/* The socket that has the datagram's own endpoint, else the first of its family. */
static unsigned socket_of(const struct zs_shell *s, const struct zs_udp_datagram *d)
{
	unsigned first = s->count;

	for (unsigned i = 0; i < s->count; i++) {
		const struct zs_endpoint *at = &s->socket[i].local;

		if (!reaches(s, i, d))
			continue;
		if (first == s->count)
			first = i;
		if (at->port == d->local.port && (is_any(&at->addr) || zs_addr_eq(&at->addr, &d->local.addr)))
			return i;
	}
	return first;
}

static void send_all(struct zs_shell *s, uint64_t now)
{
	struct zs_udp_datagram out[PULL];
	uint8_t buffer[PULL * DATAGRAM]; /* not the shell's: a thousand of them stand in one process */
	size_t n;

	while ((n = s->ops->pull(s->ctx, out, PULL, buffer, sizeof(buffer), now))) {
		for (size_t from = 0, to; from < n; from = to) {
			unsigned i = socket_of(s, &out[from]);

			for (to = from + 1; to < n && socket_of(s, &out[to]) == i; to++)
				;
			if (i < s->count) /* else it is lost, as on any way that does not exist */
				zs_udp_send(s->socket[i].udp, out + from, to - from);
		}
	}
}

void zs_shell_turn(struct zs_shell *s)
{
	uint64_t now = zs_loop_now(s->loop), at;

	if (s->busy)
		return;
	s->busy = true;
	for (int round = 0; round < 2; round++) {
		if (s->ops->work)
			s->ops->work(s->ctx, now);
		send_all(s, now);
	}
	s->busy = false;
	at = s->ops->deadline(s->ctx);
	zs_timer_set(s->timer, at == UINT64_MAX ? 0 : at ? at : 1);
}

void zs_shell_soon(struct zs_shell *s)
{
	if (!s->busy)
		zs_timer_set(s->timer, 1);
}

static void on_timer(void *ctx)
{
	struct zs_shell *s = ctx;

	s->busy = true;
	s->ops->advance(s->ctx, zs_loop_now(s->loop));
	s->busy = false;
	zs_shell_turn(s);
}

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct zs_shell *s = ctx;

	s->busy = true;
	s->ops->receive(s->ctx, in, count, zs_loop_now(s->loop));
	s->busy = false;
	zs_shell_turn(s);
}

/* --- life ------------------------------------------------------------------------------------- */

int zs_shell_new(struct zs_shell **out, struct zs_loop *loop, const struct zs_shell_ops *ops, void *ctx)
{
	struct zs_shell *s = calloc(1, sizeof(*s));
	int rc = s ? zs_timer_new(&s->timer, loop, on_timer, s) : -ENOMEM;

	if (rc) {
		free(s);
		return rc;
	}
	s->loop = loop;
	s->ops = ops;
	s->ctx = ctx;
	*out = s;
	return 0;
}

void zs_shell_delete(struct zs_shell *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++)
		zs_udp_close(s->socket[i].udp);
	zs_timer_delete(s->timer);
	free(s);
}

static int no_room(struct zs_error *err)
{
	return zs_error_set(err, -ENOSPC, ZS_EXIT_CONFIG, "more than %d sockets; name fewer addresses",
			    ZS_SHELL_SOCKETS);
}

static void take(struct zs_shell *s, struct zs_udp *udp, unsigned flags, struct zs_udp **out)
{
	struct zs_endpoint local = zs_udp_local(udp);
	bool is4 = zs_addr_is4(&local.addr), both = is_any(&local.addr) && !(flags & ZS_UDP_ONE_FAMILY);

	s->socket[s->count].udp = udp;
	s->socket[s->count].local = local;
	s->socket[s->count].four = is4 || both;
	s->socket[s->count].six = !is4;
	s->count++;
	if (out)
		*out = udp;
}

int zs_shell_open(struct zs_shell *s, const struct zs_endpoint *local, unsigned flags, struct zs_udp **out,
		  struct zs_error *err)
{
	struct zs_udp *udp;
	int rc = s->count < ZS_SHELL_SOCKETS
		     ? zs_udp_open(&udp, s->loop, local, flags | ZS_UDP_PROBE, on_datagrams, s, err)
		     : no_room(err);

	if (!rc)
		take(s, udp, flags, out);
	return rc;
}

int zs_shell_adopt(struct zs_shell *s, int fd, unsigned flags, struct zs_udp **out, struct zs_error *err)
{
	struct zs_udp *udp;
	int rc = s->count < ZS_SHELL_SOCKETS
		     ? zs_udp_adopt(&udp, s->loop, fd, flags | ZS_UDP_PROBE, on_datagrams, s, err)
		     : no_room(err);

	if (!rc)
		take(s, udp, flags, out);
	return rc;
}

struct zs_udp *zs_shell_socket(const struct zs_shell *s, unsigned index)
{
	return index < s->count ? s->socket[index].udp : NULL;
}
