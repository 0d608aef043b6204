/* Inside the attach client: links and who decides what. attach_links.c: links and their failures; attach_session.c:
 * frames; attach_ports.c: names; attach_stock.c: connection IDs; attach_client.c: reports and life. */
#ifndef ZS_P2P_ATTACH_CLIENT_INTERNAL_H
#define ZS_P2P_ATTACH_CLIENT_INTERNAL_H

#include "p2p/attach_cids.h"
#include "p2p/attach_client.h"
#include "p2p/frame.h"

#define PSK 32

struct link {
	uint32_t number;	    /* 0: free */
	enum zs_attach_state state; /* disconnected: its connection is gone, its session serves */
	bool relieved;		    /* the serving one: its connection ended after the next one was granted */
	uint64_t until_ns;	    /* the state's end, 0: none */
	struct zs_attach_target target;
	struct zs_peer_id relay; /* proven */
	struct zs_frame frame;
	uint8_t *hello; /* the submessage as sent, until Grant */
	size_t hello_len;
	uint64_t last_id; /* of our frames */
	struct link_ports {
		uint64_t
		    asked[ZS_ATTACH_PUBLISHED]; /* by name: the request since Hello that counts, 0: none */
		uint64_t wanting;		/* bit n: name n was refused for want of room */
		uint64_t due;			/* bit n: name n is asked for once all withdrawals are sent */
		struct {
			uint64_t id; /* of the request */
			uint16_t port;
		} gone[ZS_ATTACH_PUBLISHED]; /* names withdrawn, that many: */
		uint8_t withdrawn, room;     /* … and those whose room nobody has yet */
	} ports;
	struct zs_attach_known told;	  /* Resume in Hello; relay.len 0: none */
	struct zs_attach_session session; /* link 0: none yet */
};

enum { SERVING, NEXT, LINKS };

struct zs_attach_client {
	struct zs_attach_client_config config; /* its pointers lead into this object */
	struct zs_attach_publish publish[ZS_ATTACH_PUBLISHED];
	uint8_t token[512], psk_id[64], psk[PSK];
	struct zs_attach_client_ops ops;
	void *ctx;
	uint64_t now;
	enum zs_attach_state state, rest; /* as told; between attempts */
	struct link link[LINKS];
	uint32_t numbers, failures; /* drawn; in a row */
	uint32_t refusal;	    /* told with the next state */
	uint64_t attempt_ns; /* when the next attempt is due: a retry, a fresh session, a move; 0: none */
	bool detaching;
	struct zs_attach_target alternative[ZS_ATTACH_ALTERNATIVES];
	uint32_t alternatives;
	struct zs_attach_memory memory;
	struct {
		struct zs_attach_cids pool;
		uint32_t link;	   /* that was asked */
		uint64_t asked;	   /* id of the request without an answer, 0: none */
		uint64_t until_ns; /* asked: waits for the answer so long; else asks no earlier */
	} stock;
};

static inline bool zs_attach_link_connected(const struct link *l)
{
	return l->number && l->state != ZS_ATTACH_STATE_disconnected;
}

/* The state that people see. */
enum zs_attach_state zs_attach_link_view(const struct zs_attach_client *c);
void zs_attach_link_attempt(struct zs_attach_client *c);
/* The link's state has lasted too long. */
void zs_attach_link_too_late(struct zs_attach_client *c, struct link *l);
/* The link has no connection any more: rests in `end` (see zs_attach_client_closed), at least retry_ms, which may be 0.
 * What serves goes on without a connection for the attachment's lease. */
void zs_attach_link_lose(struct zs_attach_client *c, struct link *l, enum zs_attach_state end,
			 uint32_t retry_ms, const char *why);
/* Frees the link, its session ends; its connection is the caller's to close. */
void zs_attach_link_drop(struct zs_attach_client *c, struct link *l);
void zs_attach_link_forget_connection(struct link *l);
void zs_attach_link_end_all(struct zs_attach_client *c);
/* NULL: it is gone. */
struct link *zs_attach_link_find(struct zs_attach_client *c, uint32_t number);
/* Closes the connection and loses the link. */
void zs_attach_link_give_up(struct zs_attach_client *c, struct link *l, enum zs_attach_state end,
			    uint32_t retry_ms, const char *why);
void zs_attach_link_reach(struct zs_attach_client *c, struct link *l, enum zs_attach_state state);
/* The keys are no good any more; the link lives on. */
void zs_attach_link_end_session(struct zs_attach_client *c, struct link *l);
/* The link was granted a session of the same relay that does not go on from the one that serves. */
void zs_attach_link_replace(struct zs_attach_client *c, const struct link *l);
/* The relay goes away: to one of its alternatives, if it named any. */
void zs_attach_link_move(struct zs_attach_client *c, const struct link *l, const zs_pb_Notice *notice);
void zs_attach_link_saved(struct zs_attach_client *c);

/* attach_ports.c */
/* Asks for the names from there on that no Publish asked for yet. */
void zs_attach_ports_publish(struct zs_attach_client *c, struct link *l, uint32_t from);
/* Ports of a Grant, or one of its own frame with that id. Bit n: there is nothing to tell of at[n]. */
uint64_t zs_attach_ports_came(struct zs_attach_client *c, struct link *l, uint64_t id, const zs_pb_Port *at,
			      uint32_t count);

/* attach_stock.c */
void zs_attach_stock_fill(struct zs_attach_client *c); /* asks, if it may and must */
uint64_t zs_attach_stock_due(const struct zs_attach_client *c);
void zs_attach_stock_owner(struct zs_attach_client *c, const struct link *l); /* that was granted */
void zs_attach_stock_came(struct zs_attach_client *c, const struct link *l, uint64_t id,
			  const zs_pb_Cids *cids);
void zs_attach_stock_refused(struct zs_attach_client *c, const struct link *l, uint64_t id,
			     uint32_t retry_ms);

/* attach_session.c */
void zs_attach_link_send(struct zs_attach_client *c, struct link *l, const struct zs_attach_frame *frame);
void zs_attach_link_hello(struct zs_attach_client *c, struct link *l);
void zs_attach_link_detach(struct zs_attach_client *c, struct link *l);
void zs_attach_link_read(struct zs_attach_client *c, uint32_t number, const void *bytes, size_t len);

#endif
