/* Could the new programs take over? They say so themselves, before anything is stopped. */
#include "upgrade.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
static int read_version(struct upgrade *u, unsigned i, char out[UPGRADE_VERSION])
{
	char path[ZS_FILE_PATH], text[160] = "", name[40] = "", why[ZS_ERROR_TEXT];
	int rc;

	upgrade_candidate(u, i, path);
	u->err.text[0] = '\0';
	rc = upgrade_ask(u, UPGRADE_DATA, path, "--version", false, text, sizeof(text));
	if (rc < 0)
		return rc;
	memcpy(why, u->err.text, sizeof(why));
	if (rc || sscanf(text, "%39s %63s", name, out) != 2 || strcmp(name, upgrade_file_name(i)) != 0)
		return zs_error_set(&u->err, -ENOEXEC, ZS_EXIT_REFUSED,
				    "the new %s does not run here: it says no version (status %d: %.80s)",
				    upgrade_file_name(i), rc, why);
	return 0;
}

static int judge_program(struct upgrade *u, unsigned i)
{
	char version[UPGRADE_VERSION];
	int rc = read_version(u, i, version);

	if (!rc && strcmp(u->to, version) != 0)
		rc = zs_error_set(&u->err, -EXDEV, ZS_EXIT_REFUSED,
				  "%s is %s and %s %s; take all of one build",
				  upgrade_file_name(UPGRADE_CONTROL), u->to, upgrade_file_name(i), version);
	return rc;
}

static int judge_object(struct upgrade *u, unsigned i)
{
	char path[ZS_FILE_PATH];
	Elf64_Ehdr h = { 0 };
	int fd;

	upgrade_candidate(u, i, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && read(fd, &h, sizeof(h)) < 0)
		h.e_machine = EM_NONE;
	if (fd >= 0)
		close(fd);
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 && h.e_machine == EM_BPF)
		return 0;
	return zs_error_set(&u->err, -ENOEXEC, ZS_EXIT_REFUSED, "the new %s is no BPF object",
			    upgrade_file_name(i));
}

static int judge_files(struct upgrade *u)
{
	int rc = read_version(u, UPGRADE_CONTROL, u->to);

	for (unsigned i = UPGRADE_DATA; i < UPGRADE_FILES && !rc; i++)
		if (u->has[i])
			rc = upgrade_is_object(i) ? judge_object(u, i) : judge_program(u, i);
	return rc;
}

static int preflight(struct upgrade *u, enum upgrade_plane plane)
{
	char path[ZS_FILE_PATH], text[2048] = "", why[ZS_ERROR_TEXT];
	int rc;

	upgrade_candidate(u, plane, path);
	rc = upgrade_ask(u, plane, path, "--preflight", true, text, sizeof(text));
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		upgrade_say(u, "%s: %.200s", upgrade_plane_name(plane), line);
	if (rc <= 0)
		return rc;
	memcpy(why, u->err.text, sizeof(why));
	return zs_error_set(&u->err, -EPROTO, u->err.exit,
			    "refused by the new one, nothing was changed: %.200s", why);
}

int upgrade_examine(struct upgrade *u)
{
	int rc = judge_files(u);

	if (!rc)
		upgrade_say(u, "%s runs, %s is new", u->from, u->to);
	for (int p = 0; p < UPGRADE_PLANES && !rc; p++)
		rc = preflight(u, p);
	return rc;
}
