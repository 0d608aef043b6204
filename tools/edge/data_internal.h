/* Inside the data side: what data.c (life, routing, time) shares with services.c, rebound.c, forward.c and door.c. */
#ifndef ZS_EDGE_DATA_INTERNAL_H
#define ZS_EDGE_DATA_INTERNAL_H

#include "data.h"
#include "relay/codes.h"

#define EDGE_SERVICES 128 /* numbers of services: 7 bits */

struct edge_service {
	uint8_t publish; /* index + 1 of the name; 0: no service of ours has that number */
	bool silent;	 /* it was said that nobody is there */
	uint8_t cid_len; /* of the connection IDs that it gives out; 0: it has given none yet */
	uint32_t longer; /* than this, the path's payload, its datagrams were, and that was said; 0: never */
};

struct edge_forward {
	struct zs_edge_data *data;
	const struct zs_edge_forward *is;
	struct zs_endpoint target; /* port 0: not resolved yet */
	struct zs_resolve *query;
	struct zs_udp *udp;
	bool told;	 /* what is wrong was said */
	uint32_t longer; /* as a service's */
	char name[ZS_ENDPOINT_TEXT];
};

struct edge_replies;
struct edge_door;

struct zs_edge_data {
	struct zs_edge_data_config config;
	struct zs_uplink *uplink;
	struct zs_edge_flows *flows;
	struct zs_connected_pool *pool;
	struct zs_timer *timer;
	struct edge_service service[EDGE_SERVICES];
	struct edge_forward forward[ZS_EDGE_FORWARDS];
	struct edge_replies *replies;
	struct edge_door *door; /* NULL: nobody was to have connection IDs */
	uint64_t begun, refused, full, unknown, rebound, strays;
	bool told_full;
};

static inline uint64_t data_now(const struct zs_edge_data *d)
{
	return zs_loop_now(d->config.loop);
}

/* data.c */
/* Sends what is gathered and sets the timer; the end of every way in. */
void edge_data_turn(struct zs_edge_data *d);
/* A new entry, if need be in place of one that nobody answered. NULL: full, which is told. */
struct zs_edge_flow *edge_flow_begin(struct zs_edge_data *d, const struct zs_edge_flow *flow);
/* `reason` 0: the relay is not told. */
void edge_flow_end(struct zs_edge_data *d, struct zs_edge_flow *flow, uint16_t reason);
__attribute__((format(printf, 5, 6))) void edge_data_tell(struct zs_edge_data *d, enum zs_edge_data_kind kind,
							  const char *name, const char *what, const char *fmt,
							  ...);

/* To the relay. What the path does not carry is lost, which is said once for each way. */
void edge_data_send(struct zs_edge_data *d, const struct zs_edge_flow *flow, uint8_t ecn, const void *payload,
		    size_t len);

/* services.c: flows of the relay's */
extern const struct zs_connected_ops edge_service_ops;
void edge_service_port(struct zs_edge_data *d, const zs_pb_Port *port);
void edge_service_data(struct zs_edge_data *d, const struct zs_tunnel_flow *id, uint8_t ecn,
		       const uint8_t *payload, size_t len);
void edge_service_opened(struct zs_edge_data *d, const struct zs_tunnel_flow *id,
			 const struct zs_endpoint *client);

/* rebound.c: a client's datagram, before it goes to the service: its flow may get another socket. A
 * service's: the flow that it goes to now. */
void edge_rebound_asked(struct zs_edge_data *d, struct zs_edge_flow *flow, const uint8_t *payload,
			size_t len);
struct zs_edge_flow *edge_rebound_answered(struct zs_edge_data *d, struct zs_edge_flow *flow,
					   const uint8_t *payload, size_t len);

/* forward.c: flows of our own */
int edge_forward_open(struct zs_edge_data *d, struct zs_error *err);
void edge_forward_close(struct zs_edge_data *d);
/* Their names are asked for; again now and then. */
void edge_forward_resolve(struct zs_edge_data *d);
void edge_forward_data(struct zs_edge_data *d, struct zs_edge_flow *flow, uint8_t ecn, const uint8_t *payload,
		       size_t len);
void edge_forward_closed(struct zs_edge_data *d, struct zs_edge_flow *flow, uint16_t reason);

/* replies.c: -ENOMEM */
int edge_replies_new(struct edge_replies **out);
void edge_replies_delete(struct edge_replies *r);
/* Copied; it leaves with the next flush, or before. */
void edge_reply(struct edge_replies *r, struct zs_udp *udp, const struct zs_udp_datagram *out);
void edge_replies_flush(struct edge_replies *r);

/* door.c: what has no flow. NULL does nothing. An error has its line in err; *out is to be deleted even so. */
int edge_door_new(struct edge_door **out, struct zs_edge_data *d, struct zs_error *err);
void edge_door_delete(struct edge_door *g);
/* Of the tunnel, for the program. false: there is none. */
bool edge_door_data(struct edge_door *g, uint8_t ecn, const uint8_t *payload, size_t len);
/* The tunnel carries, or does not any more. */
void edge_door_tell(struct edge_door *g);
void edge_door_dial(struct edge_door *g, const uint8_t *cid, const char *why);

#endif
