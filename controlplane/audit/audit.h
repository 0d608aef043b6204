/* The audit file: who changed, or tried to change, what. One JSON object a line in
 * state_dir/audit.log (0600): {n, time, operation, caller, args, prev, result, reason}, where
 * prev is the SHA-256 of the line before. The store keeps {count, size, last hash}, so a cut
 * tail shows, and, while a call runs, the record without its end, so that no call is lost to
 * a crash and a record that is in the file but not yet in the store is told from a forged one.
 *
 * A full file becomes audit.log.N and the next goes on with the numbers and the chain; the oldest
 * of more than seven such is removed, and the store keeps its last hash, so that the chain over
 * the files kept still has a fixed begin. Files whose faults an owner accepted are kept so long too.
 *
 * Control plane's loop thread alone. */
#ifndef ZS_CONTROLPLANE_AUDIT_H
#define ZS_CONTROLPLANE_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "cli/command.h"

#define ZS_AUDIT_LINE_MAX (16u << 10) /* arguments are a few hundred bytes; files are kept as digests */
#define ZS_AUDIT_SHOW_MAX 1000

struct zs_audit;
struct zs_store;

struct zs_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	enum zs_level level;
};

/* Opens or creates the file and settles what a crash left. A file of more than file_mb MiB
 * is closed before the next record. -EIO and friends: cannot be had. A file that
 * is not what was written is no failure here: zs_audit_broken says so. */
int zs_audit_open(struct zs_audit **out, const char *dir, uint32_t file_mb, struct zs_store *store,
		  struct zs_error *err);
void zs_audit_close(struct zs_audit *a);
/* What was found wrong with the file by open, begin or verify; NULL: nothing. */
const char *zs_audit_broken(const struct zs_audit *a);
uint64_t zs_audit_count(const struct zs_audit *a);

/* Whether a record could be written now, with room set aside for it. -ENOSPC, -EIO … */
int zs_audit_room(struct zs_audit *a, struct zs_error *err);
/* Before a mutating call: makes sure its record can be written and notes the call durably. On
 * failure nothing may be changed. `args` is borrowed and may be NULL; `held` records of the same
 * kind were not written (0: none). */
int zs_audit_begin(struct zs_audit *a, const char *operation, const struct zs_caller *caller, json_t *args,
		   uint64_t held, struct zs_error *err);
/* After it and before its answer: appends the record, synced. result: ok, refused or failed. */
int zs_audit_end(struct zs_audit *a, const char *result, const char *reason, struct zs_error *err);

struct zs_audit_report {
	bool ok;
	uint64_t records; /* read until the first fault, or all that are kept */
	uint64_t line;	  /* of the first fault in its file, 0 when the fault has no line */
	char text[256];
};
/* A check over all files kept: some 25 ms a MiB, so 0.4 s at the default of eight files of 2 MiB. In steps, between which
 * records may be written; when a file was closed meanwhile it begins again. */
struct zs_audit_check;
/* -EBUSY: one is under way, and there is one at a time. */
int zs_audit_check_new(struct zs_audit_check **out, struct zs_audit *a, struct zs_error *err);
/* Reads on for `budget_ns` or a line longer; but the fault that ends a check is looked at to the end of its file. 0: done,
 * *report holds what was found; -EINPROGRESS: call again; another -errno: a file cannot be read. */
int zs_audit_check_step(struct zs_audit_check *check, uint64_t budget_ns, struct zs_audit_report *report,
			struct zs_error *err);
void zs_audit_check_delete(struct zs_audit_check *check);
/* In one go, for who has the time. */
int zs_audit_verify(struct zs_audit *a, struct zs_audit_report *report, struct zs_error *err);
/* What is broken is known: what is there stays and is checked no more, a new file begins, and the call that is open is its first
 * record. found: what was broken. -ENOENT: nothing is; as zs_audit_begin. */
int zs_audit_accept(struct zs_audit *a, char found[256], struct zs_error *err);
/* The last `count` records, oldest first, as a new JSON array; what is no JSON comes as a text. */
int zs_audit_show(struct zs_audit *a, uint32_t count, json_t **out, struct zs_error *err);

#endif
