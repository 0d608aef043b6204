/* The section roles: what this build has, and what a role needs of the other sections. */
#include "conf/schema.h"

#define FAIL(field, ...) zs_conf_fail(err, name, zs_conf_line_of(marks, (field)), __VA_ARGS__)

/* A module that the role wants and this build has not; ZS_MODULE_none: it has them all. */
static enum zs_module missing(enum zs_role r)
{
	for (int m = ZS_MODULE_none + 1; m < ZS_MODULES; m++)
		if (zs_module_wanted_by((enum zs_module)m, r) && !zs_module_built((enum zs_module)m))
			return (enum zs_module)m;
	return ZS_MODULE_none;
}

int zs_conf_check_roles(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			struct zs_error *err)
{
	bool any = false;

	for (int r = 0; r < ZS_ROLES; r++) {
		enum zs_module lacks = missing((enum zs_role)r);

		any |= conf->roles[r];
		if (conf->roles[r] && lacks)
			return FAIL(&conf->roles[r],
				    "%s: this build has no module %s for that role; take it out",
				    zs_role_name((enum zs_role)r), zs_module_name(lacks));
	}
	if (!any)
		return FAIL(&conf->roles[ZS_ROLE_relay],
			    "roles: none is on; write relay: true, seed: true or both");
	if (conf->roles[ZS_ROLE_seed] && !conf->p2p.listens)
		return FAIL(&conf->roles[ZS_ROLE_seed],
			    "seed: nodes bootstrap at p2p.listen, which names no address; add one");
	if (!conf->roles[ZS_ROLE_relay] && conf->publishes)
		return FAIL(
		    &conf->publish[0].port,
		    "port: %u is published without the role relay; take it out, or set roles.relay to "
		    "true",
		    conf->publish[0].port);
	return 0;
}
