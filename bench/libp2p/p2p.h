/* zs-bench p2p: our libp2p listener beside go-libp2p's, measured from outside by one dialler.
 *
 *   zs-bench p2p ── fork ─┬─ zs-bench p2p-listener × 2     one of each pair is worked, the other
 *    (the dialler)        └─ peer bench-listener   × 2     holds idle connections
 *
 * Every dial comes from a host with an identity, a certificate and a socket of its own. Both kinds of
 * listener say one line of JSON with `id` and `addrs`, serve until their stdin ends, and die with the bench. */
#ifndef ZS_BENCH_P2P_H
#define ZS_BENCH_P2P_H

#include "bench.h"
#include "loop/loop.h"
#include "node/node.h"

#define ZS_P2P_LISTENER	 "p2p-listener" /* the mode of zs-bench */
#define ZS_P2P_PING	 "/ipfs/ping/1.0.0"
#define ZS_P2P_SOURCE	 "/zerostate/test/source/1.0.0" /* tests/interop/README.md */
#define ZS_P2P_DISCARD	 "/zerostate/test/discard/1.0.0"
#define ZS_P2P_SOURCE_OF 1000003 /* bytes after which the pattern repeats */

/* node.c: a host with a new identity on a socket of its own, on 127.0.0.1. `config` needs no secret; zs_node_close()
 * is right after a failure too. */
int zs_p2p_node_open(struct zs_node *n, struct zs_loop *loop, struct zs_host_config *config,
		     const struct zs_host_ops *host_ops, const struct zs_node_ops *node_ops, void *ctx,
		     struct zs_error *err);

/* listener.c: main() of the listener's process; an exit code. */
int zs_p2p_listener(void);

/* peer.c: a listener's process. */
struct zs_p2p_peer {
	pid_t pid; /* 0: there is none */
	int stdin_fd;
	struct zs_peer_id id;
	struct zs_endpoint at;
	clockid_t cpu;
};
/* Starts argv and reads its line. */
int zs_p2p_peer_start(struct zs_p2p_peer *p, char *const argv[], struct zs_error *err);
void zs_p2p_peer_stop(struct zs_p2p_peer *p);
uint64_t zs_p2p_peer_cpu_ns(const struct zs_p2p_peer *p); /* all its threads, those that ended too */
uint64_t zs_p2p_peer_rss(const struct zs_p2p_peer *p);	  /* bytes, as /proc/PID/smaps_rollup counts */

/* caller.c: the dialler's side of one connection. */
enum zs_p2p_call { ZS_P2P_CALL_NONE, ZS_P2P_CALL_DIALLING, ZS_P2P_CALL_READY, ZS_P2P_CALL_LOST };
struct zs_p2p_caller {
	struct zs_node node;
	struct zs_host_conn *conn;
	enum zs_p2p_call state; /* READY: identified, and the listener has read what we said of ourselves */
	char why[ZS_HOST_TEXT]; /* LOST */
};
/* A new identity. Freed by the other one. */
int zs_p2p_caller_new(struct zs_p2p_caller **out, struct zs_loop *loop, struct zs_error *err);
void zs_p2p_caller_delete(struct zs_p2p_caller *c);
int zs_p2p_caller_dial(struct zs_p2p_caller *c, const struct zs_p2p_peer *to, struct zs_error *err);
void zs_p2p_caller_hang_up(struct zs_p2p_caller *c);
/* Turns the loop until the caller is ready. -ETIMEDOUT, -ECONNREFUSED with the reason. */
int zs_p2p_caller_wait(struct zs_p2p_caller *c, struct zs_loop *loop, struct zs_error *err);
/* Turns the loop for so long. */
void zs_p2p_idle(struct zs_loop *loop, uint64_t ns);

/* flow.c: streams of a ready caller; each returns when it is over. */
int zs_p2p_upload(struct zs_p2p_caller *c, struct zs_loop *loop, uint64_t bytes, struct zs_error *err);
int zs_p2p_download(struct zs_p2p_caller *c, struct zs_loop *loop, uint64_t bytes, struct zs_error *err);
/* Each of these sends 32 bytes and awaits them back, again and again for so long. *rounds of all. */
#define ZS_P2P_PINGERS 16
int zs_p2p_pings(struct zs_p2p_caller *const c[ZS_P2P_PINGERS], struct zs_loop *loop, uint64_t ns,
		 uint64_t *rounds, struct zs_error *err);

/* bare.c: what the cryptography of a handshake costs by itself, best of `rounds`, in us. */
struct zs_p2p_bare {
	double p256_sign, p256_verify, ed25519_verify, x25519_keygen, x25519_derive;
};
int zs_p2p_bare_measure(struct zs_p2p_bare *out, uint32_t rounds, struct zs_error *err);
/* One end: a signature, two verifications of P-256 and one of the identity, a key pair and its use. */
double zs_p2p_bare_us(const struct zs_p2p_bare *b);

/* stages.c: what is measured, of one pair of listeners. */
struct zs_p2p_stand {
	struct zs_loop *loop;
	const char *name;
	struct zs_p2p_peer worked, idle; /* processes of one kind */
	struct zs_p2p_caller *steady;	 /* to `worked`, for streams */
	struct zs_p2p_caller **regulars; /* who come again and again to `worked` */
	struct zs_p2p_caller **held;	 /* connections to `idle` */
	uint32_t held_count;
	struct zs_samples handshake, returning, up, down, up_mb_s, down_mb_s, pps, packet, pings, ping;
	double idle_bytes;
	uint64_t rss_before;
};
int zs_p2p_stand_open(struct zs_p2p_stand *s, struct zs_loop *loop, const char *name, char *const argv[],
		      struct zs_error *err);
void zs_p2p_stand_close(struct zs_p2p_stand *s);
int zs_p2p_stand_hold(struct zs_p2p_stand *s, uint32_t more, struct zs_error *err);
int zs_p2p_stage_handshakes(struct zs_p2p_stand *s, struct zs_error *err);
int zs_p2p_stage_returning(struct zs_p2p_stand *s, struct zs_error *err);
int zs_p2p_stage_streams(struct zs_p2p_stand *s, struct zs_error *err);
int zs_p2p_stage_packets(struct zs_p2p_stand *s, struct zs_error *err);

#endif
