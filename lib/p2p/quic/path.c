/* Addresses between our form and ngtcp2's: always an IPv6 socket address, IPv4 mapped, the
 * interface as its scope. */
#include <arpa/inet.h>
#include "p2p/quic/internal.h"

static void fill(struct sockaddr_in6 *out, const struct zs_endpoint *ep, uint32_t ifindex)
{
	*out = (struct sockaddr_in6){ .sin6_family = AF_INET6,
				      .sin6_port = htons(ep->port),
				      .sin6_scope_id = ifindex };
	memcpy(&out->sin6_addr, ep->addr.ip, 16);
}

void zs_path_set(struct zs_quic_path *p, const struct zs_endpoint *local, const struct zs_endpoint *remote,
		 uint32_t ifindex)
{
	fill(&p->local, local, 0);
	fill(&p->remote, remote, ifindex);
	p->path = (ngtcp2_path){ .local = { (struct sockaddr *)&p->local, sizeof(p->local) },
				 .remote = { (struct sockaddr *)&p->remote, sizeof(p->remote) } };
}

struct zs_endpoint zs_path_endpoint(const ngtcp2_addr *addr)
{
	const struct sockaddr_in6 *sa = (const struct sockaddr_in6 *)(const void *)addr->addr;
	struct zs_endpoint ep = { .port = ntohs(sa->sin6_port) };

	memcpy(ep.addr.ip, &sa->sin6_addr, 16);
	return ep;
}
