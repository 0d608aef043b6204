/* A control plane that is started from a file, and again. */
#ifndef ZS_TESTS_CONTROLPLANE_REVISIONS_RIG_H
#define ZS_TESTS_CONTROLPLANE_REVISIONS_RIG_H

#include "admin_rig.h"
#include "audit/audit.h"
#include "revisions/internal.h"

/* A port that nobody else of this machine's tests is told, and the lines that publish it. */
static uint16_t port;
static char published[80], published_wrong[80], published_edited[120];

static inline void choose_port(void)
{
	srand((unsigned)getpid());
	port = rig_port();
	snprintf(published, sizeof(published), "publish: [{port: %u, target: \"10.0.0.9:443\"}]\n", port);
	snprintf(published_wrong, sizeof(published_wrong),
		 "publish: [{port: %u, target: \"127.0.0.1:443\"}]\n", port);
	snprintf(published_edited, sizeof(published_edited), "%s# an edit does not end it\n", published);
}

/* The rig's own text with `more`; the port is published where more is `published`. */
static inline size_t text_with(const struct rig *r, char text[2048], const char *more)
{
	int n = own_text(r, text);

	return (size_t)(n + snprintf(text + n, 2048 - (size_t)n, "%s", more));
}

static inline void write_file(struct rig *r, const char *more)
{
	char text[2048];
	size_t len = text_with(r, text, more);
	FILE *f;

	snprintf(r->c.conf_path, sizeof(r->c.conf_path), "%s/unit.yaml", r->dir);
	f = fopen(r->c.conf_path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

/* What main.c does with the file that is there. */
static inline void start(struct rig *r)
{
	struct zs_offer file = { .name = r->c.conf_path };
	char path[128], *text;

	assert_int_equal(zs_conf_read_file(r->c.conf_path, &text, &file.len, &r->err), 0);
	file.text = text;
	r->c.conf = malloc(sizeof(*r->c.conf));
	if (zs_conf_parse(r->c.conf, file.name, text, file.len, &r->err) != 0)
		fail_msg("%s", r->err.text);
	assert_int_equal(zs_loop_new(&r->c.loop, ZS_LOOP_AUTO, &r->err), 0);
	snprintf(path, sizeof(path), "%s/store", r->dir);
	assert_int_equal(zs_store_open(&r->c.store, path, &r->err), 0);
	assert_int_equal(zs_revisions_new(&r->c.revisions, &r->c, &r->err), 0);
	zs_revisions_start(r->c.revisions, &file);
	free(text);
	assert_int_equal(zs_program_new(&r->c.program, &r->c, &r->err), 0);
	assert_int_equal(zs_admin_new(&r->c.admin, &r->c, &r->err), 0);
	assert_int_equal(zs_revisions_resume(r->c.revisions, &r->err), 0);
}

/* Nothing that a kill would not do: no record is written here. */
static inline void end(struct rig *r)
{
	zs_admin_delete(r->c.admin);
	r->c.admin = NULL;
	zs_revisions_delete(r->c.revisions);
	r->c.revisions = NULL;
	rig_close(r);
	free(r->c.conf);
	r->c.conf = NULL;
	memset(r->c.health, 0, sizeof(r->c.health));
}

static inline void restart(struct rig *r)
{
	end(r);
	start(r);
}

static inline int apply(struct rig *r, const char *more, uint32_t confirm_s, char why[256])
{
	char text[2048];
	json_t *req;
	char *line;
	int status;

	text_with(r, text, more);
	req = json_pack("{s:i,s:s,s:{s:{s:s,s:s}}}", "v", 1, "verb", "config apply", "args", "file", "name",
			"next.yaml", "text", text);
	if (confirm_s)
		json_object_set_new(json_object_get(req, "args"), "confirm", json_integer(confirm_s));
	line = json_dumps(req, JSON_COMPACT);
	status = call(r, ZS_LEVEL_admin, line, why);
	free(line);
	json_decref(req);
	return status;
}

static inline int verb(struct rig *r, const char *verb, const char *args)
{
	char req[256];

	snprintf(req, sizeof(req), "{\"v\":1,\"verb\":\"%s\",\"args\":%s}", verb, args);
	return call(r, ZS_LEVEL_admin, req, NULL);
}

/* As workers see it. */
static inline bool is_published(struct rig *r)
{
	struct zs_published e;

	return zs_tables_published(zs_program_tables(r->c.program), port, &e);
}

static inline struct zs_revision revision(struct rig *r, uint32_t number)
{
	struct zs_revision rev;

	if (zs_revisions_get(r->c.revisions, number, &rev, NULL, &r->err) != 0)
		fail_msg("%s", r->err.text);
	return rev;
}

static inline uint32_t now(struct rig *r)
{
	return zs_revisions_now(r->c.revisions);
}

/* How often the audit file has the operation. */
static inline unsigned recorded(struct rig *r, const char *operation)
{
	json_t *list, *record;
	unsigned n = 0;
	size_t i;

	assert_int_equal(zs_audit_show(r->c.audit, 100, &list, &r->err), 0);
	json_array_foreach(list, i, record)
	    n += !strcmp(json_string_value(json_object_get(record, "operation")), operation);
	json_decref(list);
	return n;
}

static inline int confirm(struct rig *r, uint32_t number)
{
	char args[32];

	snprintf(args, sizeof(args), "{\"revision\":%u}", number);
	return verb(r, "config confirm", args);
}

#endif
