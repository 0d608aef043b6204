#ifndef ZS_CONTROLPLANE_ADMIN_SERVER_H
#define ZS_CONTROLPLANE_ADMIN_SERVER_H

#include <grp.h>
#include "admin/admin.h"
#include "admin/checkup.h"
#include "admin/handle.h"
#include "admin/late.h"
#include "admin/later.h"

/* Limits. A slow or silent client costs a slot until its deadline and no more memory than this. The deadline is
 * absolute: bytes do not move it, only the answer to all that was sent does, and nothing for a caller without a level. */
#define ZS_ADMIN_CONNECTIONS 32
/* Slots that callers of a level and of those below it may hold together, so each level has some that no lower
 * one can take: 8 the owner, 8 an admin. */
#define ZS_ADMIN_SLOTS_none  4
#define ZS_ADMIN_SLOTS_user  16
#define ZS_ADMIN_SLOTS_admin 24
#define ZS_ADMIN_PER_UID     8		    /* of one uid below owner: nobody takes all of its level's */
#define ZS_ADMIN_CALL_NS     30000000000ull /* from the last answer's end to the next one's */
#define ZS_ADMIN_NONE_NS     5000000000ull  /* the whole connection of a caller without a level */
#define ZS_ADMIN_ANSWER_MAX  (8u << 20)	    /* 10,000 flows are some 3 MiB */
#define ZS_ADMIN_GROUPS	     256	    /* of a caller; the rest is not looked at */

struct zs_admin_conn {
	struct zs_admin *admin; /* NULL: the slot is free */
	int fd;
	struct zs_watch *watch;
	struct zs_timer *deadline;
	uint64_t until_ns; /* the deadline, while it is not that of an answer that comes later */
	struct zs_caller caller;
	char *in; /* ZS_ADMIN_REQUEST_MAX + 1 */
	size_t in_len;
	char *out; /* answer on its way; while there is one nothing is read */
	size_t out_len, out_at;
	struct zs_later later;
	bool waiting;	 /* for an answer that comes later; nothing is read */
	bool queued;	 /* a request is whole and waits for its turn; nothing is read */
	uint64_t served; /* the turn that was its last */
	bool closing;	 /* close when the answer has left */
};

struct zs_admin {
	struct zs_control *c;
	int listen_fd, lock_fd;
	struct zs_watch *watch;
	struct zs_timer *again;	   /* when it listens again after there were no descriptors */
	gid_t admin_gid, user_gid; /* of the configured groups; -1: there is no such group */
	char path[108];
	uint64_t inode;
	struct zs_admin_counts counts;
	struct zs_late late;
	struct zs_checkup checkup;
	struct zs_timer *turn;
	uint64_t turns;
	struct zs_admin_conn conn[ZS_ADMIN_CONNECTIONS];
};

/* turns.c: the connection's next request takes part in the turns, once. */
void zs_admin_queue(struct zs_admin_conn *conn);
/* The timer's: one request of one connection, zs_admin_next's. */
void zs_admin_turn(void *admin);
/* Of those that wait, one of the highest level there is, and of these who waited longest; NULL: nobody waits. */
struct zs_admin_conn *zs_admin_next(struct zs_admin *a);
/* admin.c: answers one request of it. The connection may be gone then. */
void zs_admin_serve(struct zs_admin_conn *conn);

/* listen.c: binds the socket; a stale one is replaced, a living one refused (-EBUSY). */
int zs_admin_listen(struct zs_admin *a, struct zs_error *err);
void zs_admin_unlisten(struct zs_admin *a);
/* Looks the configured groups up. Once, at the start: the name service may block, and this loop must not. */
void zs_admin_groups(struct zs_admin *a);
/* The caller behind a connected socket, by the kernel's word. */
int zs_admin_identify(const struct zs_admin *a, int fd, struct zs_caller *out);
/* The level of a caller with these groups; pure, for tests. gid_t -1: the configured group does not exist. */
enum zs_level zs_admin_level(uid_t uid, uid_t own_uid, const gid_t *groups, size_t count, gid_t admin,
			     gid_t user);

#endif
