/* zsctl upgrade. The order, each step only when the one before went well:
 *
 *   look at health and at what runs · find and stage the new files · ask the new ones, read-only, whether they could take over ·
 *   keep what runs, its segments too · write the record · install · control plane · dataplane · health · record
 *
 * The control plane is first: the old dataplane goes on with the tables that it has, and the new one finds tables that it can
 * read. From the record on whatever fails is rolled back, dataplane first: files, segments that were migrated, processes. So
 * is what a killed zsctl left, by the next call. */
#include "upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "shm/keep.h"

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

	upgrade_count(u);
	if (!rc)
		rc = restart(u, UPGRADE_CONTROL);
	if (!rc)
		rc = upgrade_wait_control(u);
	if (!rc)
		rc = restart(u, UPGRADE_DATA);
	if (!rc)
		upgrade_say(u, "both run; looking at health");
	return rc ? rc : upgrade_wait(u);
}

static int finish(struct upgrade *u, const char *state)
{
	int rc = upgrade_record_put(u, true);

	if (!rc)
		zs_keep_forget(u->shm); /* as long as the record says "begun" a rollback needs them */
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

static int read_starts(struct upgrade *u)
{
	int rc = upgrade_read_start(u, UPGRADE_CONTROL);

	return rc ? rc : upgrade_read_start(u, UPGRADE_DATA);
}

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

static int unrecorded(const struct upgrade *u)
{
	return zsctl_fail(u->z, ZS_EXIT_RESOURCE,
			  "%s runs, but that cannot be written: %.120s; remove the file, or the next upgrade "
			  "rolls this one back",
			  u->to, u->err.text);
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
	if (!change(u))
		return finish(u, "done") ? unrecorded(u) : answer(u, "done");
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
		rc = upgrade_look(u);
	if (!rc)
		rc = read_starts(u);
	if (!rc && !dry)
		rc = upgrade_stage(u);
	if (!rc && upgrade_runs_already(u)) {
		if (u->staged)
			upgrade_unstage(u);
		return answer(u, "same");
	}
	if (!rc)
		rc = upgrade_examine(u);
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
	if (strcmp(left.into, u->into) != 0) {
		json_decref(left.before);
		return zsctl_fail(
		    u->z, ZS_EXIT_REFUSED,
		    "an upgrade of the programs in %s was cut off; undo it by --rollback --into %s",
		    left.into, left.into);
	}
	upgrade_say(u, "an upgrade from %s to %s was cut off", left.from, left.to);
	status = undo(&left);
	if (!status && asked)
		status = answer(&left, "undone");
	json_decref(left.before);
	return status;
}

static int run(struct upgrade *u)
{
	bool dry = json_object_get(u->z->args, "dry-run") != NULL;
	int status;

	if (upgrade_read_args(u) || (!dry && upgrade_open_keep(u)))
		return fail(u);
	hold_signals();
	if (!dry)
		upgrade_unstage(u); /* of a killed one */
	status = dry ? ZS_EXIT_OK : settle(u, u->newdir == NULL);
	if (status || !u->newdir)
		return status;
	return begin(u, dry);
}

int zsctl_upgrade(const struct zsctl *z)
{
	struct zsctl hasty = *z; /* --timeout and Ctrl-C hold also where no answer comes */
	struct upgrade u = { .z = &hasty, .lock = -1, .exe = { -1, -1 }, .began_ns = zs_clock_ns() };
	int status;

	hasty.patience_s = UPGRADE_PATIENCE_S;
	status = run(&u);
	for (int p = 0; p < UPGRADE_PLANES; p++) {
		json_decref(u.start[p].args);
		if (u.exe[p] >= 0)
			close(u.exe[p]);
	}
	json_decref(u.before);
	upgrade_unlock(&u);
	return status;
}
