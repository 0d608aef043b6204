/* Keeping wanted neighbours resolved. Wanted are the next hops of published targets, and those
 * the dataplane missed (its event). The kernel does the asking (NTF_USE makes it treat the entry
 * as just used: it resolves what is unknown and checks what is stale); without the privilege
 * for that, a datagram to the discard port has the same effect.
 *
 * Limits: an address once a second, ZS_NETLINK_ASKS in all; the wanted ones come first because
 * they are asked for right after the budget is renewed. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <unistd.h>
#include "base/clock.h"
#include "netlink_internal.h"
#include "program.h"

#define DISCARD_PORT 9
#define MISSING_NS   (3 * ZS_NS_PER_S) /* before it is a health code: a first answer takes a moment */
#define ASK_AGAIN_NS (ZS_NS_PER_S - ZS_NS_PER_S / 10)

#ifndef IP_UNICAST_IF
#define IP_UNICAST_IF 50
#endif

static void probe(const struct zs_addr *addr, uint32_t index)
{
	bool v4 = zs_addr_is4(addr);
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(DISCARD_PORT) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(DISCARD_PORT),
				    .sin6_scope_id = index };
	uint32_t be_index = htonl(index);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (v4) {
		to4.sin_addr.s_addr = zs_addr_get4(addr);
		setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &be_index, sizeof(be_index));
		sendto(fd, "", 0, 0, (struct sockaddr *)&to4, sizeof(to4));
	} else {
		memcpy(&to6.sin6_addr, addr->ip, 16);
		sendto(fd, "", 0, 0, (struct sockaddr *)&to6, sizeof(to6));
	}
	close(fd);
}

static int request(struct zs_netlink *n, const struct zs_addr *addr, uint32_t index)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(h, sizeof(*nd));
	bool v4 = zs_addr_is4(addr);

	h->nlmsg_type = RTM_NEWNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
	h->nlmsg_seq = ZS_ASK_SEQ;
	nd->ndm_family = v4 ? AF_INET : AF_INET6;
	nd->ndm_ifindex = (int)index;
	nd->ndm_state = NUD_NONE;
	nd->ndm_flags = NTF_USE;
	mnl_attr_put(h, NDA_DST, v4 ? 4 : 16, v4 ? addr->ip + 12 : addr->ip);
	return mnl_socket_sendto(n->requests, h, h->nlmsg_len) < 0 ? -errno : 0;
}

void zs_resolve_answer(struct zs_netlink *n, const struct zs_nl_message *m)
{
	if (m->type != NLMSG_ERROR || !m->error)
		return;
	if (m->error == -EPERM && !n->ask_by_probe) {
		n->ask_by_probe = true;
		ZS_LOG(&n->c->log, NETLINK_FAILED,
		       "request=neighbour error=\"no CAP_NET_ADMIN: neighbours are asked for by datagrams\"");
	} else if (m->error != -EPERM) {
		ZS_LOG(&n->c->log, NETLINK_FAILED, "request=neighbour error=\"%s\"", strerror(-m->error));
	}
}

/* May this address be asked for now? Remembers that it was. */
static bool may_ask(struct zs_netlink *n, const struct zs_addr *addr, uint32_t index, uint64_t now)
{
	struct zs_ask key = { .addr = *addr, .index = index }, *e;

	if (!n->ask_budget)
		return false;
	e = zs_keyset_put(&n->asked, &key);
	if (!e || (e->at_ns && now < e->at_ns + ASK_AGAIN_NS))
		return false;
	e->at_ns = now;
	n->ask_budget--;
	return true;
}

static void ask(struct zs_netlink *n, const struct zs_addr *addr, uint32_t index)
{
	char text[ZS_ADDR_TEXT];
	int rc;

	if (!n->requests || !may_ask(n, addr, index, zs_loop_now(n->c->loop)))
		return;
	ZS_LOG(&n->c->log, NEIGHBOUR, "asked=%s device=%u", zs_addr_format(addr, text), index);
	if (n->ask_by_probe) {
		probe(addr, index);
		return;
	}
	rc = request(n, addr, index);
	if (rc)
		ZS_LOG(&n->c->log, NETLINK_FAILED, "request=neighbour error=\"%s\"", strerror(-rc));
}

void zs_netlink_ask(struct zs_netlink *n, const struct zs_addr *addr, uint32_t iface, uint16_t vlan)
{
	const struct zs_kernel_device *d = zs_kernel_device_of(&n->kernel, n->c->conf, iface, vlan);

	if (d)
		ask(n, addr, d->index);
}

void zs_resolve_gone(struct zs_netlink *n, const struct zs_nl_neigh *neigh)
{
	const struct zs_kernel_neigh *e = zs_kernel_find(&n->kernel, &neigh->addr, neigh->index);

	if (e && (e->gone_ns || !e->valid))
		ask(n, &e->addr, e->index);
}

/* A resolved next hop that the kernel calls stale is checked before it goes wrong. */
static void refresh(struct zs_netlink *n, const struct zs_nexthop *hop)
{
	const struct zs_kernel_device *d = zs_kernel_device_of(&n->kernel, n->c->conf, hop->iface, hop->vlan);
	const struct zs_kernel_neigh *e = d ? zs_kernel_find(&n->kernel, &hop->addr, d->index) : NULL;

	if (e && (e->state == NUD_STALE || e->gone_ns))
		ask(n, &e->addr, e->index);
}

/* true: the way to this target ends at an unresolved neighbour or at none. */
static bool care_for(struct zs_netlink *n, const struct zs_addr *target, struct zs_nexthop *missing)
{
	struct zs_tables *t = zs_program_tables(n->c->program);
	uint32_t index = zs_tables_resolve(t, target, missing);
	struct zs_nexthop hop;

	if (index != ZS_NEXTHOP_NONE && zs_tables_nexthop(t, index, &hop)) {
		if (hop.valid) {
			refresh(n, &hop);
			return false;
		}
		*missing = hop;
	}
	if (missing->used)
		zs_netlink_ask(n, &missing->addr, missing->iface, missing->vlan);
	return true;
}

static void show_missing(struct zs_netlink *n, const struct zs_addr *target, const struct zs_nexthop *missing,
			 uint64_t now_ns)
{
	char text[ZS_ADDR_TEXT];

	if (!target) {
		n->missing_since_ns = 0;
		zs_control_clear(n->c, ZS_HEALTH_neighbour_missing);
		return;
	}
	if (!n->missing_since_ns)
		n->missing_since_ns = now_ns;
	if (now_ns < n->missing_since_ns + MISSING_NS)
		return;
	zs_addr_format(missing->used ? &missing->addr : target, text);
	zs_control_raise(n->c, ZS_HEALTH_neighbour_missing, "%s%.32s", missing->used ? "" : "route ", text);
}

static void care_for_targets(struct zs_netlink *n, uint64_t now_ns)
{
	struct zs_nexthop missing, first = { 0 };
	const struct zs_addr *unreached = NULL;
	struct zs_published *p = zs_program_tables(n->c->program)->published;

	/* The writer's own memory: no copy is needed to read it. An attached port leads to no address. */
	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++)
		if (p[port].used && p[port].kind == ZS_PUBLISHED_TARGET &&
		    care_for(n, &p[port].target, &missing) && !unreached) {
			unreached = &p[port].target;
			first = missing;
		}
	show_missing(n, unreached, &first, now_ns);
}

static void forget_old(struct zs_netlink *n, uint64_t now_ns)
{
	for (uint32_t i = 0; i < n->asked.slots; i++) {
		struct zs_ask key, *e = zs_keyset_at(&n->asked, i);

		if (!e || now_ns < e->at_ns + ASK_AGAIN_NS)
			continue;
		key = *e;
		zs_keyset_del(&n->asked, &key);
		i--;
	}
}

void zs_resolve_second(struct zs_netlink *n, uint64_t now_ns)
{
	n->ask_budget = ZS_NETLINK_ASKS;
	forget_old(n, now_ns);
	if (n->complete || !n->kernel.devices)
		care_for_targets(n, now_ns);
}
