/* Could the new programs take over? They say so themselves, before anything is stopped. */
#include "upgrade.h"

#include <errno.h>
#include <string.h>

bool upgrade_runs_already(const struct upgrade *u)
{
	char path[ZS_FILE_PATH];

	for (int p = 0; p < UPGRADE_PLANES; p++) {
		upgrade_candidate(u, p, path);
		if (!upgrade_runs(u, p, path))
			return false;
	}
	return true;
}

/* "zs-dataplane 0.3.0+1234567" */
static int read_version(struct upgrade *u, enum upgrade_plane plane, char out[UPGRADE_VERSION])
{
	char path[ZS_FILE_PATH], text[160] = "", name[40] = "";
	int rc;

	upgrade_candidate(u, plane, path);
	rc = upgrade_ask(u, plane, path, "--version", false, text, sizeof(text));
	if (rc < 0)
		return rc;
	if (rc || sscanf(text, "%39s %63s", name, out) != 2 || strcmp(name, upgrade_plane_name(plane)) != 0)
		return zs_error_set(&u->err, -ENOEXEC, ZS_EXIT_REFUSED,
				    "the new %s does not run here: it says no version (status %d: %.80s)",
				    upgrade_plane_name(plane), rc, u->err.text);
	return 0;
}

static int read_versions(struct upgrade *u)
{
	char data[UPGRADE_VERSION];
	int rc = read_version(u, UPGRADE_CONTROL, u->to);

	if (!rc)
		rc = read_version(u, UPGRADE_DATA, data);
	if (!rc && strcmp(u->to, data) != 0)
		rc = zs_error_set(&u->err, -EXDEV, ZS_EXIT_REFUSED,
				  "zs-controlplane is %s and zs-dataplane %s; take both of one build", u->to,
				  data);
	return rc;
}

static int preflight(struct upgrade *u, enum upgrade_plane plane)
{
	char path[ZS_FILE_PATH], text[2048] = "", why[ZS_ERROR_TEXT];
	int rc;

	upgrade_candidate(u, plane, path);
	rc = upgrade_ask(u, plane, path, "--preflight", true, text, sizeof(text));
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		upgrade_say(u, "%s: %s", upgrade_plane_name(plane), line);
	if (rc <= 0)
		return rc;
	memcpy(why, u->err.text, sizeof(why));
	return zs_error_set(&u->err, -EPROTO, u->err.exit,
			    "refused by the new one, nothing was changed: %.200s", why);
}

int upgrade_examine(struct upgrade *u)
{
	int rc = read_versions(u);

	if (!rc)
		upgrade_say(u, "%s runs, %s is new", u->from, u->to);
	for (int p = 0; p < UPGRADE_PLANES && !rc; p++)
		rc = preflight(u, p);
	return rc;
}
