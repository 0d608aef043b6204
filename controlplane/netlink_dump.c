/* Reading all: links, then routes of both families, then neighbours, one request at a time,
 * each answered over as many turns as the kernel likes. What happens meanwhile comes on the
 * other socket and is fed in at once; an interrupted dump is begun again. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include "base/clock.h"
#include "netlink_internal.h"

#define LATE_NS (5 * ZS_NS_PER_S)

static int request(struct zs_netlink *n)
{
	static const struct {
		uint16_t type;
		uint8_t family;
	} what[] = { [ZS_DUMP_LINKS] = { RTM_GETLINK, AF_UNSPEC },
		     [ZS_DUMP_ROUTES4] = { RTM_GETROUTE, AF_INET },
		     [ZS_DUMP_ROUTES6] = { RTM_GETROUTE, AF_INET6 },
		     [ZS_DUMP_NEIGHS] = { RTM_GETNEIGH, AF_UNSPEC } };
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *fixed = mnl_nlmsg_put_extra_header(
	    h, sizeof(struct ifinfomsg)); /* the largest of the three */

	h->nlmsg_type = what[n->stage].type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = n->seq = (n->seq + 1) & ~ZS_ASK_SEQ;
	fixed->rtm_family = what[n->stage].family;
	n->stage_ns = zs_loop_now(n->c->loop);
	return mnl_socket_sendto(n->requests, h, h->nlmsg_len) < 0 ? -errno : 0;
}

static void begin_stage(struct zs_netlink *n, enum zs_dump_stage stage)
{
	int rc;

	n->stage = stage;
	rc = request(n);
	if (rc) {
		ZS_LOG(&n->c->log, NETLINK_FAILED, "request=dump error=\"%s\"", strerror(-rc));
		n->stage = ZS_DUMP_IDLE;
		n->dump_again = true; /* the second's timer begins it */
	}
}

void zs_netlink_dump(struct zs_netlink *n)
{
	if (!n->requests || n->stage != ZS_DUMP_IDLE) {
		n->dump_again = true;
		return;
	}
	n->dump_again = n->interrupted = false;
	zs_kernel_mark(&n->kernel);
	begin_stage(n, ZS_DUMP_LINKS);
}

static bool end_stage(struct zs_netlink *n)
{
	if (n->stage != ZS_DUMP_NEIGHS) {
		begin_stage(n, n->stage + 1);
		return false;
	}
	n->stage = ZS_DUMP_IDLE;
	if (n->interrupted) {
		zs_netlink_dump(n);
		return false;
	}
	zs_kernel_sweep(&n->kernel);
	n->complete = true;
	return true;
}

bool zs_netlink_dump_feed(struct zs_netlink *n, const struct zs_nl_message *m)
{
	if (n->stage == ZS_DUMP_IDLE || m->seq != n->seq)
		return false;
	if (m->flags & NLM_F_DUMP_INTR)
		n->interrupted = true;
	if (m->type == NLMSG_ERROR && m->error) {
		ZS_LOG(&n->c->log, NETLINK_FAILED, "request=dump error=\"%s\"", strerror(-m->error));
		n->stage = ZS_DUMP_IDLE;
		n->dump_again = true;
		return false;
	}
	if (m->type == NLMSG_DONE)
		return end_stage(n);
	/* What a dump finds on a link is no reason to read all again: this is reading all. */
	zs_kernel_feed(&n->kernel, m, zs_loop_now(n->c->loop));
	return false;
}

bool zs_netlink_dump_late(const struct zs_netlink *n, uint64_t now_ns)
{
	return n->stage != ZS_DUMP_IDLE && now_ns > n->stage_ns + LATE_NS;
}
