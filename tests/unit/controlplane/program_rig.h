/* A rig that publishes. */
#ifndef ZS_TESTS_PROGRAM_RIG_H
#define ZS_TESTS_PROGRAM_RIG_H

#include "rig.h"

#define PORT 19443 /* below the flow range, above the privileged */

static inline struct zs_publication publication(uint16_t port, const char *target)
{
	struct zs_publication p = { .port = port };

	assert_int_equal(zs_endpoint_parse(&p.target, target), 0);
	return p;
}

static inline int publish(struct rig *r, uint16_t port, const char *target)
{
	struct zs_publication p = publication(port, target);

	return zs_program_publish(r->c.program, &p, &r->err);
}

static inline bool entry(struct rig *r, uint16_t port, struct zs_published *out)
{
	return zs_tables_published(zs_program_tables(r->c.program), port, out);
}

#endif
