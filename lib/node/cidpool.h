/* An edge's connection IDs, for whoever hands them on to a QUIC stack: own ones out of the attach client's pool, and those
 * with which to dial, asked of the relay and answered in the order of the questions. One thread, the loop's. */
#ifndef ZS_NODE_CIDPOOL_H
#define ZS_NODE_CIDPOOL_H

#include "node/edge.h"

#define ZS_CIDPOOL_ASKED 32 /* questions open at once */

struct zs_cidpool {
	struct zs_edge *edge; /* attach.cids set; NULL: there is none yet */
	/* The answer to zs_cidpool_ask(); cid NULL: none, `why` in one line. Out of zs_cidpool_event(). */
	void (*dial)(void *ctx, const uint8_t *cid, const char *why);
	void *ctx;
	int64_t asked[ZS_CIDPOOL_ASKED]; /* ids of questions, oldest first */
	uint32_t asks;
};

/* One of our own, each once; false: none is left now. */
bool zs_cidpool_own(struct zs_cidpool *p, uint8_t cid[ZS_ATTACH_CID], uint64_t *expires_s, uint64_t now_ns);
/* 0: p->dial will be called; -ENOTCONN, -EBUSY: too many questions are open, -EINVAL. */
int zs_cidpool_ask(struct zs_cidpool *p, const struct zs_peer_id *callee, uint64_t now_ns);
/* All of the attach client's. */
void zs_cidpool_event(struct zs_cidpool *p, const struct zs_attach_event *event);

#endif
