/* qlog on request: a file a connection in a folder of ours alone, bounded in files and in bytes of each. A filter by peer
 * is applied when the handshake tells who it is: until then a file is begun for everybody. */
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

static void finish(struct peers_qlog *f)
{
	if (f->which && f->fd >= 0)
		close(f->fd);
	memset(f, 0, sizeof(*f));
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

/* NULL: nothing is written of this one. */
static struct peers_qlog *begin(struct zs_peers *p, const void *which)
{
	struct peers_qlog *f = find(p, NULL);

	if (!f || !p->qlog.on || count_files(p) >= PEERS_QLOG_FILES)
		return NULL;
	snprintf(f->name, sizeof(f->name), "%llu-%u.sqlog",
		 (unsigned long long)(zs_clock_wall_ns() / ZS_NS_PER_S), ++p->qlog.number);
	f->fd = openat(p->qlog.dir, f->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0)
		return NULL;
	f->which = which;
	return f;
}

void peers_qlog_write(struct zs_peers *p, const void *which, const void *bytes, size_t len, bool last)
{
	struct peers_qlog *f = find(p, which);

	if (!f && len)
		f = begin(p, which);
	if (!f)
		return;
	if (f->fd >= 0 && f->bytes + len <= PEERS_QLOG_BYTES && write(f->fd, bytes, len) == (ssize_t)len) {
		f->bytes += len;
	} else if (f->fd >= 0) { /* full, or no room on the disk: what there is stays */
		close(f->fd);
		f->fd = -1;
	}
	if (last)
		finish(f);
}

void peers_qlog_judge(struct zs_peers *p, struct zs_host_conn *conn)
{
	struct peers_qlog *f = find(p, zs_host_conn_which(conn));

	if (!f || f->fd < 0 || !p->qlog.peer.len || zs_peer_id_eq(&p->qlog.peer, zs_host_conn_peer(conn)))
		return;
	unlinkat(p->qlog.dir, f->name, 0);
	close(f->fd);
	f->fd = -1;
}

static int open_folder(struct zs_peers *p, struct zs_error *err)
{
	const char *path = p->c->conf->p2p.qlog_dir;

	if (p->qlog.dir >= 0)
		return 0;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "p2p.qlog_dir: %s cannot be made: %s",
				    path, strerror(errno));
	p->qlog.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (p->qlog.dir < 0 || fchmod(p->qlog.dir, 0700) < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "p2p.qlog_dir: %s: %s", path,
				    strerror(errno));
	return 0;
}

int zs_peers_qlog(struct zs_peers *p, bool on, const struct zs_peer_id *peer, struct zs_error *err)
{
	int rc = on ? open_folder(p, err) : 0;

	if (rc)
		return rc;
	if (on && count_files(p) >= PEERS_QLOG_FILES)
		return zs_error_set(err, -ENOSPC, ZS_EXIT_REFUSED,
				    "%s holds %d files already; move some away", p->c->conf->p2p.qlog_dir,
				    PEERS_QLOG_FILES);
	p->qlog.on = on;
	p->qlog.peer = peer ? *peer : (struct zs_peer_id){ 0 };
	zs_host_set_qlog(p->host, on);
	return 0;
}

const char *zs_peers_qlog_dir(const struct zs_peers *p)
{
	return p->qlog.on ? p->c->conf->p2p.qlog_dir : NULL;
}
