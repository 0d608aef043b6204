/* A segment: one file of shared memory with one writer process and any number of readers.
 *
 * Life: align/footprint say what it takes, new lays it out (magic last), join maps it for
 * one process, leave unmaps, delete removes the file. Readers map it read-only. The header
 * page carries kind, layout version, the ABI hash of every field in it, a field table that
 * names each field, the writer's pid and start time, and a heartbeat. Inside a segment
 * links are offsets or indices, never pointers.
 *
 * Same version and another hash: refused, and the error names the first field that
 * differs, unless the kind says that its writer supersedes such a one. Version N-1: superseded in the same way, or
 * migrated by the kind's written step into a new file that replaces the old one atomically. Anything else is
 * refused (exit status LAYOUT). */
#ifndef ZS_SHM_SEGMENT_H
#define ZS_SHM_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define ZS_SEGMENT_MAGIC      0x0031474553535aULL /* "ZSSEG1" */
#define ZS_SEGMENT_HEADER     8192		  /* header plus field table, whole pages */
#define ZS_SEGMENT_FIELDS     160
#define ZS_SEGMENT_FIELD_NAME 32

/* One struct member that both sides must agree on, or one region of the segment. Names of
 * regions begin with '@': they are not hashed, so sizes may differ between two shapes. */
struct zs_segment_field {
	char name[ZS_SEGMENT_FIELD_NAME]; /* "flow.client", "ports" … */
	uint64_t offset;		  /* in its struct, or from the segment's start */
	uint64_t size;
};

struct zs_segment_header {
	_Atomic uint64_t magic; /* stored last by new, cleared first by delete */
	char kind[16];		/* "tables", "state", "events" */
	uint32_t version;
	uint32_t field_count;
	uint64_t abi_hash;	     /* over kind, version and the members of the field table */
	uint64_t size;		     /* of the whole file */
	uint64_t incarnation;	     /* random, new with each creation; never 0 */
	_Atomic uint64_t generation; /* raised whenever a writer adopts the segment */
	_Atomic uint32_t writer_pid; /* 0: no writer */
	uint32_t put_back; /* by zs_keep_put_back: its next writer supersedes it, nobody reads it before */
	_Atomic uint64_t writer_start; /* start time of that pid in clock ticks since boot (proc(5)) */
	_Atomic uint64_t heartbeat_ns; /* monotonic */
	struct zs_segment_field field[ZS_SEGMENT_FIELDS];
};
_Static_assert(sizeof(struct zs_segment_header) <= ZS_SEGMENT_HEADER, "header outgrew its pages");

/* What a kind of segment is; one constant per kind. */
struct zs_segment_kind {
	const char *name;
	uint32_t version;
	/* Writes the field table for a segment shaped by `shape` (kind's own options); returns count. */
	uint32_t (*fields)(struct zs_segment_field *out, const void *shape);
	/* Rewrites an old segment of version-1 into a fresh, laid-out new one; 0 or -errno. NULL: none. */
	int (*migrate)(const void *old, size_t old_size, void *fresh, struct zs_error *err);
	/* Same version with other members, or version-1: can the writer carry over what matters and supersede it? NULL: no. */
	bool (*supersedes)(const struct zs_segment_header *old);
	/* Is what it holds worth less than a start? Then a damaged file is set aside as KIND.damaged, and so is an
	 * older version's where `migrate` and `supersedes` are NULL. */
	bool expendable;
	uint16_t mode; /* of its file; 0: 0640, the group reads */
};

struct zs_segment {
	struct zs_segment_header *base; /* start of the mapping */
	size_t size;
	bool writer;
	int fd;			  /* of the file, while base != NULL; a writer holds its lock */
	_Atomic uint32_t faulted; /* pages that were not there any more, see shm/fault.h */
	char path[128];
};

/* A row of a member table: ZS_SEGMENT_MEMBER("flow", struct zs_flow, client). */
#define ZS_SEGMENT_MEMBER(nick, type, member)                                                                \
	{                                                                                                    \
		nick "." #member, offsetof(type, member), sizeof(((type *)0)->member)                        \
	}
/* Appends a region row behind the rows there are, on a page of its own; returns the new count. */
uint32_t zs_segment_put_region(struct zs_segment_field *field, uint32_t count, const char *name,
			       uint64_t size);
/* Do the members in `header` equal those of `want`? Else false and the first that differs in `name`. */
bool zs_segment_same_members(const struct zs_segment_header *header, const struct zs_segment_field *want,
			     uint32_t count, char name[ZS_SEGMENT_FIELD_NAME]);
/* FNV-1a over kind, version and members. */
uint64_t zs_segment_abi_hash(const char *kind, uint32_t version, const struct zs_segment_field *field,
			     uint32_t count);

size_t zs_segment_align(void);
/* Bytes of a file that holds the header and every region of the field table. */
size_t zs_segment_footprint(const struct zs_segment_kind *kind, const void *shape);

/* Creates the file in full (fallocate, of the kind's mode) under a temporary name, zeroed, header
 * written, magic NOT yet set, and maps it read-write. The caller fills initial values and
 * calls zs_segment_publish, which stores the magic and renames the file into place.
 * -ENOSPC: shared memory is full. */
int zs_segment_new(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		   const void *shape, struct zs_error *err);
int zs_segment_publish(struct zs_segment *seg, struct zs_error *err);
/* Publishes `fresh` in the place of `old`, which this writer holds, and leaves `old`. */
int zs_segment_supersede(struct zs_segment *old, struct zs_segment *fresh, struct zs_error *err);

#define ZS_SEGMENT_FOREIGN 1
/* Writer: adopts an existing segment (or migrates version N-1), takes the writer's place. 0, or
 * ZS_SEGMENT_FOREIGN: kind->supersedes said yes; the caller supersedes it or leaves it as it is.
 * -ENOENT: none, or (err->code is -EUCLEAN, its text says why) one that was set aside; -EBUSY: a living
 * writer holds it; -EPROTO: other layout, named in err, or damaged and not expendable. */
int zs_segment_adopt(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		     const void *shape, struct zs_error *err);
/* Reader: maps read-only after magic, kind, version, hash and size were checked on a copy of
 * the header. Sizes of regions come from the file's field table, bounds-checked.
 * -ENOENT: no file or not published yet; -EPROTO: other layout, or damaged. */
int zs_segment_join(struct zs_segment *seg, const char *dir, const struct zs_segment_kind *kind,
		    struct zs_error *err);
void zs_segment_leave(struct zs_segment *seg);
/* After `*to = *from`: the mapping is known under its new place, `from` holds nothing. */
void zs_segment_moved(struct zs_segment *to, struct zs_segment *from);
int zs_segment_delete(const char *dir, const struct zs_segment_kind *kind);

/* A region by name: its address, and its size in *size. NULL: not there. */
void *zs_segment_region(const struct zs_segment *seg, const char *name, size_t *size);
/* The same inside any mapping of `limit` bytes. */
void *zs_segment_region_in(const void *base, size_t limit, const char *name, size_t *size);
/* Writer's sign of life; readers ask for its age. */
void zs_segment_beat(struct zs_segment *seg, uint64_t now_ns);
/* Is the writer process alive (pid and start time match)? */
bool zs_segment_writer_alive(const struct zs_segment *seg);
/* The pid of the living writer of `kind` in `dir`, of whatever layout the file is; 0: there is none. */
uint32_t zs_segment_writer(const char *dir, const char *kind);
/* Has the path been replaced by another file since this mapping was made? */
bool zs_segment_replaced(const struct zs_segment *seg);

/* "/dev/shm/zerostate-<instance>", created 0750 when `create`. -EINVAL: bad instance name
 * (1–32 of [a-z0-9-]). */
/* Is it a name an instance may have: in paths, units and on command lines? */
bool zs_segment_instance(const char *name);
#define ZS_INSTANCE_RULE "use 1 to 32 of a-z, 0-9 and '-'"
int zs_segment_dir(char out[96], const char *instance, bool create, struct zs_error *err);

#endif
