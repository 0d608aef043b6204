/* The admin API as a hostile caller meets it: the first byte picks the level, the rest is the request. A real
 * control plane stands behind it. */
#include <errno.h>
#include "admin/handle.h"
#include "admin/later.h"
#include "fuzz/exact.h"
#include "fuzz/plane.h"
#include "lists.h"
#include "pulse.h"

static void start(void)
{
	struct zs_error err = { 0 };
	struct zs_pulse *pulse;

	fuzz_plane("targets:\n  allow: [10.0.0.0/8]\n");
	ZS_CHECK(zs_lists_new(&plane.lists, &plane, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_pulse_new(&pulse, &plane, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_audit_open(&plane.audit, folder, 1, plane.store, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_revisions_resume(plane.revisions, &err) == 0, "%s", err.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_caller caller = { .uid = 1, .gid = 1, .pid = 1 };
	struct zs_later later = { 0 };
	json_t *answer = NULL;
	uint8_t *copy;
	int rc;

	if (!plane.conf)
		start();
	if (size == 0)
		return 0;
	caller.level = (enum zs_level)(data[0] & 3);
	copy = fuzz_exact(data + 1, size - 1);
	rc = zs_admin_handle(&plane, &caller, (const char *)copy, size - 1, &later, &answer);
	ZS_CHECK(rc == 0 || rc == -EINPROGRESS, "no answer");
	if (rc != 0)
		later.cancel(later.ctx);
	else
		ZS_CHECK(json_is_boolean(json_object_get(answer, "ok")), "no verdict");
	json_decref(answer);
	free(copy);
	return 0;
}
