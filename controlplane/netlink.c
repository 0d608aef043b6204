/* Two sockets: one hears what changes, one asks (dumps and neighbours). The kernel's view is
 * collected in struct zs_kernel; the tables follow a few milliseconds after a change, by the
 * difference. Losing messages (ENOBUFS) costs a dump, never a wrong table for long. */
#include "netlink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "base/clock.h"
#include "program.h"

#define SYNC_NS	     (5 * ZS_NS_PER_MS) /* a burst of messages is one change of the tables */
#define RECEIVE_ROOM (1 << 20)
#define EXTRA_ROUTES 64

static void resync(struct zs_netlink *n, const char *why)
{
	ZS_LOG(&n->c->log, NETLINK_RESYNC, "cause=%s", why);
	zs_netlink_dump(n);
}

/* --- what comes in --- */

static void sync_soon(struct zs_netlink *n)
{
	if (n->stage == ZS_DUMP_IDLE) /* half a dump is half a truth */
		zs_timer_after(n->sync_timer, SYNC_NS);
}

static void on_event_message(struct zs_netlink *n, const struct zs_nl_message *m)
{
	enum zs_kernel_change change = zs_kernel_feed(&n->kernel, m, zs_loop_now(n->c->loop));

	if (change == ZS_KERNEL_CHANGED)
		sync_soon(n);
	else if (change == ZS_KERNEL_RESYNC)
		zs_netlink_dump(n);
	/* Collected, or flushed by hand (which says FAILED first): it may well still be there. A neighbour that
	 * fails again is not asked for again here. */
	if (m->known && (m->type == RTM_DELNEIGH || (m->type == RTM_NEWNEIGH && change == ZS_KERNEL_CHANGED)))
		zs_resolve_gone(n, &m->neigh);
}

static void on_answer_message(struct zs_netlink *n, const struct zs_nl_message *m)
{
	if (m->seq & ZS_ASK_SEQ)
		zs_resolve_answer(n, m);
	else if (zs_netlink_dump_feed(n, m))
		sync_soon(n);
}

static void parse_all(struct zs_netlink *n, size_t len,
		      void (*fn)(struct zs_netlink *, const struct zs_nl_message *))
{
	struct zs_nl_message m;
	size_t used, at = 0;

	while ((used = zs_nl_parse(n->buffer + at, len - at, &m))) {
		fn(n, &m);
		at += used;
	}
}

static void read_socket(struct zs_netlink *n, struct mnl_socket *s,
			void (*fn)(struct zs_netlink *, const struct zs_nl_message *))
{
	for (uint32_t i = 0; i < ZS_NETLINK_BATCH; i++) {
		ssize_t got = mnl_socket_recvfrom(s, n->buffer,
						  sizeof(n->buffer)); /* the kernel's alone, whole */

		if (got > 0) {
			parse_all(n, (size_t)got, fn);
			continue;
		}
		if (got < 0 && (errno == ENOBUFS || errno == ENOSPC))
			resync(n, "overrun");
		else if (got < 0 && errno != EAGAIN && errno != EINTR)
			ZS_LOG(&n->c->log, NETLINK_FAILED, "receive=\"%s\"", strerror(errno));
		return;
	}
}

static void on_events(void *ctx, int fd, unsigned events)
{
	struct zs_netlink *n = ctx;

	read_socket(n, n->events, on_event_message);
}

static void on_answers(void *ctx, int fd, unsigned events)
{
	struct zs_netlink *n = ctx;

	read_socket(n, n->requests, on_answer_message);
}

/* --- what goes out --- */

/* A TAP that the dataplane makes when it starts. */
static bool is_twin(const struct zs_conf *conf, const char *device)
{
	for (uint32_t i = 0; i < conf->dataplane.ports; i++)
		if (!strcmp(conf->dataplane.port[i].twin, device))
			return true;
	return false;
}

static void show_links(struct zs_netlink *n)
{
	for (uint32_t i = 0; i < n->kernel.devices; i++) {
		const struct zs_kernel_device *d = &n->kernel.device[i];

		if (d->index && d->up)
			continue;
		zs_control_raise(n->c, ZS_HEALTH_iface_down, "%s%s", d->name,
				 d->index ? ""
				 : is_twin(n->c->conf, d->name)
				     ? " is not there: (re)start zs-dataplane, which makes it"
				     : " is not there");
		return;
	}
	zs_control_clear(n->c, ZS_HEALTH_iface_down);
}

static void sync_tables(void *ctx)
{
	struct zs_netlink *n = ctx;
	struct zs_kernel_want want;
	int rc;

	if (!n->complete && n->kernel.devices)
		return; /* the first dump will */
	if (zs_kernel_want(&n->kernel, n->c->conf, n->c->state, &want))
		return;
	/* Next hops before the routes that lead to them. */
	rc = zs_program_set_nexthops(n->c->program, want.nexthop, want.nexthops);
	if (!rc)
		rc = zs_program_set_routes(n->c->program, want.route, want.routes);
	if (!rc && !n->kernel.refused)
		zs_control_clear(n->c, ZS_HEALTH_table_full);
	else if (n->kernel.refused)
		zs_control_raise(n->c, ZS_HEALTH_table_full, "kernel routes: %u too many", n->kernel.refused);
	zs_kernel_want_free(&want);
	show_links(n);
}

/* --- life --- */

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int room = RECEIVE_ROOM;

	if (!s)
		return NULL;
	if (setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(s);
		return NULL;
	}
	return s;
}

static int subscribe(struct mnl_socket *s)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

static void close_sockets(struct zs_netlink *n)
{
	zs_watch_delete(n->watch_events);
	zs_watch_delete(n->watch_requests);
	if (n->events)
		mnl_socket_close(n->events);
	if (n->requests)
		mnl_socket_close(n->requests);
	n->watch_events = n->watch_requests = NULL;
	n->events = n->requests = NULL;
	n->stage = ZS_DUMP_IDLE;
}

static int open_sockets(struct zs_netlink *n)
{
	int rc;

	n->events = open_socket();
	n->requests = open_socket();
	if (!n->events || !n->requests) {
		rc = -errno;
		goto undo;
	}
	rc = subscribe(n->events);
	if (!rc)
		rc = zs_watch_new(&n->watch_events, n->c->loop, mnl_socket_get_fd(n->events), ZS_WATCH_READ,
				  on_events, n);
	if (!rc)
		rc = zs_watch_new(&n->watch_requests, n->c->loop, mnl_socket_get_fd(n->requests),
				  ZS_WATCH_READ, on_answers, n);
	if (rc)
		goto undo;
	zs_netlink_dump(n);
	return 0;
undo:
	ZS_LOG(&n->c->log, NETLINK_FAILED, "open=\"%s\"", strerror(-rc));
	close_sockets(n);
	return rc;
}

static void each_second(void *ctx)
{
	struct zs_netlink *n = ctx;
	uint64_t now = zs_loop_now(n->c->loop);

	if (zs_netlink_dump_late(n, now)) {
		ZS_LOG(&n->c->log, NETLINK_FAILED, "request=dump error=\"no answer\"");
		close_sockets(n);
	}
	if (!n->requests)
		open_sockets(n);
	else if (n->dump_again && n->stage == ZS_DUMP_IDLE)
		zs_netlink_dump(n);
	if (zs_kernel_expire(&n->kernel, now))
		sync_soon(n);
	zs_resolve_second(n, now);
	zs_timer_after(n->second_timer, ZS_NS_PER_S);
}

int zs_netlink_new(struct zs_netlink **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_tables *t = zs_program_tables(c->program);
	struct zs_netlink *n = calloc(1, sizeof(*n));
	int rc = -ENOMEM;

	if (!n)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "out of memory");
	n->c = c;
	if (zs_kernel_new(&n->kernel, c->conf, t->routes + EXTRA_ROUTES, t->nexthops))
		goto undo;
	if (zs_keyset_new(&n->asked, sizeof(struct zs_ask), offsetof(struct zs_ask, at_ns),
			  16 * ZS_NETLINK_ASKS))
		goto undo_kernel;
	rc = zs_timer_new(&n->sync_timer, c->loop, sync_tables, n);
	if (rc)
		goto undo_asked;
	rc = zs_timer_new(&n->second_timer, c->loop, each_second, n);
	if (rc)
		goto undo_timer;
	n->ask_budget = ZS_NETLINK_ASKS;
	open_sockets(n); /* tried again each second */
	if (!n->kernel.devices)
		sync_tables(n);
	zs_timer_after(n->second_timer, ZS_NS_PER_S);
	*out = n;
	return 0;
undo_timer:
	zs_timer_delete(n->sync_timer);
undo_asked:
	zs_keyset_delete(&n->asked);
undo_kernel:
	zs_kernel_delete(&n->kernel);
undo:
	free(n);
	return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "netlink: %s", strerror(-rc));
}

void zs_netlink_delete(struct zs_netlink *n)
{
	if (!n)
		return;
	close_sockets(n);
	zs_timer_delete(n->sync_timer);
	zs_timer_delete(n->second_timer);
	zs_keyset_delete(&n->asked);
	zs_kernel_delete(&n->kernel);
	free(n);
}

void zs_netlink_refresh(struct zs_netlink *n)
{
	sync_soon(n);
}
