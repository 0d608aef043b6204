/* Of tables.c alone: the region of the deny and allow lists. */
#ifndef ZS_SHM_TABLES_ACL_H
#define ZS_SHM_TABLES_ACL_H

#include "shm/tables.h"

#define ZS_TABLES_ACL "@acl"

/* -EPROTO: an impossible size. Without a region t->acl stays all zero. */
int zs_tables_bind_acl(struct zs_tables *t);
/* Writer: makes the segment again with the region and all that the old one holds. On failure the view is closed. */
int zs_tables_add_acl(struct zs_tables *t, const char *dir, const struct zs_tables_shape *shape,
		      struct zs_error *err);

#endif
