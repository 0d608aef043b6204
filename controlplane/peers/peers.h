/* The control plane's libp2p host (p2p/host.h) on its loop: sockets of the configuration's section p2p, the peerstore in
 * the store, the attach protocol between host and attach server, and what zsctl asks of peers. Loop thread alone. */
#ifndef ZS_CONTROLPLANE_PEERS_PEERS_H
#define ZS_CONTROLPLANE_PEERS_PEERS_H

#include "admin/later.h"
#include "control.h"
#include "loop/udp.h"
#include "p2p/host.h"
#include "pulse.h"

struct zs_peers;

/* c->conf, ident and store are there. Without an address to listen at *out is NULL and nothing runs; without c->attach peers are not
 * told of the attach protocol, and `pulse` is NULL. A socket that
 * cannot be had is a health code, and tried again. */
int zs_peers_new(struct zs_peers **out, struct zs_control *c, struct zs_pulse *pulse, struct zs_error *err);
/* Says goodbye to every peer. The attach server outlives it. */
void zs_peers_delete(struct zs_peers *p);
/* c->conf is a new one: what may change without a restart is in force. */
void zs_peers_apply(struct zs_peers *p);
/* What only lib/p2p can judge of a configuration: multiaddrs. */
int zs_peers_conf_check(const struct zs_conf *conf, struct zs_error *err);

/* Bytes that connections and streams may take in all. */
uint64_t zs_peers_memory_limit(const struct zs_conf *conf);

struct zs_host *zs_peers_host(struct zs_peers *p);
/* Sockets that are open, NULL beyond the last; 0 … ZS_CONF_P2P_LISTEN. */
struct zs_udp *zs_peers_socket(const struct zs_peers *p, unsigned index);

enum zs_peers_ask { ZS_PEERS_DIAL, ZS_PEERS_PING, ZS_PEERS_IDENTIFY };
/* As a verb that answers later. `who`: a peer id, or a multiaddr that ends with one. */
int zs_peers_ask(struct zs_peers *p, enum zs_peers_ask what, const char *who, struct zs_later *later,
		 json_t **result, struct zs_error *err);
json_t *zs_peers_view(struct zs_peers *p, const struct zs_host_conn_view *v);

/* qlog of connections made from now on, of one peer alone unless `peer` is NULL. -EPERM: the folder is
 * open to others or not ours; -ENOSPC: it is full; -EIO …: it cannot be made. */
int zs_peers_qlog(struct zs_peers *p, bool on, const struct zs_peer_id *peer, struct zs_error *err);
const char *zs_peers_qlog_dir(const struct zs_peers *p); /* NULL: it is off */

#endif
