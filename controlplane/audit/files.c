/* The files the records are in: audit.log is written; when it is full it becomes audit.log.N and a
 * new one begins, whose first record is chained to the last of the one before. ZS_AUDIT_CLOSED
 * closed ones are kept; the store knows each one's last record, and the last of those let go.
 *
 * Turn: rename, folder synced, new file, then one commit {head with size 0, files}. A crash between
 * leaves an empty audit.log beside a closed one that ends at the head: the commit is made up for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/internal.h"
#include "store.h"

#define FILES_KEY    "audit/files"
#define ACCEPTED_KEY "audit/accepted"

static int path_of(const struct zs_audit *a, uint64_t number, char out[ZS_AUDIT_PATH])
{
	int n = snprintf(out, ZS_AUDIT_PATH, "%s.%lu", a->path, number);

	return n < 0 || n >= ZS_AUDIT_PATH ? -ENAMETOOLONG : 0;
}

static int load_accepted(struct zs_audit *a)
{
	size_t len = 0;
	int rc = zs_store_get(a->store, ACCEPTED_KEY, strlen(ACCEPTED_KEY), &a->accepted, sizeof(a->accepted),
			      &len);

	if (rc == -ENOENT)
		a->accepted = 0;
	return rc == -ENOENT ? 0 : rc == 0 && len != sizeof(a->accepted) ? -EIO : rc;
}

int zs_audit_load_files(struct zs_audit *a)
{
	size_t len = 0;
	int rc = load_accepted(a);

	if (rc != 0)
		return rc;
	rc = zs_store_get(a->store, FILES_KEY, strlen(FILES_KEY), &a->files, sizeof(a->files), &len);

	if (rc == -ENOENT) {
		memset(&a->files, 0, sizeof(a->files));
		return 0;
	}
	if (rc == 0 &&
	    (len != sizeof(a->files) || a->files.kept > ZS_AUDIT_CLOSED || a->files.kept > a->files.closed))
		return -EIO;
	return rc;
}

FILE *zs_audit_stream(const struct zs_audit *a, uint32_t index)
{
	char path[ZS_AUDIT_PATH];
	FILE *f;
	int fd;

	if (index == a->files.kept)
		snprintf(path, sizeof(path), "%s", a->path);
	else if (path_of(a, a->files.closed - a->files.kept + index + 1, path) != 0)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!f && fd >= 0)
		close(fd);
	return f;
}

static int sync_folder(const struct zs_audit *a)
{
	char dir[ZS_AUDIT_PATH];
	int fd, rc;

	snprintf(dir, sizeof(dir), "%s", a->path);
	*strrchr(dir, '/') = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 || fsync(fd) != 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

/* A file that was let go; one that a crash left is met at the next turn. */
static void let_go(const struct zs_audit *a)
{
	char path[ZS_AUDIT_PATH];

	if (a->files.closed > a->files.kept && path_of(a, a->files.closed - a->files.kept, path) == 0)
		unlink(path);
}

static int commit_turn(struct zs_audit *a, bool accept, struct zs_error *err)
{
	struct zs_audit_files next = a->files;
	struct zs_audit_head head = a->head;
	struct zs_store_batch *b = zs_store_begin(a->store);
	int rc;

	if (!b)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	if (next.kept == ZS_AUDIT_CLOSED) {
		next.before = next.end[0];
		memmove(&next.end[0], &next.end[1], --next.kept * sizeof(next.end[0]));
	}
	next.end[next.kept].count = head.count;
	memcpy(next.end[next.kept++].hash, head.hash, sizeof(head.hash));
	next.closed++;
	head.size = 0;
	zs_audit_put_head(b, &head);
	zs_store_put(b, FILES_KEY, strlen(FILES_KEY), &next, sizeof(next));
	if (accept)
		zs_store_put(b, ACCEPTED_KEY, strlen(ACCEPTED_KEY), &next.closed, sizeof(next.closed));
	rc = zs_store_commit(b, err);
	if (rc != 0)
		return rc;
	a->files = next;
	a->head = head;
	if (accept)
		a->accepted = next.closed;
	let_go(a);
	return 0;
}

int zs_audit_turn(struct zs_audit *a, bool accept, struct zs_error *err)
{
	char path[ZS_AUDIT_PATH];
	struct stat st;
	int rc = path_of(a, a->files.closed + 1, path);

	if (rc == 0 && lstat(path, &st) == 0)
		return zs_error_set(err, -EEXIST, ZS_EXIT_RESOURCE,
				    "audit file: %s is none of ours; move it away", path);
	if (rc == 0 && rename(a->path, path) != 0)
		rc = -errno;
	if (rc == 0)
		rc = sync_folder(a);
	if (rc != 0)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "audit file: %s cannot be made: %s", path,
				    strerror(-rc));
	close(a->fd);
	a->unsettled = true;
	rc = zs_audit_open_file(a, err);
	if (rc == 0)
		rc = commit_turn(a, accept, err);
	a->unsettled = rc != 0;
	return rc;
}

int zs_audit_settle_turn(struct zs_audit *a, struct zs_error *err)
{
	char path[ZS_AUDIT_PATH];
	struct stat st;
	bool ends;
	int fd;

	if (path_of(a, a->files.closed + 1, path) != 0)
		return -EUCLEAN;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -EUCLEAN;
	ends = fstat(fd, &st) == 0 && (uint64_t)st.st_size == a->head.size && zs_audit_ends_at_head(a, fd);
	close(fd);
	return ends ? commit_turn(a, false, err) : -EUCLEAN;
}

int zs_audit_accept(struct zs_audit *a, char found[256], struct zs_error *err)
{
	int rc;

	if (!a->broken[0])
		return zs_error_set(
		    err, -ENOENT, ZS_EXIT_REFUSED,
		    "nothing is known to be wrong with the audit file; zsctl audit verify looks");
	rc = zs_audit_turn(a, true, err);
	if (rc != 0)
		return rc;
	memcpy(found, a->broken, sizeof(a->broken));
	a->broken[0] = '\0';
	return 0;
}
