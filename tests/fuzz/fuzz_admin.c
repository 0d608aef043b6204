/* The admin API as a hostile caller meets it: the first byte picks the level, the rest is the request. A real
 * control plane stands behind it, in folders of its own that go with the process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin/handle.h"
#include "admin/later.h"
#include "base/check.h"
#include "program.h"
#include "store.h"

static struct zs_control plane;
static char folder[64];

static void clean(void)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	ZS_CHECK(system(cmd) == 0, "rm");
}

static void start(void)
{
	struct zs_error err = { 0 };
	char path[96];
	int n;
	char text[512];

	strcpy(folder, "/tmp/zs-fuzz-XXXXXX");
	ZS_CHECK(mkdtemp(folder), "mkdtemp");
	atexit(clean);
	snprintf(plane.shm_dir, sizeof(plane.shm_dir), "%s/shm", folder);
	ZS_CHECK(mkdir(plane.shm_dir, 0750) == 0, "mkdir");
	zs_log_init(&plane.log, -1, "fuzz");
	plane.conf = malloc(sizeof(*plane.conf));
	n = snprintf(text, sizeof(text),
		     "instance: fuzz\nstate_dir: %s\nrun_dir: %s\ntargets:\n  allow: [10.0.0.0/8]\n", folder,
		     folder);
	ZS_CHECK(zs_conf_parse(plane.conf, "fuzz.yaml", text, (size_t)n, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_loop_new(&plane.loop, ZS_LOOP_AUTO, &err) == 0, "%s", err.text);
	snprintf(path, sizeof(path), "%s/store", folder);
	ZS_CHECK(zs_store_open(&plane.store, path, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_program_new(&plane.program, &plane, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_audit_open(&plane.audit, folder, 1, plane.store, &err) == 0, "%s", err.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_caller caller = { .uid = 1, .gid = 1, .pid = 1 };
	struct zs_later later = { 0 };
	json_t *answer = NULL;
	char *copy;
	int rc;

	if (!plane.conf)
		start();
	if (size == 0)
		return 0;
	caller.level = (enum zs_level)(data[0] & 3);
	copy = malloc(size); /* no more and no less: an overrun is seen */
	memcpy(copy, data + 1, size - 1);
	rc = zs_admin_handle(&plane, &caller, copy, size - 1, &later, &answer);
	ZS_CHECK(rc == 0 || rc == -EINPROGRESS, "no answer");
	if (rc != 0)
		later.cancel(later.ctx);
	else
		ZS_CHECK(json_is_boolean(json_object_get(answer, "ok")), "no verdict");
	json_decref(answer);
	free(copy);
	return 0;
}
