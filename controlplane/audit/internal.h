#ifndef ZS_CONTROLPLANE_AUDIT_INTERNAL_H
#define ZS_CONTROLPLANE_AUDIT_INTERNAL_H

#include <stdio.h>
#include "audit/audit.h"

#define ZS_AUDIT_HASH 32

/* What the store keeps of the file. */
struct zs_audit_head {
	uint64_t count;
	uint64_t size;
	uint8_t hash[ZS_AUDIT_HASH]; /* of the last line without its newline; zeros before the first */
};

struct zs_audit {
	int fd;
	char path[128];
	struct zs_store *store;
	struct zs_audit_head head;
	bool unsettled; /* file and store may differ by the pending record */
	bool open_call; /* between begin and end */
	char broken[256];
	char pending[ZS_AUDIT_LINE_MAX]; /* the record without its end, closing brace included */
};

void zs_audit_hash(const char *line, size_t len, uint8_t out[ZS_AUDIT_HASH]);
void zs_audit_hex(const uint8_t hash[ZS_AUDIT_HASH], char out[2 * ZS_AUDIT_HASH + 1]);
/* A stream over the file from its start, with a descriptor of its own. NULL: errno. */
FILE *zs_audit_stream(const struct zs_audit *a);

#endif
