/* A peer that means harm, on the QUIC layer alone (p2p/quic.h) and a socket of its own: one attack a run, told as
 * one line of JSON. Sealing and opening of packets are wrapped by the linker (tests/build.mk), so that
 * what leaves may hold any frames. For the end-to-end test hostile_peers. */
#ifndef ZS_TEST_HOSTILE_H
#define ZS_TEST_HOSTILE_H

#include "p2p/quic.h"

#define HEADER "\x13/multistream/1.0.0\n"
#define SINK   HEADER "\x1b/zerostate/test/sink/1.0.0\n"
#define PUSH   HEADER "\x14/ipfs/id/push/1.0.0\n"

struct end {
	struct zs_identity identity;
	struct zs_cert cert;
	struct zs_tls *tls;
	struct zs_quic *quic;
	struct zs_quic_conn *conn; /* NULL: not established, or closed */
	struct zs_endpoint local, remote;
	int fd;
	uint64_t rx_bytes, tx_bytes;
	uint32_t established, closed, resets;
	uint64_t reset_code; /* of the last */
	struct zs_quic_close why;
};

/* end.c */
void end_open(struct end *e, const struct zs_endpoint *remote);
void end_close(struct end *e);
void end_dial(struct end *e);
/* Turns of the loop for so long, or until `done` says so. */
void end_run(struct end *e, uint64_t ms, bool (*done)(const struct end *e));
/* Dials; false: it did not come to a connection. */
bool end_connect(struct end *e);
void random_bytes(void *ctx, void *out, size_t len);

/* frames.c: from here on each full 1-RTT packet of this process holds these frames instead of its own, NULL: its own
 * again. False: no such frames. */
bool frames_arm(const char *kind);
bool frames_are_single(void); /* one a packet: they need the answer to the one before */
uint64_t frames_sent(void);

/* attacks.c, sources.c */
struct ask {
	struct zs_endpoint victim;
	const char *word; /* of the attack, or "" */
	uint32_t count;
	uint64_t ms;
};
int attack_streams(const struct ask *ask);
int attack_loris(const struct ask *ask);
int attack_rapid(const struct ask *ask);
int attack_bytes(const struct ask *ask);
int attack_conns(const struct ask *ask);
int attack_frames(const struct ask *ask);
int attack_forged(const struct ask *ask);
int attack_half_open(const struct ask *ask);
void tell(const struct end *e, uint64_t n);

#endif
