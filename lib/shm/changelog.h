/* Which ids of a table changed: a ring of ids in shared memory with one writer and any number of readers,
 * each with a cursor of its own. Nobody waits for a reader: one that is too far behind is told so (an
 * overrun) and looks through the whole table.
 *
 * The writer appends an id after it has stored the entry, so who takes the id reads the new entry or a newer one.
 * Head and ids are another process's word: a reader answers at most what the ring holds. */
#ifndef ZS_SHM_CHANGELOG_H
#define ZS_SHM_CHANGELOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ZS_CHANGELOG_MAX (1u << 20)

/* The shared part; the ids follow in a region of their own. */
struct zs_changelog_head {
	_Atomic uint64_t next; /* ids appended so far */
	uint64_t pad[7];
};
_Static_assert(sizeof(struct zs_changelog_head) == 64, "one line");

/* One process's view. */
struct zs_changelog {
	struct zs_changelog_head *head;
	_Atomic uint32_t *id;
	uint32_t capacity; /* power of two, from the region's size */
};

/* Writer. */
void zs_changelog_append(struct zs_changelog *log, uint32_t id);
/* Writer, at adoption: what the one before appended last is not known, so every reader overruns. */
void zs_changelog_lose(struct zs_changelog *log);

/* Reader: where one begins who is about to look through the whole table. */
uint64_t zs_changelog_now(const struct zs_changelog *log);
/* Reader: copies at most `max` ids from *cursor on and moves it. *overrun: ids were lost, *cursor is now and 0
 * is returned. An id may come more than once, and may be any number. */
uint32_t zs_changelog_read(const struct zs_changelog *log, uint64_t *cursor, uint32_t *out, uint32_t max,
			   bool *overrun);

#endif
