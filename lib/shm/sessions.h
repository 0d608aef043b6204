/* The sessions segment: attachments, the keys of their sessions, and what else the relay protocol keeps secret or
 * polices by: QUIC-LB configurations, cookie secrets, tenants. A file apart from the
 * tables, since it holds secrets: written by zs-controlplane (controlplane/attach/), mapped
 * read-only by the dataplane, opened by nobody else (mode 0600: both run as one user, or as root; zsctl asks instead).
 *
 * Attachment ids and session slots are dense, so both tables are direct-indexed. Each entry has its own sequence
 * lock; a reader copies it once, checks the copy and uses the copy. Session keys live only here: a wiped
 * machine means new sessions, never old keys (WIRE.md, Control connection). */
#ifndef ZS_SHM_SESSIONS_H
#define ZS_SHM_SESSIONS_H

#include "shm/changelog.h"
#include "shm/police.h"
#include "shm/segment.h"
#include "shm/seqlock.h"

#define ZS_SESSIONS_VERSION                                                                                  \
	2 /* 1 had attachments and sessions alone: made anew, its keys were for another state */
#define ZS_ATTACHMENTS_MAX (1u << 20)
#define ZS_SESSIONS_MAX	   (1u << 20)
#define ZS_SESSION_NONE	   UINT32_MAX
#define ZS_SESSION_ROOT	   32
#define ZS_CID_CONFIGS	   8	/* 3 bits of the first byte; 7 is unroutable, its row stays empty */
#define ZS_TENANTS	   1025 /* numbers 1 to 1,024; 0 is nobody */

enum zs_strangers { ZS_STRANGERS_NOTHING, ZS_STRANGERS_LIMITED };
enum zs_session_mode { ZS_SESSION_TUNNEL = 1, ZS_SESSION_SOCKET = 2 };

/* What the control plane wants of an attachment; index = attachment id. */
struct zs_attachment {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t strangers;   /* enum zs_strangers */
	uint16_t generation; /* 1–65,535 */
	uint32_t session;    /* slot of the newest session, or ZS_SESSION_NONE */
	uint32_t previous;   /* slot of the one it replaces while that lives, or ZS_SESSION_NONE */
	uint16_t tenant;     /* number of the tenant whose buckets stand above, from 1; 0: nobody's */
	uint8_t mark;	     /* 1: excess leaves with CE where it is ECT; 0: excess is dropped */
	uint8_t pad[5];
	uint64_t serial; /* of the policy */
	struct zs_police police;
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

/* A QUIC-LB configuration that lives; index = its rotation bits. The newest by created_s is minted from. */
struct zs_cid_config {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t keyed;	       /* 0: plaintext */
	uint8_t server_id_len; /* 1–15: PoP 4, attachment 4, generation 2, zero 2 are 12 */
	uint8_t nonce_len;     /* 4–18, the sum at most 19 */
	uint8_t key[16];
	uint64_t created_s;   /* Unix times */
	uint64_t successor_s; /* when the next one started, 0: it is the newest */
	uint64_t withdrawn_s; /* from when it decodes no more, 0: not withdrawn */
	uint64_t pad[2];
};
_Static_assert(sizeof(struct zs_cid_config) == 64, "one line");

/* What BIND's cookies are made with; drawn each minute, the last one stands while no control plane lives. */
struct zs_cookie_secret {
	_Atomic uint32_t seq;
	uint32_t step; /* Unix time / 60 when `now` was drawn; never 0 */
	uint8_t now[16];
	uint8_t previous[16]; /* all zero: there was none */
	uint8_t pad[24];
};
_Static_assert(sizeof(struct zs_cookie_secret) == 64, "one line");

/* A tenant's policy; index = zs_attachment.tenant. */
struct zs_tenant {
	_Atomic uint32_t seq;
	uint8_t used;
	uint8_t mark; /* as an attachment's */
	uint8_t pad[2];
	uint32_t members; /* attachments that have a share in it */
	uint32_t pad1;
	struct zs_rate share_bytes, share_packets; /* of each of them */
	struct zs_police police;
};
_Static_assert(sizeof(struct zs_tenant) == 64, "one line");

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
	struct zs_cid_config *cid_config; /* ZS_CID_CONFIGS */
	struct zs_cookie_secret *cookie_secret;
	struct zs_tenant *tenant;    /* ZS_TENANTS */
	struct zs_changelog changes; /* attachment ids: of an attachment or one of its sessions */
};

/* Slots of sessions beside so many attachments: each may have one, and two for a while. */
static inline uint32_t zs_sessions_slots(uint32_t attachments)
{
	return attachments > CONFIG_SESSIONS ? attachments : CONFIG_SESSIONS;
}
/* The shape with the build's capacities in the place of zeros; NULL: all of them. */
struct zs_sessions_shape zs_sessions_shaped(const struct zs_sessions_shape *shape);
/* Sets the view's pointers from seg. -EPROTO: a region is missing or has an impossible size. */
int zs_sessions_bind(struct zs_sessions *s);

/* Writer: adopts what is there, else makes it; *fresh says which. A segment of another shape or an older version is made anew (-> fresh). Entries that a
 * killed writer left half written are cleared. */
int zs_sessions_open_writer(struct zs_sessions *s, const char *dir, const struct zs_sessions_shape *shape,
			    bool *fresh, struct zs_error *err);
int zs_sessions_open_reader(struct zs_sessions *s, const char *dir, struct zs_error *err);
void zs_sessions_close(struct zs_sessions *s);

/* Readers: one whole, judged copy. false: not there, or not to be had. `receiver` must be the entry's own, all 32 bits. */
bool zs_sessions_attachment(const struct zs_sessions *s, uint32_t id, struct zs_attachment *out);
bool zs_sessions_find(const struct zs_sessions *s, uint32_t receiver, struct zs_session *out);
bool zs_sessions_slot(const struct zs_sessions *s, uint32_t slot, struct zs_session *out);
bool zs_sessions_cid_config(const struct zs_sessions *s, uint32_t rotation, struct zs_cid_config *out);
bool zs_sessions_cookie_secret(const struct zs_sessions *s, struct zs_cookie_secret *out);
bool zs_sessions_tenant(const struct zs_sessions *s, uint32_t number, struct zs_tenant *out);
/* Does anything limit what it sends or gets? If not, nobody need ask a policer. */
static inline bool zs_attachment_policed(const struct zs_attachment *a)
{
	return a->tenant || a->police.quantum || a->police.packet_quantum;
}

/* Writer. NULL clears, and a session's bytes are wiped with it. -EINVAL: out of range, or a value that readers would refuse.
 * An attachment, and a session's attachment, go into the change log. */
int zs_sessions_set_attachment(struct zs_sessions *s, uint32_t id, const struct zs_attachment *value);
int zs_sessions_set_session(struct zs_sessions *s, uint32_t slot, const struct zs_session *value);
int zs_sessions_set_cid_config(struct zs_sessions *s, uint32_t rotation, const struct zs_cid_config *value);
int zs_sessions_set_cookie_secret(struct zs_sessions *s, const struct zs_cookie_secret *value);
int zs_sessions_set_tenant(struct zs_sessions *s, uint32_t number, const struct zs_tenant *value);

#endif
