/* The admin API: JSON over a UNIX socket, one request (64 KiB at most) and one answer (8 MiB at most) a
 * line.
 * Request {"v":1,"verb":"publish add","args":{…}}; answer {"v":1,"ok":true,"result":{…}} or
 * {"v":1,"ok":false,"exit":N,"error":"one line"}. Verbs, levels and arguments: lib/defs/commands.def. */
#ifndef ZS_CONTROLPLANE_ADMIN_ADMIN_H
#define ZS_CONTROLPLANE_ADMIN_ADMIN_H

#include "control.h"

int zs_admin_new(struct zs_admin **out, struct zs_control *c, struct zs_error *err);
void zs_admin_delete(struct zs_admin *a);

#endif
