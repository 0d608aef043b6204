/* A control plane with a real store and program behind what is fuzzed, in folders of its own that go with the process. */
#ifndef ZS_FUZZ_PLANE_H
#define ZS_FUZZ_PLANE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "control.h"
#include "program.h"
#include "revisions/revisions.h"
#include "store.h"

static struct zs_control plane;
static char folder[64];

static void fuzz_plane_clean(void)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	ZS_CHECK(system(cmd) == 0, "rm");
}

/* `more`: lines of its configuration. */
static inline void fuzz_plane(const char *more)
{
	struct zs_error err = { 0 };
	char path[96], text[512];
	int n;

	strcpy(folder, "/tmp/zs-fuzz-XXXXXX");
	ZS_CHECK(mkdtemp(folder), "mkdtemp");
	atexit(fuzz_plane_clean);
	snprintf(plane.shm_dir, sizeof(plane.shm_dir), "%s/shm", folder);
	ZS_CHECK(mkdir(plane.shm_dir, 0750) == 0, "mkdir");
	zs_log_init(&plane.log, -1, "fuzz");
	plane.conf = malloc(sizeof(*plane.conf));
	n = snprintf(text, sizeof(text), "instance: fuzz\nstate_dir: %s\nrun_dir: %s\n%s", folder, folder,
		     more);
	ZS_CHECK(zs_conf_parse(plane.conf, "fuzz.yaml", text, (size_t)n, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_loop_new(&plane.loop, ZS_LOOP_AUTO, &err) == 0, "%s", err.text);
	snprintf(path, sizeof(path), "%s/store", folder);
	ZS_CHECK(zs_store_open(&plane.store, path, &err) == 0, "%s", err.text);
	ZS_CHECK(zs_revisions_new(&plane.revisions, &plane, &err) == 0, "%s", err.text);
	zs_revisions_start(plane.revisions,
			   &(struct zs_offer){ .name = "fuzz.yaml", .text = text, .len = (size_t)n });
	ZS_CHECK(zs_program_new(&plane.program, &plane, &err) == 0, "%s", err.text);
}

#endif
