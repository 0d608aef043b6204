/* A QUIC endpoint behind the relay, routed by connection ID: ngtcp2 and BoringSSL on one UDP socket that lib/relay/binder keeps
 * bound. Listens and dials. One loop, one command at a time, as README.md says.
 *
 *   main.c    commands                  wire.c   the socket, the binder, timers
 *   attach.c  the control connection    offer.c  the same services for another program's stack
 *   conn.c    ngtcp2's connections      tls.c    BoringSSL in them
 *   stream.c  echoes and transfers      helper.c as a program served by zs-edge --cid-socket */
#ifndef ZS_TEST_CIDPEER_H
#define ZS_TEST_CIDPEER_H

#include <jansson.h>
#include <ngtcp2/ngtcp2.h>
#include <openssl/ssl.h>
#include "node/edge.h"
#include "loop/udp.h"
#include "p2p/quic/crypto.h"
#include "p2p/quic/sendbuf.h"
#include "p2p/quic/token.h"
#include "relay/binder.h"

#define CONNS	 64
#define STOCK	 1024 /* connection IDs of one kind */
#define ROUTES	 1024 /* connection IDs in use */
#define DATAGRAM 1252
#define LINE	 (1u << 17)
#define WHY	 160

struct program;

struct stock {
	uint8_t cid[STOCK][ZS_BIND_CID];
	uint32_t count;
};

struct stream {
	struct stream *next;
	int64_t id;
	struct zs_sendbuf out;
	bool fin, fin_sent; /* everything to send is in `out`; it was said */
	/* Of a transfer, which we began: */
	bool ours, done;
	uint64_t bytes, offered, came;
	uint8_t *pattern;
};

struct conn {
	struct program *p;
	ngtcp2_conn *ng;
	SSL *ssl;
	struct zs_endpoint remote;
	bool client, ready, dead;
	struct stream *streams;
	char why[WHY];
};

struct route {
	uint8_t cid[ZS_BIND_CID];
	struct conn *conn;
};

typedef void step_fn(struct program *p);
struct command {
	step_fn *step; /* after every turn: answers, or waits */
	uint64_t began_ns, give_up_ns;
	struct conn *conn;
	struct stream *stream;
	uint32_t had; /* for dials, when more were asked for */
};

/* helper.c: what it told. */
struct helper {
	bool is;
	int fd;
	struct zs_watch *watch;
	struct zs_endpoint relay, bound; /* port 0: not known yet, not */
	uint32_t asked;
	uint64_t again_ns;
	char in[8192];
	size_t have;
};

struct program {
	struct zs_loop *loop;
	struct zs_timer *timer;
	struct zs_watch *watch;
	struct zs_udp *udp;
	struct zs_gcm_engine engine;
	struct zs_binder binder;
	bool has_relay, retry;
	uint32_t service; /* which of the relay's service addresses is bound at */
	struct stock own, dial;
	SSL_CTX *client_tls, *server_tls;
	EVP_AEAD_CTX *retry_key;
	struct zs_quic_tokens tokens;
	struct zs_random random;
	struct conn *conn[CONNS];
	uint32_t conns, accepted, retries, strays;
	uint64_t bytes_in, bytes_out; /* UDP payload of all but BIND's messages */
	struct route route[ROUTES];
	uint32_t routes;
	struct zs_cid_socket *offer; /* offer.c */
	struct zs_edge *edge;	     /* attach.c */
	struct helper helper;
	struct zs_identity identity;
	uint32_t attachment;
	char attach_why[WHY];
	struct command now;
	char line[LINE];
	size_t have;
	bool ended;
};

/* main.c */
void answer(struct program *p, json_t *fields); /* takes them */
__attribute__((format(printf, 2, 3))) void refuse(struct program *p, const char *fmt, ...);
bool stock_add(struct stock *s, const uint8_t *cid, size_t len);
bool stock_draw(struct stock *s, uint8_t cid[ZS_BIND_CID]);
/* An own one: of the stock, else of the control connection. */
bool draw_own(struct program *p, uint8_t cid[ZS_BIND_CID]);
/* A binder for that relay, under keys of a session. */
void take_session(struct program *p, const struct zs_endpoint *relay, const uint8_t root[32],
		  uint8_t bind_id);
void take_cid(struct program *p, const uint8_t *cid, size_t len);

/* wire.c */
int wire_open(struct program *p, struct zs_error *err);
void wire_send(struct program *p, const void *bytes, size_t len, const struct zs_endpoint *to);
/* Sends what is due, sets the timer; every way in ends with it. */
void turn(struct program *p);

/* conn.c */
struct conn *conn_dial(struct program *p, const struct zs_endpoint *to, const uint8_t dcid[ZS_BIND_CID]);
void conn_datagram(struct program *p, const struct zs_udp_datagram *d);
void conn_write(struct conn *c);
void conn_expire(struct conn *c, uint64_t now);
void conn_close(struct conn *c);
void conn_delete(struct conn *c);
__attribute__((format(printf, 2, 3))) void conn_fail(struct conn *c, const char *fmt, ...);

/* tls.c */
int tls_new(struct program *p);
bool tls_begin(struct conn *c);
int tls_client_initial(ngtcp2_conn *ng, void *user);
int tls_recv_client_initial(ngtcp2_conn *ng, const ngtcp2_cid *dcid, void *user);
int tls_recv_retry(ngtcp2_conn *ng, const ngtcp2_pkt_hd *hd, void *user);
int tls_recv_crypto(ngtcp2_conn *ng, ngtcp2_encryption_level level, uint64_t offset, const uint8_t *data,
		    size_t len, void *user);

/* stream.c */
struct stream *stream_begin(struct conn *c, uint64_t bytes, uint64_t seed); /* NULL: not now */
void stream_feed(struct stream *s);
void streams_free(struct conn *c);
int stream_on_data(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
		   size_t len, void *user, void *stream);
int stream_on_acked(ngtcp2_conn *ng, int64_t id, uint64_t offset, uint64_t len, void *user, void *stream);
int stream_on_open(ngtcp2_conn *ng, int64_t id, void *user);
int stream_on_close(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream);

/* offer.c */
int offer_open(struct program *p, const char *path, struct zs_error *err);
void offer_state(struct program *p); /* bound or not, when that changed */

/* helper.c */
int helper_open(struct program *p, const char *path, struct zs_error *err);
void helper_turn(struct program *p); /* keeps the stock full */
uint64_t helper_deadline(const struct program *p);
void helper_moved(struct program *p);
void helper_ask(struct program *p, const char *peer, uint32_t count);

/* attach.c: the answer comes when there is a session, or connection IDs for dials, or a refusal. */
void begin_attach(struct program *p, const json_t *c);
void attach_turn(struct program *p); /* binds with the first connection ID */
void begin_ask(struct program *p, const json_t *c);
bool attach_own_cid(struct program *p, uint8_t cid[ZS_BIND_CID]);

#endif
