/* Small tables, written and checked. */
#ifndef ZS_TESTS_TABLES_RIG_H
#define ZS_TESTS_TABLES_RIG_H

#include "shm/tables.h"
#include "unit/lib/shm_test.h"

static const struct zs_tables_shape small = { .routes = 64, .nexthops = 64 };

static inline struct zs_addr addr4(uint32_t host)
{
	return zs_addr_from4(__builtin_bswap32(host));
}

static inline void open_writer(struct zs_tables *t, struct scratch *s, const struct zs_tables_shape *shape,
			       bool fresh)
{
	struct zs_error err = { 0 };
	bool is_fresh;
	int rc = zs_tables_open_writer(t, s->dir, shape, false, &is_fresh, &err);
	if (rc)
		fail_msg("%d: %s", rc, err.text);
	assert_int_equal(is_fresh, fresh);
}

static inline void check(const struct zs_tables *t)
{
	const char *where = "";
	if (zs_tables_check(t, &where))
		fail_msg("tables: %s", where);
}

#endif
