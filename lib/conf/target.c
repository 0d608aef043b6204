/* Who may be a target, and what to do about one that may not. */
#include <errno.h>
#include "conf/conf.h"

/* Would naming it help? Not for loopback and its kind, nor for what embeds such an address. */
static bool may_be_allowed(const struct zs_addr *addr)
{
	struct zs_deny scratch = { .allowed_count = 0 };
	struct zs_prefix host = { .addr = *addr, .len = 128 };

	return !zs_deny_allow(&scratch, &host) && zs_deny_target(&scratch, addr) == ZS_SPECIAL_NONE;
}

int zs_conf_target_check(const struct zs_conf *conf, const struct zs_endpoint *target, struct zs_error *err)
{
	enum zs_special class = zs_deny_target(&conf->targets, &target->addr);
	char text[ZS_ENDPOINT_TEXT];

	zs_endpoint_format(target, text);
	if (class != ZS_SPECIAL_NONE)
		return zs_error_set(
		    err, -EPERM, ZS_EXIT_REFUSED, "target %s is denied (%s)%s", text, zs_special_name(class),
		    may_be_allowed(&target->addr) ? "; name its range in targets.allow, or aim elsewhere"
						  : ", which no list may allow; aim elsewhere");
	if (zs_conf_is_own(conf, &target->addr))
		return zs_error_set(err, -EPERM, ZS_EXIT_REFUSED,
				    "target %s is an address of this relay; aim elsewhere", text);
	if (zs_conf_is_broadcast(conf, &target->addr))
		return zs_error_set(err, -EPERM, ZS_EXIT_REFUSED,
				    "target %s is a subnet's broadcast address; aim elsewhere", text);
	return 0;
}
