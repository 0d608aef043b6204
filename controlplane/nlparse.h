/* rtnetlink messages as plain structs. Pure functions over bytes: nothing in a message is
 * believed before its length was checked, so a buffer of anything is safe to parse. */
#ifndef ZS_CONTROLPLANE_NLPARSE_H
#define ZS_CONTROLPLANE_NLPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/addr.h"

#define ZS_NL_HOPS 8 /* of a multipath route; further ones are ignored */

struct zs_nl_link {
	uint32_t index;
	char name[16];
	uint8_t mac[6];
	bool has_mac, up; /* up: administratively and with a carrier */
	uint32_t mtu;
};

struct zs_nl_route {
	uint32_t table, metric;
	uint8_t type, len; /* RTN_*; bits of 128 */
	bool cloned, replace;
	struct zs_addr dest;
	uint32_t hops;
	struct {
		uint32_t index;
		bool has_gateway, dead;
		struct zs_addr gateway;
	} hop[ZS_NL_HOPS];
};

struct zs_nl_neigh {
	uint32_t index;
	uint16_t state; /* NUD_* */
	uint8_t flags;	/* NTF_* */
	bool has_mac;
	uint8_t mac[6];
	struct zs_addr addr;
};

struct zs_nl_message {
	uint16_t type; /* RTM_*, NLMSG_DONE, NLMSG_ERROR */
	uint16_t flags;
	uint32_t seq;
	int error;  /* of NLMSG_ERROR and NLMSG_DONE: -errno or 0 */
	bool known; /* one of the three below was filled */
	union {
		struct zs_nl_link link;
		struct zs_nl_route route;
		struct zs_nl_neigh neigh;
	};
};

/* Takes the first message off the buffer. Returns bytes consumed, 0 at its end or when the rest is no message. A
 * message of a known type that is malformed or of another family comes with known = false. */
size_t zs_nl_parse(const void *buf, size_t len, struct zs_nl_message *out);

#endif
