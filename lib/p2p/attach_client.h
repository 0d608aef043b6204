/* The edge's half of /zerostate/attach/1.0.0 (docs/PROTOCOL.md, Control connection): gets a session from its relay, keeps it,
 * and gets it back. Sans-I/O: whoever owns it reports what happens to connections and passes the time,
 * the client says what to do by ops. No clock, no socket, no global; one thread; bounded memory.
 *
 * A link is one attempt: a connection to a relay, its attach stream, the session that came of it. Each has a number that is
 * never used again; reports about a link that is gone are ignored. At most two are alive: the one whose
 * session serves, and the next one. The serving session outlives its connection (the relay's data
 * plane does not need the control plane) and stays until the next one has been proven by zs_attach_client_proved():
 * make before break. Fresh sessions are made within every `session_ns`.
 *
 * Ops must not call back into the client, but `event` may call proved when it is told GRANTED. `now` is monotonic ns; a
 * step back counts as standing still. */
#ifndef ZS_P2P_ATTACH_CLIENT_H
#define ZS_P2P_ATTACH_CLIENT_H

#include "p2p/attach_cids.h"
#include "p2p/attach_codec.h"
#include "p2p/attach_memory.h"
#include "p2p/attach_state.h"
#include "p2p/multiaddr.h"
#include "relay/keys.h"

#define ZS_ATTACH_PUBLISHED    64	      /* names of one edge; a relay has 127 for it */
#define ZS_ATTACH_ADDRS	       8	      /* of one kind in a Grant */
#define ZS_ATTACH_ALTERNATIVES 8	      /* in a drain notice */
#define ZS_ATTACH_GROUP	       32	      /* name of a key exchange, its end included */
#define ZS_ATTACH_WHY	       256	      /* one line, its end included */
#define ZS_ATTACH_SESSION_NS   3600000000000u /* WIRE: a fresh one at least hourly */

struct zs_attach_client;

/* Where to: the relay of the command line, or one that a drain notice named. */
struct zs_attach_target {
	struct zs_dial_target at; /* peer.len 0: trust whoever answers first, the home relay alone */
	bool learnt;		  /* named by a relay: through the gater as such */
};

/* What the data plane needs of a session. Wiped when it ends. */
struct zs_attach_session {
	uint32_t link;			 /* its link's number, the session's name here */
	uint8_t root[ZS_ATTACH_SECRET];	 /* R of the key schedule */
	uint32_t own_receiver, receiver; /* in what comes to us; in what we send. Mode socket: 0 */
	uint32_t bind_id;		 /* mode socket */
	uint32_t pop, attachment, generation, continuity;
	uint64_t lease_ns, spread_ns;
	struct zs_peer_id relay;
	char group[ZS_ATTACH_GROUP]; /* of the key exchange */
	uint8_t tunnels, services;
	struct zs_endpoint tunnel[ZS_ATTACH_ADDRS], service[ZS_ATTACH_ADDRS];
};

enum zs_attach_event_kind {
	ZS_ATTACH_EVENT_STATE,	 /* it changed, or an attempt beside a serving session failed */
	ZS_ATTACH_EVENT_GRANTED, /* keys stand at both ends; call proved when a packet went each way */
	ZS_ATTACH_EVENT_PORT,	 /* granted; refused: port.error; withdrawn: neither error nor port */
	ZS_ATTACH_EVENT_POLICY,
	ZS_ATTACH_EVENT_CIDS,
	ZS_ATTACH_EVENT_NOTICE,
	ZS_ATTACH_EVENT_REFUSED, /* a request of a session that goes on */
	ZS_ATTACH_EVENT_ENDED,	 /* forget the session's keys */
	ZS_ATTACH_EVENT_SAVE	 /* zs_attach_client_memory() has changed */
};

/* By reference, until the call returns. */
struct zs_attach_event {
	enum zs_attach_event_kind kind;
	uint32_t link; /* 0: of none */
	uint64_t id;   /* CIDS, REFUSED: of our request, 0: nobody asked */
	union {
		struct {
			enum zs_attach_state state;
			const char *why;   /* one line, "" when there is nothing to say */
			uint64_t retry_ns; /* from now; 0: nothing is waited for */
			uint32_t refusal;  /* the relay's Error code, when that is why; 0 */
		};
		const struct zs_attach_session *session; /* GRANTED, ENDED */
		const zs_pb_Port *port;
		const zs_pb_Policy *policy;
		const zs_pb_Cids *cids;
		const zs_pb_Notice *notice;
		const zs_pb_Error *error; /* REFUSED */
	};
};

/* All must be set. */
struct zs_attach_client_ops {
	/* Resolve if it is a name, and connect; offer the hybrid group. Report resolved, connected or closed, later. */
	void (*dial)(void *ctx, uint32_t link, const struct zs_attach_target *target);
	/* Open a stream of ZS_ATTACH_PROTOCOL on the link's connection. Report opened or closed, later. */
	void (*open)(void *ctx, uint32_t link);
	/* On that stream, length included. At most a few frames are ever unsent. */
	void (*send)(void *ctx, uint32_t link, const void *bytes, size_t len);
	/* Closes the link's connection, or gives its dial up. No report follows. */
	void (*close)(void *ctx, uint32_t link, const char *why);
	/* PING after so much silence. */
	void (*keep_alive)(void *ctx, uint32_t link, uint64_t silence_ns);
	/* TLS exporter of the link's connection. */
	void (*export)(void *ctx, uint32_t link, const char *label, const void *context, size_t context_len,
		       uint8_t *out, size_t out_len);
	void (*event)(void *ctx, const struct zs_attach_event *event);
};

struct zs_attach_publish {
	char name[33];
	uint16_t port;	    /* 0: any */
	uint8_t protection; /* ZS_ATTACH_PROTECTION_… */
};

/* Copied by new, bytes behind pointers too. */
struct zs_attach_client_config {
	struct zs_attach_target home;
	uint32_t mode;			      /* ZS_ATTACH_MODE_… */
	uint8_t instance[ZS_ATTACH_INSTANCE]; /* random, of this run of the process */
	const void *token, *psk_id;	      /* NULL, 0: none */
	size_t token_len, psk_id_len;
	const uint8_t *psk; /* 32 bytes, not all zero; NULL: none */
	uint32_t max_payload;
	const struct zs_attach_publish *publish;
	uint32_t publishes;
	bool cids;	     /* keep a pool of own connection IDs */
	uint64_t session_ns; /* a session's longest life; 0: ZS_ATTACH_SESSION_NS */
	struct zs_random random;
};

/* -EINVAL: a bound is broken; -ENOMEM. Nothing happens before start. */
int zs_attach_client_new(struct zs_attach_client **out, const struct zs_attach_client_config *config,
			 const struct zs_attach_client_ops *ops, void *ctx);
/* Silent: no op is called. Secrets are wiped. */
void zs_attach_client_delete(struct zs_attach_client *c);
/* What an earlier run kept; before start. A home that the configuration names wins. -EINVAL: damaged, nothing is kept. */
int zs_attach_client_restore(struct zs_attach_client *c, const void *bytes, size_t len);
size_t zs_attach_client_memory(const struct zs_attach_client *c, uint8_t out[ZS_ATTACH_MEMORY]);

void zs_attach_client_start(struct zs_attach_client *c, uint64_t now);
/* Says good-bye: Detach, then disconnected, within a second. The session ends; attachment and ports stay ours for the
 * lease. */
void zs_attach_client_detach(struct zs_attach_client *c, uint64_t now);

/* Reports about links. */
void zs_attach_client_resolved(struct zs_attach_client *c, uint32_t link, uint64_t now);
/* The peer is proven; `group` names the key exchange. */
void zs_attach_client_connected(struct zs_attach_client *c, uint32_t link, const struct zs_peer_id *peer,
				const char *group, uint64_t now);
void zs_attach_client_opened(struct zs_attach_client *c, uint32_t link, uint64_t now);
void zs_attach_client_bytes(struct zs_attach_client *c, uint32_t link, const void *bytes, size_t len,
			    uint64_t now);
/* The link is gone: its name, its connection or its stream failed. `end` is error; timeout: nobody answered; failed: only a
 * person can mend it (another peer id, no attach there, an address that is not allowed). `why`: one line. */
void zs_attach_client_closed(struct zs_attach_client *c, uint32_t link, enum zs_attach_state end,
			     const char *why, uint64_t now);
/* The link's session carried an authentic packet each way: it serves now, the previous one ends. */
void zs_attach_client_proved(struct zs_attach_client *c, uint32_t link, uint64_t now);

/* One connection ID of our own for a QUIC stack, each once; good for CIDs that expire after wall_s (Unix time). false: the pool is
 * empty (config.cids is not set, or the relay has not answered yet): a dial fails with no_cid. */
bool zs_attach_client_take_cid(struct zs_attach_client *c, uint8_t cid[ZS_ATTACH_CID], uint64_t *expires_s,
			       uint64_t now, uint64_t wall_s);
/* Asks for `count` (1–64) with which to dial `callee`, who must be attached to the same relay. The request's id: the answer is
 * an event CIDS or REFUSED with it. -ENOTCONN: no serving connection; -EINVAL. */
int64_t zs_attach_client_ask_cids(struct zs_attach_client *c, const struct zs_peer_id *callee, uint32_t count,
				  uint64_t now);

/* When advance wants to be called, UINT64_MAX for never. Changes with every other call. */
uint64_t zs_attach_client_deadline(const struct zs_attach_client *c);
void zs_attach_client_advance(struct zs_attach_client *c, uint64_t now);

enum zs_attach_state zs_attach_client_state(const struct zs_attach_client *c);
/* The session that serves, NULL: none. */
const struct zs_attach_session *zs_attach_client_session(const struct zs_attach_client *c);

/* Invariants, for tests. */
void zs_attach_client_check(const struct zs_attach_client *c);

#endif
