/* audit show, verify, accept. */
#include <errno.h>
#include <stdlib.h>
#include "admin/checkup.h"
#include "admin/verbs.h"

static int need_audit(const struct zs_control *c, struct zs_error *err)
{
	return c->audit
		   ? 0
		   : zs_error_set(err, -ENODEV, ZS_EXIT_FAILED, "there is no audit file; see zsctl health");
}

int zs_verb_audit_show(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	json_t *list = NULL;
	int rc = need_audit(c, err);

	if (rc == 0)
		rc = zs_audit_show(c->audit, zs_verb_number(args, "last", 20), &list, err);
	if (rc == 0)
		*result = json_pack("{s:I,s:o}", "count", (json_int_t)zs_audit_count(c->audit), "records",
				    list);
	return rc;
}

/* A check under way, a step a turn of the loop, for one caller. */
struct verification {
	struct zs_control *c;
	struct zs_later *later;
	struct zs_audit_check *check;
	struct zs_timer *timer;
};

static void end(void *ctx)
{
	struct verification *v = ctx;

	zs_audit_check_delete(v->check);
	zs_timer_delete(v->timer);
	free(v);
}

static json_t *findings(struct zs_control *c, const struct zs_audit_report *report, struct zs_error *err)
{
	if (!report->ok)
		err->exit = ZS_EXIT_UNHEALTHY;
	zs_checkup_tell(c, report);
	return json_pack("{s:b,s:I,s:I,s:s}", "intact", report->ok, "records", (json_int_t)report->records,
			 "line", (json_int_t)report->line, "text", report->text);
}

static void step(void *ctx)
{
	struct verification *v = ctx;
	struct zs_control *c = v->c;
	struct zs_later *later = v->later;
	struct zs_audit_report report;
	struct zs_error err = { 0 };
	int rc = zs_audit_check_step(v->check, ZS_CHECKUP_STEP_NS, &report, &err);

	if (rc == -EINPROGRESS) {
		zs_timer_after(v->timer, 1); /* after this turn's other work */
		return;
	}
	end(v);
	zs_later_done(later, rc, rc == 0 ? findings(c, &report, &err) : NULL, &err);
}

int zs_verb_audit_verify(struct zs_control *c, json_t *args, struct zs_later *later, json_t **result,
			 struct zs_error *err)
{
	struct verification *v;
	int rc = need_audit(c, err);

	if (rc != 0)
		return rc;
	v = calloc(1, sizeof(*v));
	if (!v)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	*v = (struct verification){ .c = c, .later = later };
	zs_checkup_yield(c);
	rc = zs_audit_check_new(&v->check, c->audit, err);
	if (rc == 0 && zs_timer_new(&v->timer, c->loop, step, v) != 0)
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	if (rc != 0) {
		end(v);
		return rc;
	}
	later->timeout_ns = ZS_LATER_NS;
	later->cancel = end;
	later->ctx = v;
	zs_timer_after(v->timer, 1);
	return -EINPROGRESS;
}

/* What was wrong stands in the record as its reason. */
int zs_verb_audit_accept(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	char found[256];
	int rc = need_audit(c, err);

	if (rc == 0)
		rc = zs_audit_accept(c->audit, found, err);
	if (rc != 0)
		return rc;
	zs_control_clear(c, ZS_HEALTH_audit_broken);
	*result = json_pack("{s:s}", "accepted", found);
	return zs_error_set(err, 0, ZS_EXIT_OK, "%s", found);
}
