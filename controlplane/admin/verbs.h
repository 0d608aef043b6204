/* One function per served verb of commands.def. Arguments were checked against the spec. 0 and a new
 * *result, or -errno and err. A verb that worked and found something wrong sets err->exit. */
#ifndef ZS_CONTROLPLANE_ADMIN_VERBS_H
#define ZS_CONTROLPLANE_ADMIN_VERBS_H

#include <jansson.h>
#include "admin/handle.h"
#include "admin/later.h"

typedef int zs_verb_fn(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err);

#define SERVED(s) ZS_VERB_DECLARE_##s
#define LEVEL(l)
#define MUTATING(m)
#define MODULE(m)
#define ZS_VERB_DECLARE_0(id)
#define ZS_VERB_DECLARE_1(id)							zs_verb_fn zs_verb_##id;
#define ZS_VERB_DECLARE_2(id)							zs_verb_later_fn zs_verb_##id;
#define ZS_COMMAND(id, verb, level, mutating, served, module, args, help, text) served(id)
#include "defs/commands.def"
#undef ZS_COMMAND
#undef SERVED
#undef LEVEL
#undef MUTATING
#undef MODULE

struct zs_peer_id;
/* Of args.who: the peer, or the owner of the attachment of that number. -EINVAL, -ENOENT. */
int zs_verb_owner(struct zs_control *c, json_t *args, struct zs_peer_id *out, struct zs_error *err);

/* An optional number; `otherwise` when it is not there. */
static inline uint32_t zs_verb_number(json_t *args, const char *name, uint32_t otherwise)
{
	json_t *value = json_object_get(args, name);

	return value ? (uint32_t)json_integer_value(value) : otherwise;
}

/* verbs_show.c: 0 when there are figures of a dataplane to show; -ENODEV, -EUCLEAN. */
int zs_verb_need_state(const struct zs_control *c, struct zs_error *err);

/* verbs_history.c: what is on trial, or null. */
json_t *zs_verb_trial(const struct zs_control *c);

/* verbs_attach.c: the argument `who` as an attachment's number, whether there is one or not; 0 and err: it names none. */
uint32_t zs_verb_attachment(struct zs_control *c, json_t *args, struct zs_error *err);

#endif
