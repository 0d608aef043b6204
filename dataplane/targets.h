/* The endpoints that published ports lead to, found by address and port: a client that calls itself one
 * of them would have two targets talk to each other through the relay, and two that answer whatever comes
 * never end. */
#ifndef ZS_DATAPLANE_TARGETS_H
#define ZS_DATAPLANE_TARGETS_H

#include "shm/tables.h"

#define ZS_TARGETS_SLOTS (2 * ZS_UDP_PORTS) /* power of two, half full at most */

struct zs_targets {
	uint64_t key[2];		    /* drawn at start: which endpoints lie together is secret */
	uint64_t change;		    /* fingerprint of what the live slots were made from */
	_Atomic uint32_t on;		    /* which half is live */
	uint16_t slot[2][ZS_TARGETS_SLOTS]; /* a published port, 0: empty */
};

/* Main, each tick: follows the tables. One who publishes is known a tick later. */
void zs_targets_sync(struct zs_targets *t, const struct zs_tables *tables);
/* Worker: does a port of `tables` lead to this very endpoint? */
bool zs_targets_have(const struct zs_targets *t, const struct zs_tables *tables, const struct zs_endpoint *e);

#endif
