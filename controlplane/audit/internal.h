#ifndef ZS_CONTROLPLANE_AUDIT_INTERNAL_H
#define ZS_CONTROLPLANE_AUDIT_INTERNAL_H

#include <stdio.h>
#include "audit/audit.h"

struct zs_store_batch;

#define ZS_AUDIT_HASH	32
#define ZS_AUDIT_PATH	160
#define ZS_AUDIT_CLOSED 7 /* full files kept beside the one that is written */

/* What the store keeps of the file that is written. */
struct zs_audit_head {
	uint64_t count;
	uint64_t size;
	uint8_t hash[ZS_AUDIT_HASH]; /* of the last line without its newline; zeros before the first */
};

/* The last record of a file. */
struct zs_audit_end {
	uint64_t count;
	uint8_t hash[ZS_AUDIT_HASH];
};

/* What the store keeps of the full ones. */
struct zs_audit_files {
	uint64_t closed;			  /* ever; the last is audit.log.CLOSED */
	uint64_t kept;				  /* of them */
	struct zs_audit_end before;		  /* the last record that is kept no more; zeros: none */
	struct zs_audit_end end[ZS_AUDIT_CLOSED]; /* of the kept ones, oldest first */
};

struct zs_audit {
	int fd;
	char path[128];
	uint64_t file_max; /* bytes; a longer file is closed before the next record */
	struct zs_store *store;
	struct zs_audit_head head;
	struct zs_audit_files files;
	uint64_t accepted; /* audit.log.ACCEPTED and those before are not checked: their faults are known */
	bool unsettled;	   /* file and store may differ by the pending record */
	bool open_call;	   /* between begin and end */
	bool checking;	   /* a zs_audit_check is under way */
	char broken[256];
	char pending[ZS_AUDIT_LINE_MAX]; /* the record without its end, closing brace included */
};

void zs_audit_hash(const char *line, size_t len, uint8_t out[ZS_AUDIT_HASH]);
void zs_audit_hex(const uint8_t hash[ZS_AUDIT_HASH], char out[2 * ZS_AUDIT_HASH + 1]);
/* Opens or creates audit.log into a->fd. */
int zs_audit_open_file(struct zs_audit *a, struct zs_error *err);
void zs_audit_put_head(struct zs_store_batch *b, const struct zs_audit_head *head);
/* Is the last line of `fd`, of the head's size, the head's? */
bool zs_audit_ends_at_head(const struct zs_audit *a, int fd);

/* files.c. A stream over a kept file from its start, oldest first; `files.kept`: the one that is
 * written. NULL: errno. */
FILE *zs_audit_stream(const struct zs_audit *a, uint32_t index);
int zs_audit_load_files(struct zs_audit *a);
/* Closes the file and begins the next, which a call that is open goes on in. accept: all up to the closed one are accepted. */
int zs_audit_turn(struct zs_audit *a, bool accept, struct zs_error *err);
/* audit.log is empty and should not be: was a turn cut short? Then it is finished, else -EUCLEAN. */
int zs_audit_settle_turn(struct zs_audit *a, struct zs_error *err);

#endif
