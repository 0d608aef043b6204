#include "shm/pair.h"

#include <errno.h>

static void move(struct zs_segment *to, struct zs_segment *from)
{
	*to = *from;
	zs_segment_moved(to, from);
}

static int make(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		const void *shape, struct zs_error *err)
{
	int rc = zs_segment_new(seg, dir, kind, shape, err);

	if (rc < 0)
		return rc;
	rc = zs_segment_publish(seg, err);
	if (rc < 0)
		zs_segment_leave(seg);
	return rc;
}

static int make_anew(struct zs_segment *old, const char *dir, const struct zs_segment_kind *kind,
		     const void *shape, struct zs_error *err)
{
	struct zs_segment fresh;
	int rc = zs_segment_new(&fresh, dir, kind, shape, err);

	if (rc < 0) {
		zs_segment_leave(old);
		return rc;
	}
	rc = zs_segment_supersede(old, &fresh, err);
	if (rc < 0)
		return rc;
	move(old, &fresh);
	return 0;
}

int zs_pair_open(struct zs_pair *p, const char *dir, const struct zs_segment_kind *kind, const void *shape,
		 zs_pair_bind bind, void *ctx, struct zs_error *err)
{
	int rc;

	*p = (struct zs_pair){ 0 };
	rc = zs_segment_adopt(&p->own, dir, kind, shape, err);
	if (rc == -ENOENT)
		rc = make(&p->own, dir, kind, shape, err);
	else if (rc == ZS_SEGMENT_FOREIGN)
		rc = make_anew(&p->own, dir, kind, shape, err);
	if (rc < 0)
		return rc;
	rc = bind(ctx, &p->own);
	if (rc == 0)
		return 0;
	zs_segment_leave(&p->own);
	return zs_error_set(err, rc, ZS_EXIT_LAYOUT, "%s: a region is missing or has an impossible size",
			    p->own.path);
}

int zs_pair_link(struct zs_pair *p, const char *dir, const struct zs_segment_kind *kind, zs_pair_bind bind,
		 void *ctx)
{
	struct zs_segment next;
	int rc;

	if (p->other.base && !zs_segment_replaced(&p->other))
		return 0;
	rc = zs_segment_join(&next, dir, kind, NULL);
	if (rc < 0)
		return rc;
	rc = bind(ctx, &next);
	if (rc < 0) {
		zs_segment_leave(&next);
		return rc;
	}
	zs_segment_leave(&p->retired);
	if (p->other.base)
		move(&p->retired, &p->other);
	move(&p->other, &next);
	return 0;
}

void zs_pair_close(struct zs_pair *p)
{
	zs_segment_leave(&p->own);
	zs_segment_leave(&p->other);
	zs_segment_leave(&p->retired);
}
