/* Three dumps of rtnetlink: links, IPv4 and IPv6 routes, addresses. What stands on what follows from the links.
 *
 * rtnetlink(7); a pair of veths in one namespace names each other as below: neither stands on the other. */
#include "net/management.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEPTH 8 /* VLANs on bonds in bridges */

static struct zs_management_link *link_of(const struct zs_management *m, uint32_t index)
{
	for (uint32_t i = 0; index && i < m->links; i++)
		if (m->link[i].index == index)
			return (struct zs_management_link *)&m->link[i];
	return NULL;
}

static void mark(struct zs_management *m, uint32_t index, enum zs_management_why why)
{
	struct zs_management_link *l = link_of(m, index);

	if (l && strcmp(l->name, "lo") != 0 && l->why == ZS_MANAGEMENT_NOT)
		l->why = why;
}

static uint32_t number(const struct rtattr *a)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(a) == sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static void take_link(struct zs_management *m, const struct nlmsghdr *n)
{
	const struct ifinfomsg *i = NLMSG_DATA(n);
	struct zs_management_link l = { .index = (uint32_t)i->ifi_index };
	int left = (int)IFLA_PAYLOAD(n);
	bool elsewhere = false;

	for (const struct rtattr *a = IFLA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_LINK)
			l.below = number(a);
		else if (a->rta_type == IFLA_MASTER)
			l.master = number(a);
		else if (a->rta_type == IFLA_LINK_NETNSID)
			elsewhere = true;
		else if (a->rta_type == IFLA_IFNAME)
			memcpy(l.name, RTA_DATA(a), strnlen(RTA_DATA(a), RTA_PAYLOAD(a)) % sizeof(l.name));
	}
	if (elsewhere)
		l.below = 0;
	m->full |= m->links == ZS_MANAGEMENT_LINKS;
	if (!m->full)
		m->link[m->links++] = l;
}

static void take_hops(struct zs_management *m, const struct rtattr *a)
{
	int left = (int)RTA_PAYLOAD(a);

	for (const struct rtnexthop *h = RTA_DATA(a); left >= (int)sizeof(*h) && RTNH_OK(h, left);
	     left -= (int)NLMSG_ALIGN(h->rtnh_len), h = RTNH_NEXT(h))
		mark(m, (uint32_t)h->rtnh_ifindex, ZS_MANAGEMENT_ROUTE);
}

static void take_route(struct zs_management *m, const struct nlmsghdr *n)
{
	const struct rtmsg *r = NLMSG_DATA(n);
	int left = (int)RTM_PAYLOAD(n);

	if (r->rtm_dst_len || r->rtm_type != RTN_UNICAST)
		return;
	for (const struct rtattr *a = RTM_RTA(r); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_OIF)
			mark(m, number(a), ZS_MANAGEMENT_ROUTE);
		else if (a->rta_type == RTA_MULTIPATH)
			take_hops(m, a);
	}
}

static void take_address(struct zs_management *m, const struct nlmsghdr *n, const struct zs_addr *ssh)
{
	const struct ifaddrmsg *i = NLMSG_DATA(n);
	int left = (int)IFA_PAYLOAD(n);

	for (const struct rtattr *a = IFA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		struct zs_addr own = { 0 };
		bool local = a->rta_type == IFA_LOCAL ||
			     (i->ifa_family == AF_INET6 && a->rta_type == IFA_ADDRESS);

		if (i->ifa_family == AF_INET && local && RTA_PAYLOAD(a) == 4)
			own = zs_addr_from4(number(a));
		else if (i->ifa_family == AF_INET6 && local && RTA_PAYLOAD(a) == sizeof(own))
			memcpy(&own, RTA_DATA(a), sizeof(own));
		else
			continue;
		if (zs_addr_eq(&own, ssh))
			mark(m, i->ifa_index, ZS_MANAGEMENT_SSH);
	}
}

void zs_management_take(struct zs_management *m, const struct nlmsghdr *n, const struct zs_addr *ssh)
{
	if (n->nlmsg_type == RTM_NEWLINK && n->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		take_link(m, n);
	else if (n->nlmsg_type == RTM_NEWROUTE && n->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg)))
		take_route(m, n);
	else if (ssh && n->nlmsg_type == RTM_NEWADDR &&
		 n->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
		take_address(m, n, ssh);
}

/* All of one datagram; *done: the dump ended with it. */
static int take_all(struct zs_management *m, const void *bytes, size_t len, const struct zs_addr *ssh,
		    bool *done)
{
	uint32_t left = (uint32_t)len;

	for (const struct nlmsghdr *n = bytes; !*done && NLMSG_OK(n, left); n = NLMSG_NEXT(n, left)) {
		if (n->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(n))->error ?: -EPROTO;
		*done = n->nlmsg_type == NLMSG_DONE;
		zs_management_take(m, n, ssh);
	}
	return 0;
}

static int dump(int fd, struct zs_management *m, uint16_t type, uint8_t family, const struct zs_addr *ssh)
{
	struct {
		struct nlmsghdr head;
		union {
			struct rtgenmsg any;
			struct ifinfomsg link; /* the longest; of all the family comes first */
		};
	} ask = { .head = { .nlmsg_len = sizeof(ask),
			    .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	_Alignas(struct nlmsghdr) uint8_t bytes[32768]; /* the kernel's dumps are made for this much */
	bool done = false;
	int rc = 0;

	ask.any.rtgen_family = family;
	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	while (!rc && !done) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		rc = n < 0			  ? -errno
		     : n > (ssize_t)sizeof(bytes) ? -EMSGSIZE
						  : take_all(m, bytes, (size_t)n, ssh, &done);
	}
	return rc;
}

int zs_management_read(struct zs_management *out)
{
	struct timeval patience = { .tv_sec = 2 };
	struct zs_addr own, *ssh = zs_management_ssh(&own) ? &own : NULL;
	int rc, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	*out = (struct zs_management){ 0 };
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	rc = dump(fd, out, RTM_GETLINK, AF_UNSPEC, NULL);
	if (!rc)
		rc = dump(fd, out, RTM_GETROUTE, AF_INET, NULL);
	if (!rc)
		rc = dump(fd, out, RTM_GETROUTE, AF_INET6, NULL);
	if (!rc && ssh)
		rc = dump(fd, out, RTM_GETADDR, AF_UNSPEC, ssh);
	close(fd);
	return !rc && out->full ? -E2BIG : rc;
}

/* Why is `l`, or what stands on it, or what it is a member of, one of them? */
static enum zs_management_why climb(const struct zs_management *m, const struct zs_management_link *l,
				    unsigned depth)
{
	enum zs_management_why why = l->why;
	const struct zs_management_link *master = link_of(m, l->master);

	if (why || !depth)
		return why;
	if (master && (why = climb(m, master, depth - 1)))
		return why;
	for (uint32_t i = 0; !why && i < m->links; i++)
		if (m->link[i].below == l->index && m->link[i].index != l->below)
			why = climb(m, &m->link[i], depth - 1);
	return why;
}

enum zs_management_why zs_management_by(const struct zs_management *m, const char *device)
{
	for (uint32_t i = 0; i < m->links; i++)
		if (strcmp(m->link[i].name, device) == 0)
			return climb(m, &m->link[i], DEPTH);
	return ZS_MANAGEMENT_NOT;
}

const char *zs_management_text(enum zs_management_why why)
{
	return why == ZS_MANAGEMENT_ROUTE ? "carries a default route"
	       : why == ZS_MANAGEMENT_SSH ? "carries your SSH session"
					  : "is not what this machine is managed by";
}
