/* The configuration: one YAML file per instance, checked against lib/defs/config.def. Both planes
 * read the same file with this reader; zsctl checks with it offline.
 *
 * Unknown keys, doubled keys, wrong types and values out of range are errors with the line.
 * Everything is copied into one struct of fixed size: no pointer in it, so two can be
 * compared and a reader owes nothing after zs_conf_load. */
#ifndef ZS_CONF_CONF_H
#define ZS_CONF_CONF_H

#include "base/error.h"
#include "conf/modules.h"
#include "net/addr.h"
#include "net/management.h"
#include "shm/tables.h"

#define ZS_CONF_SIZE_MAX      (1u << 20) /* bytes of the file */
#define ZS_CONF_PUBLISH	      1024
#define ZS_CONF_RULES	      1024 /* of each list; more by command */
#define ZS_CONF_COMMENT	      64
#define ZS_CONF_ADDRESSES     8	   /* per VLAN of a port */
#define ZS_CONF_VLANS	      8	   /* per port, the untagged one included */
#define ZS_CONF_QUEUES	      16   /* receive queues of a port, a worker each at most */
#define ZS_CONF_NEIGHBOURS    32   /* static ones, per VLAN of a port */
#define ZS_CONF_ROUTES	      32   /* static ones, per VLAN of a port */
#define ZS_CONF_ALLOWED	      1024 /* peers that may attach; more are allowed by command */
#define ZS_CONF_POLICIES      64
#define ZS_CONF_TENANTS	      256
#define ZS_CONF_ALTERNATIVES  8	 /* of a drain notice */
#define ZS_CONF_ANNOUNCE      8	 /* addresses in a port's announcement */
#define ZS_CONF_P2P_LISTEN    8	 /* sockets of the libp2p host */
#define ZS_CONF_P2P_ADDRESSES 16 /* announced; ranges not announced */
#define ZS_CONF_P2P_LIMITS    16 /* scopes with limits of their own */

enum zs_conf_driver {
	ZS_DRIVER_PCI,
	ZS_DRIVER_AF_XDP,
	ZS_DRIVER_AF_PACKET,
	ZS_DRIVER_MEMIF,
	ZS_DRIVER_PCAP,
	ZS_DRIVER_NULL,
	ZS_DRIVER_RING
};

struct zs_conf_interface_address { /* 10.0.0.1/24: address with host bits, prefix length of 128 */
	struct zs_addr addr;
	uint8_t len;
};

struct zs_conf_neighbour {
	struct zs_addr addr;
	uint8_t mac[6];
};

struct zs_conf_route {
	struct zs_prefix dest;
	struct zs_addr gateway; /* all zero: on link */
};

struct zs_conf_vlan {
	uint16_t id; /* 0: untagged */
	char device
	    [16]; /* kernel device whose neighbours and routes hold here; empty for an id != 0: static only */
	uint32_t addresses, neighbours, routes;
	struct zs_conf_interface_address address[ZS_CONF_ADDRESSES];
	struct zs_conf_neighbour neighbour[ZS_CONF_NEIGHBOURS];
	struct zs_conf_route route[ZS_CONF_ROUTES];
};

struct zs_conf_port {
	char name[16];
	enum zs_conf_driver driver;
	char device[128]; /* interface, PCI address, or the driver's arguments (pcap, memif) */
	uint16_t mtu;	  /* 0: the device's */
	bool shared;	  /* af_xdp alone: on what the machine is managed by */
	char twin[16];	  /* the kernel's interface in its place; empty: none */
	uint32_t twin_pps;
	uint32_t rx_ring, tx_ring; /* descriptors, default 1,024; control_kill uses 4,096 */
	uint32_t vlans;
	struct zs_conf_vlan vlan[ZS_CONF_VLANS]; /* [0] is the untagged one */
};

struct zs_conf_rule {
	struct zs_prefix prefix;
	char direction[8]; /* in, out, both */
	char comment[ZS_CONF_COMMENT];
};

struct zs_conf_publish {
	uint16_t port;
	struct zs_endpoint target;
	uint32_t new_flows_s, new_flows_burst, max_flows;
	uint32_t line; /* in the file */
};

/* What an attachment or a tenant may do, each direction apart; 0: unlimited. */
struct zs_conf_policy {
	char name[33];
	uint32_t mbit_s, pkt_s, burst_kb, flows, new_flows_s, total_mb;
	char excess[8];	    /* drop, mark */
	char strangers[16]; /* nothing, limited; an attachment's alone, as callers */
	char callers[16];   /* anyone, tenant, nobody */
};

struct zs_conf_allow {
	char peer[64]; /* peer id as text; its reader is lib/p2p */
	char name[33], policy[33], tenant[33];
};

struct zs_conf_attach {
	char mode[16]; /* allow, open, token */
	uint32_t allowed;
	struct zs_conf_allow allow[ZS_CONF_ALLOWED];
	uint32_t policies;
	struct zs_conf_policy policies_at[ZS_CONF_POLICIES];
	uint32_t tenants;
	struct zs_conf_policy tenants_at[ZS_CONF_TENANTS];
	char policy[33]; /* of whoever has none of its own; "": unlimited */
	uint32_t attachments, capacity, sessions, lanes, answers_s, ratchet, number_ranges, ports, per_prefix;
	char token_file[108], psk_file[108]; /* "": none */
	char pq[16], psk[16];		     /* offered, required */
	uint32_t lease_s, spread_ms;
	uint16_t port_first, port_last;
	uint32_t announces;
	struct zs_addr announce[ZS_CONF_ANNOUNCE];
	uint32_t alternatives;
	char alternative[ZS_CONF_ALTERNATIVES][256];
	uint16_t tunnel_port, service_port;
	uint32_t pop;
};

struct zs_conf_p2p_limit { /* 0: the built-in limit */
	char scope[16];	   /* of lib/defs/p2p_limits.def */
	uint32_t conns_in, conns_out, conns, streams_in, streams_out, streams, memory_mb;
	uint32_t conns_per_s, conns_burst, streams_per_s, streams_burst;
};

struct zs_conf_p2p {
	uint32_t listens; /* 0: no host runs */
	struct zs_endpoint listen[ZS_CONF_P2P_LISTEN];
	uint32_t announces, no_announces;
	char announce[ZS_CONF_P2P_ADDRESSES][256]; /* multiaddrs as text; their reader is lib/p2p */
	struct zs_prefix no_announce[ZS_CONF_P2P_ADDRESSES];
	char profile[16]; /* strict, test */
	uint32_t low, high;
	uint32_t limits;
	struct zs_conf_p2p_limit limit[ZS_CONF_P2P_LIMITS];
	char qlog_dir[108];
};

struct zs_conf {
	char instance[33];
	char state_dir[108], run_dir[108];
	bool roles[ZS_ROLES];
	struct {
		char engine[8]; /* dpdk, xdp */
		uint32_t workers;
		uint16_t cpu[ZS_WORKERS_MAX]; /* workers of them; the main thread runs on main_cpu */
		uint16_t main_cpu;
		bool hugepages;
		uint32_t memory_mb;
		uint32_t busy_poll_us, sleep_max_us;
		uint32_t ports;
		struct zs_conf_port port[ZS_IFACES_MAX];
	} dataplane;
	struct {
		uint16_t port_first, port_last;
		uint32_t capacity; /* per worker */
		uint32_t idle_confirmed_s, idle_unconfirmed_s;
		uint32_t new_per_prefix_s, new_per_prefix_burst;
		uint32_t max_per_prefix, port_share;
	} flows;
	struct {
		uint32_t strangers_s, failed_tags_s, binds_s, block_pkt_s, block_s;
	} flood;
	struct zs_deny targets;
	uint32_t denies, allows;
	struct zs_conf_rule deny[ZS_CONF_RULES], allow[ZS_CONF_RULES];
	uint32_t publishes;
	struct zs_conf_publish publish[ZS_CONF_PUBLISH];
	struct zs_conf_attach attach;
	struct {
		uint32_t expires_s, stage_s, live_s, rest_s;
	} cids;
	struct zs_conf_p2p p2p;
	struct {
		char socket[108];
		char admin_group[32], user_group[32];
		uint32_t audit_mb, revisions;
	} admin;
	struct {
#define ZS_BUDGET(name, mb, text) uint32_t name##_mb;
#include "defs/modules.def"
#undef ZS_BUDGET
	} memory;
	struct zs_endpoint metrics; /* port 0: off */
	struct {
		char format[16], level[16];
	} log;
};

/* Fills *out with defaults, then the file. -EINVAL with err->line and a one-line text
 * "FILE:LINE: what; what to do". *out is undefined on failure. zs_conf is large: allocate it. */
int zs_conf_load(struct zs_conf *out, const char *path, struct zs_error *err);
/* zs_conf_load for a plane, on the machine that the file is for, told which instance it is (NULL: it was not): a file of another
 * one is refused, and one that takes an interface this machine is managed by. */
int zs_conf_load_for(struct zs_conf *out, const char *path, const char *instance, struct zs_error *err);
/* Is it of that instance (NULL: of any)? -EINVAL and err. */
int zs_conf_check_instance(const struct zs_conf *conf, const char *path, const char *instance,
			   struct zs_error *err);
/* A configuration file's text, which the caller frees: ZS_CONF_SIZE_MAX + 1 bytes at most, so that a longer one is refused by
 * its reader. A regular file: nothing that could keep the caller waiting. -errno and err. */
int zs_conf_read_file(const char *path, char **text, size_t *len, struct zs_error *err);
/* The same from where the caller is ready to wait, to its end; `name` stands for it in errors. */
int zs_conf_read_from(int fd, const char *name, char **text, size_t *len, struct zs_error *err);
/* The same from memory; `name` stands for the file in errors. `instance` (may be NULL) is the default name. */
int zs_conf_parse(struct zs_conf *out, const char *name, const char *text, size_t len, struct zs_error *err);
void zs_conf_defaults(struct zs_conf *out, const char *instance);

/* Where a walk over the own addresses stands; all zero: before the first. */
struct zs_conf_place {
	uint32_t port, vlan; /* of the address last given: indexes into port[] and its vlan[] */
	uint32_t next;
};
/* Does the kernel forward? Else the workers do all of it. */
static inline bool zs_conf_engine_xdp(const struct zs_conf *conf)
{
	return strcmp(conf->dataplane.engine, "xdp") == 0;
}
/* The next own address, in the file's order; NULL: no more. A checked configuration has each once and
 * ZS_LOCALS_MAX at most. */
const struct zs_conf_interface_address *zs_conf_own_next(const struct zs_conf *conf,
							 struct zs_conf_place *at);
bool zs_conf_is_own(const struct zs_conf *conf, const struct zs_addr *addr);
/* Is addr the directed broadcast or the network address of an own IPv4 subnet (/30 or wider, RFC 919)?
 * Nobody may be aimed there. */
bool zs_conf_is_broadcast(const struct zs_conf *conf, const struct zs_addr *addr);

/* The kernel's interface of a port, in the port or in buf; NULL: it has none. */
const char *zs_conf_port_netdev(const struct zs_conf_port *p, char buf[16]);
/* Does the port leave alone what this machine is managed by, or is it told to share it? -EPERM and err with what to do. Both
 * planes ask at every load, zsctl doctor of each port. */
int zs_conf_port_spares(const struct zs_conf_port *p, const struct zs_management *m, struct zs_error *err);
int zs_conf_spares_management(const struct zs_conf *conf, struct zs_error *err);

/* May the relay be aimed there? -EPERM and err with what to do (exit REFUSED). */
int zs_conf_target_check(const struct zs_conf *conf, const struct zs_endpoint *target, struct zs_error *err);

/* What `config apply` may change without a restart, and what it may not. Calls fn for each
 * difference: key path, old and new as text, whether a restart is needed. Returns how many. */
typedef void zs_conf_diff_fn(void *ctx, const char *key, const char *old, const char *new, bool restart);
uint32_t zs_conf_diff(const struct zs_conf *old, const struct zs_conf *new, zs_conf_diff_fn *fn, void *ctx);
/* Makes all that may change without a restart as it is in `from`; what wants one stays: zs_conf_diff(to, from) names that
 * alone then. Both passed their checks; together they may not, and what does not go together is refused where it is used. */
void zs_conf_take_live(struct zs_conf *to, const struct zs_conf *from);

/* Every key there is, in the order of lib/defs/config.def: for documents and help. */
struct zs_conf_reference_row {
	const char *path; /* dataplane.ports[].name */
	const char *type; /* what may stand there, with its range */
	const char *dflt; /* NULL: the key must be there; "": none, or told in text */
	const char *text;
	bool restart; /* a change needs a restart */
	bool section; /* a mapping: its keys follow */
};
typedef void zs_conf_reference_fn(void *ctx, const struct zs_conf_reference_row *row);
void zs_conf_reference(zs_conf_reference_fn *fn, void *ctx);

#endif
