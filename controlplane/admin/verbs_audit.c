/* audit show, audit verify. */
#include <errno.h>
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

int zs_verb_audit_verify(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_audit_report report;
	int rc = need_audit(c, err);

	if (rc == 0)
		rc = zs_audit_verify(c->audit, &report, err);
	if (rc != 0)
		return rc;
	if (!report.ok) {
		err->exit = ZS_EXIT_UNHEALTHY;
		zs_health_raise(c->health, ZS_HEALTH_audit_broken, "%s", report.text);
	} else if (!zs_audit_broken(c->audit)) {
		zs_health_clear(c->health, ZS_HEALTH_audit_broken);
	}
	*result = json_pack("{s:b,s:I,s:I,s:s}", "intact", report.ok, "records", (json_int_t)report.records,
			    "line", (json_int_t)report.line, "text", report.text);
	return 0;
}
