/* The segments of an instance as they were before an upgrade, by a second name of each file: KIND in DIR/before. A new
 * build that migrates one puts a new file in its place, and the old one stays there as its writer left it; one that goes
 * on with a file leaves nothing to be put back. Costs no memory until a segment is migrated. By zsctl upgrade, as root.
 *
 * keep → the new build runs → forget; or → put_back → the old build runs → forget. */
#ifndef ZS_SHM_KEEP_H
#define ZS_SHM_KEEP_H

#include "base/error.h"

/* Names every segment in `dir` a second time; what was kept before is forgotten. -EPERM: DIR/before is another's, or a link.
 * -errno. */
int zs_keep(const char *dir, struct zs_error *err);
/* For the build of before: of what now is of another version, tables and state are put back in place, the
 * others are removed, to be made anew. The state is marked: its next writer takes the flows alone, under a new incarnation,
 * which ends every session (counters that were used since must not come again). Where nothing is kept nothing is touched.
 * Can be called again. As zs_keep. */
int zs_keep_put_back(const char *dir, struct zs_error *err);
void zs_keep_forget(const char *dir);

#endif
