/* A second process of an instance is refused. It cannot write the first one's health board, so it leaves a note of a few
 * bytes in the instance's folder, and the first one takes it away and tells of it for a minute. */
#ifndef ZS_BASE_REFUSED_H
#define ZS_BASE_REFUSED_H

#include <stdint.h>

enum zs_refused_news { ZS_REFUSED_NOTHING, ZS_REFUSED_NOW, ZS_REFUSED_LONG_AGO };

/* The refused process, before it ends. */
void zs_refused_note(const char *dir);
/* The first one, now and then: somebody was refused since the last call (*pid, 0: it did not say), or, once, the last time
 * is a minute ago. *until_ns is the caller's to keep; with 0 at first, what an earlier process told is long ago. */
enum zs_refused_news zs_refused_look(const char *dir, uint64_t *until_ns, uint64_t now_ns, int *pid);

#endif
