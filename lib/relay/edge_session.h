/* One session of an edge: keys, lanes, windows, and sealing to the one address of the relay that answered. Of
 * edge_tunnel.c alone. A lane that is seen first is allocated: at most 16, whatever comes. */
#ifndef ZS_RELAY_EDGE_SESSION_H
#define ZS_RELAY_EDGE_SESSION_H

#include "relay/edge_tunnel.h"
#include "relay/keepalive.h"
#include "relay/lane.h"
#include "relay/pmtu.h"
#include "relay/window.h"

struct zs_edge_lane {
	struct zs_window_room keys;
	struct zs_window window;
};

struct zs_edge_end {
	struct zs_lane lane; /* we send on one: number 0 */
	struct zs_lane_store store;
	struct zs_edge_session is;
	struct zs_edge_lane *heard[ZS_TUNNEL_LANES];
	struct zs_keepalive keepalive;
	struct zs_pmtu pmtu;
	struct zs_endpoint remote;
	uint64_t until_ns;  /* it ends then; UINT64_MAX: not by itself */
	uint64_t heard_ns;  /* last authentic packet */
	uint32_t asked;	    /* KEEPALIVEs so far: which address is next */
	bool small, silent; /* told */
};

/* Wants 64-byte aligned memory of its own: new allocates, NULL is out of memory; delete wipes. */
struct zs_edge_end *zs_edge_end_new(const struct zs_gcm_engine *e, const struct zs_edge_session *s,
				    uint64_t ratchet, uint64_t now_ns);
void zs_edge_end_delete(struct zs_edge_end *s);

/* Header, tag and counter onto `datagram` (payload in place at ZS_TUNNEL_HEADER). tunnel_lane. */
enum zs_drop zs_edge_end_seal(struct zs_edge_end *s, const struct zs_gcm_engine *e,
			      struct zs_tunnel_head *head, uint8_t *datagram, size_t len);
/* Opens in place: window, tag, form. *spent: too many failed tags, the session must end. */
enum zs_drop zs_edge_end_open(struct zs_edge_end *s, const struct zs_gcm_engine *e,
			      const struct zs_tunnel_head *head, uint8_t *datagram, size_t len,
			      uint64_t now_ns, bool *spent);

#endif
