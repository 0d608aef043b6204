/* Is this file a segment we can use, and is its writer alive? Both questions are answered
 * from copies, so that no answer changes while it is used. */
#include "shm/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE	  4096u
#define SIZE_MAX_ (UINT64_C(1) << 40) /* 1 TiB: more is a damaged header */

static int refuse(struct zs_error *err, const char *path, const char *why)
{
	return zs_error_set(err, -EPROTO, ZS_EXIT_LAYOUT,
			    "%s: %s; run matching binaries, or stop both planes and remove the file", path,
			    why);
}

static int damaged(struct zs_error *err, const char *path, const char *why)
{
	return zs_error_set(err, -EUCLEAN, ZS_EXIT_LAYOUT,
			    "%s: %s; restart the process that writes it, which makes a new one", path, why);
}

/* An older one that nobody carries over is worth no more than a damaged one. */
static int refuse_version(struct zs_error *err, const char *path, uint32_t have,
			  const struct zs_segment_kind *kind)
{
	bool worthless = kind->expendable && !kind->migrate && !kind->supersedes;
	char why[96];

	snprintf(why, sizeof(why), "layout version %u, this program speaks %u", have, kind->version);
	return have < kind->version && worthless ? damaged(err, path, why) : refuse(err, path, why);
}

static int refuse_field(struct zs_error *err, const char *path, const char *name)
{
	char why[96];

	snprintf(why, sizeof(why), "same version, but the layout differs at field '%s'", name);
	return refuse(err, path, why);
}

static bool regions_fit(const struct zs_segment_header *h)
{
	for (uint32_t i = 0; i < h->field_count; i++) {
		const struct zs_segment_field *f = &h->field[i];
		if (memchr(f->name, 0, sizeof(f->name)) == NULL)
			return false;
		if (f->name[0] != '@')
			continue;
		if (f->offset < ZS_SEGMENT_HEADER || f->offset % PAGE || f->offset > h->size ||
		    f->size > h->size - f->offset)
			return false;
	}
	return true;
}

static bool is_sound(const struct zs_segment_header *h, const struct zs_segment_kind *kind)
{
	return h->abi_hash == zs_segment_abi_hash(kind->name, h->version, h->field, h->field_count);
}

static bool supersedes(const struct zs_segment_header *h, const struct zs_segment_kind *kind)
{
	return kind->supersedes && is_sound(h, kind) && kind->supersedes(h);
}

static int judge_members(const struct zs_segment_header *h, const struct zs_segment_kind *kind,
			 const char *path, bool writer, struct zs_error *err)
{
	struct zs_segment_field want[ZS_SEGMENT_FIELDS];
	uint32_t n = kind->fields(want, NULL);
	char name[ZS_SEGMENT_FIELD_NAME];
	bool same = zs_segment_same_members(h, want, n, name);

	if (same && !is_sound(h, kind))
		return damaged(err, path, "the header is damaged (its hash does not fit its fields)");
	if (same)
		return 0;
	if (writer && supersedes(h, kind))
		return ZS_SEGMENT_FOREIGN;
	return refuse_field(err, path, name);
}

int zs_segment_judge(int fd, const struct zs_segment_kind *kind, struct zs_segment_header *copy,
		     const char *path, bool writer, struct zs_error *err)
{
	struct stat st;
	ssize_t n = pread(fd, copy, sizeof(*copy), 0);

	if (n < 0 || fstat(fd, &st) < 0)
		return zs_segment_fail(err, -errno, "read", path);
	if (n != sizeof(*copy) || !S_ISREG(st.st_mode))
		return damaged(err, path, "too short for a segment");
	if (atomic_load(&copy->magic) == 0)
		return -ENODATA;
	if (atomic_load(&copy->magic) != ZS_SEGMENT_MAGIC ||
	    strncmp(copy->kind, kind->name, sizeof(copy->kind)) != 0)
		return damaged(err, path, "not a segment of this kind");
	if (copy->size > SIZE_MAX_ || copy->size != (uint64_t)st.st_size || copy->size < ZS_SEGMENT_HEADER ||
	    copy->field_count > ZS_SEGMENT_FIELDS || !regions_fit(copy))
		return damaged(err, path, "the header is damaged (sizes do not fit the file)");
	if (copy->version == kind->version)
		return judge_members(copy, kind, path, writer, err);
	if (writer && copy->version + 1 == kind->version && (kind->migrate || supersedes(copy, kind)))
		return 0;
	return refuse_version(err, path, copy->version, kind);
}

int zs_segment_process_start(uint32_t pid, uint64_t *start)
{
	char path[32], text[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	char *p = strrchr(text, ')'); /* the name before it may hold anything */
	if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return -ESRCH;
	p += 2;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EPROTO;
		p++;
	}
	*start = strtoull(p, NULL, 10);
	return 0;
}

bool zs_segment_process_alive(uint32_t pid, uint64_t start)
{
	uint64_t now = 0;

	if (pid == 0 || pid > INT32_MAX)
		return false;
	switch (zs_segment_process_start(pid, &now)) {
	case 0:
		return now == start;
	case -ESRCH:
		return false;
	default:
		return kill((pid_t)pid, 0) == 0 || errno == EPERM; /* /proc is closed to us */
	}
}

uint32_t zs_segment_writer(const char *dir, const char *kind)
{
	struct zs_segment_header h;
	char path[128];
	uint32_t pid;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	n = pread(fd, &h, sizeof(h), 0);
	close(fd);
	if (n != sizeof(h) || atomic_load(&h.magic) != ZS_SEGMENT_MAGIC)
		return 0;
	pid = atomic_load(&h.writer_pid);
	return zs_segment_process_alive(pid, atomic_load(&h.writer_start)) ? pid : 0;
}
