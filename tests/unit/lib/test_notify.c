/* The service manager's protocol against sockets of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "loop/notify.h"

static int listen_at(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	memcpy(un.sun_path, name, strlen(name));
	if (name[0] == '@')
		un.sun_path[0] = '\0';
	else
		len++;
	assert_int_equal(bind(fd, (struct sockaddr *)&un, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect(int fd, const char *text)
{
	char buf[256] = "";
	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, 0), strlen(text));
	assert_string_equal(buf, text);
}

static void talk(const char *name)
{
	char text[64];
	int fd = listen_at(name);
	assert_int_equal(zs_notify(ZS_NOTIFY_READY "\nSTATUS=up"), 1);
	expect(fd, "READY=1\nSTATUS=up");
	assert_int_equal(zs_notify(ZS_NOTIFY_WATCHDOG), 1);
	expect(fd, "WATCHDOG=1");
	assert_int_equal(zs_notify(ZS_NOTIFY_STOPPING), 1);
	expect(fd, "STOPPING=1");
	assert_int_equal(zs_notify_reloading(5000999), 1);
	expect(fd, "RELOADING=1\nMONOTONIC_USEC=5000");
	assert_int_equal(zs_notify_mainpid(getpid()), 1);
	snprintf(text, sizeof(text), "MAINPID=%d", getpid());
	expect(fd, text);
	close(fd);
}

static void path_socket(void **state)
{
	char dir[] = "/tmp/zs-notify-XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/n", dir);
	talk(path);
	assert_int_equal(zs_notify(ZS_NOTIFY_READY), -ECONNREFUSED); /* its reader is gone */
	unlink(path);
	assert_int_equal(zs_notify(ZS_NOTIFY_READY), -ENOENT);
	rmdir(dir);
}

static void abstract_socket(void **state)
{
	char name[64];
	snprintf(name, sizeof(name), "@zs-notify-%d", getpid());
	talk(name);
}

static void nobody_asked(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(zs_notify(ZS_NOTIFY_READY), 0);
}

static void bad_names(void **state)
{
	char name[200];
	static const char *const bad[] = { "", "/", "@", "relative/path", "vsock:2:1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(zs_notify(ZS_NOTIFY_READY), -EINVAL);
	}
	memset(name, '/', sizeof(name));
	name[108] = '\0'; /* one more than fits with its end */
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(zs_notify(ZS_NOTIFY_READY), -ENAMETOOLONG);
}

static void full_reader_never_blocks(void **state)
{
	char name[64];
	int ret = 1;
	snprintf(name, sizeof(name), "@zs-notify-full-%d", getpid());
	int fd = listen_at(name);
	for (int i = 0; i < 10000 && ret == 1; i++)
		ret = zs_notify(ZS_NOTIFY_WATCHDOG);
	assert_int_equal(ret, -EAGAIN);
	close(fd);
}

static void watchdog_interval(void **state)
{
	char pid[16];
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(zs_notify_watchdog_ns(), 0);
	setenv("WATCHDOG_USEC", "3000000", 1);
	assert_int_equal(zs_notify_watchdog_ns(), 1500000000);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(zs_notify_watchdog_ns(), 1500000000);
	setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
	assert_int_equal(zs_notify_watchdog_ns(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(zs_notify_watchdog_ns(), 0);
}

/* A descriptor goes along with its name, and arrives open. */
static void stores_and_forgets(void **state)
{
	char name[64], byte = 0, bytes[64], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	int pipes[2], got;

	snprintf(name, sizeof(name), "@zs-notify-store-%d", getpid());
	int fd = listen_at(name);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(zs_notify_store(pipes[1], "p2p-1"), 1);
	ssize_t n = recvmsg(fd, &m, 0);
	assert_true(n > 0 && n < (ssize_t)sizeof(bytes));
	bytes[n] = '\0';
	assert_string_equal(bytes, "FDSTORE=1\nFDPOLL=0\nFDNAME=p2p-1");
	assert_non_null(CMSG_FIRSTHDR(&m));
	assert_int_equal(CMSG_FIRSTHDR(&m)->cmsg_type, SCM_RIGHTS);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
	close(pipes[1]);
	assert_int_equal(write(got, "x", 1), 1);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(zs_notify_forget("p2p-1"), 1);
	expect(fd, "FDSTOREREMOVE=1\nFDNAME=p2p-1");
	close(got);
	close(pipes[0]);
	close(fd);
}

struct kept {
	int fd[4];
	char name[4][256];
	unsigned count;
};

static void take(void *ctx, int fd, const char *name)
{
	struct kept *k = ctx;

	assert_true(k->count < 4);
	k->fd[k->count] = fd;
	snprintf(k->name[k->count++], sizeof(k->name[0]), "%s", name);
}

static void hand_over(const char *fds, const char *names, int pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", fds, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
}

/* In a child, whose descriptors are its own to arrange. */
static int kept_child(void)
{
	struct kept k = { .count = 0 };
	int fd = open("/dev/null", O_RDWR);

	hand_over("2", "p2p-a:p2p-b", getpid() + 1); /* another process's */
	if (zs_notify_kept(take, &k) != 0 || getenv("LISTEN_FDS"))
		return 1;
	if (dup2(fd, 3) != 3 || dup2(fd, 4) != 4)
		return 2;
	hand_over("2", "p2p-a:p2p-b", getpid());
	if (zs_notify_kept(take, &k) != 2 || k.fd[0] != 3 || k.fd[1] != 4 || strcmp(k.name[0], "p2p-a") ||
	    strcmp(k.name[1], "p2p-b"))
		return 3;
	if (fcntl(3, F_GETFD) != FD_CLOEXEC || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES"))
		return 4;
	if (zs_notify_kept(take, &k) != 0) /* once */
		return 5;
	hand_over("1", NULL, getpid());
	if (zs_notify_kept(take, &k) != 1 || k.name[2][0])
		return 6;
	return 0;
}

static void takes_what_was_kept(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(kept_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_socket),
		cmocka_unit_test(abstract_socket),
		cmocka_unit_test(nobody_asked),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(full_reader_never_blocks),
		cmocka_unit_test(watchdog_interval),
		cmocka_unit_test(stores_and_forgets),
		cmocka_unit_test(takes_what_was_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
