/* rtnetlink messages under construction. */
#ifndef ZS_TESTS_NETLINK_MESSAGES_H
#define ZS_TESTS_NETLINK_MESSAGES_H

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include "rig.h"

struct msg {
	size_t len;
	uint8_t b[512] __attribute__((aligned(8)));
};

static inline void begin(struct msg *m, uint16_t type, uint16_t flags, const void *fixed, size_t len)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = 7 };

	memset(m, 0, sizeof(*m));
	memcpy(m->b, &h, sizeof(h));
	memcpy(m->b + sizeof(h), fixed, len);
	m->len = sizeof(h) + ((len + 3) & ~3u);
	*(uint32_t *)m->b = (uint32_t)m->len;
}

static inline void attr(struct msg *m, uint16_t type, const void *data, size_t len)
{
	struct rtattr a = { .rta_len = (uint16_t)(sizeof(a) + len), .rta_type = type };

	memcpy(m->b + m->len, &a, sizeof(a));
	memcpy(m->b + m->len + sizeof(a), data, len);
	m->len += (sizeof(a) + len + 3) & ~(size_t)3;
	*(uint32_t *)m->b = (uint32_t)m->len;
}

static inline void attr32(struct msg *m, uint16_t type, uint32_t v)
{
	attr(m, type, &v, sizeof(v));
}

static inline struct zs_addr addr(const char *text)
{
	struct zs_addr a;

	assert_int_equal(zs_addr_parse(&a, text), 0);
	return a;
}

static inline void attr_addr(struct msg *m, uint16_t type, const char *text)
{
	struct zs_addr a = addr(text);

	attr(m, type, zs_addr_is4(&a) ? a.ip + 12 : a.ip, zs_addr_is4(&a) ? 4 : 16);
}

static inline void make_link(struct msg *m, uint16_t type, int index, const char *name, uint8_t mac_end,
			     bool up)
{
	struct ifinfomsg f = { .ifi_index = index, .ifi_flags = up ? IFF_UP | IFF_RUNNING : IFF_UP };
	uint8_t mac[6] = { 2, 0, 0, 0, 0, mac_end };

	begin(m, type, 0, &f, sizeof(f));
	attr(m, IFLA_IFNAME, name, strlen(name) + 1);
	attr(m, IFLA_ADDRESS, mac, 6);
	attr32(m, IFLA_MTU, 1400);
}

static inline void make_route(struct msg *m, uint16_t type, uint16_t flags, const char *dest, uint8_t len,
			      const char *via, uint32_t oif, uint32_t metric)
{
	struct zs_addr d = addr(dest);
	struct rtmsg f = { .rtm_family = zs_addr_is4(&d) ? AF_INET : AF_INET6,
			   .rtm_dst_len = len,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_type = RTN_UNICAST };

	begin(m, type, flags, &f, sizeof(f));
	if (len)
		attr_addr(m, RTA_DST, dest);
	if (via)
		attr_addr(m, RTA_GATEWAY, via);
	attr32(m, RTA_OIF, oif);
	if (metric)
		attr32(m, RTA_PRIORITY, metric);
}

static inline void make_neigh(struct msg *m, uint16_t type, const char *ip, int index, uint16_t state,
			      uint8_t mac_end)
{
	struct zs_addr a = addr(ip);
	struct ndmsg f = { .ndm_family = zs_addr_is4(&a) ? AF_INET : AF_INET6,
			   .ndm_ifindex = index,
			   .ndm_state = state };
	uint8_t mac[6] = { 2, 0, 0, 0, 1, mac_end };

	begin(m, type, 0, &f, sizeof(f));
	attr_addr(m, NDA_DST, ip);
	if (mac_end)
		attr(m, NDA_LLADDR, mac, 6);
}

#endif
