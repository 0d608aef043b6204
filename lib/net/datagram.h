/* A UDP datagram between who has the sockets (lib/loop) and who speaks a protocol (lib/p2p). */
#ifndef ZS_NET_DATAGRAM_H
#define ZS_NET_DATAGRAM_H

#include <stddef.h>
#include "net/addr.h"

struct zs_udp_datagram {
	struct zs_endpoint peer;  /* from whom; to whom */
	struct zs_endpoint local; /* to which own address; from which (all zero: the kernel's choice) */
	uint32_t ifindex;	  /* where it came in; to be used for link-local peers, else 0 */
	uint8_t ecn;		  /* the two bits of the header, 0–3 */
	const void *data;	  /* of a received one: until the callback returns */
	size_t len;
};

#endif
