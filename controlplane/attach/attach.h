/* The attach server: who may relay, under which attachment, with which keys (docs/PROTOCOL.md, Control
 * connection). Sans-I/O: a shell tells it of connections, frames and the time, and lends it what only a
 * connection can do (struct zs_attach_ops). Durable state goes to the store, ports to the program, keys
 * and limits to the sessions segment. Loop thread alone; nothing here reads a clock.
 *
 * A connection may attach once: Hello, Grant, then Publish and the like until either side closes it. The
 * attachment outlives it for its lease, its session too.
 *
 * Limits: the configuration's section attach; below it the constants here. */
#ifndef ZS_CONTROLPLANE_ATTACH_ATTACH_H
#define ZS_CONTROLPLANE_ATTACH_ATTACH_H

#include "base/random.h"
#include "control.h"
#include "p2p/attach_codec.h"
#include "p2p/peerid.h"

#define ZS_ATTACH_PORTS	   16	/* of one attachment, whatever the configuration says */
#define ZS_ATTACH_NAME	   33	/* a service's name and its end */
#define ZS_ATTACH_RULES	   4096 /* peers allowed or denied by command; as many with limits by command */
#define ZS_ATTACH_HELLO_NS (10 * ZS_NS_PER_S)	/* from opening to Hello */
#define ZS_ATTACH_PROBE_NS ZS_NS_PER_S		/* an old connection that answers a PING within it stays */
#define ZS_ATTACH_PROOF_NS (60 * ZS_NS_PER_S)	/* a session without a sign of its edge ends */
#define ZS_ATTACH_GRACE_NS (100 * ZS_NS_PER_MS) /* longest wait for the workers before a Grant */
#define ZS_ATTACH_FAULTS   8			/* refused or malformed frames a connection may send */
#define ZS_ATTACH_REST_S   (72 * 3600)		/* of a slot whose generation wraps */

struct zs_cids;
struct zs_attach;      /* the server */
struct zs_attach_conn; /* a connection with its attach stream */

/* What the shell does. None of these calls back into the server before it returns. */
struct zs_attach_ops {
	/* One frame, its length prefix left to the shell, which keeps the order. Nonzero: the connection is beyond use, and
	 * zs_attach_closed will follow. */
	int (*send)(void *ctx, void *link, const void *frame, size_t len);
	/* The TLS exporter of that connection, label ZS_ATTACH_EXPORTER. Nonzero: there is none. */
	int (*export)(void *ctx, void *link, const void *context, size_t len, uint8_t out[32]);
	/* Sends a libp2p ping; zs_attach_alive when it is answered. */
	void (*probe)(void *ctx, void *link);
	/* Closes the connection when what was sent has left; zs_attach_closed follows later. */
	void (*close)(void *ctx, void *link, const char *why);
	/* The peer owns an attachment from now on, connected or not, or no longer. */
	void (*own)(void *ctx, const struct zs_peer_id *peer, bool owns);
};

struct zs_attach_peer {
	struct zs_peer_id id; /* authenticated */
	struct zs_endpoint remote;
	const char *group; /* of the key exchange, for people; copied */
	bool hybrid;	   /* it is X25519+Kyber768 */
	void *link;	   /* the shell's own, for ops */
};

/* Adopts slots (store), sessions (segment) and ports (program) of the life before; c->conf, store and program are there. Nothing is
 * freed before lease and spread have passed. `wall_s`: Unix time. */
int zs_attach_new(struct zs_attach **out, struct zs_control *c, struct zs_random random, uint64_t now,
		  uint64_t wall_s, struct zs_error *err);
/* The shell's connections are forgotten, not closed. The segment stays for the dataplane. */
void zs_attach_delete(struct zs_attach *s);
/* Before the first connection; tells of the owners there are. With NULL after the last one: the shell ends. */
void zs_attach_serve(struct zs_attach *s, const struct zs_attach_ops *ops, void *ctx);

/* NULL: too many connections, close it. */
struct zs_attach_conn *zs_attach_opened(struct zs_attach *s, const struct zs_attach_peer *peer, uint64_t now);
void zs_attach_closed(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t now);
/* One whole frame as it came. */
void zs_attach_receive(struct zs_attach *s, struct zs_attach_conn *conn, const void *bytes, size_t len,
		       uint64_t now);
/* The frame could not be read from the stream (too long, no length): Error malformed, close. */
void zs_attach_broken(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t now);
/* It answered a ping that was asked for. */
void zs_attach_alive(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t now);

/* The state segment's incarnation, 0 while there is none. Sessions of another one are dead: their connections are closed, so that
 * the edges come back for new keys. */
void zs_attach_state(struct zs_attach *s, uint64_t incarnation, uint64_t now);
/* c->conf is a new one, or a secrets file was changed. Who may not attach any longer is ended, changed policies are pushed. */
void zs_attach_apply(struct zs_attach *s, uint64_t now);
/* Notice drain with the configured alternatives to everybody; nobody new from now on. */
void zs_attach_drain(struct zs_attach *s, uint32_t in_ms, uint64_t now);
/* The time is up: every session ends, Detach drain to the edges that are still there. */
void zs_attach_drained(struct zs_attach *s, uint64_t now);
void zs_attach_undrain(struct zs_attach *s);
uint32_t zs_attach_edges(const struct zs_attach *s); /* connected and granted */

/* When zs_attach_advance wants to be called; changes with every other call. */
uint64_t zs_attach_deadline(const struct zs_attach *s);
void zs_attach_advance(struct zs_attach *s, uint64_t now, uint64_t wall_s);

/* What only lib/p2p can judge of a configuration: peer ids, alternatives. */
int zs_attach_conf_check(const struct zs_conf *conf, struct zs_error *err);

/* --- by command --- */

struct zs_attach_rule {
	struct zs_peer_id peer;
	bool denied;
	char name[33], policy[33], tenant[33];
};
/* Stored durably, in place of the peer's rule of before. A denied peer's attachment ends at once. -ENOSPC, -ENOENT (no such policy
 * or tenant), store's. */
int zs_attach_rule_set(struct zs_attach *s, const struct zs_attach_rule *rule, uint64_t now,
		       struct zs_error *err);
/* Drops the peer's rule, its limits and its attachment. -ENOENT: it has none of them; the store's: what was dropped until then stays
 * dropped, and an attachment that was ended is not stored yet, which err says. */
int zs_attach_forget(struct zs_attach *s, const struct zs_peer_id *peer, uint64_t now, struct zs_error *err);
typedef void zs_attach_rule_fn(void *ctx, const struct zs_attach_rule *rule, bool configured);
void zs_attach_rules(const struct zs_attach *s, zs_attach_rule_fn *fn,
		     void *ctx); /* the configuration's too */

enum zs_attach_limit {
#define ZS_ATTACH_LIMIT(name, max, words, text) ZS_ATTACH_LIMIT_##name,
#include "defs/attach_limits.def"
#undef ZS_ATTACH_LIMIT
	ZS_ATTACH_LIMITS
};
const char *zs_attach_limit_name(enum zs_attach_limit limit);
const char *zs_attach_limit_words(enum zs_attach_limit limit); /* "drop|mark"; NULL: it is a number */

struct zs_attach_limits {
	uint32_t set, lifted; /* by 1 << enum zs_attach_limit */
	uint64_t value[ZS_ATTACH_LIMITS];
};
/* Adds KEY=VALUE to a change; KEY=default lifts. -EINVAL and err. */
int zs_attach_limit_parse(struct zs_attach_limits *change, const char *text, struct zs_error *err);
/* Limits of that owner, attached or not, above its policy; kept in the store. Its edge is told. -ENOSPC, the store's. */
int zs_attach_limit(struct zs_attach *s, const struct zs_peer_id *peer, const struct zs_attach_limits *change,
		    uint64_t now, struct zs_error *err);

/* Which are set, by 1 << enum zs_attach_limit. */
uint32_t zs_attach_limited(const struct zs_attach *s, const struct zs_peer_id *peer);

/* What the owner of that attachment has used in its larger direction, each time it changed; whoever is beyond its limit is
 * ended. Ignored when the attachment is another's. */
void zs_attach_used(struct zs_attach *s, uint32_t id, const struct zs_peer_id *owner, uint64_t used);

/* The same of a tenant: all its attachments are ended, once. Ignored when the number is another's. */
void zs_attach_tenant_used(struct zs_attach *s, uint32_t number, const char *name, uint64_t used);
/* The number and name of the tenant whose limits stand above that owner's attachment; 0: none, or not its attachment. */
uint32_t zs_attach_tenant_of(const struct zs_attach *s, uint32_t id, const struct zs_peer_id *owner,
			     const char **name);

/* Ends an attachment: session, ports, slot. Its owner may come again, as a new one. -ENOENT; the
 * store's: it has ended, which is stored as soon as that works. */
int zs_attach_kick(struct zs_attach *s, uint32_t id, uint64_t now, struct zs_error *err);
uint32_t zs_attach_find(const struct zs_attach *s, const struct zs_peer_id *owner); /* 0: none */

struct zs_attach_port {
	char name[ZS_ATTACH_NAME];
	uint16_t port;
	uint8_t service, protection;
	bool held; /* false: the port is somebody else's for now */
};
struct zs_attach_info {
	uint32_t id;
	uint16_t generation;
	struct zs_peer_id owner;
	bool connected;
	struct zs_endpoint remote; /* connected */
	const char *group;	   /* connected */
	uint8_t mode;		   /* of the newest session; 0: none lives */
	uint8_t sessions;
	uint64_t lease_ns; /* not connected: what is left */
	const char *name, *policy, *tenant;
	const zs_pb_Policy *limits; /* in force; bytes_left: of all that it may use */
	bool mark;
	uint32_t limited; /* by command, 1 << enum zs_attach_limit */
	uint64_t used;
	uint32_t ports;
	const struct zs_attach_port *port;
};
/* The attachment with the lowest id above `after`; false: no more. Pointers hold until the next call that changes something. */
bool zs_attach_next(const struct zs_attach *s, uint32_t after, uint64_t now, struct zs_attach_info *out);

/* A session of an attachment, the newest or the one before it; its root is wiped. false: there is none. */
bool zs_attach_session(const struct zs_attach *s, uint32_t id, bool newest, struct zs_session *out);

/* --- figures --- */

struct zs_attach_counts {
	uint64_t granted[ZS_ATTACH_CONTINUITY_fresh + 1]; /* by continuity */
	uint64_t refused[ZS_ATTACH_ERROR_busy + 1];	  /* Hello and Publish, by error code */
	uint64_t superseded, expired, kicked, wiped, spent;
	uint32_t attachments, connections, sessions, ports; /* now */
};
const struct zs_attach_counts *zs_attach_counts(const struct zs_attach *s);
struct zs_segment *zs_attach_segment(struct zs_attach *s);
uint32_t zs_attach_capacity(const struct zs_attach *s); /* ids are below it */
struct zs_cids *zs_attach_cids(struct zs_attach *s);
/* Walker for tests and fuzzers: 0, or -EUCLEAN and *where set. */
int zs_attach_walk(const struct zs_attach *s, const char **where);

#endif
