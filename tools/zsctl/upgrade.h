/* zsctl upgrade: what its files share. One call of the verb is one struct upgrade, made in upgrade.c. */
#ifndef ZS_ZSCTL_UPGRADE_H
#define ZS_ZSCTL_UPGRADE_H

#include <sys/types.h>
#include "base/file.h"
#include "zsctl.h"

#define UPGRADE_ARGS	   16 /* words of a plane's command line */
#define UPGRADE_FILES	   9  /* rows of upgrade_files.c */
#define UPGRADE_VERSION	   64
#define UPGRADE_STEP_MS	   100 /* between two looks at what is waited for */
#define UPGRADE_PATIENCE_S 3   /* a control plane that answers no sooner hangs */

enum upgrade_plane { UPGRADE_CONTROL, UPGRADE_DATA, UPGRADE_PLANES };

/* How a plane was started, so that another program can be asked in its place. The ids are those of the instance's folder: what a process
 * says of itself makes nobody root. */
struct upgrade_start {
	json_t *args; /* its command line without the program, an array */
	char cwd[ZS_FILE_PATH];
	uid_t uid;
	gid_t gid;
};

struct upgrade {
	const struct zsctl *z;
	const char *newdir; /* NULL: nothing new, an undo */
	char into[ZS_FILE_PATH], keep[ZS_FILE_PATH];
	char restart[ZS_ARG_WORD_MAX + 1]; /* for sh; $1 is the plane, $2 the instance */
	uint32_t timeout_s;
	char shm[96];
	char from[UPGRADE_VERSION], to[UPGRADE_VERSION];
	struct upgrade_start start[UPGRADE_PLANES];
	bool has[UPGRADE_FILES]; /* files of the table that are replaced */
	int exe[UPGRADE_PLANES]; /* what runs and is kept, open; -1 */
	bool staged;
	bool deaf;	/* a rollback is not interrupted */
	json_t *before; /* `status` as it was, with "moves": how many packets came and left in a second */
	uint64_t began_ns;
	int lock;
	struct zs_error err; /* why the last thing failed */
};

/* upgrade.c */
const char *upgrade_plane_name(enum upgrade_plane plane);
/* Waits so long, or until somebody wants zsctl to end: then -EINTR and err, but for a rollback. */
int upgrade_pause(struct upgrade *u, unsigned ms);
__attribute__((format(printf, 2, 3))) void upgrade_say(const struct upgrade *u, const char *fmt, ...);

/* upgrade_args.c. read_args: what the words say; open_keep: KEEP/INSTANCE, root's alone, and --into locked for this call. 0, or -errno
 * and err. */
int upgrade_read_args(struct upgrade *u);
int upgrade_open_keep(struct upgrade *u);
void upgrade_unlock(struct upgrade *u);

/* upgrade_examine.c. runs_already: do both planes run the new programs' bytes? examine: reads their version into u->to, finds the other
 * files to be of it, and asks each plane for its preflight. 0, or -errno and err with the exit status that the one that refused gave. */
bool upgrade_runs_already(const struct upgrade *u);
int upgrade_examine(struct upgrade *u);

/* upgrade_files.c: programs and what belongs to them. All of them return 0, or -errno and err.
 * find: what NEWDIR has, which nobody else may write. stage: copies of it under other names beside what they will replace; from here on
 * those alone are judged. install: gives them their names, each at once. keep: copies of what runs and of what is replaced. restage:
 * copies of those, to be installed again. unstage: also what a killed zsctl left. */
int upgrade_find(struct upgrade *u);
int upgrade_stage(struct upgrade *u);
void upgrade_unstage(struct upgrade *u);
int upgrade_keep_files(struct upgrade *u);
int upgrade_restage(struct upgrade *u);
int upgrade_install(struct upgrade *u);
/* Opens what a plane runs as u->exe. A pid comes from memory that the relay's user writes, so it is believed only when its program is the
 * installed one, by its bytes, or one of root's that was at that path. -EXDEV and err: neither. */
int upgrade_identify(struct upgrade *u, enum upgrade_plane plane, pid_t pid);
/* What file i would be if it were for this upgrade: the staged copy, or NEWDIR's. */
void upgrade_candidate(const struct upgrade *u, unsigned i, char out[ZS_FILE_PATH]);
bool upgrade_is_object(unsigned i);
void upgrade_installed(const struct upgrade *u, enum upgrade_plane plane, char out[ZS_FILE_PATH]);
/* Does the plane's process run the very bytes of this file? False also when no process runs. */
bool upgrade_runs(const struct upgrade *u, enum upgrade_plane plane, const char *path);
const char *upgrade_file_name(unsigned i);

/* upgrade_run.c: pid of a plane's process, 0: none; how it was started; other programs. */
pid_t upgrade_pid(const struct upgrade *u, enum upgrade_plane plane);
int upgrade_read_start(struct upgrade *u, enum upgrade_plane plane);
/* Runs a program in the place of a plane, as its user, with its arguments and `more`; its stdout goes to out, its last line
 * of stderr to err. Its exit status, or -errno and err. */
int upgrade_ask(struct upgrade *u, enum upgrade_plane plane, const char *path, const char *more, bool args,
		char *out, size_t cap);
/* Restarts a plane by the manager, which returns when it is ready. 0, or -errno and err. */
int upgrade_restart(struct upgrade *u, enum upgrade_plane plane);

/* upgrade_health.c. look: remembers how it is now; refuses what a restart would not bring back. wait: until the relay is as well as it
 * was and stays so for a moment, with the planes that are installed; -ETIMEDOUT and err: what was still wrong when the time was over. */
int upgrade_look(struct upgrade *u);
int upgrade_wait(struct upgrade *u);
/* Published ports as they are just before the control plane is restarted; and until that answers, of version u->to, with as many. */
void upgrade_count(struct upgrade *u);
int upgrade_wait_control(struct upgrade *u);

/* upgrade_record.c: what an upgrade that was cut off leaves, in KEEP/upgrade.json; and the audit file's record. */
int upgrade_record_put(struct upgrade *u, bool done);
/* 1: an unfinished one is taken into u; 0: there is none. -errno and err: it cannot be read. */
int upgrade_record_get(struct upgrade *u);
/* Tells the control plane; an exit status, err says why. */
int upgrade_audit(struct upgrade *u, const char *state);

#endif
