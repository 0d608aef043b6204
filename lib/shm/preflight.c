#include "shm/preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "shm/segment_file.h"

/* As zs_segment_judge; -ENODATA: there is none. */
static int judge(const char *dir, const struct zs_segment_kind *kind, struct zs_segment_header *h,
		 struct zs_error *err)
{
	char path[128];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/%s", dir, kind->name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? -ENODATA : zs_segment_fail(err, -errno, "open", path);
	rc = zs_segment_judge(fd, kind, h, path, true, err);
	close(fd);
	return rc;
}

static void say(FILE *to, const struct zs_segment_kind *kind, const struct zs_segment_header *h, int rc)
{
	fprintf(to, "%s: ", kind->name);
	if (rc == -ENODATA)
		fprintf(to, "none yet\n");
	else if (rc == -EUCLEAN)
		fprintf(to, "made anew\n");
	else if (h->version != kind->version)
		fprintf(to, "version %u is migrated to %u\n", h->version, kind->version);
	else if (rc == ZS_SEGMENT_FOREIGN)
		fprintf(to, "another build's, its contents are carried over; counts begin at 0\n");
	else
		fprintf(to, "taken over as it is\n");
}

int zs_preflight(const char *dir, const struct zs_preflight *rows, unsigned count, FILE *to,
		 struct zs_error *err)
{
	for (unsigned i = 0; i < count; i++) {
		struct zs_segment_header h;
		int rc = judge(dir, rows[i].kind, &h, err);

		if (rc == -EUCLEAN && rows[i].precious)
			rc = -EPROTO; /* err has said why */
		if (rc < 0 && rc != -ENODATA && rc != -EUCLEAN)
			return rc;
		say(to, rows[i].kind, &h, rc);
	}
	return 0;
}
