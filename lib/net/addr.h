/* An address and port, both families in one shape: 16 bytes, IPv4 as v4-mapped
 * (::ffff:a.b.c.d), all in network byte order. The canonical form is the only one that
 * tables, flows and checks ever see: one address has one spelling. */
#ifndef ZS_NET_ADDR_H
#define ZS_NET_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct zs_addr {
	uint8_t ip[16];
};

struct zs_endpoint {
	struct zs_addr addr;
	uint16_t port; /* host order */
};

struct zs_prefix {
	struct zs_addr addr;
	uint8_t len; /* bits of the 128, so 10.0.0.0/8 is 104 */
};

#define ZS_ADDR_TEXT	 46 /* INET6_ADDRSTRLEN */
#define ZS_ENDPOINT_TEXT 54 /* [addr]:port */
#define ZS_ENDPOINT_WIRE 18

static inline bool zs_addr_is4(const struct zs_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

static inline bool zs_addr_eq(const struct zs_addr *a, const struct zs_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Its network alone: /24 of IPv4, /48 of IPv6. What may be told of somebody's address without telling who. */
static inline void zs_addr_truncate(struct zs_addr *a)
{
	if (zs_addr_is4(a))
		a->ip[15] = 0;
	else
		memset(a->ip + 6, 0, 10);
}

/* A byte of it, spread over all values. Not keyed: for addresses that nobody else chooses. */
static inline uint8_t zs_addr_spread(const struct zs_addr *a)
{
	uint64_t hi, lo;

	memcpy(&hi, a->ip, 8);
	memcpy(&lo, a->ip + 8, 8);
	return (uint8_t)((hi ^ lo * 0x9e3779b97f4a7c15u) * 0x9e3779b97f4a7c15u >> 56);
}

/* be32: the IPv4 address as it stands in a packet. */
static inline struct zs_addr zs_addr_from4(uint32_t be32)
{
	struct zs_addr a = { .ip = { [10] = 0xff, [11] = 0xff } };
	memcpy(a.ip + 12, &be32, 4);
	return a;
}

static inline uint32_t zs_addr_get4(const struct zs_addr *a)
{
	uint32_t be32;
	memcpy(&be32, a->ip + 12, 4);
	return be32;
}

/* As it stands in the relay protocol's messages: address ‖ port, big-endian. */
static inline void zs_endpoint_put(uint8_t wire[ZS_ENDPOINT_WIRE], const struct zs_endpoint *ep)
{
	memcpy(wire, ep->addr.ip, 16);
	wire[16] = (uint8_t)(ep->port >> 8);
	wire[17] = (uint8_t)ep->port;
}
static inline struct zs_endpoint zs_endpoint_get(const uint8_t wire[ZS_ENDPOINT_WIRE])
{
	struct zs_endpoint ep = { .port = (uint16_t)(wire[16] << 8 | wire[17]) };

	memcpy(ep.addr.ip, wire, 16);
	return ep;
}
static inline bool zs_endpoint_eq(const struct zs_endpoint *a, const struct zs_endpoint *b)
{
	return zs_addr_eq(&a->addr, &b->addr) && a->port == b->port;
}

/* Strict text: dotted quad without octal, hex or short forms; RFC 4291 IPv6 without a zone.
 * An IPv6 text for a v4-mapped address is refused. -EINVAL and nothing written on failure. */
int zs_addr_parse(struct zs_addr *out, const char *text);
/* ADDR:PORT or [ADDR]:PORT, port 1–65535. */
int zs_endpoint_parse(struct zs_endpoint *out, const char *text);
/* ADDR/LEN, LEN in the family's own bits; host bits must be zero. */
int zs_prefix_parse(struct zs_prefix *out, const char *text);
bool zs_prefix_has(const struct zs_prefix *prefix, const struct zs_addr *addr);
/* The network of one owner, as far as an address tells: its /24 of IPv4, its /56 of IPv6. Who has one has many
 * addresses, so what one source may do is counted by it. */
static inline struct zs_addr zs_addr_site(const struct zs_addr *a)
{
	struct zs_addr site = *a;
	bool is4 = zs_addr_is4(a);

	memset(site.ip + (is4 ? 15 : 7), 0, is4 ? 1 : 9);
	return site;
}
/* Write at most ZS_ADDR_TEXT / ZS_ENDPOINT_TEXT bytes, return buf. RFC 5952. */
const char *zs_addr_format(const struct zs_addr *addr, char buf[ZS_ADDR_TEXT]);
const char *zs_endpoint_format(const struct zs_endpoint *ep, char buf[ZS_ENDPOINT_TEXT]);
/* The address of a socket address, port included. -EAFNOSUPPORT for other families. */
struct sockaddr;
int zs_endpoint_from_sockaddr(struct zs_endpoint *out, const struct sockaddr *sa);

#endif
