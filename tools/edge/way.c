#include "way.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP4_HEADERS 28 /* with UDP's */
#define IP6_HEADERS 48

uint32_t zs_way_headers(const struct zs_endpoint *to)
{
	return zs_addr_is4(&to->addr) ? IP4_HEADERS : IP6_HEADERS;
}

uint32_t zs_way_out(const struct zs_endpoint *to, struct zs_addr *source)
{
	bool four = zs_addr_is4(&to->addr);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(to->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(to->port) };
	struct sockaddr *sa = four ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	socklen_t len = four ? sizeof(in) : sizeof(in6), mtu_len = sizeof(int);
	int fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), mtu = 0;
	struct zs_endpoint ep;

	in.sin_addr.s_addr = zs_addr_get4(&to->addr);
	memcpy(&in6.sin6_addr, to->addr.ip, sizeof(in6.sin6_addr));
	if (fd < 0)
		return 0;
	if (connect(fd, sa, len) || getsockname(fd, sa, &len) || zs_endpoint_from_sockaddr(&ep, sa) ||
	    getsockopt(fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_MTU : IPV6_MTU, &mtu, &mtu_len))
		mtu = 0;
	else
		*source = ep.addr;
	close(fd);
	return mtu > (int)zs_way_headers(to) ? (uint32_t)mtu - zs_way_headers(to) : 0;
}
