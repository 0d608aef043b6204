/* How this host's datagrams go to an address: asked of the kernel's routes, nothing is sent. */
#ifndef ZS_EDGE_WAY_H
#define ZS_EDGE_WAY_H

#include "net/addr.h"

/* Octets of IP's and UDP's headers toward `to`. */
uint32_t zs_way_headers(const struct zs_endpoint *to);
/* The longest UDP payload that our own interface toward `to` carries, and from which address; 0: there is no way. */
uint32_t zs_way_out(const struct zs_endpoint *to, struct zs_addr *source);

#endif
