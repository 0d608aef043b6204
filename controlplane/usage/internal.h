/* Shared by the files of usage/ alone.
 *
 *   usage.c    rounds and slices     records.c    what the store keeps */
#ifndef ZS_CONTROLPLANE_USAGE_INTERNAL_H
#define ZS_CONTROLPLANE_USAGE_INTERNAL_H

#include "p2p/peertable.h"
#include "shm/sessions.h"
#include "usage/usage.h"

/* An owner's sum while a cursor adds to it. There may be two: an attachment that ended keeps its cursor until
 * somebody else has it, and its owner may have another by then. */
struct owner {
	uint32_t cursors;
	bool known; /* the store has it */
	struct zs_usage_sum sum;
};

/* A tenant's sum, by the number that the attach server has for it now. */
struct tenant_sum {
	char name[33]; /* "": not asked for yet */
	struct zs_usage_sum sum;
};

/* What was read last of an attachment's cells, and to whom it was counted. */
struct cursor {
	uint32_t attachment;
	uint32_t owner;	 /* in u->owners and u->owner */
	uint32_t tenant; /* it was counted to last; 0: none */
	uint16_t generation;
	bool changed; /* not stored yet */
	uint64_t incarnation;
	uint32_t workers;
	struct zs_meter last[][ZS_DIRECTIONS]; /* by worker */
};

/* A cursor as the store keeps it. */
struct last {
	uint64_t incarnation;
	struct zs_peer_id owner;
	uint16_t generation;
	uint32_t workers;
	struct zs_meter to[ZS_WORKERS_MAX][ZS_DIRECTIONS];
};

struct zs_usage {
	struct zs_control *c;
	uint32_t attachments;
	struct cursor **at; /* by attachment, NULL: never owned */
	uint32_t high;	    /* beyond it there are none */
	uint32_t next;	    /* where the round goes on */
	bool failed;	    /* a write failed: what changed in other slices is not stored either */
	uint64_t due_ns, round_ns;
	struct zs_peertable owners;
	struct owner *owner; /* by slot of owners */
	struct tenant_sum tenant[ZS_TENANTS];
	uint64_t stored_sums;
	struct zs_usage_sum total; /* since the start */
};

/* Of an owner whose sum is in memory then, from the store if it has one. NULL: out of memory. */
struct cursor *zs_usage_cursor_new(struct zs_usage *u, uint32_t attachment, const struct zs_peer_id *owner,
				   uint32_t workers);
/* Records as bytes; false: damaged, *out is spoilt. */
#define USAGE_SUM  (1 + ZS_DIRECTIONS * 16 + 16)
#define USAGE_LAST (1 + 8 + 2 + 1 + ZS_PEER_ID + 1 + ZS_WORKERS_MAX * ZS_DIRECTIONS * 16)
size_t zs_usage_write_sum(const struct zs_usage_sum *sum, uint8_t out[USAGE_SUM]);
bool zs_usage_read_sum(struct zs_usage_sum *out, const void *value, size_t len);
size_t zs_usage_write_last(const struct last *l, uint8_t out[USAGE_LAST]);
bool zs_usage_read_last(struct last *out, const void *value, size_t len);
/* Adds cursor and sum to the batch. */
void zs_usage_record(const struct zs_usage *u, struct zs_store_batch *b, const struct cursor *k);
/* The batch is stored. */
void zs_usage_recorded(struct zs_usage *u, struct cursor *k);
/* Fills u->at and u->stored_sums. */
int zs_usage_records_load(struct zs_usage *u, struct zs_error *err);
/* false: the store has none. */
bool zs_usage_record_tenant(const struct zs_usage *u, const char *name, struct zs_usage_sum *out);
bool zs_usage_record_sum(const struct zs_usage *u, const struct zs_peer_id *owner, struct zs_usage_sum *out);

#endif
