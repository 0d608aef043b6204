#include "loop/addresses.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define SETTLE_NS (200 * ZS_NS_PER_MS) /* an address, its route and its neighbours come one after another */

struct zs_addresses {
	struct zs_watch *watch;
	struct zs_timer *timer;
	zs_addresses_fn *fn;
	void *ctx;
	int fd;
};

static void on_timer(void *ctx)
{
	struct zs_addresses *a = ctx;

	a->fn(a->ctx);
}

/* What it says is of no matter, lost messages (ENOBUFS) are one more change. */
static void readable(void *ctx, int fd, unsigned events)
{
	struct zs_addresses *a = ctx;
	uint8_t bytes[8192];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	zs_timer_after(a->timer, SETTLE_NS);
}

int zs_addresses_new(struct zs_addresses **out, struct zs_loop *loop, zs_addresses_fn *fn, void *ctx)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
					       RTMGRP_IPV6_ROUTE };
	struct zs_addresses *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	a->fn = fn;
	a->ctx = ctx;
	a->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	rc = a->fd < 0 || bind(a->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
	if (!rc)
		rc = zs_timer_new(&a->timer, loop, on_timer, a);
	if (!rc)
		rc = zs_watch_new(&a->watch, loop, a->fd, ZS_WATCH_READ, readable, a);
	if (rc) {
		zs_addresses_delete(a);
		return rc;
	}
	*out = a;
	return 0;
}

void zs_addresses_delete(struct zs_addresses *a)
{
	if (!a)
		return;
	zs_watch_delete(a->watch);
	if (a->timer)
		zs_timer_delete(a->timer);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}
