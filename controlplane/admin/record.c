#include "admin/record.h"

#include "admin/late.h"
#include "base/check.h"

int zs_admin_record_open(struct zs_control *c, const char *operation, const struct zs_caller *caller,
			 json_t *args, uint64_t held, struct zs_error *err)
{
	int rc = zs_late_settle(c, err);

	if (rc == 0)
		rc = zs_audit_begin(c->audit, operation, caller, args, held, err);
	zs_late_health(c, rc, err);
	if (rc != 0)
		err->exit = ZS_EXIT_REFUSED;
	return rc;
}

int zs_admin_record_close(struct zs_control *c, int rc, struct zs_error *err)
{
	static const enum zs_exit refusals[] = { ZS_EXIT_USAGE, ZS_EXIT_DENIED, ZS_EXIT_REFUSED,
						 ZS_EXIT_CONFIG, ZS_EXIT_MODULE_OFF };
	struct zs_error why = { 0 };
	const char *result = rc == 0 ? "ok" : "failed";
	int audit_rc;

	for (size_t i = 0; rc != 0 && i < ZS_ARRAY_LEN(refusals); i++)
		if (err->exit == refusals[i])
			result = "refused";
	audit_rc = zs_audit_end(c->audit, result, err->text, &why);
	zs_late_health(c, audit_rc, &why);
	if (audit_rc == 0 || rc != 0)
		return rc;
	return zs_error_set(err, audit_rc, ZS_EXIT_FAILED, "done, but not recorded: %.180s", why.text);
}
