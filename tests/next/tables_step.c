/* As state_step.c: the step of the tables from this build's version to the next, in the place of lib/shm/tables_v1.c. */
#include <errno.h>
#include <string.h>
#include "shm/tables.h"
#include "shm/tables_v1.h"

int zs_tables_migrate_v1(const void *old, size_t old_size, void *fresh, struct zs_error *err)
{
	const struct zs_segment_header *h = fresh;

	for (uint32_t i = 0; i < h->field_count; i++) {
		const char *name = h->field[i].name;
		size_t have = 0, size = 0;
		const void *from = name[0] == '@' ? zs_segment_region_in(old, old_size, name, &have) : NULL;
		void *to = name[0] == '@' ? zs_segment_region_in(fresh, h->size, name, &size) : NULL;

		if (to && (!from || have != size))
			return zs_error_set(err, -EPROTO, ZS_EXIT_LAYOUT, "tables: region %s differs", name);
		if (to)
			memcpy(to, from, size);
	}
	return 0;
}
