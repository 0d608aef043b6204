/* QUIC version 1 (RFC 9000, 9001, 9002, 9221 not) as libp2p uses it, without I/O: datagrams and the
 * time go in, datagrams and upcalls come out. One endpoint is one UDP socket; it listens and dials
 * from it. One thread per endpoint. Nothing here reads a clock, opens a socket or keeps a global.
 *
 * A turn of the caller's loop: zs_quic_receive() what came, zs_quic_advance() when zs_quic_deadline()
 * has passed, then zs_quic_pull() until it gives 0 and send what it gave. Writing, consuming and
 * closing only make a connection due: their bytes leave with the next pull.
 *
 * `now` is monotonic ns; a step back counts as standing still. Upcalls come from receive, advance
 * and pull; they may call anything about connections and streams, but not those three and not
 * zs_quic_delete(). A connection lives until its `closed` upcall returns, a stream until its
 * `stream_closed` does; every stream's comes before its connection's.
 *
 * Back-pressure: a stream buffers at most `send_buffer` unacknowledged bytes; the peer may send what
 * was consumed plus a window. What is never consumed is credited to the connection when the
 * stream ends. */
#ifndef ZS_P2P_QUIC_H
#define ZS_P2P_QUIC_H

#include <sys/types.h>
#include "base/random.h"
#include "net/datagram.h"
#include "p2p/tls.h"

#define ZS_QUIC_SECRET	    32
#define ZS_QUIC_REASON	    128	  /* text of a close, its end included; longer text is cut */
#define ZS_QUIC_MEMORY_STEP 65536 /* bytes */
#define ZS_QUIC_DATAGRAM    1452  /* largest sent: an IPv6 packet of 1,500 */

struct zs_quic;	       /* an endpoint */
struct zs_quic_conn;   /* a connection, from accept or dial on */
struct zs_quic_stream; /* a stream of one */

enum zs_quic_verdict { ZS_QUIC_ACCEPT, ZS_QUIC_RETRY, ZS_QUIC_REFUSE, ZS_QUIC_DROP };

/* A first Initial before anything is stored for it. */
struct zs_quic_incoming {
	const struct zs_endpoint *peer, *local;
	bool validated;			  /* came with a valid Retry token: the address is no forgery */
	uint32_t handshakes, connections; /* now alive: unfinished ones that came in; all */
};

/* What ended a connection. */
enum zs_quic_end {
	ZS_QUIC_END_LOCAL,  /* we: zs_quic_close(), or the peer broke a rule or was refused */
	ZS_QUIC_END_REMOTE, /* the peer's CONNECTION_CLOSE */
	ZS_QUIC_END_IDLE,   /* nothing heard for the idle time */
	ZS_QUIC_END_SLOW,   /* the handshake did not end in time, or nobody answered */
	ZS_QUIC_END_RESET,  /* stateless reset: the peer has forgotten the connection */
	ZS_QUIC_END_VERSION /* the peer does not speak version 1 */
};
struct zs_quic_close {
	enum zs_quic_end end;
	bool application; /* whose code: the application's, else QUIC's (RFC 9000 §20.1; 0x100 + TLS alert) */
	uint64_t code;
	char reason[ZS_QUIC_REASON]; /* printable; none given: the name of the TLS alert, or "" */
};

/* Every member must be set but those marked. */
struct zs_quic_ops {
	enum zs_quic_verdict (*incoming)(void *ctx, const struct zs_quic_incoming *in);
	/* Accepted: the connection exists, its handshake begins; the place for zs_quic_set_user(). Optional. */
	void (*accepted)(void *ctx, struct zs_quic_conn *conn);
	/* The handshake is complete and the peer proven. Streams may be opened from here on. */
	void (*established)(void *ctx, struct zs_quic_conn *conn);
	/* Once for each that was accepted or dialled, established or not. */
	void (*closed)(void *ctx, struct zs_quic_conn *conn, const struct zs_quic_close *why);
	/* The peer's address changed and was validated. Optional. */
	void (*moved)(void *ctx, struct zs_quic_conn *conn);
	/* The peer allows more streams than at the last -EAGAIN. Optional. */
	void (*streams_left)(void *ctx, struct zs_quic_conn *conn);
	void (*opened)(void *ctx, struct zs_quic_stream *stream); /* by the peer */
	/* `bytes` until it returns. len 0 only with fin. Give credit with zs_quic_consume(), now or later. */
	void (*data)(void *ctx, struct zs_quic_stream *stream, const uint8_t *bytes, size_t len, bool fin);
	void (*writable)(void *ctx, struct zs_quic_stream *stream); /* after a short zs_quic_write() */
	void (*reset)(void *ctx, struct zs_quic_stream *stream, uint64_t code); /* no more data will come */
	/* The peer wants no more; known when there is something to send, at the latest. */
	void (*stopped)(void *ctx, struct zs_quic_stream *stream);
	void (*stream_closed)(void *ctx, struct zs_quic_stream *stream);
	/* QUIC itself holds so many bytes for the connection: data out of order, packets in flight. Told when they changed by
	 * ZS_QUIC_MEMORY_STEP, from pull. Optional. */
	void (*memory)(void *ctx, struct zs_quic_conn *conn, uint64_t bytes);
	/* Unix seconds, to judge certificates and Retry tokens by. */
	int64_t (*wall)(void *ctx);
	/* qlog (JSON-SEQ) of connections made while zs_quic_set_qlog() is on. `last` once, right after `closed`. Optional. */
	void (*qlog)(void *ctx, struct zs_quic_conn *conn, const void *bytes, size_t len, bool last);
};

enum zs_reply_kind {
#define ZS_REPLY_KIND(name, per_s, text) ZS_REPLY_KIND_##name,
#include "defs/p2p_replies.def"
	ZS_REPLY_KINDS
};
const char *zs_reply_kind_name(enum zs_reply_kind kind);

struct zs_quic_config {
	/* Of reset and Retry tokens: keep it over restarts, show it to nobody. */
	uint8_t secret[ZS_QUIC_SECRET];
	uint32_t max_connections; /* beyond it first Initials are refused */
	/* Unfinished incoming ones; beyond it dropped, or refused when the address is proven. */
	uint32_t max_handshakes;
	/* So many unfinished: Retry comes first, `incoming` is asked about what comes back. */
	uint32_t retry_above;
	uint32_t streams_bidi, streams_uni;		   /* the peer may have open at once */
	uint32_t stream_window, connection_window;	   /* bytes at first … */
	uint32_t stream_window_max, connection_window_max; /* … and what a fast reader grows them to */
	uint32_t send_buffer;				   /* unacknowledged bytes a stream holds */
	uint64_t idle_ns;				   /* the lower of both sides' counts */
	uint64_t keep_alive_ns; /* PING after so much silence, 0 never; zs_quic_keep_alive() changes it */
	uint64_t handshake_ns;
	uint64_t ack_delay_ns; /* below 2^14 ms */
	uint32_t ack_every;    /* packets that make an acknowledgement due at once */
	uint16_t max_datagram; /* 1,200 … ZS_QUIC_DATAGRAM; path MTU discovery looks up to it */
	uint64_t retry_ns;     /* how old a Retry token may be, by the wall clock: whole seconds */
	uint32_t tombstones;   /* closed connections remembered … */
	uint64_t tombstone_ns; /* … and how long (RFC 9000 §10.2: three probe timeouts) */
	uint32_t replies_per_s[ZS_REPLY_KINDS]; /* stateless answers to everybody … */
	uint32_t
	    resets_per_network_s; /* … and resets to one /24 or /48, half of them to one address or /64 */
};

/* Everything but `secret`. */
void zs_quic_config_default(struct zs_quic_config *config);

/* `config`, `ops` and `random` are copied, `tls` outlives the endpoint. -ENOMEM; -EINVAL: a config out of bounds. */
int zs_quic_new(struct zs_quic **out, const struct zs_quic_config *config, struct zs_tls *tls,
		struct zs_random random, const struct zs_quic_ops *ops, void *ctx);
/* Whether connections made from now on write qlog; off at first. */
void zs_quic_set_qlog(struct zs_quic *q, bool on);
/* Ends every connection with the `closed` upcall and without a packet: close and pull before it. */
void zs_quic_delete(struct zs_quic *q);

void zs_quic_receive(struct zs_quic *q, const struct zs_udp_datagram *in, size_t count, uint64_t now);
/* Fills up to `max` datagrams whose bytes lie in `buf` (≥ max_datagram bytes); 0: nothing is due. Runs to
 * one peer have one length but for the last, as GSO wants. */
size_t zs_quic_pull(struct zs_quic *q, struct zs_udp_datagram *out, size_t max, void *buf, size_t capacity,
		    uint64_t now);
/* When zs_quic_advance() wants to be called, UINT64_MAX for never. Changes with every other call. */
uint64_t zs_quic_deadline(const struct zs_quic *q);
void zs_quic_advance(struct zs_quic *q, uint64_t now);

struct zs_quic_dial {
	struct zs_endpoint remote, local; /* local's address all zero: the kernel's choice */
	uint32_t ifindex;		  /* for link-local remotes, else 0 */
	const struct zs_peer_id *peer;	  /* NULL: whoever answers */
	bool hybrid;			  /* offer X25519Kyber768 first: for our own ends */
	void *user;
};
/* `closed` tells when it fails, `established` when it is done. -EAGAIN: at max_connections; -ENOMEM. */
int zs_quic_dial(struct zs_quic *q, const struct zs_quic_dial *dial, uint64_t now, struct zs_quic_conn **out);

/* `reason` may be NULL. Streams end, nothing buffered is sent; `closed` comes from the next pull. */
void zs_quic_close(struct zs_quic_conn *conn, uint64_t code, const char *reason);
void zs_quic_keep_alive(struct zs_quic_conn *conn, uint64_t silence_ns); /* 0: never */
/* Asks for a key update (RFC 9001 §6). -EAGAIN: the last one is not confirmed yet. */
int zs_quic_rekey(struct zs_quic_conn *conn, uint64_t now);
/* Moves a dialled connection to another local address. -EPERM: the peer forbids it; -EAGAIN: not now. */
int zs_quic_migrate(struct zs_quic_conn *conn, const struct zs_endpoint *local, uint64_t now);
/* Only after `established`; see zs_tls_export(). */
void zs_quic_export(const struct zs_quic_conn *conn, const char *label, const void *context,
		    size_t context_len, uint8_t *out, size_t out_len);

/* Who proved to be there, len 0 before. When a dial failed with `wrong peer`: who answered instead. */
const struct zs_peer_id *zs_quic_peer(const struct zs_quic_conn *conn);
bool zs_quic_is_dialled(const struct zs_quic_conn *conn);
bool zs_quic_is_established(const struct zs_quic_conn *conn);
const char *zs_quic_group(const struct zs_quic_conn *conn); /* of the key exchange */
struct zs_endpoint zs_quic_remote(const struct zs_quic_conn *conn);
struct zs_endpoint zs_quic_local(const struct zs_quic_conn *conn);
void *zs_quic_user(const struct zs_quic_conn *conn);
void zs_quic_set_user(struct zs_quic_conn *conn, void *user);
/* All connections in no order: NULL gives the first, the last gives NULL. */
struct zs_quic_conn *zs_quic_next(const struct zs_quic *q, const struct zs_quic_conn *conn);

struct zs_quic_conn_stats {
	uint64_t rtt_ns, min_rtt_ns, cwnd, in_flight; /* smoothed, …, bytes */
	uint64_t rx, rx_bytes, tx, tx_bytes;	      /* datagrams of this connection */
	uint64_t connection_credit;		      /* bytes we may send now */
	uint64_t streams_left;			      /* bidirectional ones we may open now */
	uint32_t streams;			      /* open, both ways */
	uint64_t buffered, unconsumed; /* bytes in send buffers; given by `data` without credit */
	uint16_t datagram;	       /* what the path is known to carry */
};
void zs_quic_conn_stats(const struct zs_quic_conn *conn, struct zs_quic_conn_stats *out);

struct zs_quic_stats {
	uint64_t rx, rx_malformed, rx_unknown; /* datagrams; not QUIC; of no connection */
	uint64_t tx;
	uint64_t accepted, dialled, established, refused, dropped; /* verdicts included */
	/* Stateless answers sent, closes repeated by tombstones among them; and not sent: over the rate, or no room. */
	uint64_t retries, resets, versions, closes, replies_held[ZS_REPLY_KINDS];
	uint32_t connections, handshakes, tombstones, cids; /* now */
};
void zs_quic_stats(const struct zs_quic *q, struct zs_quic_stats *out);

/* Bidirectional. -EAGAIN: the peer allows no more for now; -ENOTCONN: not established, or closing. */
int zs_quic_open(struct zs_quic_conn *conn, void *user, struct zs_quic_stream **out);
/* Takes what fits, 0 … len. -EPIPE: this side was finished, reset or stopped. */
ssize_t zs_quic_write(struct zs_quic_stream *stream, const void *bytes, size_t len);
/* After what was written. */
void zs_quic_fin(struct zs_quic_stream *stream);
/* Our sending side: what is not sent never will be. */
void zs_quic_reset(struct zs_quic_stream *stream, uint64_t code);
/* Our receiving side: asks the peer to reset, and tells nothing more of it. */
void zs_quic_stop(struct zs_quic_stream *stream, uint64_t code);
/* Gives credit for so much of what `data` gave; more than that counts as all. */
void zs_quic_consume(struct zs_quic_stream *stream, size_t len);
struct zs_quic_conn *zs_quic_stream_conn(const struct zs_quic_stream *stream);
int64_t zs_quic_stream_id(const struct zs_quic_stream *stream);
bool zs_quic_stream_is_ours(const struct zs_quic_stream *stream); /* we opened it */
size_t zs_quic_stream_room(const struct zs_quic_stream *stream);  /* bytes zs_quic_write() would take */
void *zs_quic_stream_user(const struct zs_quic_stream *stream);
void zs_quic_stream_set_user(struct zs_quic_stream *stream, void *user);

#endif
