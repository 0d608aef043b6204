/* The planes' processes, and programs that are asked in their place. A plane's process is the writer of its segment: its header is
 * the same in all layouts. A program that is asked runs as the plane's user, never as root, from an open file, so that it may lie in a
 * folder which that user cannot enter. */
#include "upgrade.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"

#define ASK_S	 20
#define LAST_CAP 200

pid_t upgrade_pid(const struct upgrade *u, enum upgrade_plane plane)
{
	return (pid_t)zs_segment_writer(u->shm,
					plane == UPGRADE_DATA ? zs_state_kind.name : zs_tables_kind.name);
}

static int read_proc(pid_t pid, const char *name, char *out, size_t cap)
{
	char path[48];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, out, cap - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n < 0 ? -errno : (int)n;
}

/* The relay's user, by the folder that it made. */
static int read_ids(struct upgrade *u, struct upgrade_start *s)
{
	struct stat st;

	if (lstat(u->shm, &st) < 0)
		return zs_error_set(&u->err, -errno, ZS_EXIT_UNREACHABLE, "%s: %s; start the planes", u->shm,
				    strerror(errno));
	s->uid = st.st_uid;
	s->gid = st.st_gid;
	return 0;
}

static int read_words(struct upgrade *u, struct upgrade_start *s, pid_t pid)
{
	char text[4096], link[48];
	int len = read_proc(pid, "cmdline", text, sizeof(text));
	ssize_t n;

	json_decref(s->args);
	s->args = json_array();
	for (int at = (int)strlen(text) + 1; at < len; at += (int)strlen(text + at) + 1)
		json_array_append_new(s->args, json_string(text + at));
	if (len >= (int)sizeof(text) - 1 || json_array_size(s->args) > UPGRADE_ARGS)
		return zs_error_set(&u->err, -E2BIG, ZS_EXIT_REFUSED,
				    "process %d: more than %d arguments; start it with fewer", (int)pid,
				    UPGRADE_ARGS);
	snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
	n = readlink(link, s->cwd, sizeof(s->cwd) - 1);
	s->cwd[n > 0 ? n : 0] = '\0';
	return 0;
}

int upgrade_read_start(struct upgrade *u, enum upgrade_plane plane)
{
	struct upgrade_start *s = &u->start[plane];
	pid_t pid = upgrade_pid(u, plane);
	int rc;

	if (!pid)
		return zs_error_set(&u->err, -ESRCH, ZS_EXIT_UNREACHABLE,
				    "%s: no process runs that could be taken over from; start it",
				    upgrade_plane_name(plane));
	rc = upgrade_identify(u, plane, pid);
	if (!rc)
		rc = read_ids(u, s);
	return rc ? rc : read_words(u, s, pid);
}

/* --- children --- */

struct child {
	pid_t pid;
	int out, err; /* what it says */
	char *text;
	size_t len, cap;
	char last[LAST_CAP]; /* of stderr */
};

static void open_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. Not zsctl's group, or Ctrl-C would end it too. */
static void become(int out, int err)
{
	int null = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	open_signals();
}

static void drop(const struct upgrade_start *s)
{
	if (geteuid() == 0 && s->uid != 0 &&
	    (setgroups(1, &s->gid) < 0 || setgid(s->gid) < 0 || setuid(s->uid) < 0))
		_exit(ZS_EXIT_PRIVILEGE);
	if (s->cwd[0] && chdir(s->cwd) < 0)
		_exit(ZS_EXIT_FAILED);
}

/* With `as` the relay's user looks into it: root's environment is none of its business. */
static int begin(struct upgrade *u, struct child *c, char *const argv[], int exe,
		 const struct upgrade_start *as)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const bare[] = { path, NULL };
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(out[0]);
		close(out[1]);
		return -errno;
	}
	c->pid = fork();
	if (c->pid == 0) {
		become(out[1], err[1]);
		if (as)
			drop(as);
		if (exe >= 0)
			fexecve(exe, argv, as ? bare : environ);
		else
			execv(argv[0], argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	c->out = out[0];
	c->err = err[0];
	return c->pid < 0 ? -errno : 0;
}

/* The last line that says something. */
static void keep_last(char last[LAST_CAP], char *text)
{
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (line[0])
			snprintf(last, LAST_CAP, "%s", line);
}

/* A terminal is told nothing but text. */
static void plain(char *text)
{
	for (char *p = text; *p; p++)
		if (*p != '\n' && (iscntrl((unsigned char)*p) || (unsigned char)*p > 126))
			*p = '?';
}

static void listen_to(struct child *c)
{
	char more[4096];
	ssize_t n;

	while ((n = read(c->err, more, sizeof(more) - 1)) > 0) {
		more[n] = '\0';
		plain(more);
		keep_last(c->last, more);
	}
	while ((n = read(c->out, more, sizeof(more))) > 0)
		for (ssize_t i = 0; i < n && c->len + 1 < c->cap; i++)
			c->text[c->len++] = more[i];
	if (c->cap) {
		c->text[c->len] = '\0';
		plain(c->text);
	}
}

/* Its exit status, or -errno: it had no more time, or zsctl was told to end. */
static int finish(struct upgrade *u, struct child *c, uint32_t seconds)
{
	uint64_t end = zs_clock_ns() + seconds * ZS_NS_PER_S;
	int status = 0, rc = 0;

	while (waitpid(c->pid, &status, WNOHANG) == 0 && !rc) {
		listen_to(c);
		rc = upgrade_pause(u, UPGRADE_STEP_MS / 2);
		if (!rc && zs_clock_ns() > end)
			rc = -ETIMEDOUT;
	}
	if (rc) {
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, &status, 0);
	}
	listen_to(c);
	close(c->out);
	close(c->err);
	if (rc)
		return rc;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int upgrade_ask(struct upgrade *u, enum upgrade_plane plane, const char *path, const char *more, bool args,
		char *out, size_t cap)
{
	const struct upgrade_start *s = &u->start[plane];
	char *argv[UPGRADE_ARGS + 3] = { (char *)(uintptr_t)path };
	struct child c = { .text = out, .cap = cap };
	size_t n = 1;
	int fd = open(path, O_RDONLY | O_NONBLOCK),
	    rc; /* stays open over exec: a script's interpreter reads it */

	if (fd < 0)
		return zs_error_set(&u->err, -errno, ZS_EXIT_PRIVILEGE, "%s: %s", path, strerror(errno));
	for (size_t i = 0; args && i < json_array_size(s->args) && i < UPGRADE_ARGS; i++)
		argv[n++] = (char *)(uintptr_t)json_string_value(json_array_get(s->args, i));
	argv[n] = (char *)(uintptr_t)more;
	rc = begin(u, &c, argv, fd, args ? s : &(struct upgrade_start){ .uid = s->uid, .gid = s->gid });
	close(fd);
	if (rc == 0)
		rc = finish(u, &c, ASK_S);
	if (rc < 0 && rc != -EINTR)
		return zs_error_set(&u->err, rc, ZS_EXIT_FAILED, "%s %s: %s", path, more, strerror(-rc));
	if (rc > 0)
		zs_error_set(&u->err, -EPROTO, rc <= ZS_EXIT_ROLLED_BACK ? (enum zs_exit)rc : ZS_EXIT_FAILED,
			     "%s", c.last[0] ? c.last : "it says nothing");
	return rc;
}

int upgrade_restart(struct upgrade *u, enum upgrade_plane plane)
{
	const char *name = upgrade_plane_name(plane);
	char text[sizeof(u->restart) + 8];
	char *argv[] = {
		"/bin/sh", "-c", text, "sh", (char *)(uintptr_t)name, (char *)(uintptr_t)u->z->instance, NULL
	};
	struct child c = { 0 };
	int rc;

	snprintf(text, sizeof(text), "%s", u->restart);
	rc = begin(u, &c, argv, -1, NULL);
	if (rc == 0)
		rc = finish(u, &c, u->timeout_s);
	if (rc == 0 || rc == -EINTR)
		return rc;
	if (rc == -ETIMEDOUT)
		return zs_error_set(&u->err, rc, ZS_EXIT_FAILED, "%s was not ready in %u s", name,
				    u->timeout_s);
	return zs_error_set(&u->err, -EIO, ZS_EXIT_FAILED, "%s does not start (status %d%s%s)", name, rc,
			    c.last[0] ? ": " : "", c.last);
}
