/* zsctl upgrade. The order, each step only when the one before went well:
 *
 *   find and stage the new files · ask both new planes, read-only, whether they could take over · look at health ·
 *   keep what runs, its segments too · write the record · install · control plane · dataplane · health · record
 *
 * The control plane is first: the old dataplane goes on with the tables that it has, and the new one finds tables that it can
 * read. From the record on whatever fails is rolled back, dataplane first: files, segments that were migrated, processes. So
 * is what a killed zsctl left, by the next call. */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "shm/keep.h"

#define INTO	      "/usr/bin"
#define KEEP	      "/var/lib/zerostate-upgrade"
#define TIMEOUT_S     60
#define TIMEOUT_MAX_S 3600
#define SYSTEMD                                                                                              \
	"systemctl reset-failed \"$1@$2\" 2>/dev/null; exec systemctl restart \"$1@$2\"" /* too many failed starts end starts */

const char *upgrade_plane_name(enum upgrade_plane plane)
{
	return upgrade_file_name(plane);
}

void upgrade_say(const struct upgrade *u, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "[%5.1f s] ", (double)(zs_clock_ns() - u->began_ns) / ZS_NS_PER_S);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void end_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

int upgrade_pause(struct upgrade *u, unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };
	sigset_t set;

	end_signals(&set);
	if (sigtimedwait(&set, NULL, &t) < 0)
		return 0;
	if (u->deaf) {
		upgrade_say(u, "the rollback goes on");
		return 0;
	}
	return zs_error_set(&u->err, -EINTR, ZS_EXIT_FAILED, "it was interrupted");
}

/* Ctrl-C is seen by upgrade_pause alone; a lost terminal or reader ends nothing. */
static void hold_signals(void)
{
	sigset_t set;

	end_signals(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* --- before anything changes --- */

static int absolute(struct upgrade *u, const char *name, const char *otherwise, char out[ZS_FILE_PATH])
{
	const char *text = json_string_value(json_object_get(u->z->args, name));

	snprintf(out, ZS_FILE_PATH, "%s", text ? text : otherwise);
	return out[0] == '/' ? 0
			     : zs_error_set(&u->err, -EINVAL, ZS_EXIT_USAGE,
					    "--%s %s: write a path that begins with /", name, out);
}

static int read_args(struct upgrade *u)
{
	json_t *args = u->z->args, *timeout = json_object_get(args, "timeout");
	const char *restart = json_string_value(json_object_get(args, "restart"));
	char keep[ZS_FILE_PATH];
	int rc = absolute(u, "into", INTO, u->into);

	u->newdir = json_string_value(json_object_get(args, "newdir"));
	u->timeout_s = timeout ? (uint32_t)json_integer_value(timeout) : TIMEOUT_S;
	if (rc || (rc = absolute(u, "keep", KEEP, keep)))
		return rc;
	if (u->timeout_s == 0 || u->timeout_s > TIMEOUT_MAX_S)
		return zs_error_set(&u->err, -ERANGE, ZS_EXIT_USAGE, "--timeout: 1 to %u", TIMEOUT_MAX_S);
	if (!u->newdir == !json_object_get(args, "rollback"))
		return zs_error_set(&u->err, -EINVAL, ZS_EXIT_USAGE,
				    "name the folder of the new programs, or --rollback alone");
	if (snprintf(u->keep, sizeof(u->keep), "%s/%s", keep, u->z->instance) >= (int)sizeof(u->keep))
		return zs_error_set(&u->err, -ENAMETOOLONG, ZS_EXIT_USAGE, "--keep: too long");
	if (restart)
		snprintf(u->restart, sizeof(u->restart), "exec %s \"$1\" \"$2\"", restart);
	else
		snprintf(u->restart, sizeof(u->restart), "%s", SYSTEMD);
	if (!restart && access("/run/systemd/system", F_OK) < 0)
		return zs_error_set(&u->err, -ENOENT, ZS_EXIT_USAGE,
				    "systemd does not run here; say by --restart how a plane is restarted");
	return zs_segment_dir(u->shm, u->z->instance, false, &u->err);
}

/* Root's alone: what lies in it is installed again. */
static int open_keep(struct upgrade *u)
{
	char path[ZS_FILE_PATH + 8], *slash;
	struct stat st;

	if (access(u->into, W_OK) < 0)
		return zs_error_set(&u->err, -errno, ZS_EXIT_PRIVILEGE,
				    "%s cannot be written: %s; start it as root", u->into, strerror(errno));
	snprintf(path, sizeof(path), "%s", u->keep);
	slash = strrchr(path, '/');
	*slash = '\0';
	mkdir(path, 0700);
	mkdir(u->keep, 0700);
	if (lstat(u->keep, &st) < 0)
		return zs_error_set(&u->err, -errno, errno == ENOSPC ? ZS_EXIT_RESOURCE : ZS_EXIT_PRIVILEGE,
				    "%s cannot be made: %s", u->keep, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return zs_error_set(&u->err, -EPERM, ZS_EXIT_PRIVILEGE,
				    "%s: not yours alone; remove it, or name another by --keep", u->keep);
	snprintf(path, sizeof(path), "%s/lock", u->keep);
	u->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (u->lock >= 0 && flock(u->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return u->lock >= 0
		   ? zs_error_set(&u->err, -EBUSY, ZS_EXIT_REFUSED,
				  "another zsctl upgrades this instance; wait for it")
		   : zs_error_set(&u->err, -errno, ZS_EXIT_RESOURCE, "%s: %s", path, strerror(errno));
}

static int read_starts(struct upgrade *u)
{
	int rc = upgrade_read_start(u, UPGRADE_CONTROL);

	return rc ? rc : upgrade_read_start(u, UPGRADE_DATA);
}

static bool runs_already(const struct upgrade *u)
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

static int examine(struct upgrade *u)
{
	int rc = read_versions(u);

	if (!rc)
		upgrade_say(u, "%s runs, %s is new", u->from, u->to);
	for (int p = 0; p < UPGRADE_PLANES && !rc; p++)
		rc = preflight(u, p);
	return rc;
}

/* --- changing and changing back --- */

static int restart(struct upgrade *u, enum upgrade_plane plane)
{
	upgrade_say(u, "%s is restarted", upgrade_plane_name(plane));
	return upgrade_restart(u, plane);
}

/* Of the audit file: a control plane of before this verb knows none. */
static int record_begin(struct upgrade *u)
{
	int status = upgrade_audit(u, "begun");

	if (status == ZS_EXIT_USAGE)
		upgrade_say(u, "not in the audit file: the control plane that runs is too old for that");
	return status == ZS_EXIT_OK || status == ZS_EXIT_USAGE ? 0 : u->err.code;
}

static int keep(struct upgrade *u)
{
	int rc = upgrade_keep_files(u);

	if (!rc)
		rc = record_begin(u);
	if (!rc)
		rc = zs_keep(u->shm, &u->err);
	if (!rc)
		rc = upgrade_record_put(u, false);
	if (!rc)
		upgrade_say(u, "what runs is kept in %s", u->keep);
	return rc;
}

static int change(struct upgrade *u)
{
	int rc = upgrade_install(u);

	if (!rc)
		rc = restart(u, UPGRADE_CONTROL);
	if (!rc)
		rc = upgrade_wait_control(u, u->to);
	if (!rc)
		rc = restart(u, UPGRADE_DATA);
	if (!rc)
		upgrade_say(u, "both run; looking at health");
	return rc ? rc : upgrade_wait(u);
}

static int finish(struct upgrade *u, const char *state)
{
	int rc = upgrade_record_put(u, true);

	zs_keep_forget(u->shm);
	if (!rc && upgrade_audit(u, state) != ZS_EXIT_OK)
		upgrade_say(u, "not in the audit file: %s", u->err.text);
	return rc;
}

/* Also of planes that were never restarted: those go on. */
static int back(struct upgrade *u, enum upgrade_plane plane)
{
	char path[ZS_FILE_PATH];

	upgrade_installed(u, plane, path);
	return upgrade_runs(u, plane, path) ? 0 : restart(u, plane);
}

static int roll_back(struct upgrade *u)
{
	int rc;

	u->deaf = true;
	rc = upgrade_restage(u);
	if (!rc)
		rc = upgrade_install(u);
	if (!rc)
		rc = zs_keep_put_back(u->shm, &u->err);
	if (!rc)
		rc = back(u, UPGRADE_DATA);
	if (!rc)
		rc = back(u, UPGRADE_CONTROL);
	if (!rc)
		rc = upgrade_wait(u);
	return rc ? rc : finish(u, "undone");
}

static int undo(struct upgrade *u)
{
	int rc;

	upgrade_say(u, "rolling back to %s", u->from);
	rc = roll_back(u);
	if (rc)
		return zsctl_fail(u->z, ZS_EXIT_FAILED,
				  "the rollback did not succeed: %s; zsctl upgrade --rollback tries again",
				  u->err.text);
	upgrade_say(u, "%s runs as before", u->from);
	return ZS_EXIT_OK;
}

/* --- the verb --- */

static int fail(const struct upgrade *u)
{
	return zsctl_fail(u->z, u->err.exit ? u->err.exit : ZS_EXIT_FAILED, "%s", u->err.text);
}

static int answer(const struct upgrade *u, const char *state)
{
	json_t *r = json_pack("{s:s,s:s,s:s,s:s}", "state", state, "from", u->from, "to", u->to, "kept",
			      u->keep);

	if (u->z->json)
		zsctl_print_json(u->z, r);
	else if (!strcmp(state, "done"))
		printf("upgraded from %s to %s; zsctl upgrade %s goes back\n", u->from, u->to, u->keep);
	else if (!strcmp(state, "possible"))
		printf("%s could take over from %s; nothing was changed\n", u->to, u->from);
	else if (!strcmp(state, "same"))
		printf("both planes run these programs already; nothing was changed\n");
	else
		printf("rolled back from %s to %s\n", u->to, u->from);
	json_decref(r);
	return ZS_EXIT_OK;
}

static int replace(struct upgrade *u)
{
	char why[ZS_ERROR_TEXT];
	int status;

	if (keep(u)) {
		zs_keep_forget(u->shm);
		upgrade_unstage(u);
		return fail(u);
	}
	if (!change(u)) {
		status = finish(u, "done") ? fail(u) : ZS_EXIT_OK;
		return status ? status : answer(u, "done");
	}
	memcpy(why, u->err.text, sizeof(why));
	upgrade_say(u, "%s", why);
	status = undo(u);
	return status ? status
		      : zsctl_fail(u->z, ZS_EXIT_ROLLED_BACK,
				   "rolled back to %s, which runs as before: %.180s", u->from, why);
}

/* Nothing has changed up to here. */
static int begin(struct upgrade *u, bool dry)
{
	int rc = upgrade_find(u);

	if (!rc)
		rc = read_starts(u);
	if (!rc)
		rc = upgrade_look(u);
	if (!rc && runs_already(u))
		return answer(u, "same");
	if (!rc && !dry)
		rc = upgrade_stage(u);
	if (!rc)
		rc = examine(u);
	if (!rc && dry)
		return answer(u, "possible");
	if (!rc)
		return replace(u);
	if (u->staged)
		upgrade_unstage(u);
	return fail(u);
}

/* What a zsctl that was killed has left. */
static int settle(struct upgrade *u, bool asked)
{
	struct upgrade left = *u;
	int rc, status;

	left.before = NULL;
	rc = upgrade_record_get(&left);
	if (rc < 0)
		return fail(&left);
	if (rc == 0)
		return asked ? zsctl_fail(u->z, ZS_EXIT_REFUSED,
					  "no upgrade was cut off; zsctl upgrade %s goes back to what it has",
					  u->keep)
			     : ZS_EXIT_OK;
	upgrade_say(u, "an upgrade from %s to %s was cut off", left.from, left.to);
	status = undo(&left);
	if (!status && asked)
		status = answer(&left, "undone");
	for (int p = 0; p < UPGRADE_PLANES; p++)
		json_decref(left.start[p].args);
	json_decref(left.before);
	return status;
}

static int run(struct upgrade *u)
{
	bool dry = json_object_get(u->z->args, "dry-run") != NULL;
	int status;

	if (read_args(u) || (!dry && open_keep(u)))
		return fail(u);
	hold_signals();
	status = dry ? ZS_EXIT_OK : settle(u, u->newdir == NULL);
	if (status || !u->newdir)
		return status;
	return begin(u, dry);
}

int zsctl_upgrade(const struct zsctl *z)
{
	struct upgrade u = { .z = z, .lock = -1, .began_ns = zs_clock_ns() };
	int status = run(&u);

	for (int p = 0; p < UPGRADE_PLANES; p++)
		json_decref(u.start[p].args);
	json_decref(u.before);
	if (u.lock >= 0)
		close(u.lock);
	return status;
}
