/* The flows of an edge, the relay's and its own, in one table of fixed size: found by their number in the tunnel; the edge's
 * own by the client at a local listener, the relay's by the connection ID that their client uses; the least recently used end
 * first. Pure; one thread. */
#ifndef ZS_EDGE_FLOW_TABLE_H
#define ZS_EDGE_FLOW_TABLE_H

#include "base/list.h"
#include "base/random.h"
#include "net/addr.h"
#include "relay/tunnel.h"

#define ZS_EDGE_CID 20 /* bytes of the longest connection ID of QUIC 1 and 2 */

struct zs_connected;

struct zs_edge_flow {
	struct zs_tunnel_flow id;
	struct zs_endpoint client; /* whom it is for: the relay's client, or the one at our listener */
	struct zs_endpoint local;  /* ours: the listener's address that the client uses */
	struct zs_connected
	    *socket;	  /* the relay's: toward the service; NULL in our own, and once another took it */
	uint32_t of;	  /* which service, which listener */
	uint64_t used_ns; /* last datagram of either side */
	uint64_t begun_ns, asked_ns; /* the relay's: its first datagram, its client's last */
	bool answered;		     /* each side has sent */
	bool wanted;		     /* the relay's: `heir` asked for the socket, too early */
	struct zs_tunnel_flow heir;
	uint64_t heir_ns; /* its begun_ns: another may have its number by then */
	uint8_t cid_len;  /* 0: not to be found by a connection ID */
	uint8_t cid[ZS_EDGE_CID];
	bool
	    refused; /* our own: the relay does not take it; it rests, so that it is not asked at once again */
};

struct zs_edge_flows;

/* `most` flows, 1 or more. -ENOMEM. idle_ns: once answered; before, a twelfth of it. */
int zs_edge_flows_new(struct zs_edge_flows **out, uint32_t most, uint64_t idle_ns,
		      const struct zs_random *random);
void zs_edge_flows_delete(struct zs_edge_flows *f);
uint32_t zs_edge_flows_count(const struct zs_edge_flows *f);

struct zs_edge_flow *zs_edge_flows_find(struct zs_edge_flows *f, const struct zs_tunnel_flow *id);
/* Our own one of that client at that listener. */
struct zs_edge_flow *zs_edge_flows_client(struct zs_edge_flows *f, uint32_t of,
					  const struct zs_endpoint *client);
/* The relay's one toward that service whose client uses this connection ID. */
struct zs_edge_flow *zs_edge_flows_cid(struct zs_edge_flows *f, uint32_t of, const uint8_t *cid, uint8_t len);
/* From now on a relay's flow is found by that one, of 1 to ZS_EDGE_CID bytes; no other is any more. */
void zs_edge_flows_cid_is(struct zs_edge_flows *f, struct zs_edge_flow *flow, const uint8_t *cid,
			  uint8_t len);
/* A copy of `flow`, which is in no table yet and has no connection ID. NULL: full; zs_edge_flows_spare says what may go. */
struct zs_edge_flow *zs_edge_flows_add(struct zs_edge_flows *f, const struct zs_edge_flow *flow);
/* A datagram of either side; `answered` as the flow's own. */
void zs_edge_flows_used(struct zs_edge_flows *f, struct zs_edge_flow *flow, bool answered, uint64_t now_ns);
/* Out of the table. Its socket is the caller's. */
void zs_edge_flows_remove(struct zs_edge_flows *f, struct zs_edge_flow *flow);
/* The one that nobody answered for longest; NULL: every one is answered, and stays. */
struct zs_edge_flow *zs_edge_flows_spare(struct zs_edge_flows *f);
/* One that is idle for too long, NULL: none. */
struct zs_edge_flow *zs_edge_flows_idle(struct zs_edge_flows *f, uint64_t now_ns);
/* When the next one may be; UINT64_MAX: never. */
uint64_t zs_edge_flows_deadline(const struct zs_edge_flows *f);
/* Any one, to end them all; NULL: empty. */
struct zs_edge_flow *zs_edge_flows_any(struct zs_edge_flows *f);

/* Invariants, for tests. */
void zs_edge_flows_check(const struct zs_edge_flows *f);

#endif
