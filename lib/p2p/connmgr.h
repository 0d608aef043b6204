/* Which connections to keep when there are too many, and which to keep alive. Above the high mark the
 * lowest scores go until the low mark is reached; protected peers and connections younger than the grace
 * period are left alone, so a burst of strangers can pass the mark for that long: the resource manager
 * holds them then. One thread, no clock; memory is fixed. Closing is the caller's. */
#ifndef ZS_P2P_CONNMGR_H
#define ZS_P2P_CONNMGR_H

#include <stdbool.h>
#include <stdint.h>
#include "p2p/limits.h"

#define ZS_CONNMGR_TAGS	   8 /* of one peer */
#define ZS_CONNMGR_REASONS 4
#define ZS_CONNMGR_NEVER   UINT64_MAX

struct zs_connmgr_config {
	uint32_t low, high;    /* marks: connections */
	uint32_t conns, peers; /* room; peers ≥ conns, the rest is for peers that are not connected */
	uint64_t grace_ns;     /* a connection is not trimmed for so long */
	uint64_t pause_ns;     /* between two trims */
	uint64_t silence_ns;   /* after so long without a word a kept peer is asked */
	uint64_t key[2];       /* random per start */
};
struct zs_connmgr;

void zs_connmgr_defaults(struct zs_connmgr_config *config);		   /* but for the key */
struct zs_connmgr *zs_connmgr_new(const struct zs_connmgr_config *config); /* NULL: no memory */
void zs_connmgr_delete(struct zs_connmgr *m);

/* A connection is up. -ENOBUFS: no room. *conn is its number until it is removed. */
int zs_connmgr_add(struct zs_connmgr *m, const struct zs_peer_id *peer, enum zs_direction direction,
		   uint64_t now_ns, uint32_t *conn);
void zs_connmgr_remove(struct zs_connmgr *m, uint32_t conn);
/* Something came from the other side. */
void zs_connmgr_heard(struct zs_connmgr *m, uint32_t conn, uint64_t now_ns);
/* Streams in use; a connection without any is idle. */
void zs_connmgr_streams(struct zs_connmgr *m, uint32_t conn, uint32_t count);

/* Names are string constants. A peer need not be connected; one that is not is forgotten when its place is
 * needed, unless it is protected. A tag's value replaces the one before, 0 removes it. -ENOSPC. */
int zs_connmgr_tag(struct zs_connmgr *m, const struct zs_peer_id *peer, const char *name, int32_t value);
/* For this reason the peer is never trimmed; with `keep` its connections are kept alive too. -ENOSPC. */
int zs_connmgr_protect(struct zs_connmgr *m, const struct zs_peer_id *peer, const char *reason, bool keep);
/* True: another reason remains. */
bool zs_connmgr_unprotect(struct zs_connmgr *m, const struct zs_peer_id *peer, const char *reason);
/* The reasons, for show; returns how many. */
uint32_t zs_connmgr_reasons(const struct zs_connmgr *m, const struct zs_peer_id *peer,
			    const char *out[ZS_CONNMGR_REASONS]);
int64_t zs_connmgr_score(const struct zs_connmgr *m, const struct zs_peer_id *peer); /* sum of the tags */

/* The connections to close now, worst first: lowest score, then inbound and idle, then longest silent. Those worth less that
 * stay for their grace count as gone: a crowd of newcomers pushes nobody out, and one of them spares nobody. Each is named once; it counts no more. */
uint32_t zs_connmgr_trim(struct zs_connmgr *m, uint64_t now_ns, uint32_t *out, uint32_t max);
/* When this connection wants a keep-alive, at most silence_ns from now; ZS_CONNMGR_NEVER: its peer is not kept. */
uint64_t zs_connmgr_keepalive(struct zs_connmgr *m, uint32_t conn, uint64_t now_ns);
uint32_t zs_connmgr_count(const struct zs_connmgr *m);
bool zs_connmgr_check(const struct zs_connmgr *m); /* for tests */

#endif
