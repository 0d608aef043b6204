/* One socket an address, so that a program on another address of the host (a resolver on
 * loopback) is in nobody's way. SO_REUSEADDR and SO_REUSEPORT stay off: a taken port must fail. */
#include "placeholder.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78 /* linux/in6.h, which cannot be included beside netinet/in.h */
#endif

static const struct zs_addr wildcard;

static socklen_t fill(struct sockaddr_storage *ss, const struct zs_addr *addr, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (zs_addr_is4(addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		v4->sin_addr.s_addr = zs_addr_get4(addr);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, addr->ip, 16);
	return sizeof(*v6);
}

static void set(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value)); /* each is a nicety: bind(2) is the judge */
}

/* The filter comes before bind, so not one packet is ever queued. */
static int open_deaf(int family, bool any)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &nothing };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	if (family == AF_INET6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !any);
		set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	} else {
		set(fd, IPPROTO_IP, IP_FREEBIND, 1);
	}
	return fd;
}

static int bind_one(const struct zs_addr *addr, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = fill(&ss, addr, port);
	int fd = open_deaf(ss.ss_family, zs_addr_eq(addr, &wildcard));

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&ss, len)) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* The wildcard of both families, or of IPv4 where IPv6 is off. */
static int bind_wildcard(uint16_t port)
{
	struct zs_addr any4 = zs_addr_from4(0);
	int fd = bind_one(&wildcard, port);

	return fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL ? bind_one(&any4, port) : fd;
}

static int refuse(struct zs_error *err, int code, uint16_t port, const struct zs_addr *addr)
{
	char text[ZS_ADDR_TEXT];

	zs_addr_format(addr, text);
	if (code == -EADDRINUSE)
		return zs_error_set(err, code, ZS_EXIT_REFUSED,
				    "UDP port %u of %s is taken by another program (ss -ulpn names it); "
				    "free it or take another",
				    port, text);
	if (code == -EACCES)
		return zs_error_set(err, code, ZS_EXIT_PRIVILEGE,
				    "UDP port %u cannot be bound: ports below 1024 need CAP_NET_BIND_SERVICE",
				    port);
	return zs_error_set(err, code, ZS_EXIT_RESOURCE, "UDP port %u of %s cannot be bound: %s", port, text,
			    strerror(-code));
}

static bool holds(const struct zs_placeholder *h, const struct zs_addr *addr)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (zs_addr_eq(&h->held[i].addr, addr))
			return true;
	return false;
}

static void keep(struct zs_placeholder *h, const struct zs_addr *addr, int fd)
{
	h->held[h->count].addr = *addr;
	h->held[h->count++].fd = fd;
}

/* Addresses that cannot be bound by themselves (link-local ones want a zone) are left out. */
static bool is_unbindable(int rc)
{
	return rc == -EINVAL || rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

static int bind_missing(const struct zs_placeholder *old, struct zs_placeholder *added, uint16_t port,
			const struct zs_addr *addr, uint32_t count, struct zs_error *err)
{
	uint32_t bound = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool have = holds(old, &addr[i]);
		int fd = have ? 0 : bind_one(&addr[i], port);

		if (fd < 0 && is_unbindable(fd))
			continue;
		if (fd < 0)
			return refuse(err, fd, port, &addr[i]);
		bound++;
		if (!have)
			keep(added, &addr[i], fd);
	}
	if (!bound && !holds(old, &wildcard)) {
		int fd = bind_wildcard(port);

		if (fd < 0)
			return refuse(err, fd, port, &wildcard);
		keep(added, &wildcard, fd);
	}
	return 0;
}

static bool listed(const struct zs_addr *addr, const struct zs_addr *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (zs_addr_eq(&list[i], addr))
			return true;
	return false;
}

static void drop_unlisted(struct zs_placeholder *h, const struct zs_addr *addr, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->count; i++) {
		if (zs_addr_eq(&h->held[i].addr, &wildcard) || listed(&h->held[i].addr, addr, count))
			h->held[kept++] = h->held[i];
		else
			close(h->held[i].fd);
	}
	h->count = kept;
}

int zs_placeholder_hold(struct zs_placeholder *h, uint16_t port, const struct zs_addr *addr, uint32_t count,
			struct zs_error *err)
{
	struct zs_placeholder added = { 0 };
	int rc = bind_missing(h, &added, port, addr, count, err);

	if (rc) {
		zs_placeholder_release(&added);
		return rc;
	}
	drop_unlisted(h, addr, count);
	for (uint32_t i = 0; i < added.count && h->count < ZS_LOCALS_MAX; i++)
		keep(h, &added.held[i].addr, added.held[i].fd);
	return 0;
}

void zs_placeholder_release(struct zs_placeholder *h)
{
	for (uint32_t i = 0; i < h->count; i++)
		close(h->held[i].fd);
	h->count = 0;
}

uint32_t zs_placeholder_addresses(const struct zs_conf *conf, struct zs_addr out[ZS_LOCALS_MAX])
{
	const struct zs_conf_interface_address *own;
	struct zs_conf_place at = { 0 };
	uint32_t n = 0;

	while (n < ZS_LOCALS_MAX && (own = zs_conf_own_next(conf, &at)))
		out[n++] = own->addr;
	return n;
}
