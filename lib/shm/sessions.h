/* The sessions segment: attachments and the keys of their sessions. A file apart from the
 * tables, since it holds secrets: written by zs-controlplane (controlplane/attach/), mapped
 * read-only by the dataplane, opened by nobody else (mode 0600: both run as one user, or as root; zsctl asks instead).
 *
 * Attachment ids and session slots are dense, so both tables are direct-indexed. Each entry has its own sequence
 * lock; a reader copies it once, checks the copy and uses the copy. Session keys live only here: a wiped
 * machine means new sessions, never old keys (WIRE.md, Control connection). */
#ifndef ZS_SHM_SESSIONS_H
#define ZS_SHM_SESSIONS_H

#include "shm/segment.h"
#include "shm/seqlock.h"

#define ZS_SESSIONS_VERSION 1
#define ZS_ATTACHMENTS_MAX  (1u << 20)
#define ZS_SESSIONS_MAX	    (1u << 20)
#define ZS_SESSION_NONE	    UINT32_MAX
#define ZS_SESSION_ROOT	    32

enum zs_strangers { ZS_STRANGERS_NOTHING, ZS_STRANGERS_LIMITED };
enum zs_session_mode { ZS_SESSION_TUNNEL = 1, ZS_SESSION_SOCKET = 2 };

/* What the control plane wants of an attachment; index = attachment id. 0 = unlimited, each direction apart. */
struct zs_attachment {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t strangers;   /* enum zs_strangers */
	uint16_t generation; /* 1–65,535 */
	uint32_t session;    /* slot of the newest session, or ZS_SESSION_NONE */
	uint32_t previous;   /* slot of the one it replaces while that lives, or ZS_SESSION_NONE */
	uint32_t tenant;     /* number of the tenant whose bucket stands above, from 1; 0: nobody's */
	uint32_t flows;
	uint32_t new_flows_s;
	uint32_t burst;	 /* bytes */
	uint64_t serial; /* of the policy */
	uint64_t bit_s;
	uint64_t pkt_s;
	uint64_t bytes_left; /* 0 = unlimited; the owner withdraws the attachment when it is spent */
};
_Static_assert(sizeof(struct zs_attachment) == 64, "one line");

/* One session; index = its slot = the low bits of `receiver`, so a datagram's receiver id finds it at once. */
struct zs_session {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t mode;	 /* enum zs_session_mode */
	uint8_t bind_id; /* socket mode: 1–255, unique among the attachment's live sessions */
	uint8_t pad;
	uint32_t attachment;
	uint16_t generation;
	uint16_t max_payload;	       /* longest DATA payload toward the edge, 0 = no cap */
	uint32_t receiver;	       /* ours: what the edge writes into its datagrams */
	uint32_t peer;		       /* the edge's: what we write */
	uint64_t incarnation;	       /* of the state segment it was made for; dead under any other */
	uint8_t root[ZS_SESSION_ROOT]; /* R of WIRE.md, Keys */
	uint64_t created_s;	       /* Unix time of the Grant */
	uint64_t pad2[7];
};
_Static_assert(sizeof(struct zs_session) == 128, "two lines");

/* Capacities: 0 = the build's (Kconfig). Powers of two. */
struct zs_sessions_shape {
	uint32_t attachments, sessions;
};

extern const struct zs_segment_kind zs_sessions_kind;

struct zs_sessions {
	struct zs_segment seg;
	struct zs_attachment *attachment;
	struct zs_session *session;
	uint32_t attachments, sessions;
};

/* Writer: adopts what is there, else makes it; *fresh says which. A segment of another shape is made anew (-> fresh). Entries that a
 * killed writer left half written are cleared. */
int zs_sessions_open_writer(struct zs_sessions *s, const char *dir, const struct zs_sessions_shape *shape,
			    bool *fresh, struct zs_error *err);
int zs_sessions_open_reader(struct zs_sessions *s, const char *dir, struct zs_error *err);
void zs_sessions_close(struct zs_sessions *s);

/* Readers: one whole, judged copy. false: not there, or not to be had. `receiver` must be the entry's own, all 32 bits. */
bool zs_sessions_attachment(const struct zs_sessions *s, uint32_t id, struct zs_attachment *out);
bool zs_sessions_find(const struct zs_sessions *s, uint32_t receiver, struct zs_session *out);
bool zs_sessions_slot(const struct zs_sessions *s, uint32_t slot, struct zs_session *out);

/* Writer. NULL clears, and a session's bytes are wiped with it. -EINVAL: out of range, or a value that readers would refuse. */
int zs_sessions_set_attachment(struct zs_sessions *s, uint32_t id, const struct zs_attachment *value);
int zs_sessions_set_session(struct zs_sessions *s, uint32_t slot, const struct zs_session *value);

#endif
