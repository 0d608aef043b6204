/* Which configuration is in force, and those that were: a durable, bounded history that tells who and when. The newest word
 * holds: the file that the service starts from when it was edited since, else what was put in force last, over restarts too.
 * A revision put in force on trial is undone unless it is confirmed in time, whatever dies meanwhile. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_REVISIONS_REVISIONS_H
#define ZS_CONTROLPLANE_REVISIONS_REVISIONS_H

#include "control.h"

#define ZS_REVISION_DIGEST 32	       /* SHA-256 of the text */
#define ZS_REVISION_NAME   256	       /* a file's name, terminator included */
#define ZS_CONFIRM_MAX_S   (24 * 3600) /* longest trial */

enum zs_revision_origin { ZS_REVISION_START, ZS_REVISION_RELOAD, ZS_REVISION_APPLY, ZS_REVISION_ROLLBACK };
const char *zs_revision_origin_name(enum zs_revision_origin origin);

struct zs_revision {
	uint32_t number; /* 1, 2, …; never used again */
	enum zs_revision_origin origin;
	uint32_t of;	/* of a rollback: the revision whose text it has */
	bool undone;	/* it was on trial, and nobody confirmed it */
	uint64_t at_s;	/* Unix time */
	uint32_t uid;	/* of who put it in force; of a start: the service's own */
	uint32_t bytes; /* of its text */
	uint8_t digest[ZS_REVISION_DIGEST];
	char name[ZS_REVISION_NAME]; /* of its file, by which a text without `instance` is read */
};

/* A text that shall be in force. */
struct zs_offer {
	const char *name, *text;
	size_t len;
	enum zs_revision_origin origin;
	uint32_t of, uid;
	uint32_t confirm_s; /* 0: for good */
};

struct zs_trial {
	uint32_t number, previous; /* number 0: nothing is on trial */
	uint32_t left_s;
	uint64_t until_s; /* Unix time */
};

/* After the store is open: what the life before left. A damaged record is none, and the log has it. */
int zs_revisions_new(struct zs_revisions **out, struct zs_control *c, struct zs_error *err);
void zs_revisions_delete(struct zs_revisions *r);

/* Before any module reads c->conf, which is the file's by then: replaces it when another one holds, and keeps the file's as a new
 * revision when it does. What wants a restart is the file's in any case: the dataplane reads nothing else. What is kept and
 * cannot be used any more ends its trial, then gives way to the file, with config_rejected. */
void zs_revisions_start(struct zs_revisions *r, const struct zs_offer *file);
/* When all modules are there: goes on with a trial, and records one that the start undid. */
int zs_revisions_resume(struct zs_revisions *r, struct zs_error *err);

/* Stores, then applies as zs_control_apply does, taking `next`, the offer's text read, on success. The text that is in force
 * already makes no revision. -EBUSY: one is on trial. On failure nothing was changed. */
int zs_revisions_put(struct zs_revisions *r, const struct zs_offer *offer, struct zs_conf *next,
		     struct zs_error *err);
/* -ENOENT: that revision is not on trial; the store's: it still is. */
int zs_revisions_confirm(struct zs_revisions *r, uint32_t number, struct zs_error *err);
/* Puts the one before in force and ends the trial, stored when that works: a full disk holds no undo off, nor does anything that
 * was changed meanwhile (zs_control_go_back). -ENOENT: nothing is on trial; -ENOMEM: it still is. */
int zs_revisions_undo(struct zs_revisions *r, struct zs_error *err);

void zs_revisions_trial(const struct zs_revisions *r, struct zs_trial *out);
uint32_t zs_revisions_now(const struct zs_revisions *r);    /* number of the one in force */
uint32_t zs_revisions_before(const struct zs_revisions *r); /* of the one before that; 0: none */
/* A kept revision. text may be NULL, else the caller frees it. -ENOENT. */
int zs_revisions_get(struct zs_revisions *r, uint32_t number, struct zs_revision *out, char **text,
		     struct zs_error *err);
/* All that are kept, oldest first. */
typedef void zs_revision_fn(void *ctx, const struct zs_revision *rev);
int zs_revisions_each(struct zs_revisions *r, zs_revision_fn *fn, void *ctx);

#endif
