/* Parts of the support bundle that are no verb's answer; names are those of support.def. Not redacted yet, the caller's; NULL and
 * err: not to be had. */
#ifndef ZS_ZSCTL_SUPPORT_H
#define ZS_ZSCTL_SUPPORT_H

#include "zsctl.h"

#define ZS_SUPPORT(command, args, text)
#define ZS_SUPPORT_OWN(name, title, text) json_t *support_##name(const struct zsctl *z, struct zs_error *err);
#include "defs/support.def"
#undef ZS_SUPPORT
#undef ZS_SUPPORT_OWN

#endif
