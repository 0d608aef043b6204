/* The host's own structures.
 *
 * Connection: shaking hands → up → gone. It counts as transient from the dial or the first packet on. It is
 * refused, and then never `announced`, when a limit or `admit` says so.
 * Stream: waiting (for a connection, or for the peer's credit) → negotiating → open → gone. Of one given up
 * nobody is told any more, but it stays counted until the transport has forgotten it.
 * Peer: an entry while it has connections, waiting streams or a dial. */
#ifndef ZS_P2P_HOST_INTERNAL_H
#define ZS_P2P_HOST_INTERNAL_H

#include <sys/queue.h>
#include "base/gcra.h"
#include "p2p/envelope.h"
#include "p2p/host.h"
#include "p2p/multistream.h"
#include "base/deadline.h"

#define ZS_HOST_RAWS	     32 /* raw datagrams that wait for a pull */
#define ZS_HOST_OBSERVED     8	/* addresses at which others see us */
#define ZS_HOST_OBSERVERS    8	/* networks counted for each */
/* What a peer is worth when connections are trimmed: who said who it is, and who is here for more than the host's own
 * protocols, by our asking and by its own. */
#define ZS_HSCORE_IDENTIFIED 1
#define ZS_HSCORE_PROTOCOL   10

#define ZS_HOST_RECORD 1024 /* signed record of ZS_HOST_ADDRS addresses */

struct zs_host_entry { /* a protocol */
	char id[ZS_LIMITS_NAME], service[ZS_LIMITS_NAME];
	uint32_t group, service_group;
	enum zs_priority priority;
	bool on, limited_ok;
	const struct zs_stream_ops *ops;
	void *user;
};

enum zs_hstream_state { ZS_HSTREAM_WAITING, ZS_HSTREAM_NEGOTIATING, ZS_HSTREAM_OPEN };
struct zs_host_stream {
	TAILQ_ENTRY(zs_host_stream) link; /* of the peer's or connection's waiting, then of its streams */
	TAILQ_ENTRY(zs_host_stream) buffering;
	struct zs_host *host;
	struct zs_host_conn *conn; /* NULL: waits for one */
	struct zs_quic_stream *link_stream;
	const struct zs_stream_ops *ops; /* NULL: given up */
	void *user;
	const struct zs_host_entry *protocol;
	struct zs_limits_stream limits;
	struct zs_deadline timer;
	struct zs_multistream negotiation;
	const char *const *ids; /* outgoing */
	uint16_t count;
	enum zs_hstream_state state;
	bool ours, lazy, settled, given_up; /* settled: the negotiation is over */
	bool rx_fin, tx_fin, stopped, listed, hungry;
	uint32_t peer;			    /* slot, while it waits for a connection */
	uint64_t unconsumed, held, charged; /* bytes: not credited; not acknowledged; counted */
};
TAILQ_HEAD(zs_host_streams, zs_host_stream);

enum zs_hconn_state { ZS_HCONN_SHAKING, ZS_HCONN_UP };
struct zs_host_conn {
	TAILQ_ENTRY(zs_host_conn)
	all, same, surplus_link; /* same: connections of the peer, the newest first */
	struct zs_host *host;
	struct zs_quic_conn *link;
	struct zs_host_streams streams, waiting;
	struct zs_limits_conn limits;
	void *user;
	struct zs_peer_id id;
	uint32_t peer, manager; /* slot, once up; number */
	uint32_t dial, attempt;
	struct zs_endpoint target; /* dialled */
	enum zs_hconn_state state;
	bool dialled, direct, counted, announced, leaving, limited, identified, pushes, surplus;
	uint16_t protocols;
	uint32_t streams_in, streams_out;
	uint64_t weighed;	       /* of what QUIC holds for it: counted */
	uint64_t since_ns, silence_ns; /* silence: before a PING, 0: the manager's */
	uint64_t refusals, told;       /* told: the version of our description */
	struct zs_gcra push_bucket;
};
TAILQ_HEAD(zs_host_conns, zs_host_conn);

struct zs_host_peer {
	struct zs_host_conns conns;
	struct zs_host_streams waiting;
	bool dialling;
	uint32_t dial;
};

struct zs_observed {
	struct zs_endpoint at;
	uint32_t networks;
	struct zs_addr network[ZS_HOST_OBSERVERS];
	uint64_t seen_ns; /* 0: free */
};

struct zs_raw {
	struct zs_udp_datagram d;
	uint8_t bytes[ZS_HOST_RAW];
};

struct zs_host {
	struct zs_host_config config;
	struct zs_host_ops ops;
	void *ctx;
	struct zs_random random;
	struct zs_identity identity;
	struct zs_public_key key;
	struct zs_peer_id id;
	struct zs_cert cert;
	struct zs_tls *tls;
	struct zs_quic *quic;
	struct zs_limits *limits;
	struct zs_connmgr *connmgr;
	struct zs_peerstore *peerstore;
	struct zs_dialer *dialer;
	struct zs_prefix_rates prefix;
	struct zs_peertable peers;
	struct zs_host_peer *peer;
	struct zs_host_conns conns, surplus;
	struct zs_limits_conn arriving; /* between `incoming` and `accepted` */
	bool arriving_counted;
	struct zs_host_conn **managed;	  /* by the connection manager's number */
	struct zs_deadlines timers;	  /* of streams */
	struct zs_host_streams buffering; /* with memory counted, or waiting for some */
	struct zs_host_entry protocol[ZS_HOST_PROTOCOLS];
	uint32_t protocols, own_protocols; /* the first ones are the host's own */
	struct zs_endpoint listen[ZS_HOST_ADDRS];
	struct zs_multiaddr announce[ZS_HOST_ADDRS], own[ZS_HOST_ADDRS];
	uint32_t listens, announces, owns, gater_own; /* gater_own: ranges of the configuration */
	uint8_t record[ZS_HOST_RECORD];
	uint32_t record_len;
	uint64_t seq, version; /* of the record; of all we say of ourselves */
	struct zs_observed observed[ZS_HOST_OBSERVED];
	struct zs_gcra_rate push_rate;
	struct zs_raw raw[ZS_HOST_RAWS];
	uint32_t raws;
	bool down, dirty; /* dirty: some peer was not told the latest version */
	uint64_t now, tick_ns, push_ns;
	struct zs_host_stats stats;
};

/* host.c */
void zs_host_tell_time(struct zs_host *h, uint64_t now);
/* Counts a refusal and tells it now and then. `c` may be NULL. */
void zs_host_refused_by(struct zs_host *h, struct zs_host_conn *c, const struct zs_refusal *why);
/* The refusal as what the other side reads: short, and without the peer's id. */
const char *zs_host_refusal_brief(const struct zs_refusal *why, char buf[ZS_HOST_TEXT]);
/* The peer's entry, made when there is none. ZS_PEER_NONE: no room. */
uint32_t zs_host_peer_get(struct zs_host *h, const struct zs_peer_id *id);
/* Drops the entry when nothing holds it. */
void zs_host_peer_put(struct zs_host *h, uint32_t slot);

/* transport.c: all that knows QUIC. A second transport makes a table of these. */
extern const struct zs_quic_ops zs_link_ops;
int zs_link_dial(struct zs_host_conn *c); /* c->id: whom, len 0: whoever answers */
void zs_link_close(struct zs_host_conn *c, uint64_t code, const char *text);
void zs_link_keep_alive(struct zs_host_conn *c, uint64_t silence_ns);
void zs_link_view(const struct zs_host_conn *c, struct zs_host_conn_view *out);
int zs_link_open(struct zs_host_stream *s); /* -EAGAIN: the peer allows no more now */
ssize_t zs_link_write(struct zs_host_stream *s, const void *bytes, size_t len);
size_t zs_link_room(const struct zs_host_stream *s);
uint64_t zs_link_held(const struct zs_host_stream *s); /* bytes not acknowledged, before the FIN */
void zs_link_fin(struct zs_host_stream *s);
void zs_link_reset(struct zs_host_stream *s, uint64_t code); /* both ways */
void zs_link_consume(struct zs_host_stream *s, size_t len);

/* conn.c */
struct zs_host_conn *zs_hconn_new(struct zs_host *h, bool dialled);
void zs_hconn_free(struct zs_host_conn *c);
/* QUIC holds so many bytes for it. */
void zs_hconn_weigh(struct zs_host_conn *c, uint64_t bytes);
void zs_hconn_up(struct zs_host_conn *c);
void zs_hconn_down(struct zs_host_conn *c, const struct zs_host_close *why);
/* The peer allows more streams. */
void zs_hconn_more(struct zs_host_conn *c);

/* surplus.c: one of two connections that were dialled at once */
void zs_hsurplus_mark(struct zs_host_conn *c); /* it just came up; it or an older one may be surplus */
void zs_hsurplus_forget(struct zs_host_conn *c);
void zs_hsurplus_drop(struct zs_host *h); /* those at rest */

/* dial.c */
uint64_t zs_hdial_deadline(const struct zs_host *h);
void zs_hdial_run(struct zs_host *h);
/* How a dialled connection's attempt ended; `text` when it failed. */
void zs_hdial_result(struct zs_host_conn *c, bool succeeded, const char *text);
int zs_hdial_begin(struct zs_host *h, const struct zs_peer_id *peer, bool insist, struct zs_error *err);

/* open.c */
void zs_hopen_on(struct zs_host_stream *s, struct zs_host_conn *c);
void zs_hopen_waiting(struct zs_host_conn *c); /* those that waited for this peer */

/* stream.c */
struct zs_host_stream *zs_hstream_new(struct zs_host *h, const struct zs_stream_ops *ops, void *user);
void zs_hstream_free(struct zs_host_stream *s);
void zs_hstream_fail(struct zs_host_stream *s, enum zs_stream_fate fate, uint64_t code, const char *text);
void zs_hstream_data(struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin);
void zs_hstream_writable(struct zs_host_stream *s);
void zs_hstream_stopped(struct zs_host_stream *s);
void zs_hstream_reset_by_peer(struct zs_host_stream *s, uint64_t code);
void zs_hstream_gone(struct zs_host_stream *s);
void zs_hstream_recount(struct zs_host *h); /* of those that buffer */

/* negotiate.c */
/* NULL: refused; *code is what to reset the stream with. */
struct zs_host_stream *zs_hstream_accept(struct zs_host_conn *c, struct zs_quic_stream *link, uint64_t *code);
/* -EDQUOT, -ENOMEM with the reason. */
int zs_hstream_propose(struct zs_host_stream *s, char text[ZS_HOST_TEXT]);
/* Takes what belongs to the negotiation. False: the stream has failed. */
bool zs_hstream_negotiate(struct zs_host_stream *s, struct zs_reader *in);

/* protocols.c: NULL: never registered. */
struct zs_host_entry *zs_host_protocol_of(struct zs_host *h, const char *id, size_t len);

/* own.c: what we say of ourselves */
void zs_own_changed(struct zs_host *h);
void zs_own_observe(struct zs_host_conn *c, const uint8_t *bytes, size_t len);
void zs_own_expire(struct zs_host *h);

/* identify.c */
int zs_hidentify_register(struct zs_host *h);
void zs_hidentify_ask(struct zs_host_conn *c);
void zs_hidentify_push(struct zs_host *h);
/* The quic address of numbers inside, without a peer; -EPROTONOSUPPORT, -EINVAL. */
int zs_host_address(const struct zs_multiaddr *addr, const struct zs_peer_id *peer, struct zs_endpoint *out,
		    struct zs_multiaddr *plain);

/* ping.c */
int zs_hping_register(struct zs_host *h);

#endif
