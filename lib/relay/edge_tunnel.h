/* The edge's end of an attachment's tunnel, as one object without I/O: the caller brings datagrams, the time and what a
 * Grant said; the object gives datagrams and what came in them. It holds the attachment's flows and at most three
 * sessions: the one in use, a new one that is still looking for its way (make before break), and the one before, for what
 * is on its way. One thread. An upcall may call
 * zs_edge_tunnel_data, _open, _close, _payload and _way; ended() all but _delete.
 *
 *     Grant ──► zs_edge_tunnel_session ──► KEEPALIVE … ──► PROBE, ECHO ──► in use: data, path MTU
 *                                                                              │ CLOSE, 60 s without a PROBE, spent keys
 *                                                                              ▼
 *                                                                   ended(): attach anew */
#ifndef ZS_RELAY_EDGE_TUNNEL_H
#define ZS_RELAY_EDGE_TUNNEL_H

#include "base/random.h"
#include "relay/keys.h"
#include "relay/tunnel.h"

#define ZS_EDGE_RELAYS	 8		  /* addresses of the relay's tunnel port that are tried in turn */
#define ZS_EDGE_HEADROOM ZS_TUNNEL_HEADER /* before and behind a payload to send */
#define ZS_EDGE_TAILROOM ZS_GCM_TAG
#define ZS_EDGE_START_NS                                                                                     \
	(60 * 1000000000ull) /* a session without a PROBE by then is over, here as at the relay */
#define ZS_EDGE_OLD_NS                                                                                       \
	(5 * 1000000000ull) /* the session before is heard this long after the new one is in use */

enum zs_edge_path {
	ZS_EDGE_PATH_UP,    /* the newest session is in use; `payload` is what it surely carries */
	ZS_EDGE_PATH_MTU,   /* it carries another length now */
	ZS_EDGE_PATH_SMALL, /* the relay is heard, but 1,232-byte datagrams do not pass: QUIC will not work */
	ZS_EDGE_PATH_SILENT, /* nor is the relay heard; the session stays, but had better be made anew */
};

/* Bytes are good during the call. */
struct zs_edge_tunnel_ops {
	void (*send)(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *datagram,
		     size_t len);
	/* Who is behind a flow of the relay. May come again, and after the flow's first data. */
	void (*opened)(void *ctx, const struct zs_tunnel_flow *flow, const struct zs_endpoint *client,
		       uint16_t port);
	/* flow 0: routed by its CID. ecn: what to mark it with. */
	void (*data)(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
		     size_t len);
	/* The relay ended the flow. `reason`: attach.def. */
	void (*closed)(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason);
	void (*path)(void *ctx, enum zs_edge_path what, uint32_t payload);
	/* No session is left. reason: the relay's CLOSE, or idle. Flows stay for the next session. */
	void (*ended)(void *ctx, uint16_t reason);
};

struct zs_edge_tunnel_config {
	uint32_t flows;	  /* of our own at once, 1–65,536 */
	uint64_t idle_ns; /* the attachment's flow idle time-out */
	uint64_t ratchet; /* packets a key; 0 = ZS_LANE_RATCHET */
};

/* What Hello and Grant agreed on. */
struct zs_edge_session {
	uint8_t root[ZS_ATTACH_SECRET]; /* R */
	uint32_t receiver;		/* ours, from Hello; another one for each session */
	uint32_t peer;			/* the relay's, from Grant */
	struct zs_endpoint relay[ZS_EDGE_RELAYS];
	uint32_t relays; /* ≥ 1 */
	uint32_t most;	 /* longest UDP payload of our interface toward the relay */
	bool continues;	 /* Grant.continuity 1: the session before lives on until this one carries */
};

struct zs_edge_tunnel;

/* ops and random outlive it. NULL: out of memory. */
struct zs_edge_tunnel *zs_edge_tunnel_new(const struct zs_edge_tunnel_config *config,
					  const struct zs_edge_tunnel_ops *ops, void *ctx,
					  const struct zs_random *random);
/* Sends nothing; wipes all keys. */
void zs_edge_tunnel_delete(struct zs_edge_tunnel *t);

/* A Grant came; `s` is copied. -ENOMEM; -EINVAL: no relay address. Call zs_edge_tunnel_due after it. */
int zs_edge_tunnel_session(struct zs_edge_tunnel *t, const struct zs_edge_session *s, uint64_t now_ns);
/* A published port of ours was granted `auth`: its service uses it both ways. */
void zs_edge_tunnel_grant(struct zs_edge_tunnel *t, uint8_t service);

/* A datagram of the tunnel's socket, opened in place; ecn: of its IP header. The verdict is for counting. */
enum zs_drop zs_edge_tunnel_receive(struct zs_edge_tunnel *t, const struct zs_endpoint *from, uint8_t ecn,
				    uint8_t *datagram, size_t len, uint64_t now_ns);
/* When to call zs_edge_tunnel_due; UINT64_MAX: never. */
uint64_t zs_edge_tunnel_deadline(const struct zs_edge_tunnel *t);
void zs_edge_tunnel_due(struct zs_edge_tunnel *t, uint64_t now_ns);

/* A flow of our own to `target`, a published port of this PoP. -EAGAIN: every number is in use or resting. */
int zs_edge_tunnel_open(struct zs_edge_tunnel *t, const struct zs_endpoint *target, uint64_t now_ns,
			struct zs_tunnel_flow *flow);
/* Ends a flow, ours or the relay's, and tells the relay. */
void zs_edge_tunnel_close(struct zs_edge_tunnel *t, const struct zs_tunnel_flow *flow, uint16_t reason,
			  uint64_t now_ns);
/* Sends `payload` in place, with ZS_EDGE_HEADROOM before and ZS_EDGE_TAILROOM behind it, which are overwritten; flow 0
 * is routed by its CID. tunnel_mtu; no_endpoint: no session is in use; no_flow: not open; tunnel_lane. */
enum zs_drop zs_edge_tunnel_data(struct zs_edge_tunnel *t, const struct zs_tunnel_flow *flow, uint8_t ecn,
				 uint8_t *payload, size_t len, uint64_t now_ns);
/* Ends the session in use and all others, telling the relay. */
void zs_edge_tunnel_shutdown(struct zs_edge_tunnel *t, uint16_t reason, uint64_t now_ns);
/* Longest payload that zs_edge_tunnel_data takes now; 0: no session is in use. */
uint32_t zs_edge_tunnel_payload(const struct zs_edge_tunnel *t);

/* Which way the session in use goes. false: none is. */
struct zs_edge_way {
	struct zs_endpoint relay;
	uint64_t heard_ns; /* last authentic packet */
	uint32_t receiver; /* ours */
	uint32_t size;	   /* bytes of UDP payload that surely pass */
	bool measured;	   /* else longer ones are still being tried */
};
bool zs_edge_tunnel_way(const struct zs_edge_tunnel *t, struct zs_edge_way *out);
/* Our own address or way changed: the relay hears of it at once, and the path is measured anew. `most`: as in
 * struct zs_edge_session. */
void zs_edge_tunnel_moved(struct zs_edge_tunnel *t, uint32_t most, uint64_t now_ns);

#endif
