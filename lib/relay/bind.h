/* The BIND family (docs/PROTOCOL.md, BIND): the one layout of requests and answers, 96 bytes, and NUDGE, 28. Reader and writer
 * are here, so are the tags. A reader judges form alone; whoever acts on a message verifies its tag first. Pure; any thread. */
#ifndef ZS_RELAY_BIND_H
#define ZS_RELAY_BIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "crypto/gcm.h"
#include "net/addr.h"
#include "relay/keys.h"

#define ZS_BIND_BYTES	   96
#define ZS_BIND_SIGNED	   80 /* bytes under the tag */
#define ZS_BIND_NUDGE	   28
#define ZS_BIND_CID	   17
#define ZS_BIND_COOKIE	   16
#define ZS_BIND_LIFETIME_S 75 /* longest that is granted: three keep-alives and some */

enum zs_bind_kind {
	ZS_BIND_KIND_bind = 1,
	ZS_BIND_KIND_challenge,
	ZS_BIND_KIND_bound,
	ZS_BIND_KIND_unbind,
	ZS_BIND_KIND_nudge
};
/* Of a BOUND. */
enum zs_bind_status {
	ZS_BIND_STATUS_ok,
	ZS_BIND_STATUS_denied, /* the relay serves nobody at that address */
	ZS_BIND_STATUS_limit,  /* the relay has no room for it */
	ZS_BIND_STATUS_stale   /* a newer session has the binding: use its bind id */
};

enum zs_bind_fault {
	ZS_BIND_OK,
#define ZS_BIND_FAULT(name, text) ZS_BIND_FAULT_##name,
#include "defs/bind.def"
#undef ZS_BIND_FAULT
	ZS_BIND_FAULTS
};
const char *zs_bind_fault_name(enum zs_bind_fault fault); /* "ok", or as in bind.def */

/* A request (bind, unbind) or an answer (challenge, bound). What its kind does not have is zero. */
struct zs_bind {
	uint8_t kind; /* enum zs_bind_kind */
	uint8_t bind_id;
	uint16_t lifetime_s;
	uint64_t counter;
	uint8_t cid[ZS_BIND_CID];
	uint8_t cookie[ZS_BIND_COOKIE];
	struct zs_endpoint seen; /* answers: the sender as the relay sees it */
	uint16_t status;	 /* bound: enum zs_bind_status */
};

/* B's two keys: requests are the edge's, answers the relay's. Of the engine that made them; some µs to make, so keep them. */
struct zs_bind_keys {
	struct zs_gcm_key request, answer;
};
void zs_bind_keys_make(const struct zs_gcm_engine *e, const uint8_t root[ZS_ATTACH_SECRET],
		       struct zs_bind_keys *out);
void zs_bind_keys_wipe(struct zs_bind_keys *keys);

/* Is it of the relay's own protocol at all? A long header with version 0x5a53xxxx, whatever else it is: no QUIC stack is to see it. */
bool zs_bind_is(const void *bytes, size_t len);

/* Every check that needs no key. On a fault *out is not to be used. */
enum zs_bind_fault zs_bind_read_request(const void *bytes, size_t len, struct zs_bind *out);
enum zs_bind_fault zs_bind_read_answer(const void *bytes, size_t len, struct zs_bind *out);
/* The one check behind a request's tag, so that a BIND made an UNBIND is a wrong tag: an UNBIND has neither lifetime nor cookie. */
bool zs_bind_unbind_ok(const struct zs_bind *m);
/* Its first ZS_BIND_SIGNED bytes and the tag under `key`. A counter is sealed once in a key's life. */
void zs_bind_write(const struct zs_gcm_engine *e, const struct zs_bind *m, const struct zs_gcm_key *key,
		   uint8_t out[ZS_BIND_BYTES]);
/* Of a message whose form is right. */
bool zs_bind_verify(const struct zs_gcm_engine *e, const void *bytes, const struct zs_bind *m,
		    const struct zs_gcm_key *key);

/* NUDGE: `cid` is the causing datagram's. It has no tag: whoever gets one may at most ask anew. */
enum zs_bind_fault zs_bind_read_nudge(const void *bytes, size_t len, uint8_t cid[ZS_BIND_CID]);
void zs_bind_write_nudge(const uint8_t cid[ZS_BIND_CID], uint8_t out[ZS_BIND_NUDGE]);

#endif
