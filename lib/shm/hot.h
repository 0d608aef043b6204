/* What the packet path reads of an attachment: one line of each worker's own, made by it in housekeeping from what the
 * control plane wants (sessions segment) and where the binder bound it (binding region). It lies in the state
 * segment so that a restarted dataplane forwards from the first packet on. */
#ifndef ZS_SHM_HOT_H
#define ZS_SHM_HOT_H

#include "net/addr.h"

struct zs_hot {
	uint16_t generation; /* 0: not in use */
	uint16_t port;	     /* of the bound address; 0: nothing is bound */
	struct zs_addr addr;
	uint8_t local;	   /* index of the own address that the binding keeps */
	uint8_t strangers; /* 1: senders without a binding reach it, rate-limited */
	uint8_t pad[2];
	uint32_t nexthop; /* index into tables, as in struct zs_flow */
	uint32_t stamp;	  /* of the tables that it was found in; 0: it is to be found */
	uint64_t expires_ns;
	uint64_t pad1[3];
};
_Static_assert(sizeof(struct zs_hot) == 64, "one line");

#endif
