/* What segment.c, segment_judge.c and preflight.c share; nobody else includes it. */
#ifndef ZS_SHM_SEGMENT_FILE_H
#define ZS_SHM_SEGMENT_FILE_H

#include "shm/segment.h"

/* Fills err with "PATH: cannot WHAT: why" and the exit status that fits; returns the code. */
int zs_segment_fail(struct zs_error *err, int code, const char *what, const char *path);

/* Copies the header of `fd` and judges it. A writer also accepts version-1 of a kind that can
 * migrate or supersede it, and with ZS_SEGMENT_FOREIGN one of other members that it supersedes. -ENODATA: not published (err untouched); -EPROTO: other layout; -EUCLEAN: damaged. */
int zs_segment_judge(int fd, const struct zs_segment_kind *kind, struct zs_segment_header *copy,
		     const char *path, bool writer, struct zs_error *err);

/* Start time of a process in clock ticks since boot. -ESRCH: there is none, or it is a zombie. */
int zs_segment_process_start(uint32_t pid, uint64_t *start);
bool zs_segment_process_alive(uint32_t pid, uint64_t start);

#endif
