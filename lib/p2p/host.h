/* The libp2p host without I/O: connections to peers, streams that speak negotiated protocols, ping, identify
 * and identify/push, under the resource and connection managers. Datagrams and the time go in, datagrams
 * and upcalls come out. One thread a host; nothing here reads a clock, opens a socket or keeps a global.
 *
 * A turn of the caller's loop is that of p2p/quic.h: receive what came, advance when the deadline has
 * passed, then pull until it gives 0. Any other call may make something due: pull and look at the deadline
 * after it. `now` is monotonic ns.
 *
 * Upcalls come from receive, advance, pull and delete, and `ready` also from zs_host_open(). They may
 * call anything here but those four. A connection lives until its `disconnected` returns, a stream until
 * its `closed` returns or zs_host_stream_reset() is called.
 *
 * Names are resolved by the caller: what they resolve to is told by zs_host_learn(). */
#ifndef ZS_P2P_HOST_H
#define ZS_P2P_HOST_H

#include "base/error.h"
#include "p2p/connmgr.h"
#include "p2p/dial.h"
#include "p2p/gater.h"
#include "p2p/identify.h"
#include "p2p/peerstore.h"
#include "p2p/prefix.h"
#include "p2p/quic.h"

#define ZS_HOST_PROTOCOLS   28	/* registered at most; with their services they fit ZS_LIMITS_GROUPS */
#define ZS_HOST_ADDRS	    16	/* own addresses told to peers */
#define ZS_HOST_NO_ANNOUNCE 16	/* prefixes */
#define ZS_HOST_RAW	    128 /* bytes of a raw datagram */
#define ZS_HOST_TEXT	    ZS_REFUSAL_TEXT

struct zs_host;
struct zs_host_conn;
struct zs_host_stream;

enum zs_host_code { /* a stream's is one more */
#define ZS_HOST_CODE(name, code, text) ZS_HOST_##name = code,
#include "defs/p2p_host.def"
#undef ZS_HOST_CODE
};
enum zs_stream_fate {
#define ZS_HOST_FATE(name, text) ZS_STREAM_##name,
#include "defs/p2p_host.def"
#undef ZS_HOST_FATE
	ZS_STREAM_FATES
};
const char *zs_host_code_text(uint64_t code); /* of a connection's close; never NULL */

struct zs_stream_end {
	enum zs_stream_fate fate;
	uint64_t code;	  /* RESET: the peer's */
	const char *text; /* one line; until the upcall returns */
};

/* What a stream tells. `user` begins as the registered or given one; zs_host_stream_set_user() changes it. All
 * but `data` and `closed` are optional. */
struct zs_stream_ops {
	/* The protocol is settled, or with `lazy` taken for granted: write from here on. */
	void (*ready)(void *user, struct zs_host_stream *s);
	/* `bytes` until it returns; len 0 only with fin. Give credit by zs_host_stream_consume(), now or later. */
	void (*data)(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin);
	void (*writable)(void *user, struct zs_host_stream *s); /* after a short write */
	/* The peer reads no more: writes give -EPIPE. That is no error once all was said. */
	void (*stopped)(void *user, struct zs_host_stream *s);
	/* The last upcall; `s` is gone after it. */
	void (*closed)(void *user, struct zs_host_stream *s, const struct zs_stream_end *why);
};

struct zs_host_protocol {
	const char *id;			 /* copied: at most ZS_LIMITS_NAME - 1 bytes */
	const char *service;		 /* copied; NULL: none */
	const struct zs_limit *limit;	 /* of the protocol, NULL: the scope's default */
	const struct zs_limit *per_peer; /* of one peer's share, likewise */
	enum zs_priority priority;	 /* of its buffers; 0: medium */
	bool limited_ok;		 /* may run over limited connections */
	const struct zs_stream_ops *ops; /* NULL: we only open it */
	void *user;
};

struct zs_host_close {
	enum { ZS_HOST_BY_US, ZS_HOST_BY_PEER, ZS_HOST_BY_SILENCE } by;
	bool application; /* the code is one of enum zs_host_code's kind, else QUIC's */
	uint64_t code;
	const char *text; /* one line; until the upcall returns */
};

struct zs_host_ops {
	/* May this peer connect? False: closed as GATED. Optional. */
	bool (*admit)(void *ctx, const struct zs_host_conn *conn);
	void (*connected)(void *ctx, struct zs_host_conn *conn); /* optional */
	void (*disconnected)(void *ctx, struct zs_host_conn *conn,
			     const struct zs_host_close *why); /* optional */
	/* Identify, or with `push` a change, was read and is in the peerstore. Optional. */
	void (*identified)(void *ctx, struct zs_host_conn *conn, const struct zs_identify *id, bool push);
	/* No address of the peer answered. Optional. */
	void (*unreached)(void *ctx, const struct zs_peer_id *peer, const char *text);
	/* A limit refused something; `since` repeats since it was last told, this one included. Optional. */
	void (*refused)(void *ctx, const struct zs_refusal *why, const char *text, uint64_t since);
	int64_t (*wall)(void *ctx); /* Unix seconds */
	/* As in p2p/quic.h; `which` is the same for all of one connection. Optional. */
	void (*qlog)(void *ctx, const void *which, const void *bytes, size_t len, bool last);
};

/* Keys and sources of randomness inside are filled by zs_host_new(). */
struct zs_host_config {
	struct zs_quic_config quic;
	struct zs_limits_config limits;
	struct zs_connmgr_config connmgr;
	struct zs_prefix_config prefix;
	struct zs_peerstore_config peerstore;
	struct zs_dial_config dial;
	struct zs_gater gater;
	const char *agent, *protocol_version; /* outlive the host */
	bool hybrid;			      /* dials offer X25519Kyber768 first */
	struct zs_prefix no_announce[ZS_HOST_NO_ANNOUNCE];
	uint32_t no_announce_count;
#define ZS_HOST_NUMBER(name, value, text) uint64_t name;
#include "defs/p2p_host.def"
#undef ZS_HOST_NUMBER
};

/* All but quic.secret. */
void zs_host_defaults(struct zs_host_config *config);
/* Everything is copied. -ENOMEM; -EINVAL: a config out of bounds (connmgr.conns ≥ quic.max_connections). */
int zs_host_new(struct zs_host **out, const struct zs_host_config *config, const struct zs_identity *identity,
		struct zs_random random, const struct zs_host_ops *ops, void *ctx);
/* Ends all connections without a packet: zs_host_shutdown() and pull before it. */
void zs_host_delete(struct zs_host *h);
/* Closes every connection and takes no new one. */
void zs_host_shutdown(struct zs_host *h);

void zs_host_receive(struct zs_host *h, const struct zs_udp_datagram *in, size_t count, uint64_t now);
size_t zs_host_pull(struct zs_host *h, struct zs_udp_datagram *out, size_t max, void *buf, size_t capacity,
		    uint64_t now);
uint64_t zs_host_deadline(const struct zs_host *h);
void zs_host_advance(struct zs_host *h, uint64_t now);
/* Whether connections made from now on write qlog; off at first. */
void zs_host_set_qlog(struct zs_host *h, bool on);
/* A datagram that is not QUIC's leaves the listening socket with the next pull (hole punching). -EPERM: the gater
 * forbids the target; -ENOBUFS: too many wait; -EMSGSIZE. */
int zs_host_send_raw(struct zs_host *h, const struct zs_udp_datagram *d);

const struct zs_peer_id *zs_host_id(const struct zs_host *h);
/* Until the next call that takes a time. */
struct zs_peerstore *zs_host_peerstore(struct zs_host *h);

/* The socket's own endpoints, and addresses to tell instead of them and of what peers observed (n 0: none):
 * both replace what was said before, are never dialled, and are pushed to peers. -ENOSPC: too many. */
int zs_host_listen(struct zs_host *h, const struct zs_endpoint *endpoints, uint32_t n);
int zs_host_announce(struct zs_host *h, const struct zs_multiaddr *addrs, uint32_t n);
/* What we tell, without the peer id. Until the next change. */
uint32_t zs_host_addrs(const struct zs_host *h, const struct zs_multiaddr **out);

/* A protocol; again after zs_host_unregister() (limits stay as they were). -EEXIST, -ENOSPC, -EINVAL. */
int zs_host_register(struct zs_host *h, const struct zs_host_protocol *protocol);
/* Not spoken from here on; streams that stand go on. */
void zs_host_unregister(struct zs_host *h, const char *id);

/* An address of a peer. CONFIGURED: lives until zs_peerstore_forget(). -EPERM: the gater forbids it, -EPROTONOSUPPORT:
 * no QUIC address of numbers; -EINVAL: it names another peer; and those of zs_peerstore_learn(). err, which may be
 * NULL, tells. */
int zs_host_learn(struct zs_host *h, const struct zs_peer_id *peer, const struct zs_multiaddr *addr,
		  enum zs_gater_origin origin, uint64_t now, struct zs_error *err);
/* 0: connected, or dialling (`connected` or `unreached` tells). -EADDRNOTAVAIL: no address is known; -EAGAIN: backing
 * off, `insist` skips that; -EBUSY: too many dials; -ESHUTDOWN. err may be NULL. */
int zs_host_connect(struct zs_host *h, const struct zs_peer_id *peer, bool insist, uint64_t now,
		    struct zs_error *err);
/* A connection of its own to this very endpoint, beside those that stand: no address book, no planner, no back-off, and
 * the gater is not asked: who names an endpoint has judged it. `peer` NULL: whoever answers. `connected` or, for this
 * one also when it never came to that, `disconnected` tells; `user` is the connection's. -EDQUOT, -EBUSY,
 * -ESHUTDOWN, -ENOMEM: no upcall follows. err may be NULL. */
int zs_host_dial(struct zs_host *h, const struct zs_endpoint *at, const struct zs_peer_id *peer, void *user,
		 uint64_t now, struct zs_host_conn **out, struct zs_error *err);
/* The best connection to the peer: not limited, then the newest. NULL: none. Of two that both sides dialled at once one is closed
 * soon, the same for both, unless it carries streams. */
struct zs_host_conn *zs_host_conn_to(struct zs_host *h, const struct zs_peer_id *peer);
void zs_host_disconnect(struct zs_host *h, const struct zs_peer_id *peer, enum zs_host_code code,
			const char *text);

/* See p2p/connmgr.h. */
int zs_host_tag(struct zs_host *h, const struct zs_peer_id *peer, const char *name, int32_t value);
int zs_host_protect(struct zs_host *h, const struct zs_peer_id *peer, const char *reason, bool keep);
bool zs_host_unprotect(struct zs_host *h, const struct zs_peer_id *peer, const char *reason);

void zs_host_close(struct zs_host_conn *conn, enum zs_host_code code, const char *text);
const struct zs_peer_id *zs_host_conn_peer(const struct zs_host_conn *conn);
struct zs_endpoint zs_host_conn_remote(const struct zs_host_conn *conn);
bool zs_host_conn_is_dialled(const struct zs_host_conn *conn);
const char *zs_host_conn_group(const struct zs_host_conn *conn); /* of the key exchange */
bool zs_host_conn_is_identified(const struct zs_host_conn *conn);
void *zs_host_conn_user(const struct zs_host_conn *conn);
void zs_host_conn_set_user(struct zs_host_conn *conn, void *user);
const void *zs_host_conn_which(const struct zs_host_conn *conn); /* its name in the qlog upcall */
/* PING on this one after so much silence, whatever its peer is to the connection manager; 0: the manager's word. */
void zs_host_conn_keep_alive(struct zs_host_conn *conn, uint64_t silence_ns);
/* Only protocols with `limited_ok` run over it from here on (a relayed connection with a quota). */
void zs_host_conn_set_limited(struct zs_host_conn *conn, bool limited);
/* See zs_tls_export(). */
void zs_host_conn_export(const struct zs_host_conn *conn, const char *label, const void *context,
			 size_t context_len, uint8_t *out, size_t out_len);

struct zs_host_open {
	struct zs_peer_id peer;
	struct zs_host_conn *conn;    /* NULL: the best one, dialled if there is none */
	const char *const *protocols; /* registered, best first; constants */
	uint16_t count;
	bool lazy;			 /* of one protocol: do not wait for the answer */
	bool insist;			 /* dial in spite of the back-off */
	uint64_t timeout_ns;		 /* until `ready`; 0: the config's */
	const struct zs_stream_ops *ops; /* outlive the stream */
	void *user;
};
/* *out is the stream, or will be one: write after `ready`, which may come before this returns. On failure there is no
 * upcall: those of zs_host_connect(), -EDQUOT: a limit of ours; -ENOPROTOOPT: a protocol that is not registered;
 * -ENOTCONN: `conn` is closing; -ENOMEM. err may be NULL. */
int zs_host_open(struct zs_host *h, const struct zs_host_open *ask, uint64_t now, struct zs_host_stream **out,
		 struct zs_error *err);
/* Takes what fits, 0 … len. -EPIPE: this side was finished or stopped; -EAGAIN: not ready. */
ssize_t zs_host_stream_write(struct zs_host_stream *s, const void *bytes, size_t len);
void zs_host_stream_fin(struct zs_host_stream *s); /* after what was written */
void zs_host_stream_consume(struct zs_host_stream *s, size_t len);
/* Gives the stream up, both ways: no upcall comes any more, `s` is gone. Codes: 0 or a zs_host_code + 1. */
void zs_host_stream_reset(struct zs_host_stream *s, uint64_t code);
/* Ends as TIMEOUT at this time, UINT64_MAX: never. `ready` clears it. */
void zs_host_stream_deadline(struct zs_host_stream *s, uint64_t at);
struct zs_host_conn *zs_host_stream_conn(const struct zs_host_stream *s); /* after `ready` */
const char *zs_host_stream_protocol(const struct zs_host_stream *s);	  /* likewise */
void *zs_host_stream_user(const struct zs_host_stream *s);
void zs_host_stream_set_user(struct zs_host_stream *s, void *user);
uint64_t zs_host_stream_now(const struct zs_host_stream *s); /* the latest time told to the host */

/* One round trip on a stream of its own. rtt_ns 0: it failed, `text` says why. */
typedef void zs_host_ping_fn(void *user, uint64_t rtt_ns, const char *text);
int zs_host_ping(struct zs_host *h, const struct zs_peer_id *peer, uint64_t timeout_ns, uint64_t now,
		 zs_host_ping_fn *fn, void *user, struct zs_error *err);
/* The same on this very connection: does its peer still answer there? */
int zs_host_conn_ping(struct zs_host_conn *conn, uint64_t timeout_ns, uint64_t now, zs_host_ping_fn *fn,
		      void *user, struct zs_error *err);

struct zs_host_conn_view {
	struct zs_peer_id peer;
	struct zs_endpoint remote, local;
	const char *transport, *state, *group; /* constants */
	char agent[ZS_PEERSTORE_AGENT];
	bool dialled, limited, identified, kept;
	uint32_t protocols; /* the peer speaks, of which those in the peerstore tell the names */
	uint32_t streams_in, streams_out;
	uint64_t since_ns; /* established */
	uint64_t rtt_ns, rx_bytes, tx_bytes, memory_bytes;
	uint64_t credit, streams_left,
	    buffered;	   /* the peer allows us now, bytes and streams; not acknowledged */
	uint64_t refusals; /* limits of ours that this connection met */
	int64_t score;
};
/* Every connection, also those that shake hands (one that came in has no peer yet); the view is a copy, good until fn returns. fn may close connections. */
void zs_host_each(struct zs_host *h, void (*fn)(void *user, const struct zs_host_conn_view *view),
		  void *user);

struct zs_host_stats {
	struct zs_quic_stats quic;
	struct zs_usage system, transient;
	uint64_t refusals, refused_arrivals, gated; /* limits met; first Initials sent away; addresses */
	uint64_t dials, unreached, identified, pushes_in, pushes_out, trimmed;
	uint64_t streams_in, streams_out;	 /* so far */
	uint32_t conns, peers, waiting, streams; /* now; streams: objects, also those given up */
};
void zs_host_stats(const struct zs_host *h, struct zs_host_stats *out);
uint64_t zs_host_refused(const struct zs_host *h, enum zs_scope scope, enum zs_resource resource);
bool zs_host_check(const struct zs_host *h); /* walks everything; for tests */

#endif
