/* The endpoint's own structures. Life of a connection: zs_conn_new_*() → due, timers and datagrams drive
 * ngtcp2 → `closing` (we owe a close packet) or straight → zs_conn_end(), which makes the upcalls,
 * leaves a tombstone and frees. zs_conn_end() is never called from inside an ngtcp2 callback. */
#ifndef ZS_P2P_QUIC_INTERNAL_H
#define ZS_P2P_QUIC_INTERNAL_H

#include <netinet/in.h>
#include <sys/queue.h>
#include "net/quic.h"
#include "p2p/quic.h"
#include "p2p/quic/cid.h"
#include "p2p/quic/crypto.h"
#include "base/deadline.h"
#include "p2p/quic/reply.h"
#include "p2p/quic/sendbuf.h"
#include "p2p/quic/token.h"
#include "p2p/quic/tomb.h"

#define ZS_QUIC_CID	8 /* bytes of our own connection IDs: one length, so that short headers can be read */
#define ZS_QUIC_VERSION 1u /* the only one; draft-29 is long gone */
#define ZS_QUIC_INITIAL 1200

/* Where a stream waits, if it does. */
enum zs_stream_queue {
	ZS_STREAM_READY,   /* to be written */
	ZS_STREAM_STUCK,   /* the peer's window for it is used up */
	ZS_STREAM_STOPPED, /* the peer wants no more: to be told */
	ZS_STREAM_QUEUES   /* in none */
};

struct zs_quic_stream {
	TAILQ_ENTRY(zs_quic_stream) all, waiting;
	enum zs_stream_queue queue;
	struct zs_quic_conn *conn;
	void *user;
	int64_t id;
	struct zs_sendbuf out;
	uint64_t unconsumed;	  /* delivered without credit yet */
	bool fin, fin_sent, shut; /* shut: our sending side was reset or stopped */
	bool deaf;		  /* we asked the peer to stop */
	bool hungry;		  /* a write was cut short */
};
TAILQ_HEAD(zs_stream_list, zs_quic_stream);

struct zs_quic_conn {
	TAILQ_ENTRY(zs_quic_conn) all, due;
	struct zs_quic *q;
	ngtcp2_conn *ng;
	ngtcp2_mem mem;
	uint64_t memory, memory_told; /* bytes ngtcp2 holds */
	struct zs_deadline timer;
	struct zs_stream_list streams, queue[ZS_STREAM_QUEUES];
	uint32_t stream_count;
	void *user;
	struct zs_tls_session tls;
	const char *tls_reason; /* why the handshake failed */
	ngtcp2_cid first_dcid;	/* of the client's first Initial; in the table until the handshake ends */
	bool is_due, dialled, established, ended;
	bool closing;	      /* `why` is set, a close packet is owed */
	bool has_reset_token; /* of the first ID that a listener gave us */
	bool any_local; /* dialled from whatever address the kernel chose: learnt from the first datagram */
	bool unheard;	/* nothing authentic ever came: no tombstone, the real first packet may follow */
	bool wants_streams; /* an open met the peer's limit */
	uint8_t reset_token[NGTCP2_STATELESS_RESET_TOKENLEN];
	uint64_t buffered, rx, rx_bytes, tx, tx_bytes;
	struct zs_quic_close why;
};
TAILQ_HEAD(zs_conn_list, zs_quic_conn);

struct zs_quic {
	struct zs_quic_config config;
	struct zs_quic_ops ops;
	void *ctx;
	struct zs_tls *tls;
	struct zs_random random;
	struct zs_quic_tokens tokens;
	EVP_AEAD_CTX *retry_key; /* shared by all connections */
	struct zs_cids cids;
	struct zs_tombs tombs;
	struct zs_deadlines deadlines;
	struct zs_conn_list all, due;
	struct zs_replies replies;
	uint64_t now; /* the latest told */
	bool qlog;
	struct zs_quic_stats stats;
};

/* ngtcp2's form of a path; both families as IPv6 sockets see them. */
struct zs_quic_path {
	struct sockaddr_in6 local, remote;
	ngtcp2_path path;
};
void zs_path_set(struct zs_quic_path *p, const struct zs_endpoint *local, const struct zs_endpoint *remote,
		 uint32_t ifindex);
struct zs_endpoint zs_path_endpoint(const ngtcp2_addr *addr);

/* connection.c */
struct zs_conn_start {
	const struct zs_udp_datagram *first; /* accept */
	const ngtcp2_pkt_hd *initial;
	const ngtcp2_cid *retried; /* the DCID before Retry; NULL: there was none */
	const struct zs_quic_dial *dial;
};
int zs_conn_new(struct zs_quic *q, const struct zs_conn_start *start, struct zs_quic_conn **out);
/* Turns what an ngtcp2 call returned into the connection's fate. False: the connection is gone. */
bool zs_conn_judge(struct zs_quic_conn *conn, int rv);
void zs_conn_end(struct zs_quic_conn *conn, const void *packet, size_t len);
void zs_conn_due(struct zs_quic_conn *conn);
void zs_conn_set_timer(struct zs_quic_conn *conn);
void zs_conn_fail(struct zs_quic_conn *conn, bool application, uint64_t code, const char *reason);
/* A stateless reset came. */
void zs_conn_reset(struct zs_quic_conn *conn);
void zs_conn_announce(struct zs_quic_conn *conn);
bool zs_quic_new_cid(struct zs_quic *q, ngtcp2_cid *out);

/* memory.c */
const ngtcp2_mem *zs_conn_mem(struct zs_quic_conn *conn);
void zs_conn_weigh(struct zs_quic_conn *conn); /* tells how much it is */

/* callbacks.c */
extern const ngtcp2_callbacks zs_quic_callbacks;

/* handshake.c: ngtcp2's callbacks about TLS */
bool zs_hs_begin(struct zs_quic_conn *conn, const struct zs_quic_dial *dial);
int zs_hs_client_initial(ngtcp2_conn *ng, void *user);
int zs_hs_recv_client_initial(ngtcp2_conn *ng, const ngtcp2_cid *dcid, void *user);
int zs_hs_recv_retry(ngtcp2_conn *ng, const ngtcp2_pkt_hd *hd, void *user);
int zs_hs_recv_crypto(ngtcp2_conn *ng, ngtcp2_encryption_level level, uint64_t offset, const uint8_t *data,
		      size_t len, void *user);

/* stream.c */
void zs_stream_free(struct zs_quic_stream *s);
void zs_stream_wait(struct zs_quic_stream *s, enum zs_stream_queue queue); /* at its end */
int zs_stream_on_open(ngtcp2_conn *ng, int64_t id, void *user);
int zs_stream_on_data(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
		      size_t len, void *user, void *stream);
int zs_stream_on_acked(ngtcp2_conn *ng, int64_t id, uint64_t offset, uint64_t len, void *user, void *stream);
int zs_stream_on_close(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream);
int zs_stream_on_reset(ngtcp2_conn *ng, int64_t id, uint64_t size, uint64_t code, void *user, void *stream);
int zs_stream_on_window(ngtcp2_conn *ng, int64_t id, uint64_t max, void *user, void *stream);

/* send.c: one datagram of the connection into buf; 0: nothing to send now; negative: ngtcp2's error. */
ngtcp2_ssize zs_conn_write(struct zs_quic_conn *conn, ngtcp2_path *path, ngtcp2_pkt_info *info, uint8_t *buf,
			   size_t capacity);

/* incoming.c: a datagram of no connection's ID. The new connection when it made one. */
struct zs_quic_conn *zs_quic_stray(struct zs_quic *q, const struct zs_udp_datagram *d,
				   const struct zs_quic_head *head);
/* Answers an Initial with Retry. */
void zs_quic_retry(struct zs_quic *q, const struct zs_udp_datagram *d, const ngtcp2_pkt_hd *hd);
/* Room for one answer, NULL: too many. Commit by its length. */

#endif
