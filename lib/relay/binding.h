/* Where the CID traffic of an attachment goes, and the relay's decision on a request to change that (docs/PROTOCOL.md, BIND). A
 * pure function over a plain entry: one writer, the binder; whoever owns the memory publishes it and sends the answer.
 *
 * What holds: the counter in the entry is advanced by the same call that makes an answer, so an entry that is stored before the
 * answer leaves never seals two answers with one nonce. An address gets nothing but one CHALLENGE, or one refusal,
 * per authentic request until it returned a cookie of its own; no answer is longer than its request; only a request moves a binding. */
#ifndef ZS_RELAY_BINDING_H
#define ZS_RELAY_BINDING_H

#include <stdatomic.h>
#include "relay/bind.h"
#include "relay/cookie.h"

/* All zero: nothing is bound, nobody has asked. Counters belong to sessions and outlive the binding: an entry that was torn by a
 * killed writer loses its binding (zs_binding_drop), never its counters. */
struct zs_binding {
	_Atomic uint32_t seq; /* the publisher's; the decision neither reads nor writes it */
	uint16_t generation;  /* of the attachment; under another one the entry counts as empty */
	uint16_t port;	      /* 0: nothing is bound */
	struct zs_addr addr;
	uint64_t expires_ns;  /* monotonic */
	uint64_t counter[2];  /* highest that was taken, of the session beside it */
	uint32_t receiver[2]; /* … which is known by its slot's receiver id … */
	uint8_t bind_id[2];   /* … and bind id */
	uint8_t local;	      /* index of the relay's address that the binding keeps */
	uint8_t holder;	      /* who was told BOUND last: 1 + index of its session, 0: nobody */
	uint8_t pad[4];
};
_Static_assert(sizeof(struct zs_binding) == 64, "one line");

/* A live session of the attachment: its incarnation is the state segment's that the entry lies in. */
struct zs_bind_session {
	uint32_t receiver;
	uint8_t bind_id;
	void *user; /* for `keys` */
};

struct zs_bind_ops {
	/* All that costs nothing has been judged: is the tag worth its check? `here`: it comes from the bound address. NULL: it is. */
	bool (*worth)(void *ctx, bool here);
	/* Keys of a session, `engine`'s, until the decision is made. */
	const struct zs_bind_keys *(*keys)(void *ctx, const struct zs_bind_session *session);
	/* May the address be bound? denied: the deny table says no; limit: there is no room. */
	enum zs_bind_status (*admit)(void *ctx, const struct zs_endpoint *from, uint8_t local);
};

struct zs_bind_ask {
	const void *bytes; /* the UDP payload */
	size_t len;
	struct zs_endpoint from;
	uint8_t local;
	uint64_t now_ns; /* monotonic */
	uint64_t unix_s;
	uint32_t attachment;				 /* that the message's connection ID names … */
	uint16_t named;					 /* … with this generation */
	uint16_t generation;				 /* that it has */
	const struct zs_bind_session *newest, *previous; /* NULL: there is none */
	const struct zs_cookie_secrets *secrets;
	const struct zs_gcm_engine *engine;
	const struct zs_bind_ops *ops;
	void *ctx;
};

enum zs_bind_outcome {
	ZS_BIND_DROPPED, /* the entry is as it was, nothing is sent */
	ZS_BIND_CHALLENGED,
	ZS_BIND_MOVED, /* bound, and it was not, or elsewhere */
	ZS_BIND_KEPT,  /* bound where it was */
	ZS_BIND_ENDED, /* unbound */
	ZS_BIND_REFUSED,
	ZS_BIND_OUTCOMES
};

struct zs_bind_verdict {
	enum zs_bind_outcome outcome;
	enum zs_bind_fault fault; /* dropped: why */
	uint8_t answer[ZS_BIND_BYTES];
};

/* Unless dropped: store *entry, then send the answer to where the request came from, from where it came to. */
void zs_binding_decide(const struct zs_bind_ask *ask, struct zs_binding *entry, struct zs_bind_verdict *out);

/* Is there a live binding? Its address is {addr, port}. It also ends with the session that holds it. */
static inline bool zs_binding_lives(const struct zs_binding *b, uint16_t generation, uint64_t now_ns)
{
	return b->port && b->generation == generation && now_ns < b->expires_ns;
}
/* Ends the binding; counters stay. */
void zs_binding_drop(struct zs_binding *b);
/* The session sent an authentic request: it is in use. */
bool zs_binding_heard(const struct zs_binding *b, uint32_t receiver, uint8_t bind_id);
/* It was told BOUND last: the binding lives no longer than it does. */
bool zs_binding_held(const struct zs_binding *b, uint32_t receiver, uint8_t bind_id);

#endif
