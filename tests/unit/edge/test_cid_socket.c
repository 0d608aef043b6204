/* The socket for connection IDs: its lines both ways, and whoever breaks them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "cid_socket.h"

#define MS   ZS_NS_PER_MS
#define PEER "12D3KooWNRk8VBuTJTYyTbnJC7Nj2UN5jij4dJMo8wtSGT2hRzRP"

struct world {
	struct zs_loop *loop;
	struct zs_cid_socket *socket;
	char folder[64], path[96];
	struct zs_endpoint relay, bound;
	uint32_t owned, dialled, named, moved, turns, gone;
	size_t in, sent;
	uint8_t first;
	bool empty;
};

static bool on_own(void *ctx, uint8_t cid[ZS_BIND_CID])
{
	struct world *w = ctx;

	memset(cid, (int)(0xa0 + w->owned), ZS_BIND_CID);
	w->owned += !w->empty;
	return !w->empty;
}

static void on_dial(void *ctx, const struct zs_peer_id *callee)
{
	struct world *w = ctx;

	w->dialled++;
	w->named += callee != NULL;
}

static void on_in(void *ctx, const void *bytes, size_t len)
{
	struct world *w = ctx;

	w->in = len;
	w->first = *(const uint8_t *)bytes;
}

static void on_sent(void *ctx, const void *bytes, size_t len)
{
	((struct world *)ctx)->sent = len;
}

static void on_moved(void *ctx)
{
	((struct world *)ctx)->moved++;
}

static void on_turn(void *ctx)
{
	struct world *w = ctx;

	w->turns++;
	zs_cid_socket_state(w->socket, w->relay.port ? &w->relay : NULL, w->bound.port ? &w->bound : NULL);
}

static void on_gone(void *ctx)
{
	((struct world *)ctx)->gone++;
}

static const struct zs_cid_socket_ops ops = { on_own, on_dial, on_in, on_sent, on_moved, on_turn, on_gone };

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct zs_error err = { 0 };

	strcpy(w->folder, "/tmp/zs-cid-socket.XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/socket", w->folder);
	assert_int_equal(zs_loop_new(&w->loop, ZS_LOOP_AUTO, &err), 0);
	assert_int_equal(zs_cid_socket_new(&w->socket, w->loop, w->path, &ops, w, &err), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	zs_cid_socket_delete(w->socket);
	zs_loop_delete(w->loop);
	assert_int_equal(access(w->path, F_OK), -1);
	assert_int_equal(rmdir(w->folder), 0);
	free(w);
	return 0;
}

static void turns(struct world *w)
{
	for (int n = 0; n < 5; n++)
		zs_loop_turn(w->loop, MS);
}

static int call(struct world *w)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	turns(w);
	return fd;
}

static void tell(struct world *w, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turns(w);
}

/* All that was said; NULL: hung up. */
static const char *heard(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return NULL;
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void lines(void **state)
{
	struct world *w = *state;
	struct stat st;
	uint8_t cid[ZS_BIND_CID];
	int fd;

	assert_int_equal(lstat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = call(w);
	assert_string_equal(heard(fd), "");
	assert_int_equal(zs_endpoint_parse(&w->relay, "192.0.2.1:4433"), 0);
	assert_int_equal(zs_endpoint_parse(&w->bound, "198.51.100.1:999"), 0);
	on_turn(w);
	on_turn(w);
	assert_string_equal(heard(fd), "relay 192.0.2.1:4433\nbound 198.51.100.1:999\n");
	w->bound.port = 0;
	tell(w, fd, "own\now");
	assert_string_equal(heard(fd), "own a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0\nunbound\n");
	w->empty = true;
	tell(w, fd, "n\n");
	assert_string_equal(heard(fd), "none no connection ID is left now; ask again in a moment\n");
	tell(w, fd, "dial " PEER "\ndial\ndial " PEER "x\n");
	assert_int_equal(w->dialled, 2);
	assert_int_equal(w->named, 1);
	assert_string_equal(heard(fd), "none what follows dial is no peer id\n");
	memset(cid, 0x11, sizeof(cid));
	zs_cid_socket_dial(w->socket, cid, "");
	zs_cid_socket_dial(w->socket, NULL, "not admitted");
	zs_cid_socket_out(w->socket, "\x01\x02", 2);
	assert_string_equal(heard(fd),
			    "dial 1111111111111111111111111111111111\nnone not admitted\nout 0102\n");
	tell(w, fd, "in c0ff\nsent 000102\nmoved\n");
	assert_int_equal(w->in, 2);
	assert_int_equal(w->first, 0xc0);
	assert_int_equal(w->sent, 3);
	assert_int_equal(w->moved, 1);
	/* What is no hex, or nothing known, is nothing. */
	w->in = w->sent = 0;
	tell(w, fd, "in c0f\nin\nsent xx\nin c0 ff\nbound 1.2.3.4:5\n\n own\n");
	assert_int_equal(w->in, 0);
	assert_int_equal(w->sent, 0);
	assert_string_equal(heard(fd), "");
	close(fd);
}

static void one_at_a_time(void **state)
{
	struct world *w = *state;
	int fd, other;

	assert_int_equal(zs_endpoint_parse(&w->relay, "192.0.2.1:4433"), 0);
	fd = call(w);
	assert_string_equal(heard(fd), "relay 192.0.2.1:4433\n");
	other = call(w);
	assert_null(heard(other));
	close(other);
	tell(w, fd, "own\n");
	assert_non_null(strstr(heard(fd), "own "));
	close(fd);
	turns(w);
	fd = call(w); /* the next one is told what the first was */
	assert_string_equal(heard(fd), "relay 192.0.2.1:4433\n");
	close(fd);
}

/* A line without an end, and a program that does not read: hung up on, the next one is served. */
static void broken(void **state)
{
	struct world *w = *state;
	char junk[5000];
	int fd = call(w);

	memset(junk, 'a', sizeof(junk));
	junk[sizeof(junk) - 1] = '\0';
	tell(w, fd, junk);
	assert_string_equal(heard(fd), "");
	tell(w, fd, junk);
	assert_null(heard(fd));
	assert_int_equal(w->gone, 1);
	close(fd);
	fd = call(w);
	for (int n = 0; n < 100000 && w->owned < 100000; n++) {
		if (send(fd, "own\n", 4, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		zs_loop_turn(w->loop, 0);
	}
	assert_true(w->owned > 10 && w->owned < 100000);
	close(fd);
	turns(w);
	assert_int_equal(w->gone, 2);
	fd = call(w);
	tell(w, fd, "own\n");
	assert_non_null(strstr(heard(fd), "own "));
	close(fd);
}

static void paths(void **state)
{
	struct world *w = *state;
	struct zs_cid_socket *other;
	struct zs_error err = { 0 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char path[256];
	int fd;

	assert_int_equal(zs_cid_socket_new(&other, w->loop, w->path, &ops, w, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "name another path"));
	assert_int_equal(access(w->path, F_OK), 0);
	/* What a killed process left is replaced, a file is not. */
	snprintf(path, sizeof(path), "%s/left", w->folder);
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	assert_int_equal(zs_cid_socket_new(&other, w->loop, path, &ops, w, &err), 0);
	zs_cid_socket_delete(other);
	assert_int_equal(access(path, F_OK), -1);
	fclose(fopen(path, "w"));
	assert_int_equal(zs_cid_socket_new(&other, w->loop, path, &ops, w, &err), -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(zs_cid_socket_new(&other, w->loop, path, &ops, w, &err), -ENAMETOOLONG);
	assert_int_equal(zs_cid_socket_new(&other, w->loop, "/nonesuch/socket", &ops, w, &err), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(lines), TEST(one_at_a_time), TEST(broken), TEST(paths) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
