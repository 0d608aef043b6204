#include "shm/tables_acl.h"

#include <errno.h>
#include <string.h>

int zs_tables_bind_acl(struct zs_tables *t)
{
	size_t size = 0;
	void *region = zs_segment_region(&t->seg, ZS_TABLES_ACL, &size);

	t->acl = (struct zs_acl){ 0 };
	return region ? zs_acl_bind(&t->acl, region, size) : 0;
}

/* Every region of the old file has one of the same name and size in the new one. */
static bool carry(const struct zs_segment *old, const struct zs_segment *fresh)
{
	static const char *const names[] = { "@stop",	   "@meta",  "@settings", "@local",
					     "@published", "@route", "@nexthop" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t from_size = 0, to_size = 0;
		const void *from = zs_segment_region(old, names[i], &from_size);
		void *to = zs_segment_region(fresh, names[i], &to_size);

		if (!from || !to || from_size != to_size)
			return false;
		memcpy(to, from, to_size);
	}
	return true;
}

int zs_tables_add_acl(struct zs_tables *t, const char *dir, const struct zs_tables_shape *shape,
		      struct zs_error *err)
{
	struct zs_tables_shape same = { .routes = t->routes,
					.nexthops = t->nexthops,
					.rules = shape ? shape->rules : 0 };
	struct zs_tables fresh = { 0 };
	int rc = zs_segment_new(&fresh.seg, dir, &zs_tables_kind, &same, err);

	if (rc)
		goto undo;
	if (!carry(&t->seg, &fresh.seg) || zs_tables_bind(&fresh)) {
		rc = zs_error_set(err, -EPROTO, ZS_EXIT_LAYOUT, "%s: cannot be carried over; remove the file",
				  t->seg.path);
		goto undo_fresh;
	}
	zs_acl_new(&fresh.acl);
	rc = zs_segment_supersede(&t->seg, &fresh.seg, err);
	if (rc)
		goto undo_fresh;
	t->seg = fresh.seg;
	zs_segment_moved(&t->seg, &fresh.seg);
	return zs_tables_bind(t);
undo_fresh:
	zs_segment_leave(&fresh.seg);
undo:
	zs_segment_leave(&t->seg);
	return rc;
}
