/* An audit file in a rig's folder, with its store. */
#ifndef ZS_TESTS_AUDIT_RIG_H
#define ZS_TESTS_AUDIT_RIG_H

#include "audit/internal.h"
#include "rig.h"

static const struct zs_caller root = { .uid = 0, .gid = 0, .pid = 42, .level = ZS_LEVEL_owner };

struct bench {
	struct rig *r;
	struct zs_store *store;
	struct zs_audit *a;
	uint64_t file_max; /* 0: as it is made */
	char path[128];	   /* of the file that is written */
};

static inline void reopened(struct bench *b)
{
	struct rig *r = b->r;
	char path[128];

	snprintf(path, sizeof(path), "%s/store", r->dir);
	assert_int_equal(zs_store_open(&b->store, path, &r->err), 0);
	if (zs_audit_open(&b->a, r->dir, 1, b->store, &r->err) != 0)
		fail_msg("%s", r->err.text);
	if (b->file_max)
		b->a->file_max = b->file_max;
}

static inline void open_small(struct bench *b, struct rig *r, uint64_t file_max)
{
	*b = (struct bench){ .r = r, .file_max = file_max };
	snprintf(b->path, sizeof(b->path), "%s/audit.log", r->dir);
	reopened(b);
}

static inline void open_all(struct bench *b, struct rig *r)
{
	open_small(b, r, 0);
}

static inline void close_all(struct bench *b)
{
	zs_audit_close(b->a);
	zs_store_close(b->store);
}

static inline void reopen(struct bench *b)
{
	close_all(b);
	reopened(b);
}

static inline int try_begin(struct bench *b, int i)
{
	json_t *args = json_pack("{s:i}", "port", i);
	int rc = zs_audit_begin(b->a, "publish add", &root, args, 0, &b->r->err);

	json_decref(args);
	return rc;
}

static inline int try_record(struct bench *b, int i)
{
	int rc = try_begin(b, i);

	return rc != 0 ? rc : zs_audit_end(b->a, "ok", "", &b->r->err);
}

static inline void record(struct bench *b, int i)
{
	if (try_record(b, i) != 0)
		fail_msg("record %d: %s", i, b->r->err.text);
}

#endif
