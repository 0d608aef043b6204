/* The file half of a segment: making, finding, taking over, leaving.
 *
 * A writer holds flock(LOCK_EX) on its file for as long as it lives; pid and start time in the
 * header tell the readers. A new file grows under ".KIND.new", which is locked too, so a
 * creator that was killed leaves one stale file at most, and the next one reuses it. The
 * header is judged on a copy made by pread, which cannot fault, before anything is mapped.
 *
 * Life: new → (fill) → publish → … → leave; adopt or join → … → leave; delete. */
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "shm/fault.h"
#include "shm/segment_file.h"

#define MODE 0640 /* owner writes, the group's readers read; unless the kind has another */

int zs_segment_fail(struct zs_error *err, int code, const char *what, const char *path)
{
	static const char *const space =
	    "shared memory is full; free some in /dev/shm or lower the capacities";
	enum zs_exit end = ZS_EXIT_FAILED;
	bool denied = code == -EACCES || code == -EPERM;

	if (code == -EFBIG)
		code = -ENOSPC;
	if (zs_error_lacks(code))
		end = ZS_EXIT_RESOURCE;
	else if (denied)
		end = ZS_EXIT_PRIVILEGE;
	return zs_error_set(err, code, end, "%s: cannot %s: %s%s", path, what,
			    code == -ENOSPC ? space : strerror(-code),
			    denied ? "; start it as root or as this instance's user" : "");
}

static int path_of(char out[128], const char *dir, const char *prefix, const char *kind, const char *suffix)
{
	int n = snprintf(out, 128, "%s/%s%s%s", dir, prefix, kind, suffix);
	return n < 0 || n >= 128 ? -ENAMETOOLONG : 0;
}

static int busy(struct zs_error *err, const char *path, uint32_t pid)
{
	return zs_error_set(err, -EBUSY, ZS_EXIT_RUNNING,
			    "%s: process %u writes it; stop that one or choose another instance", path, pid);
}

static mode_t mode_of(const struct zs_segment_kind *kind)
{
	return kind->mode ? kind->mode : MODE;
}

/* Locks what `path` names at this moment; a name that moved on in between is tried again. */
static int open_locked(const char *path, int flags)
{
	struct stat a, b;

	for (int i = 0; i < 16; i++) {
		int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			close(fd);
			return -EBUSY;
		}
		if (fstat(fd, &a) == 0 && S_ISREG(a.st_mode) && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
		    a.st_dev == b.st_dev)
			return fd;
		close(fd);
	}
	return -EBUSY;
}

static int map(struct zs_segment *seg, int fd, size_t size, bool writer)
{
	void *p = mmap(NULL, size, writer ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	seg->base = p;
	seg->size = size;
	seg->fd = fd;
	seg->writer = writer;
	atomic_store(&seg->faulted, 0);
	zs_fault_watch(seg); /* without a handler in this process there is nothing to do */
	return 0;
}

static void take_over(struct zs_segment_header *h)
{
	uint64_t start = 0;

	zs_segment_process_start((uint32_t)getpid(), &start);
	atomic_store(&h->writer_start, start);
	atomic_store(&h->heartbeat_ns, zs_clock_ns());
	atomic_fetch_add(&h->generation, 1);
	atomic_store(&h->writer_pid, (uint32_t)getpid());
}

static void write_header(struct zs_segment_header *h, const struct zs_segment_kind *kind, const void *shape,
			 size_t size)
{
	strncpy(h->kind, kind->name, sizeof(h->kind) - 1);
	h->version = kind->version;
	h->field_count = kind->fields(h->field, shape);
	h->abi_hash = zs_segment_abi_hash(kind->name, kind->version, h->field, h->field_count);
	h->size = size;
	while (h->incarnation == 0)
		if (getrandom(&h->incarnation, sizeof(h->incarnation), 0) < 0)
			h->incarnation = zs_clock_wall_ns();
	take_over(h);
}

int zs_segment_new(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		   const void *shape, struct zs_error *err)
{
	size_t size = zs_segment_footprint(kind, shape);
	char tmp[128];
	int fd, rc;

	*seg = (struct zs_segment){ 0 };
	if (path_of(seg->path, dir, "", kind->name, "") < 0 || path_of(tmp, dir, ".", kind->name, ".new") < 0)
		return zs_segment_fail(err, -ENAMETOOLONG, "create", dir);
	fd = open_locked(tmp, O_CREAT);
	if (fd == -EBUSY)
		return busy(err, tmp, 0);
	if (fd < 0)
		return zs_segment_fail(err, fd, "create", tmp);
	rc = ftruncate(fd, 0) < 0 || fchmod(fd, mode_of(kind)) < 0 || fallocate(fd, 0, 0, (off_t)size) < 0
		 ? -errno
		 : 0;
	if (rc == 0)
		rc = map(seg, fd, size, true);
	if (rc < 0)
		goto undo;
	write_header(seg->base, kind, shape, size);
	return 0;
undo:
	unlink(tmp);
	close(fd);
	return zs_segment_fail(err, rc, "create", seg->path);
}

static int rename_in(struct zs_segment *seg, unsigned int flags, struct zs_error *err)
{
	char dir[128], tmp[128];
	char *slash;

	memcpy(dir, seg->path, sizeof(dir));
	slash = strrchr(dir, '/');
	*slash = '\0';
	if (path_of(tmp, dir, ".", slash + 1, ".new") < 0)
		return zs_segment_fail(err, -ENAMETOOLONG, "publish", seg->path);
	atomic_store_explicit(&seg->base->magic, ZS_SEGMENT_MAGIC, memory_order_release);
	if (renameat2(AT_FDCWD, tmp, AT_FDCWD, seg->path, flags) == 0)
		return 0;
	if (errno == EEXIST)
		return busy(err, seg->path, 0);
	return zs_segment_fail(err, -errno, "publish", seg->path);
}

int zs_segment_publish(struct zs_segment *seg, struct zs_error *err)
{
	return rename_in(seg, RENAME_NOREPLACE, err);
}

int zs_segment_supersede(struct zs_segment *old, struct zs_segment *fresh, struct zs_error *err)
{
	int rc;

	atomic_store(&fresh->base->generation, atomic_load(&old->base->generation) + 1);
	rc = rename_in(fresh, 0, err);
	if (rc == 0)
		zs_segment_leave(old);
	return rc;
}

/* Opens and judges; the caller closes what it gets. */
static int open_judged(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		       bool writer, struct zs_segment_header *copy, struct zs_error *err)
{
	int fd, rc;

	*seg = (struct zs_segment){ 0 };
	if (path_of(seg->path, dir, "", kind->name, "") < 0)
		return zs_segment_fail(err, -ENAMETOOLONG, "open", dir);
	fd = writer ? open_locked(seg->path, 0) : open(seg->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && !writer)
		fd = -errno;
	if (fd == -EBUSY) {
		fd = open(seg->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		rc = fd >= 0 && pread(fd, copy, sizeof(*copy), 0) == sizeof(*copy);
		if (fd >= 0)
			close(fd);
		return busy(err, seg->path, rc ? atomic_load(&copy->writer_pid) : 0);
	}
	if (fd < 0)
		return zs_segment_fail(err, fd, "open", seg->path);
	rc = zs_segment_judge(fd, kind, copy, seg->path, writer, err);
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

/* The old file is held by our lock; a new one takes its name with the contents rewritten. */
static int migrate(struct zs_segment *seg, int fd, size_t size, const struct zs_segment_kind *kind,
		   const char *dir, const void *shape, struct zs_error *err)
{
	struct zs_segment old = { 0 };
	int rc = map(&old, fd, size, true);

	if (rc < 0) {
		close(fd);
		return zs_segment_fail(err, rc, "map", seg->path);
	}
	rc = zs_segment_new(seg, dir, kind, shape, err);
	if (rc < 0)
		goto undo_old;
	rc = kind->migrate(old.base, size, seg->base, err);
	if (rc == 0)
		rc = zs_segment_supersede(&old, seg, err);
	if (rc == 0)
		return 0;
	zs_segment_leave(seg);
undo_old:
	old.writer = false; /* it stays as it was found */
	zs_segment_leave(&old);
	return rc;
}

static bool is_foreign(const struct zs_segment_header *h, const struct zs_segment_kind *kind)
{
	struct zs_segment_field own[ZS_SEGMENT_FIELDS];
	uint32_t n = kind->fields(own, NULL);

	return h->abi_hash != zs_segment_abi_hash(kind->name, kind->version, own, n);
}

/* Out of the way of a new one; the last damaged file of a kind is kept for whoever wants to know. */
static int set_aside(const struct zs_segment *seg, struct zs_error *err)
{
	char aside[160];

	snprintf(aside, sizeof(aside), "%s.damaged", seg->path);
	return rename(seg->path, aside) < 0 ? zs_segment_fail(err, -errno, "set aside", seg->path) : -ENOENT;
}

int zs_segment_adopt(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		     const void *shape, struct zs_error *err)
{
	struct zs_segment_header h;
	int fd = open_judged(seg, dir, kind, true, &h, err);
	int rc;

	if (fd == -ENODATA) { /* unpublished: what a killed delete leaves */
		unlink(seg->path);
		return zs_segment_fail(err, -ENOENT, "adopt", seg->path);
	}
	if (fd == -EUCLEAN)
		return kind->expendable ? set_aside(seg, err) : -EPROTO;
	if (fd < 0)
		return fd;
	if (zs_segment_process_alive(atomic_load(&h.writer_pid), atomic_load(&h.writer_start))) {
		close(fd);
		return busy(err, seg->path, atomic_load(&h.writer_pid));
	}
	if (h.version != kind->version && kind->migrate)
		return migrate(seg, fd, h.size, kind, dir, shape, err);
	/* A build before may have made it more open than this one does. */
	rc = kind->mode && fchmod(fd, kind->mode) < 0 ? -errno : map(seg, fd, h.size, true);
	if (rc < 0) {
		close(fd);
		return zs_segment_fail(err, rc, "adopt", seg->path);
	}
	take_over(seg->base);
	return h.put_back || is_foreign(&h, kind) ? ZS_SEGMENT_FOREIGN : 0;
}

int zs_segment_join(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		    struct zs_error *err)
{
	struct zs_segment_header h;
	int fd = open_judged(seg, dir, kind, false, &h, err);
	int rc;

	if (fd == -ENODATA)
		return zs_segment_fail(err, -ENOENT, "join", seg->path);
	if (fd < 0)
		return fd == -EUCLEAN ? -EPROTO : fd;
	rc = h.put_back ? -ENOENT : map(seg, fd, h.size, false);
	if (rc < 0) {
		close(fd);
		return zs_segment_fail(err, rc, "map", seg->path);
	}
	return 0;
}

void zs_segment_leave(struct zs_segment *seg)
{
	if (!seg->base)
		return;
	if (seg->writer)
		atomic_store(&seg->base->writer_pid, 0);
	zs_fault_forget(seg);
	munmap(seg->base, seg->size);
	close(seg->fd);
	seg->base = NULL;
	seg->size = 0;
	seg->fd = -1;
}

void zs_segment_moved(struct zs_segment *to, struct zs_segment *from)
{
	zs_fault_forget(from);
	zs_fault_watch(to);
	*from = (struct zs_segment){ .fd = -1 };
}

int zs_segment_delete(const char *dir, const struct zs_segment_kind *kind)
{
	const uint64_t none = 0;
	char path[128], tmp[128];
	int fd, rc = 0;

	if (path_of(path, dir, "", kind->name, "") < 0 || path_of(tmp, dir, ".", kind->name, ".new") < 0)
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, &none, sizeof(none), 0) != sizeof(none) || unlink(path) < 0)
		rc = -errno;
	unlink(tmp);
	close(fd);
	return rc;
}

void zs_segment_beat(struct zs_segment *seg, uint64_t now_ns)
{
	atomic_store_explicit(&seg->base->heartbeat_ns, now_ns, memory_order_relaxed);
}

bool zs_segment_writer_alive(const struct zs_segment *seg)
{
	return zs_segment_process_alive(atomic_load(&seg->base->writer_pid),
					atomic_load(&seg->base->writer_start));
}

bool zs_segment_replaced(const struct zs_segment *seg)
{
	struct stat mine, there;

	if (fstat(seg->fd, &mine) < 0 || stat(seg->path, &there) < 0)
		return true;
	return mine.st_ino != there.st_ino || mine.st_dev != there.st_dev;
}
