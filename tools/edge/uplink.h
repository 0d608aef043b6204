/* The tunnel to the relay on a UDP socket of its own: relay/edge_tunnel.h on a loop. It outlives control connections and
 * sessions: what a Grant brings takes over when it has found its way. One thread, the loop's. Upcalls may call everything here
 * but new and delete. */
#ifndef ZS_EDGE_UPLINK_H
#define ZS_EDGE_UPLINK_H

#include "loop/udp.h"
#include "p2p/attach_client.h"
#include "relay/edge_tunnel.h"

#define ZS_UPLINK_NEVER UINT64_MAX

struct zs_uplink;

enum zs_uplink_news {
	ZS_UPLINK_UP,	  /* a session is in use: `link` of the one that was granted */
	ZS_UPLINK_WAY,	  /* where it goes or what it carries is another, and has settled */
	ZS_UPLINK_SMALL,  /* the relay is heard, datagrams of 1,232 bytes are not */
	ZS_UPLINK_SILENT, /* a granted session hears nothing for 5 s */
	ZS_UPLINK_LOST,	  /* the session in use is not heard any more: attach anew, meanwhile it stays */
	ZS_UPLINK_ENDED,  /* no session is left: attach anew. `reason`: attach.def */
};

struct zs_uplink_event {
	enum zs_uplink_news news;
	uint32_t link;
	uint16_t reason;
	struct zs_endpoint relay; /* where it goes, or is tried first */
};

struct zs_uplink_ops {
	void (*data)(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
		     size_t len);
	void (*opened)(void *ctx, const struct zs_tunnel_flow *flow, const struct zs_endpoint *client);
	void (*closed)(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason);
	/* All that came at once was told. */
	void (*burst)(void *ctx);
	/* The attachment is another one: no flow lives on. */
	void (*renewed)(void *ctx);
	void (*news)(void *ctx, const struct zs_uplink_event *event);
};

struct zs_uplink_config {
	struct zs_loop *loop;
	const struct zs_random *random; /* outlives it */
	uint64_t idle_ns;
	uint32_t flows; /* numbers of our own flows, those that rest included */
};

/* Which way the traffic takes, and how much there was. */
struct zs_uplink_state {
	struct zs_edge_way way; /* relay.port 0: no session is in use */
	struct zs_endpoint local;
	uint32_t mtu;			       /* of the path, all headers included */
	uint64_t sent_ns;		       /* 0: nothing yet */
	uint64_t in, out, in_bytes, out_bytes; /* payload of flows */
	uint64_t sessions;		       /* that were in use so far */
	const uint64_t *drops;		       /* by reason, ZS_DROPS of them */
	const struct zs_udp_stats *socket;
};

/* `ops` outlives it. -errno with a line in err. */
int zs_uplink_new(struct zs_uplink **out, const struct zs_uplink_config *config,
		  const struct zs_uplink_ops *ops, void *ctx, struct zs_error *err);
/* Says nothing to the relay. */
void zs_uplink_delete(struct zs_uplink *u);

/* A Grant came. */
void zs_uplink_granted(struct zs_uplink *u, const struct zs_attach_session *session);
/* The relay grants that service to be sent in clear (protection auth). */
void zs_uplink_clear(struct zs_uplink *u, uint8_t service);
/* The machine's addresses or routes changed. */
void zs_uplink_moved(struct zs_uplink *u);
/* Ends all sessions, telling the relay. */
void zs_uplink_shutdown(struct zs_uplink *u);

/* As zs_edge_tunnel_open, _close, _data. A payload is copied; it leaves with the next flush. A drop is counted. */
int zs_uplink_open(struct zs_uplink *u, const struct zs_endpoint *target, struct zs_tunnel_flow *flow);
void zs_uplink_close(struct zs_uplink *u, const struct zs_tunnel_flow *flow, uint16_t reason);
enum zs_drop zs_uplink_send(struct zs_uplink *u, const struct zs_tunnel_flow *flow, uint8_t ecn,
			    const void *payload, size_t len);
/* At the end of every turn: sends, and sets the timer. */
void zs_uplink_flush(struct zs_uplink *u);

void zs_uplink_state(const struct zs_uplink *u, struct zs_uplink_state *out);

#endif
