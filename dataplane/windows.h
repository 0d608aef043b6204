/* Which replay windows are free: one pool for all workers, since a session belongs to whichever of them hears it first. Its last half is
 * for attachments that hold few: one with all lanes it may have leaves that to others.
 *
 * Any worker; touched for a lane not seen before and at a session's end alone. Nobody waits for anybody. */
#ifndef ZS_DATAPLANE_WINDOWS_H
#define ZS_DATAPLANE_WINDOWS_H

#include <stdatomic.h>
#include <stdint.h>

#define ZS_WINDOWS_SURE                                                                                      \
	2 /* of an attachment, while there is one: a lane each of a session and the one before it */

struct zs_windows {
	_Atomic uint64_t
	    head; /* low half: index + 1 of the first free one, 0: none; high half: grows with each change */
	_Atomic uint32_t left;
	uint32_t all, attachments;
	_Atomic uint32_t *next; /* by window: index + 1 of the free one behind it */
	uint32_t *holder;	/* by window, attachment + 1, 0: nobody known; whose it is writes it */
	_Atomic uint16_t *held; /* by attachment */
};

/* Main. None is free yet. -ENOMEM: call delete all the same. */
int zs_windows_new(struct zs_windows *p, uint32_t windows, uint32_t attachments);
void zs_windows_delete(struct zs_windows *p);
/* One for that attachment; -1: none is left, or none beyond its share. Attachments beyond those counted have no share. */
int64_t zs_windows_take(struct zs_windows *p, uint32_t attachment);
/* It is free from now on. */
void zs_windows_put(struct zs_windows *p, uint32_t window);
/* One that was in use before this process is that attachment's: counted once. */
void zs_windows_known(struct zs_windows *p, uint32_t window, uint32_t attachment);

#endif
