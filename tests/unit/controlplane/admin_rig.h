/* A control plane whose admin API is called without sockets, at each level. */
#ifndef ZS_TESTS_CONTROLPLANE_ADMIN_RIG_H
#define ZS_TESTS_CONTROLPLANE_ADMIN_RIG_H

#include "admin/admin.h"
#include "admin/handle.h"
#include "attach/attach.h"
#include "lists.h"
#include "usage/usage.h"
#include "later_rig.h"
#include "revisions/revisions.h"
#include "rig.h"

static const struct zs_caller callers[] = {
	{ .uid = 1000, .gid = 1000, .pid = 7, .level = ZS_LEVEL_none },
	{ .uid = 1001, .gid = 1001, .pid = 7, .level = ZS_LEVEL_user },
	{ .uid = 1002, .gid = 1002, .pid = 7, .level = ZS_LEVEL_admin },
	{ .uid = 0, .gid = 0, .pid = 7, .level = ZS_LEVEL_owner },
};

/* The rig's folders with a configuration of our own. */
static inline int own_text(const struct rig *r, char text[1024])
{
	return snprintf(
	    text, 1024,
	    "instance: unit\nstate_dir: %s\nrun_dir: %s\n"
	    "admin:\n  admin_group: no-such-group-a\n  user_group: no-such-group-u\n"
	    "targets:\n  allow: [10.0.0.0/8]\n"
	    "dataplane:\n  ports:\n    - {name: p0, driver: ring, addresses: [198.51.100.1/24]}\n",
	    r->dir, r->dir);
}

static inline struct zs_conf *own_conf(const struct rig *r)
{
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error err = { 0 };
	char text[1024];
	int n = own_text(r, text);

	if (zs_conf_parse(conf, "unit.yaml", text, (size_t)n, &err) != 0)
		fail_msg("%s", err.text);
	return conf;
}

static inline void zeros(void *ctx, void *out, size_t len)
{
	memset(out, 0, len);
}

/* As a process that was started with the file of own_text. */
static inline void open_revisions(struct rig *r)
{
	char text[1024];
	struct zs_offer file = { .name = "unit.yaml", .text = text, .len = (size_t)own_text(r, text) };

	assert_int_equal(zs_revisions_new(&r->c.revisions, &r->c, &r->err), 0);
	zs_revisions_start(r->c.revisions, &file);
}

static inline void open_all(struct rig *r)
{
	r->c.conf = own_conf(r);
	rig_open(r);
	open_revisions(r);
	if (zs_lists_new(&r->c.lists, &r->c, &r->err) != 0)
		fail_msg("%s", r->err.text);
	if (zs_attach_new(&r->c.attach, &r->c, (struct zs_random){ .fill = zeros }, 1, 1, &r->err) != 0)
		fail_msg("%s", r->err.text);
	if (zs_usage_new(&r->c.usage, &r->c, zs_attach_capacity(r->c.attach),
			 &(struct zs_random){ .fill = zeros }, &r->err) != 0)
		fail_msg("%s", r->err.text);
	if (zs_admin_new(&r->c.admin, &r->c, &r->err) != 0 ||
	    zs_revisions_resume(r->c.revisions, &r->err) != 0)
		fail_msg("%s", r->err.text);
}

static inline void close_all(struct rig *r)
{
	zs_admin_delete(r->c.admin);
	r->c.admin = NULL;
	zs_lists_delete(r->c.lists);
	r->c.lists = NULL;
	zs_usage_delete(r->c.usage);
	r->c.usage = NULL;
	zs_attach_delete(r->c.attach);
	r->c.attach = NULL;
	zs_revisions_delete(r->c.revisions);
	r->c.revisions = NULL;
	rig_close(r);
}

static inline json_t *call_bytes(struct rig *r, enum zs_level level, const char *req, size_t len)
{
	json_t *answer = NULL;

	assert_int_equal(rig_handle(&r->c, &callers[level], req, len, &answer), 0);
	assert_true(json_is_object(answer));
	return answer;
}

/* The exit status of a call; *text (may be NULL) gets the error. */
static inline int call(struct rig *r, enum zs_level level, const char *req, char text[256])
{
	json_t *answer = call_bytes(r, level, req, strlen(req));
	int status = (int)json_integer_value(json_object_get(answer, "exit"));
	const char *error = json_string_value(json_object_get(answer, "error"));

	assert_int_equal(json_is_true(json_object_get(answer, "ok")), error == NULL);
	assert_true(!json_is_true(json_object_get(answer, "ok")) ||
		    json_is_object(json_object_get(answer, "result")));
	if (text)
		snprintf(text, 256, "%s", error ? error : "");
	json_decref(answer);
	return status;
}

#endif
