/* Two segments through which two processes talk: each makes or adopts its own half and joins the other's when it is
 * there; a half that was made anew is joined again. Main threads alone call these.
 *
 * Another thread may read the other half while it is replaced, so a replaced mapping is kept until the next
 * replacement: a look at it takes nanoseconds, a replacement means that somebody deleted or superseded a file. */
#ifndef ZS_SHM_PAIR_H
#define ZS_SHM_PAIR_H

#include "shm/segment.h"

struct zs_pair {
	struct zs_segment own, other;
	struct zs_segment retired; /* the mapping that `other` replaced */
};

/* Points its owner's views at the regions of `seg`. -EPROTO: one is missing or has an impossible size; then no view
 * has changed. */
typedef int (*zs_pair_bind)(void *ctx, const struct zs_segment *seg);

/* Makes or adopts the own half; one of another layout is made anew where its kind says so. 0, or zs_segment_adopt's and
 * zs_segment_new's errors, -EPROTO from `bind`. */
int zs_pair_open(struct zs_pair *p, const char *dir, const struct zs_segment_kind *kind, const void *shape,
		 zs_pair_bind bind, void *ctx, struct zs_error *err);
/* Joins the other half if it is missing here or was replaced: one stat(2), call it now and then. 0, or -errno while it
 * is missing. */
int zs_pair_link(struct zs_pair *p, const char *dir, const struct zs_segment_kind *kind, zs_pair_bind bind,
		 void *ctx);
void zs_pair_close(struct zs_pair *p);

#endif
