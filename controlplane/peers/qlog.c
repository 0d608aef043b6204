/* qlog on request: a file a connection in a folder of ours alone, bounded in files and in bytes of each. Who it is about is
 * known when the handshake is done (peers_qlog_judge): until then a file is begun for everybody, and such an unproven one
 * gives its place to a newer. One that ends unproven is unlinked under a filter; without one a few are kept, since a
 * handshake that fails is worth a look. So strangers who finish none keep nobody's file from being written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <dirent.h>
#include "peers/internal.h"

static struct peers_qlog *find(struct zs_peers *p, const void *which)
{
	for (int i = 0; i < PEERS_QLOGS; i++)
		if (p->qlog.file[i].which == which)
			return &p->qlog.file[i];
	return NULL;
}

static void finish(struct zs_peers *p, struct peers_qlog *f, bool keep)
{
	if (!keep)
		unlinkat(p->qlog.dir, f->name, 0);
	close(f->fd);
	memset(f, 0, sizeof(*f));
}

/* It ended by itself, or was cut. */
static void end(struct zs_peers *p, struct peers_qlog *f)
{
	bool keep = f->proven;

	if (!keep && !p->qlog.peer.len && p->qlog.unproven < PEERS_QLOG_UNPROVEN) {
		p->qlog.unproven++;
		keep = true;
	}
	finish(p, f, keep);
}

/* The oldest of those that are not proven gives its place, when they are too many or `at_once`. */
static void make_room(struct zs_peers *p, bool at_once)
{
	struct peers_qlog *oldest = NULL;
	int n = 0;

	for (int i = 0; i < PEERS_QLOGS; i++) {
		struct peers_qlog *f = &p->qlog.file[i];

		if (!f->which || f->proven)
			continue;
		n++;
		if (!oldest || f->number < oldest->number)
			oldest = f;
	}
	if (oldest && (at_once || n >= PEERS_QLOG_UNPROVEN))
		finish(p, oldest, false);
}

/* Files in the folder; PEERS_QLOG_FILES when it cannot be read. */
static unsigned count_files(const struct zs_peers *p)
{
	int fd = openat(p->qlog.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	unsigned n = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return PEERS_QLOG_FILES;
	}
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* The record that opens a file. A connection that lost its place, or began while there was none, is not written in part. */
static bool is_opening(const void *bytes, size_t len)
{
	return memmem(bytes, len < 64 ? len : 64, "JSON-SEQ", 8) != NULL;
}

/* NULL: nothing is written of this one. */
static struct peers_qlog *begin(struct zs_peers *p, const void *which)
{
	struct peers_qlog *f;

	if (!p->qlog.on)
		return NULL;
	make_room(p, !find(p, NULL) || count_files(p) >= PEERS_QLOG_FILES);
	f = find(p, NULL);
	if (!f || count_files(p) >= PEERS_QLOG_FILES)
		return NULL;
	f->number = ++p->qlog.number;
	snprintf(f->name, sizeof(f->name), "%llu-%u.sqlog",
		 (unsigned long long)(zs_clock_wall_ns() / ZS_NS_PER_S), f->number);
	f->fd = openat(p->qlog.dir, f->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0)
		return NULL;
	f->which = which;
	return f;
}

void peers_qlog_write(struct zs_peers *p, const void *which, const void *bytes, size_t len, bool last)
{
	struct peers_qlog *f = find(p, which);

	if (!f && len && is_opening(bytes, len))
		f = begin(p, which);
	if (!f)
		return;
	/* Full, or no room on the disk: what there is stays. */
	if (f->bytes + len > PEERS_QLOG_BYTES || write(f->fd, bytes, len) != (ssize_t)len)
		last = true;
	f->bytes += len;
	if (last)
		end(p, f);
}

void peers_qlog_judge(struct zs_peers *p, struct zs_host_conn *conn)
{
	struct peers_qlog *f = find(p, zs_host_conn_which(conn));

	if (!f)
		return;
	f->proven = !p->qlog.peer.len || zs_peer_id_eq(&p->qlog.peer, zs_host_conn_peer(conn));
	if (!f->proven)
		finish(p, f, false);
}

void peers_qlog_close(struct zs_peers *p)
{
	for (int i = 0; i < PEERS_QLOGS; i++)
		if (p->qlog.file[i].which)
			end(p, &p->qlog.file[i]);
	if (p->qlog.dir >= 0)
		close(p->qlog.dir);
	p->qlog.dir = -1;
}

/* Makes it, or takes one that is ours alone already; its mode is never changed. */
static int open_folder(const char *path, struct zs_error *err)
{
	bool made = mkdir(path, 0700) == 0;
	struct stat st;
	int fd, rc;

	if (!made && errno != EEXIST)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "p2p.qlog_dir: %s cannot be made: %s",
				    path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || (made && fchmod(fd, 0700) < 0)) {
		rc = zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "p2p.qlog_dir: %s: %s", path,
				  strerror(errno));
	} else if (!made && (st.st_uid != geteuid() || (st.st_mode & 077))) {
		rc = zs_error_set(
		    err, -EPERM, ZS_EXIT_PRIVILEGE,
		    "p2p.qlog_dir: %s is open to others, or not the relay's own; name a folder that "
		    "is not there yet, or give this one to the relay's user with mode 0700",
		    path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The folder that the configuration names now; what is written into another one ends. */
static int use_folder(struct zs_peers *p, struct zs_error *err)
{
	const char *path = p->c->conf->p2p.qlog_dir;
	int fd;

	if (p->qlog.dir >= 0 && strcmp(path, p->qlog.path) == 0)
		return 0;
	fd = open_folder(path, err);
	if (fd < 0)
		return fd;
	peers_qlog_close(p);
	p->qlog.dir = fd;
	snprintf(p->qlog.path, sizeof(p->qlog.path), "%s", path);
	return 0;
}

int zs_peers_qlog(struct zs_peers *p, bool on, const struct zs_peer_id *peer, struct zs_error *err)
{
	int rc = on ? use_folder(p, err) : 0;

	if (rc)
		return rc;
	if (on && count_files(p) >= PEERS_QLOG_FILES)
		return zs_error_set(err, -ENOSPC, ZS_EXIT_REFUSED,
				    "%s holds %d files already; move some away", p->qlog.path,
				    PEERS_QLOG_FILES);
	p->qlog.on = on;
	if (on) { /* what is written now ends by the rule it began with */
		p->qlog.peer = peer ? *peer : (struct zs_peer_id){ 0 };
		p->qlog.unproven = 0;
	}
	zs_host_set_qlog(p->node.host, on);
	return 0;
}

const char *zs_peers_qlog_dir(const struct zs_peers *p)
{
	return p->qlog.on ? p->qlog.path : NULL;
}
