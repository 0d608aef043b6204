/* The peer's side of BIND (docs/PROTOCOL.md, BIND): keeps the UDP socket of a QUIC stack bound at its relay, so that what is sent
 * to the stack's connection IDs arrives there. For programs that attach by themselves, in mode socket. No I/O, no clock, no allocation:
 * the caller has the socket, the time (monotonic ns) and the memory. One thread a binder.
 *
 * Usage. The control connection (p2p/attach_client.h, mode ZS_ATTACH_MODE_socket) brings keys, bind id, the relay's service
 * addresses and connection IDs; everything below happens on the one socket of the QUIC stack.
 *
 *	struct zs_gcm_engine engine;		zs_gcm_engine_best(&engine), once a thread
 *	struct zs_binder b;
 *	zs_binder_init(&b, &session->service[0], &engine);
 *
 *	on ZS_ATTACH_EVENT_GRANTED:	zs_binder_session(&b, event->session->root, event->session->bind_id, now);
 *	when the pool has one:		zs_attach_client_take_cid(client, cid, …), zs_binder_cid(&b, cid, now);   one is kept for this
 *	on ZS_ATTACH_EVENT_ENDED:	if it is the session that was given last, zs_binder_wipe(&b);
 *
 *	for each datagram that came in:
 *		if (zs_binder_receive(&b, bytes, len, &from, now) == ZS_BINDER_NOT_OURS)
 *			the QUIC stack reads it
 *	for each datagram that goes out:
 *		zs_binder_sent(&b, bytes, len, now);
 *	when zs_binder_deadline(&b) has passed, and after each call above:
 *		while ((n = zs_binder_pull(&b, out, now)))
 *			sendto(socket, out, n, …, &b.relay)
 *	when the stack got another socket or local address:
 *		zs_binder_moved(&b, now);
 *	at the end:
 *		zs_binder_unbind(&b, now), pull, and wait until the state is idle, at most 2 s
 *
 * The stack dials with relay:port as the peer's address and a connection ID that was minted for that dial as its first DCID; all
 * source connection IDs come from the own pool. */
#ifndef ZS_RELAY_BINDER_H
#define ZS_RELAY_BINDER_H

#include "base/clock.h"
#include "relay/bind.h"

#define ZS_BINDER_KEEP_ALIVE_NS (20 * ZS_NS_PER_S) /* RFC 8085 §3.5: what NATs keep at least, and then some */
#define ZS_BINDER_FIRST_NS                                                                                   \
	(300 * ZS_NS_PER_MS) /* to the first retransmission; then twice as long each time … */
#define ZS_BINDER_LONGEST_NS (5 * ZS_NS_PER_S)	/* … up to this */
#define ZS_BINDER_REFUSED_NS (30 * ZS_NS_PER_S) /* until a refused one asks again */
#define ZS_BINDER_NUDGE_NS   ZS_NS_PER_S	/* between two NUDGEs that are followed */
#define ZS_BINDER_LATELY_NS  (10 * ZS_NS_PER_S) /* a NUDGE is about something sent not longer ago */
#define ZS_BINDER_CHALLENGES 3	/* answered at once, in a row; then only as retransmissions are due */
#define ZS_BINDER_UNBINDS    3	/* UNBINDs that are sent at most */
#define ZS_BINDER_SENT	     64 /* DCIDs remembered; a power of two */

enum zs_binder_state {
	ZS_BINDER_IDLE,	  /* no session, no connection ID, or unbound on purpose */
	ZS_BINDER_ASKING, /* not bound, or no longer where we are */
	ZS_BINDER_BOUND,
	ZS_BINDER_REFUSED, /* `status` says why; asks again now and then */
	ZS_BINDER_STALE,   /* the session was replaced: give the newest one */
	ZS_BINDER_UNBINDING,
};

struct zs_binder_sent {
	uint8_t cid[ZS_BIND_CID];
	uint64_t at_ns; /* 0: none */
};

/* The first three are for all to read, after any call. */
struct zs_binder {
	enum zs_binder_state state;
	enum zs_bind_status status; /* refused, stale */
	struct zs_endpoint
	    seen; /* bound: our address as the relay sees it; the address to tell others is relay's */
	struct zs_endpoint relay;

	bool has_session, has_cid, has_cookie;
	uint8_t bind_id;
	uint8_t cid[ZS_BIND_CID], cookie[ZS_BIND_COOKIE];
	uint8_t root[ZS_ATTACH_SECRET];
	struct zs_bind_keys keys;
	const struct zs_gcm_engine *engine;
	uint64_t counter, answered; /* last one sent; highest one answered */
	uint64_t unbinding;	    /* first counter that said UNBIND */
	uint64_t due_ns;	    /* of the next message */
	uint64_t asked_ns;	    /* when this round began */
	uint64_t until_ns;	    /* bound: when that ends */
	uint64_t nudged_ns;
	uint32_t tries;	     /* messages of this round */
	uint32_t challenges; /* in a row */
	struct zs_binder_sent sent[ZS_BINDER_SENT];
};

/* `relay`: where requests go, and the only one whose answers count. `engine` is the thread's and outlives the binder. */
void zs_binder_init(struct zs_binder *b, const struct zs_endpoint *relay, const struct zs_gcm_engine *engine);
/* Keys of a new session, in place of those before; it asks under them at once. */
void zs_binder_session(struct zs_binder *b, const uint8_t root[ZS_ATTACH_SECRET], uint8_t bind_id,
		       uint64_t now);
/* An own live connection ID, under which requests go from now on. The first one starts it; give another before one retires. */
void zs_binder_cid(struct zs_binder *b, const uint8_t cid[ZS_BIND_CID], uint64_t now);
/* Keys are forgotten, nothing more is sent. Also the way to end the use of a binder. */
void zs_binder_wipe(struct zs_binder *b);
/* The socket's own address may have changed: it asks at once. After an unbind: binds again. */
void zs_binder_moved(struct zs_binder *b, uint64_t now);
void zs_binder_unbind(struct zs_binder *b, uint64_t now);

enum zs_binder_verdict {
	ZS_BINDER_NOT_OURS, /* for the QUIC stack */
	ZS_BINDER_TAKEN,
	ZS_BINDER_DROPPED, /* the relay's protocol, but forged, late or malformed: for nobody */
};
enum zs_binder_verdict zs_binder_receive(struct zs_binder *b, const void *bytes, size_t len,
					 const struct zs_endpoint *from, uint64_t now);
/* A datagram of the stack leaves toward the relay: what a NUDGE will be about. */
void zs_binder_sent(struct zs_binder *b, const void *bytes, size_t len, uint64_t now);

/* ZS_BIND_BYTES and `out` to be sent to b->relay, or 0: nothing is due. */
size_t zs_binder_pull(struct zs_binder *b, uint8_t out[ZS_BIND_BYTES], uint64_t now);
/* When pull wants to be called, UINT64_MAX: never. */
uint64_t zs_binder_deadline(const struct zs_binder *b);

#endif
