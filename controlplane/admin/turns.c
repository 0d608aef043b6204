/* Whose request is next. The loop answers one request a turn and does whatever else it has between two: reads what came
 * in, takes new connections, looks after edges. So a heap of requests, sent at once or over many connections, holds off
 * the owner's by two or three of its own and no more, however long it is; each verb bounds its own time.
 *
 * The owner goes before an admin, an admin before a user. Who is always outbid runs into the connection's deadline. */
#include "admin/server.h"

#define AT_ONCE_NS 1 /* after this turn's other work: a timer set to now would be next */

struct zs_admin_conn *zs_admin_next(struct zs_admin *a)
{
	struct zs_admin_conn *next = NULL;

	for (unsigned i = 0; i < ZS_ADMIN_CONNECTIONS; i++) {
		struct zs_admin_conn *conn = &a->conn[i];

		if (!conn->admin || !conn->queued)
			continue;
		if (!next || conn->caller.level > next->caller.level ||
		    (conn->caller.level == next->caller.level && conn->served < next->served))
			next = conn;
	}
	return next;
}

void zs_admin_queue(struct zs_admin_conn *conn)
{
	conn->queued = true;
	zs_timer_after(conn->admin->turn, AT_ONCE_NS);
}

void zs_admin_turn(void *admin)
{
	struct zs_admin *a = admin;
	struct zs_admin_conn *conn = zs_admin_next(a);

	if (!conn)
		return;
	conn->queued = false;
	conn->served = ++a->turns;
	zs_admin_serve(conn);
	if (zs_admin_next(a))
		zs_timer_after(a->turn, AT_ONCE_NS);
}
