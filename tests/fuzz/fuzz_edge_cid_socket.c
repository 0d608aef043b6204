/* A program at zs-edge's --cid-socket that says anything, in pieces: first byte how long they are. It is served or hung up on, and
 * the next one finds the socket free. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "cid_socket.h"
#include "fuzz/exact.h"

struct world {
	struct zs_loop *loop;
	struct zs_cid_socket *socket;
	struct sockaddr_un at;
	unsigned told;
	bool there;
};

static bool on_own(void *ctx, uint8_t cid[ZS_BIND_CID])
{
	struct world *w = ctx;

	memset(cid, 7, ZS_BIND_CID);
	return w->told++ % 3;
}

static void on_dial(void *ctx, const struct zs_peer_id *callee)
{
	struct world *w = ctx;

	ZS_CHECK(!callee || (callee->len && callee->len <= ZS_PEER_ID), "no peer id");
	zs_cid_socket_refuse(w->socket, callee ? -EBUSY : -EINVAL);
}

static void on_bytes(void *ctx, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	unsigned sum = 0;

	ZS_CHECK(len <= 4096, "more than a line holds");
	for (size_t i = 0; i < len; i++)
		sum += b[i];
	((struct world *)ctx)->told += sum & 1;
}

static void on_moved(void *ctx) {}

static void on_turn(void *ctx)
{
	((struct world *)ctx)->there = true;
}

static void on_gone(void *ctx)
{
	((struct world *)ctx)->there = false;
}

static const struct zs_cid_socket_ops ops = {
	on_own, on_dial, on_bytes, on_bytes, on_moved, on_turn, on_gone
};

static struct world the_world;

static void remove_socket(void)
{
	zs_cid_socket_delete(the_world.socket);
}

static struct world *make_world(void)
{
	struct zs_error err = { 0 };
	struct world *w = &the_world;

	if (w->loop)
		return w;
	w->at.sun_family = AF_UNIX;
	snprintf(w->at.sun_path, sizeof(w->at.sun_path), "/tmp/zs-fuzz-cid.%d", (int)getpid());
	ZS_CHECK(zs_loop_new(&w->loop, ZS_LOOP_EPOLL, &err) == 0 &&
		     zs_cid_socket_new(&w->socket, w->loop, w->at.sun_path, &ops, w, &err) == 0,
		 "%s", err.text);
	atexit(remove_socket);
	return w;
}

static void say(struct world *w, int fd, const uint8_t *data, size_t size, size_t piece)
{
	char heard[4096];

	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (send(fd, data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
			return;
		zs_loop_turn(w->loop, 0);
		while (recv(fd, heard, sizeof(heard), MSG_DONTWAIT) > 0)
			;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = make_world();
	int fd;

	if (size < 2)
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ZS_CHECK(connect(fd, (const struct sockaddr *)&w->at, sizeof(w->at)) == 0, "nobody listens");
	zs_loop_turn(w->loop, ZS_NS_PER_S);
	ZS_CHECK(w->there, "it is not served");
	say(w, fd, data + 1, size - 1, 1 + data[0] * 16u);
	close(fd);
	for (int i = 0; w->there && i < 100; i++)
		zs_loop_turn(w->loop, ZS_NS_PER_S / 100);
	ZS_CHECK(!w->there, "it is gone, and its place is taken");
	return 0;
}
