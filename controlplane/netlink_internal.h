/* Shared by netlink.c, netlink_dump.c and resolve.c alone. */
#ifndef ZS_CONTROLPLANE_NETLINK_INTERNAL_H
#define ZS_CONTROLPLANE_NETLINK_INTERNAL_H

#include <libmnl/libmnl.h>
#include "kernel.h"
#include "netlink.h"

#define ZS_NETLINK_BUFFER 32768	      /* the kernel's largest dump part */
#define ZS_NETLINK_BATCH  64	      /* datagrams a turn: the loop has other work */
#define ZS_ASK_SEQ	  0x80000000u /* sequence numbers of questions; those of dumps lie below */

enum zs_dump_stage { ZS_DUMP_IDLE, ZS_DUMP_LINKS, ZS_DUMP_ROUTES4, ZS_DUMP_ROUTES6, ZS_DUMP_NEIGHS };

struct zs_ask { /* the key ends before at_ns */
	struct zs_addr addr;
	uint32_t index, pad;
	uint64_t at_ns;
};

struct zs_netlink {
	struct zs_control *c;
	struct zs_kernel kernel;
	struct mnl_socket *events, *requests; /* both or none */
	struct zs_watch *watch_events, *watch_requests;
	struct zs_timer *sync_timer, *second_timer;
	enum zs_dump_stage stage;
	bool complete;	 /* a dump was finished: the tables may lose what the kernel has not */
	bool dump_again; /* something happened that asks for one more */
	bool interrupted;
	uint32_t seq;
	uint64_t stage_ns; /* when the stage began */
	struct zs_keyset asked;
	uint32_t ask_budget;
	bool ask_by_probe; /* no privilege for questions: a datagram to the discard port instead */
	uint64_t missing_since_ns;
	uint8_t buffer[ZS_NETLINK_BUFFER];
};

/* netlink_dump.c */
void zs_netlink_dump(struct zs_netlink *n);
/* A message on the socket for requests; true when it ended the dump. */
bool zs_netlink_dump_feed(struct zs_netlink *n, const struct zs_nl_message *m);
bool zs_netlink_dump_late(const struct zs_netlink *n, uint64_t now_ns);
/* resolve.c */
void zs_resolve_second(struct zs_netlink *n, uint64_t now_ns); /* gateways and targets; budget */
void zs_resolve_gone(struct zs_netlink *n,
		     const struct zs_nl_neigh *neigh); /* the kernel dropped it, or it failed */
void zs_resolve_answer(struct zs_netlink *n, const struct zs_nl_message *m);

#endif
