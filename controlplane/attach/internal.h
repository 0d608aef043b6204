/* Shared by the files of attach/ alone.
 *
 *   server.c    life, time, the world around     conns.c    connections
 *   frames.c    frames that come in              reply.c    frames that go out
 *   hello.c     who may, who is first            grant.c    keys and the Grant
 *   policy.c    who may, under which limits      rules.c    allowed and denied by command
 *   limits.c    limits by command                tenants.c  whose limits stand above several
 *   quota.c     bytes in all
 *   secrets.c   tokens and pre-shared keys       slots.c    owner to attachment, durable
 *   sessions.c  keys in the sessions segment     ports.c    granted ports
 *   records.c   store records                    show.c     what verbs and tests ask
 *   cids.c      connection IDs for edges         cookies.c  secrets of BIND's cookies */
#ifndef ZS_CONTROLPLANE_ATTACH_INTERNAL_H
#define ZS_CONTROLPLANE_ATTACH_INTERNAL_H

#include "attach/attach.h"
#include "attach/secrets.h"
#include "base/gcra.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "cid/cid.h"
#include "p2p/peertable.h"
#include "relay/keys.h"
#include "shm/sessions.h"

#define NEVER	      UINT64_MAX
#define CALLER_SETS   4096 /* of shares of callers: 16,384 of them, 256 KiB */
#define CALLER_WAYS   4
#define BUCKETS	      1024 /* of slots by source prefix; a power of two */
/* Each is a synced write, so an edge may not have as many as it likes: at once, and a second after that. */
#define HELLO_BURST   8
#define PUBLISH_BURST 32
/* Frames of an attachment, whatever they are: more than a connection ID a frame, and many names at once. */
#define FRAMES_PER_S  128
#define FRAMES_BURST  2048
#define SLOT_ROUND_NS (100 * ZS_NS_PER_MS) /* slots are looked at together, not one by one */

enum conn_state {
	CONN_NEW,     /* waits for Hello */
	CONN_PROBING, /* its Hello waits for a sign of the owner's old connection */
	CONN_GRANTED, /* its session is in the segment, the Grant waits for the workers */
	CONN_ATTACHED,
	CONN_CLOSING, /* the shell was told; nothing is read any more */
};

struct zs_attach_conn {
	struct zs_attach_conn *next, **link;
	enum conn_state state;
	struct zs_attach_peer peer;
	char group[32];
	struct zs_addr prefix;	  /* zs_addr_site() of where it comes from */
	struct zs_deadline timer; /* NEW, PROBING, GRANTED */
	uint64_t grace_ns;	  /* GRANTED: the longest wait for the workers ends */
	uint64_t epoch;		  /* GRANTED: of the grace period */
	struct slot *slot;
	uint8_t instance[ZS_ATTACH_INSTANCE];
	uint8_t faults;
	struct zs_gcra publishes;
	struct held *held; /* PROBING: the Hello; GRANTED: the Grant and what follows it */
};

/* Frames kept for later, in order. */
struct held {
	struct held *next;
	size_t len;
	uint8_t bytes[];
};

/* Whom an attachment lets dial it by connection ID, among those that are attached. */
enum callers { CALLERS_ANYONE, CALLERS_TENANT, CALLERS_NOBODY };

/* What an owner's traffic is bound to. */
struct terms {
	zs_pb_Policy policy; /* serial aside; bytes_left is all it may use, not what is left */
	bool mark;
	enum callers callers;
	uint32_t tenant;
	const char *name; /* of the policy; "": none */
};

struct tenant {
	char name[33]; /* "": the number is free */
	uint32_t members;
	struct zs_police_limits limits;
	uint64_t bytes; /* in all; 0: unlimited */
	uint64_t used;	/* of the larger direction */
	bool mark;
};

struct ports {
	uint8_t count;
	struct zs_attach_port at[ZS_ATTACH_PORTS];
};

/* A session that lives: its entry in the segment, and what the segment need not know. */
struct live {
	uint32_t at; /* slot of the segment, ZS_SESSION_NONE: none */
	uint8_t mode, bind_id;
	bool proven;
	uint64_t granted_ns, incarnation;
	struct zs_attach_conn *conn; /* that it was made on, while it is open */
};

/* What the store keeps of an attachment (records.c); of its ports all but `held`. */
struct kept {
	uint16_t generation;
	uint64_t freed_s;	 /* Unix time, 0: owned */
	struct zs_peer_id owner; /* len 0: free */
	struct zs_addr
	    prefix;	/* its owner came from as a newcomer; all zero: not known, of an older record */
	uint8_t untold; /* ports of the record with a name that no edge can be told; not kept */
	uint8_t hashes;
	uint8_t hash[2][ZS_ATTACH_HASH]; /* of the last Grants, newest first */
	struct ports ports;
};

/* Attachment `id`: its index in slot[] and in the segment. All but `kept` ends with the process. */
struct slot {
	uint32_t id;
	struct kept kept;
	struct zs_attach_conn *conn; /* attached now */
	uint64_t lease_ns;	     /* when it ends; NEVER while attached */
	struct zs_deadline
	    timer;	   /* of lease or proof, whichever is next; may be early. Free: of the next write */
	struct slot *near; /* of the same prefix's bucket */
	struct live now, before; /* `before` while `now` is to prove itself */
	uint8_t last_bind_id;
	struct zs_attach_conn *rival; /* of another instance: waits whether `conn` still lives */
	struct zs_gcra hellos, frames;
	struct zs_gcra cids, called; /* connection IDs it got; that callers of it got */
	enum callers callers;
	uint64_t serial;
	zs_pb_Policy policy; /* as in struct terms */
	bool mark, warned;
	bool unstored; /* its last write to the store failed */
	char name[33], policy_name[33];
	uint32_t tenant;
	uint64_t used;	    /* bytes of the larger direction, of all its owner ever used */
	uint32_t next_free; /* id of the slot freed after this one */
};

/* What a caller of a callee, or all callers of one network, are sure of (callers.c). */
struct caller_share {
	uint64_t name; /* keyed hash of whom it is about; 0: nobody */
	struct zs_gcra bucket;
};

struct zs_attach {
	struct zs_control *c;
	struct zs_random random;
	const struct zs_attach_ops *ops;
	void *shell;
	uint64_t now_ns, wall_s;
	struct zs_deadlines conn_timers, slot_timers; /* room for every connection, every slot */
	bool draining;
	uint64_t drain_until_ns;
	uint64_t incarnation;

	struct zs_attach_conn *conns;
	struct slot *bucket[BUCKETS]; /* those owned, by prefix */
	uint64_t bucket_key[2];

	struct zs_sessions shm;
	struct zs_cids *cids;
	struct slot **slot;	       /* shm.attachments; [0] is never used */
	uint32_t high;		       /* ids at and beyond were never used */
	uint32_t free_head, free_tail; /* freed slots, oldest first; 0: none */
	struct zs_peertable owners;
	uint32_t *owned; /* owners' slots → id */

	struct zs_peertable listed; /* the configuration's allow list … */
	uint32_t *listed_at;	    /* … → its index */
	struct zs_peertable ruled;  /* rules by command */
	struct zs_attach_rule *rule;
	struct zs_secrets secrets;
	struct zs_peertable limited; /* limits by command */
	struct zs_attach_limits *limits;
	struct tenant tenant[ZS_TENANTS]; /* by number; [0] is nobody */
	struct caller_share caller_share[CALLER_SETS][CALLER_WAYS];

	struct zs_attach_counts counts;
};

/* When a slot that waits for `at` is looked at. */
static inline uint64_t slot_round(uint64_t at)
{
	return at > NEVER - SLOT_ROUND_NS ? NEVER : ZS_ALIGN_UP(at, SLOT_ROUND_NS);
}

static inline const struct zs_conf_attach *conf_of(const struct zs_attach *s)
{
	return &s->c->conf->attach;
}

/* conns.c */
bool zs_attach_rate(const struct zs_attach *s, struct zs_gcra *bucket, uint32_t burst);
void zs_attach_slot_lease(struct zs_attach *s, struct slot *slot); /* begins, or begins again */
void zs_attach_conn_close(struct zs_attach *s, struct zs_attach_conn *conn, const char *why);
void zs_attach_conn_forget(struct zs_attach *s, struct zs_attach_conn *conn);

/* server.c */
void zs_attach_set_now(struct zs_attach *s, uint64_t now);
/* The connection's state ends then; NEVER: it has time. */
void zs_attach_wake_conn(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t at);
/* The slot is looked at then, or earlier if it was to be anyway. */
void zs_attach_wake_slot(struct zs_attach *s, struct slot *slot, uint64_t at);
void zs_attach_conn_hold(struct zs_attach_conn *conn, const void *bytes, size_t len);
void zs_attach_conn_drop_held(struct zs_attach_conn *conn);

/* drain.c: says to a connection what it should know of a drain; nothing without one. */
void zs_attach_drain_tell(struct zs_attach *s, struct zs_attach_conn *conn);

/* Ends those who may not stay any longer, tells the others what changed for them. */
void zs_attach_judge(struct zs_attach *s, uint64_t now);

/* reply.c. A refusal's fields; text NULL: the code's own. */
struct refusal {
	uint32_t code;
	const char *scope;
	uint64_t current, limit;
	uint32_t retry_ms;
	const char *text;
};
zs_pb_Error zs_attach_error(const struct refusal *r);
void zs_attach_send(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f);
void zs_attach_send_error(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t id,
			  const struct refusal *r);
void zs_attach_send_notice(struct zs_attach *s, struct zs_attach_conn *conn, uint32_t code, uint32_t in_ms,
			   const char *text);

/* policy.c */
struct admission {
	const char *name, *policy, *tenant;
};
/* false: *r says why. */
bool zs_attach_policy_admits(const struct zs_attach *s, const struct zs_attach_conn *conn,
			     const zs_pb_Hello *h, struct admission *out, struct refusal *r);
/* May the owner stay, after rules or configuration changed? Fills *out if so. */
bool zs_attach_policy_keeps(const struct zs_attach *s, const struct slot *slot, struct admission *out);
/* Writes admission and limits into the slot; true: the edge should be told. */
bool zs_attach_policy_set(struct zs_attach *s, struct slot *slot, const struct admission *a);
int zs_attach_policy_load(struct zs_attach *s); /* the configuration's list and secrets */
bool zs_attach_policy_exists(const struct zs_conf *conf, const char *name);
struct zs_police_limits zs_attach_limits_of(const struct zs_conf_policy *p);
/* What would hold for that owner. */
void zs_attach_policy_terms(struct zs_attach *s, const struct zs_peer_id *peer, const struct admission *a,
			    struct terms *out);
/* The slot's policy as its edge is told. */
zs_pb_Policy zs_attach_policy_told(const struct slot *slot);

/* cookies.c: a secret for this step of the wall clock, if it has none yet. */
void zs_attach_cookies_draw(struct zs_attach *s);

/* hello.c */
/* `raw`: the Hello's own bytes, `whole`: the frame's. */
void zs_attach_hello_take(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f,
			  const struct zs_span *raw, const struct zs_span *whole);
/* The probe of the owner's old connection has its end: go on, or refuse. */
void zs_attach_hello_judged(struct zs_attach *s, struct zs_attach_conn *conn, bool old_lives);

/* grant.c */
/* `slot`: the owner's, NULL: it has none. Zero, or an error code: nothing is changed then, but for a generation that is spent. */
uint32_t zs_attach_grant(struct zs_attach *s, struct zs_attach_conn *conn, struct slot *slot,
			 const struct zs_attach_frame *f, const struct zs_span *raw,
			 const struct admission *who);
/* GRANTED: sends, when the workers are through. */
void zs_attach_grant_send(struct zs_attach *s, struct zs_attach_conn *conn);

/* rules.c */
const struct zs_attach_rule *zs_attach_rule_of(const struct zs_attach *s, const struct zs_peer_id *peer);
int zs_attach_rules_load(struct zs_attach *s, struct zs_error *err);

/* limits.c */
int zs_attach_limits_load(struct zs_attach *s, struct zs_error *err);
void zs_attach_limits_apply(const struct zs_attach *s, const struct zs_peer_id *peer, struct terms *t);

/* tenants.c */
void zs_attach_tenants_load(struct zs_attach *s); /* the configuration's, into the segment */
bool zs_attach_tenant_exists(const struct zs_attach *s, const char *name);
uint32_t zs_attach_tenant_number(struct zs_attach *s, const char *name); /* 0: there is none of that name */
/* The slot leaves its tenant for that one; 0: for none. */
void zs_attach_tenant_join(struct zs_attach *s, struct slot *slot, uint32_t number);
bool zs_attach_tenants_right(const struct zs_attach *s); /* for the walker */

/* quota.c */
uint64_t zs_attach_quota_used(const struct zs_attach *s, const struct zs_peer_id *owner);
bool zs_attach_quota_tenant_spent(const struct zs_attach *s, uint32_t tenant);
void zs_attach_quota_judge(struct zs_attach *s, struct slot *slot);

/* slots.c */
int zs_slots_load(struct zs_attach *s, struct zs_error *err);
struct slot *zs_attach_slot_of(const struct zs_attach *s, const struct zs_peer_id *owner);
/* A slot for a new owner, not durable yet; its generation is new. It counts for the prefix its owner came from as a newcomer until it
 * is free again: if it moved along with its owner, two prefixes could fill the relay. NULL: none is left. */
struct slot *zs_attach_slot_take(struct zs_attach *s, const struct zs_peer_id *owner,
				 const struct zs_addr *prefix);
/* Attachments, leased ones too, whose owners were newcomers from that prefix. */
uint32_t zs_attach_slots_near(const struct zs_attach *s, const struct zs_addr *prefix);
/* Takes zs_attach_slot_take() back; its generation is spent. */
void zs_attach_slot_untake(struct zs_attach *s, struct slot *slot);
/* Ends the attachment: sessions, ports, owner; durable. The store's error: it has ended all the same and is stored as soon as that
 * works; after a restart before that its owner has it back, for a lease. */
int zs_attach_slot_free(struct zs_attach *s, struct slot *slot, struct zs_error *err);
/* The slot is free, and the store may not know: tries again. */
void zs_attach_slot_store(struct zs_attach *s, struct slot *slot);
void zs_attach_slot_adopt(struct zs_attach *s,
			  struct slot *slot); /* a record read at the start; taken over */

/* records.c. The readers judge what no memory is safe from; false: damaged, *out is spoilt. */
#define ATTACH_RECORD 1024 /* 12 + 45 + 16 + 65 + 16 x 37 at most */
bool zs_attach_record_read_slot(struct kept *out, const void *value, size_t len);
size_t zs_attach_record_write_slot(const struct kept *k, uint8_t out[ATTACH_RECORD]);
bool zs_attach_record_read_rule(struct zs_attach_rule *out, const void *peer, size_t peer_len,
				const void *value, size_t len);
size_t zs_attach_record_write_rule(const struct zs_attach_rule *rule, uint8_t out[ATTACH_RECORD]);
bool zs_attach_record_read_limits(struct zs_attach_limits *out, const void *value, size_t len);
size_t zs_attach_record_write_limits(const struct zs_attach_limits *l, uint8_t out[ATTACH_RECORD]);
int zs_attach_record_slot(struct zs_attach *s, struct slot *slot, struct zs_error *err);
int zs_attach_record_rule(struct zs_attach *s, const struct zs_attach_rule *rule, struct zs_error *err);
int zs_attach_record_no_rule(struct zs_attach *s, const struct zs_peer_id *peer, struct zs_error *err);
int zs_attach_records_slots(struct zs_attach *s, struct zs_error *err); /* each to slot_adopt */
typedef void record_rule_fn(struct zs_attach *s, const struct zs_attach_rule *rule);
int zs_attach_records_rules(struct zs_attach *s, record_rule_fn *fn, struct zs_error *err);
/* Nothing set: no record. */
int zs_attach_record_limits(struct zs_attach *s, const struct zs_peer_id *peer,
			    const struct zs_attach_limits *l, struct zs_error *err);
typedef void record_limits_fn(struct zs_attach *s, const struct zs_peer_id *peer,
			      const struct zs_attach_limits *l);
int zs_attach_records_limits(struct zs_attach *s, record_limits_fn *fn, struct zs_error *err);

/* sessions.c */
int zs_attach_sessions_load(struct zs_attach *s, struct zs_error *err); /* after the slots */
/* A free segment slot's receiver id, 0: none. */
uint32_t zs_attach_session_receiver(struct zs_attach *s);
uint8_t zs_attach_session_bind_id(const struct slot *slot);
/* Puts the session as the slot's newest; `keep`: the newest of before lives on until this one is proven. */
void zs_attach_session_put(struct zs_attach *s, struct slot *slot, const struct zs_session *v,
			   struct zs_attach_conn *conn, bool keep);
void zs_attach_session_end(struct zs_attach *s, struct slot *slot, struct live *live);
void zs_attach_sessions_end(struct zs_attach *s, struct slot *slot);
/* A ping was answered on the newest session's connection. */
void zs_attach_session_pinged(struct zs_attach *s, struct slot *slot);
void zs_attach_session_tick(struct zs_attach *s, struct slot *slot);
bool zs_attach_session_lives(const struct zs_attach *s, const struct live *live);
void zs_attach_slot_show(struct zs_attach *s, const struct slot *slot); /* the segment's entry */

/* cids.c */
/* false: *r says why. */
bool zs_attach_cids_ask(struct zs_attach *s, struct slot *slot, const zs_pb_CidAsk *ask, zs_pb_Cids *out,
			struct refusal *r);
/* What a Grant brings along; false: none can be minted now, the edge will ask. */
bool zs_attach_cids_first(struct zs_attach *s, const struct slot *slot, zs_pb_Cids *out);
void zs_attach_cids_retire(struct zs_attach *s); /* tells every edge which configurations were withdrawn */

/* callers.c: may the caller get so many of the callee's? */
bool zs_attach_call(struct zs_attach *s, struct slot *callee, const struct slot *caller, uint32_t count);

/* ports.c */
/* Takes the request into slot->ports and fills the answer; the caller stores, then keeps or undoes. */
void zs_attach_port_publish(struct zs_attach *s, struct slot *slot, const zs_pb_Publish *p, zs_pb_Port *out);
void zs_attach_ports_keep(struct zs_attach *s, struct slot *slot, const struct ports *before);
void zs_attach_ports_undo(struct zs_attach *s, struct slot *slot, const struct ports *before);
/* Asks again for what is not held. */
void zs_attach_ports_reserve(struct zs_attach *s, struct slot *slot);
void zs_attach_ports_release(struct zs_attach *s, struct slot *slot);
void zs_attach_port_tell(const struct zs_attach *s, const struct zs_attach_port *p, zs_pb_Port *out);
/* The addresses told to edges, with that port. */
uint32_t zs_attach_announce(const struct zs_attach *s, uint16_t port, uint8_t (*out)[18], uint32_t max);

#endif
