/* Writing records.
 *
 * A call's life: begin stores the pending record; the call runs; end appends the line, syncs it,
 * and commits the new head and the end of the pending record in one batch. After a crash:
 *
 *   store has       file has                     what happened        what is done
 *   head n          n lines                      no call was open     nothing
 *   head n, pending n lines                      crash in the call    a record "unknown" is appended
 *   head n, pending n lines and a torn one       crash in append      the torn line goes, as above
 *   head n, pending n+1 lines, the last as told  crash before commit  the head is committed
 *   anything else                                somebody wrote       broken, told, and gone on from the store's hash */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "audit/internal.h"
#include "store.h"

#define HEAD_KEY    "audit/head"
#define PENDING_KEY "audit/pending"
#define INTERRUPTED "the control plane ended, or the record could not be written, during this call"
#define RESERVE	    (64 << 10) /* room kept beyond the file's end: four of the longest records */

void zs_audit_hash(const char *line, size_t len, uint8_t out[ZS_AUDIT_HASH])
{
	crypto_hash_sha256(out, (const unsigned char *)line, len);
}

void zs_audit_hex(const uint8_t hash[ZS_AUDIT_HASH], char out[2 * ZS_AUDIT_HASH + 1])
{
	sodium_bin2hex(out, 2 * ZS_AUDIT_HASH + 1, hash, ZS_AUDIT_HASH);
}

static int failed(struct zs_error *err, int code, const char *what)
{
	return zs_error_set(err, code, ZS_EXIT_RESOURCE,
			    "audit file: %s: %s; free space on the state folder's disk", what,
			    strerror(-code));
}

static int load_head(struct zs_audit *a)
{
	size_t len = 0;
	int rc = zs_store_get(a->store, HEAD_KEY, strlen(HEAD_KEY), &a->head, sizeof(a->head), &len);

	if (rc == -ENOENT) {
		memset(&a->head, 0, sizeof(a->head));
		return 0;
	}
	return rc == 0 && len != sizeof(a->head) ? -EIO : rc;
}

static int load_pending(struct zs_audit *a)
{
	size_t len = 0;
	int rc = zs_store_get(a->store, PENDING_KEY, strlen(PENDING_KEY), a->pending, sizeof(a->pending) - 1,
			      &len);

	a->pending[0] = '\0';
	if (rc == -ENOENT)
		return 0;
	if (rc != 0 || len >= sizeof(a->pending))
		return rc != 0 ? rc : -EIO;
	rc = zs_store_get(a->store, PENDING_KEY, strlen(PENDING_KEY), a->pending, sizeof(a->pending) - 1,
			  &len);
	a->pending[len] = '\0';
	return rc;
}

void zs_audit_put_head(struct zs_store_batch *b, const struct zs_audit_head *head)
{
	zs_store_put(b, HEAD_KEY, strlen(HEAD_KEY), head, sizeof(*head));
}

static int commit_line(struct zs_audit *a, const char *line, size_t len, uint64_t size, struct zs_error *err)
{
	struct zs_audit_head next = { .count = a->head.count + 1, .size = size };
	struct zs_store_batch *b = zs_store_begin(a->store);
	int rc;

	if (!b)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	zs_audit_hash(line, len, next.hash);
	zs_audit_put_head(b, &next);
	zs_store_del(b, PENDING_KEY, strlen(PENDING_KEY));
	rc = zs_store_commit(b, err);
	if (rc != 0)
		return rc;
	a->head = next;
	a->pending[0] = '\0';
	a->unsettled = false;
	return 0;
}

/* Writes line and newline; what was written in part is taken back. */
static int append(struct zs_audit *a, char *line, size_t len, uint64_t *size, struct zs_error *err)
{
	struct stat st;
	ssize_t n;
	int rc = 0;

	if (fstat(a->fd, &st) != 0)
		return failed(err, -errno, "cannot be read");
	line[len] = '\n';
	n = write(a->fd, line, len + 1);
	if (n != (ssize_t)len + 1)
		rc = n < 0 ? -errno : -ENOSPC;
	else if (fdatasync(a->fd) != 0)
		rc = -errno;
	line[len] = '\0';
	if (rc == 0) {
		*size = (uint64_t)st.st_size + len + 1;
		return 0;
	}
	if (n > 0 && ftruncate(a->fd, st.st_size) != 0)
		a->unsettled = true;
	return failed(err, rc, "cannot be written");
}

static int finish(struct zs_audit *a, const char *result, const char *reason, struct zs_error *err)
{
	json_t *why = json_string(reason ? reason : ""), *record;
	char *tail = NULL, line[ZS_AUDIT_LINE_MAX + 512];
	uint64_t size = 0;
	int rc, len;

	record = json_pack("{s:s,s:o}", "result", result, "reason", why ? why : json_string("?"));
	if (record)
		tail = json_dumps(record, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(record);
	if (!tail)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	len = snprintf(line, sizeof(line) - 1, "%.*s,%s", (int)strlen(a->pending) - 1, a->pending, tail + 1);
	free(tail);
	if (len < 0 || len >= (int)sizeof(line) - 1)
		return zs_error_set(err, -E2BIG, ZS_EXIT_RESOURCE, "audit record is too long");
	a->unsettled = true;
	rc = append(a, line, (size_t)len, &size, err);
	return rc != 0 ? rc : commit_line(a, line, (size_t)len, size, err);
}

static void set_broken(struct zs_audit *a, const char *what)
{
	snprintf(a->broken, sizeof(a->broken), "%s", what);
}

bool zs_audit_ends_at_head(const struct zs_audit *a, int fd)
{
	char buf[ZS_AUDIT_LINE_MAX + 1024];
	uint64_t from = a->head.size > sizeof(buf) ? a->head.size - sizeof(buf) : 0;
	ssize_t n = pread(fd, buf, (size_t)(a->head.size - from), (off_t)from), start;
	uint8_t hash[ZS_AUDIT_HASH];

	if (a->head.size == 0)
		return true;
	if (n < 2 || (uint64_t)n != a->head.size - from || buf[n - 1] != '\n')
		return false;
	for (start = n - 1; start > 0 && buf[start - 1] != '\n'; start--)
		;
	zs_audit_hash(buf + start, (size_t)(n - 1 - start), hash);
	return memcmp(hash, a->head.hash, sizeof(hash)) == 0;
}

/* What is in the file beyond the store's head, while a record is pending. */
static int settle_ahead(struct zs_audit *a, uint64_t extra, struct zs_error *err)
{
	char buf[ZS_AUDIT_LINE_MAX + 1024];
	size_t known = strlen(a->pending) - 1, common;
	ssize_t n;

	if (extra > sizeof(buf))
		return -EUCLEAN;
	n = pread(a->fd, buf, (size_t)extra, (off_t)a->head.size);
	if (n != (ssize_t)extra)
		return failed(err, n < 0 ? -errno : -EIO, "cannot be read");
	common = (size_t)n < known ? (size_t)n : known;
	if (memcmp(buf, a->pending, common) != 0)
		return -EUCLEAN;
	if (memchr(buf, '\n', (size_t)n) == buf + n - 1 && (size_t)n > known)
		return commit_line(a, buf, (size_t)n - 1, a->head.size + extra, err);
	if (memchr(buf, '\n', (size_t)n))
		return -EUCLEAN;
	if (ftruncate(a->fd, (off_t)a->head.size) != 0)
		return failed(err, -errno, "torn line cannot be taken back");
	return finish(a, "unknown", INTERRUPTED, err);
}

/* A file that is not as it was left: told, never mended; new records start on a line of their own. */
static int go_on_broken(struct zs_audit *a, uint64_t size, struct zs_error *err)
{
	char last = '\n';

	set_broken(a, "the file is not as it was left: altered, cut or replaced");
	if (size > 0 && pread(a->fd, &last, 1, (off_t)size - 1) == 1 && last != '\n' &&
	    write(a->fd, "\n", 1) != 1)
		return failed(err, -errno, "cannot be written");
	return a->pending[0] ? finish(a, "unknown", INTERRUPTED, err) : 0;
}

static int settle(struct zs_audit *a, struct zs_error *err)
{
	struct stat st;
	uint64_t size;
	int rc = load_head(a);

	if (rc == 0)
		rc = zs_audit_load_files(a);
	if (rc == 0)
		rc = load_pending(a);
	if (rc != 0)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "audit: the store cannot be read: %s",
				    strerror(-rc));
	if (fstat(a->fd, &st) != 0)
		return failed(err, -errno, "cannot be read");
	size = (uint64_t)st.st_size;
	if (size == 0 && a->head.size > 0 && !a->pending[0])
		rc = zs_audit_settle_turn(a, err);
	else if (size < a->head.size || !zs_audit_ends_at_head(a, a->fd) ||
		 (size > a->head.size && !a->pending[0]))
		rc = -EUCLEAN;
	else if (size > a->head.size)
		rc = settle_ahead(a, size - a->head.size, err);
	else if (a->pending[0])
		rc = finish(a, "unknown", INTERRUPTED, err);
	if (rc == -EUCLEAN)
		rc = go_on_broken(a, size, err);
	a->unsettled = rc != 0;
	return rc;
}

int zs_audit_open_file(struct zs_audit *a, struct zs_error *err)
{
	struct stat st;

	a->fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->fd < 0)
		return failed(err, -errno, "cannot be opened");
	if (fstat(a->fd, &st) == 0 && S_ISREG(st.st_mode) && fchmod(a->fd, 0600) == 0)
		return 0;
	close(a->fd);
	a->fd = -1;
	return zs_error_set(err, -EINVAL, ZS_EXIT_RESOURCE,
			    "audit file: %s is no regular file of ours; move it away", a->path);
}

int zs_audit_open(struct zs_audit **out, const char *dir, uint32_t file_mb, struct zs_store *store,
		  struct zs_error *err)
{
	struct zs_audit *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	a->store = store;
	a->fd = -1;
	a->file_max = (uint64_t)file_mb << 20;
	rc = snprintf(a->path, sizeof(a->path), "%s/audit.log", dir) < (int)sizeof(a->path) ? 0
											    : -ENAMETOOLONG;
	if (rc != 0 || sodium_init() < 0)
		rc = zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "audit: state_dir is too long");
	if (rc == 0)
		rc = zs_audit_open_file(a, err);
	if (rc == 0)
		rc = settle(a, err);
	if (rc != 0) {
		zs_audit_close(a);
		return rc;
	}
	*out = a;
	return 0;
}

void zs_audit_close(struct zs_audit *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

const char *zs_audit_broken(const struct zs_audit *a)
{
	return a->broken[0] ? a->broken : NULL;
}

uint64_t zs_audit_count(const struct zs_audit *a)
{
	return a->head.count;
}

/* The file may have been moved away or put in another's place while we held it open. */
static int reattach(struct zs_audit *a, struct zs_error *err)
{
	struct stat ours, there;

	if (fstat(a->fd, &ours) == 0 && lstat(a->path, &there) == 0 && ours.st_ino == there.st_ino &&
	    ours.st_dev == there.st_dev)
		return 0;
	close(a->fd);
	a->unsettled = true;
	return zs_audit_open_file(a, err);
}

static int make_pending(struct zs_audit *a, const char *operation, const struct zs_caller *caller,
			json_t *args, uint64_t held)
{
	char prev[2 * ZS_AUDIT_HASH + 1], when[32], text[48];
	struct timespec ts;
	struct tm tm;
	json_t *record;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03ldZ", when, ts.tv_nsec / 1000000);
	zs_audit_hex(a->head.hash, prev);
	record = json_pack("{s:I,s:s,s:s,s:{s:I,s:I,s:I,s:s},s:O?,s:s}", "n", (json_int_t)(a->head.count + 1),
			   "time", text, "operation", operation, "caller", "uid", (json_int_t)caller->uid,
			   "gid", (json_int_t)caller->gid, "pid", (json_int_t)caller->pid, "level",
			   zs_level_name(caller->level), "args", args, "prev", prev);
	if (record && held)
		json_object_set_new(record, "held", json_integer((json_int_t)held));
	len = json_dumpb(record, a->pending, sizeof(a->pending) - 1, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(record);
	if (len == 0 || len >= sizeof(a->pending)) {
		a->pending[0] = '\0';
		return -E2BIG;
	}
	a->pending[len] = '\0';
	return 0;
}

static int store_pending(struct zs_audit *a, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(a->store);

	if (!b)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	zs_store_put(b, PENDING_KEY, strlen(PENDING_KEY), a->pending, strlen(a->pending));
	return zs_store_commit(b, err);
}

int zs_audit_room(struct zs_audit *a, struct zs_error *err)
{
	struct stat st;
	int rc = reattach(a, err);

	if (rc == 0 && (a->unsettled || a->open_call))
		rc = settle(a, err);
	if (rc != 0)
		return rc;
	a->open_call = false;
	if (a->head.size > a->file_max && (rc = zs_audit_turn(a, false, err)) != 0)
		return rc;
	if (fstat(a->fd, &st) != 0)
		return failed(err, -errno, "cannot be read");
	/* Blocks are set aside now, so that the line after the call cannot meet a full disk. */
	if (fallocate(a->fd, FALLOC_FL_KEEP_SIZE, st.st_size, RESERVE) != 0 && errno != EOPNOTSUPP)
		return failed(err, -errno, "no room for a record");
	return 0;
}

int zs_audit_begin(struct zs_audit *a, const char *operation, const struct zs_caller *caller, json_t *args,
		   uint64_t held, struct zs_error *err)
{
	int rc = zs_audit_room(a, err);

	if (rc != 0)
		return rc;
	if (make_pending(a, operation, caller, args, held) != 0)
		return zs_error_set(err, -E2BIG, ZS_EXIT_USAGE, "arguments are too long for an audit record");
	a->unsettled = true;
	rc = store_pending(a, err);
	if (rc != 0)
		return rc;
	a->unsettled = false;
	a->open_call = true;
	return 0;
}

int zs_audit_end(struct zs_audit *a, const char *result, const char *reason, struct zs_error *err)
{
	int rc;

	if (!a->open_call)
		return zs_error_set(err, -EINVAL, ZS_EXIT_FAILED, "audit: no call is open");
	a->open_call = false;
	rc = finish(a, result, reason, err);
	if (rc == -E2BIG)
		rc = finish(a, result, "the reason was too long to keep", err);
	return rc;
}
