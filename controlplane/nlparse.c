/* Layouts: rtnetlink(7), linux/rtnetlink.h, linux/neighbour.h. Fixed parts are copied out, so a
 * buffer needs no alignment. */
#include "nlparse.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

struct attrs {
	const uint8_t *p;
	size_t left;
};

struct attr {
	uint16_t type;
	size_t len;
	const uint8_t *data;
};

static size_t aligned(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* The next attribute; false at the end and at a length that cannot be. */
static bool next(struct attrs *a, struct attr *out)
{
	struct rtattr head;

	if (a->left < sizeof(head))
		return false;
	memcpy(&head, a->p, sizeof(head));
	if (head.rta_len < sizeof(head) || head.rta_len > a->left)
		return false;
	out->type = head.rta_type & NLA_TYPE_MASK;
	out->len = head.rta_len - sizeof(head);
	out->data = a->p + sizeof(head);
	size_t step = aligned(head.rta_len) < a->left ? aligned(head.rta_len) : a->left;
	a->p += step;
	a->left -= step;
	return true;
}

/* Splits a payload into its fixed part and its attributes. */
static bool open_payload(const uint8_t *payload, size_t len, void *fixed, size_t fixed_len, struct attrs *a)
{
	if (len < fixed_len)
		return false;
	memcpy(fixed, payload, fixed_len);
	size_t skip = aligned(fixed_len) < len ? aligned(fixed_len) : len;
	*a = (struct attrs){ payload + skip, len - skip };
	return true;
}

static uint32_t number(const struct attr *a)
{
	uint32_t v = 0;

	if (a->len >= sizeof(v))
		memcpy(&v, a->data, sizeof(v));
	return v;
}

static bool address(const struct attr *a, struct zs_addr *out)
{
	uint32_t be32;

	if (a->len == 4) {
		memcpy(&be32, a->data, 4);
		*out = zs_addr_from4(be32);
		return true;
	}
	if (a->len != 16)
		return false;
	memcpy(out->ip, a->data, 16);
	return !zs_addr_is4(out); /* the kernel's ::ffff:0:0/96 is no IPv4 */
}

static bool parse_link(const uint8_t *payload, size_t len, struct zs_nl_link *out)
{
	struct ifinfomsg fixed;
	struct attrs as;
	struct attr a;

	if (!open_payload(payload, len, &fixed, sizeof(fixed), &as) || fixed.ifi_index <= 0)
		return false;
	out->index = (uint32_t)fixed.ifi_index;
	out->up = (fixed.ifi_flags & IFF_UP) && (fixed.ifi_flags & IFF_RUNNING);
	while (next(&as, &a)) {
		if (a.type == IFLA_IFNAME && a.len && a.len <= sizeof(out->name) && !a.data[a.len - 1])
			memcpy(out->name, a.data, a.len);
		else if (a.type == IFLA_ADDRESS && a.len == 6)
			out->has_mac = memcpy(out->mac, a.data, 6);
		else if (a.type == IFLA_MTU)
			out->mtu = number(&a);
	}
	return out->name[0];
}

static void add_hop(struct zs_nl_route *out, uint32_t index, bool dead, struct attrs *as)
{
	struct attr a;
	uint32_t i = out->hops;

	if (i == ZS_NL_HOPS)
		return;
	out->hop[i].index = index;
	out->hop[i].dead = dead;
	while (as && next(as, &a)) {
		struct attr inner = a;

		if (a.type == RTA_VIA && a.len > sizeof(struct rtvia)) {
			inner.data += sizeof(struct rtvia);
			inner.len -= sizeof(struct rtvia);
		} else if (a.type != RTA_GATEWAY) {
			continue;
		}
		out->hop[i].has_gateway = address(&inner, &out->hop[i].gateway);
	}
	out->hops++;
}

static void parse_multipath(struct zs_nl_route *out, const struct attr *list)
{
	const uint8_t *p = list->data;
	size_t left = list->len;

	while (left >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;
		struct attrs as;

		memcpy(&hop, p, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			return;
		as = (struct attrs){ p + sizeof(hop), hop.rtnh_len - sizeof(hop) };
		add_hop(out, (uint32_t)hop.rtnh_ifindex, hop.rtnh_flags & RTNH_F_DEAD, &as);
		size_t step = aligned(hop.rtnh_len) < left ? aligned(hop.rtnh_len) : left;
		p += step;
		left -= step;
	}
}

static bool parse_route(const uint8_t *payload, size_t len, struct zs_nl_route *out)
{
	struct rtmsg fixed;
	struct attrs as, again;
	struct attr a;
	uint32_t oif = 0;
	uint8_t bits;

	if (!open_payload(payload, len, &fixed, sizeof(fixed), &as))
		return false;
	bits = fixed.rtm_family == AF_INET ? 32 : 128;
	if ((fixed.rtm_family != AF_INET && fixed.rtm_family != AF_INET6) || fixed.rtm_dst_len > bits)
		return false;
	out->type = fixed.rtm_type;
	out->table = fixed.rtm_table;
	out->cloned = fixed.rtm_flags & RTM_F_CLONED;
	out->len = (uint8_t)(fixed.rtm_dst_len + 128 - bits);
	if (bits == 32)
		out->dest = zs_addr_from4(0);
	again = as;
	while (next(&as, &a)) {
		if (a.type == RTA_DST && (a.len != bits / 8 || !address(&a, &out->dest)))
			return false;
		if (a.type == RTA_TABLE)
			out->table = number(&a);
		else if (a.type == RTA_PRIORITY)
			out->metric = number(&a);
		else if (a.type == RTA_OIF)
			oif = number(&a);
		else if (a.type == RTA_MULTIPATH)
			parse_multipath(out, &a);
	}
	if (oif && !out->hops)
		add_hop(out, oif, fixed.rtm_flags & RTNH_F_DEAD, &again);
	return true;
}

static bool parse_neigh(const uint8_t *payload, size_t len, struct zs_nl_neigh *out)
{
	struct ndmsg fixed;
	struct attrs as;
	struct attr a;
	bool has_addr = false;

	if (!open_payload(payload, len, &fixed, sizeof(fixed), &as) || fixed.ndm_ifindex <= 0)
		return false;
	if (fixed.ndm_family != AF_INET && fixed.ndm_family != AF_INET6)
		return false;
	out->index = (uint32_t)fixed.ndm_ifindex;
	out->state = fixed.ndm_state;
	out->flags = fixed.ndm_flags;
	while (next(&as, &a)) {
		if (a.type == NDA_DST)
			has_addr = a.len == (fixed.ndm_family == AF_INET ? 4 : 16) && address(&a, &out->addr);
		else if (a.type == NDA_LLADDR && a.len == 6)
			out->has_mac = memcpy(out->mac, a.data, 6);
	}
	return has_addr;
}

static void parse_body(struct zs_nl_message *m, const uint8_t *payload, size_t len)
{
	switch (m->type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		m->known = parse_link(payload, len, &m->link);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		m->known = parse_route(payload, len, &m->route);
		m->route.replace = m->flags & NLM_F_REPLACE;
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		m->known = parse_neigh(payload, len, &m->neigh);
		break;
	case NLMSG_ERROR:
	case NLMSG_DONE:
		if (len >= sizeof(m->error))
			memcpy(&m->error, payload, sizeof(m->error));
		break;
	}
}

size_t zs_nl_parse(const void *buf, size_t len, struct zs_nl_message *out)
{
	struct nlmsghdr head;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, buf, sizeof(head));
	if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len)
		return 0;
	memset(out, 0, sizeof(*out));
	out->type = head.nlmsg_type;
	out->flags = head.nlmsg_flags;
	out->seq = head.nlmsg_seq;
	parse_body(out, (const uint8_t *)buf + sizeof(head), head.nlmsg_len - sizeof(head));
	return aligned(head.nlmsg_len) < len ? aligned(head.nlmsg_len) : len;
}
