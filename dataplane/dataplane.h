/* zs-dataplane's context: what main makes at start and every worker reads.
 *
 * One process, one main thread (signals, statistics, the steering maps, joining the tables)
 * and one pinned thread per worker that runs packets to completion. All memory is taken
 * before the workers start. Everything hangs off struct zs_dp, nothing is file-static.
 *
 * Who writes what: main alone writes dp, ports' statistics, health; a worker writes its own
 * struct zs_worker, its own slot and partitions of the state segment. */
#ifndef ZS_DATAPLANE_H
#define ZS_DATAPLANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/conf.h"
#include "contacts.h"
#include "loader.h"
#include "shm/events.h"
#include "shm/trace.h"
#include "shm/state.h"
#include "shm/fault.h"
#include "shm/sessions.h"
#include "shm/tables.h"
#include "windows.h"

struct rte_mempool;
struct zs_worker;
struct zs_limits;
struct zs_targets;
struct zs_offenders;
struct zs_binds;
struct zs_gcm_key;
struct zs_window_ratchet;
struct zs_fastpath;

#define ZS_QUEUES_MAX	 ZS_CONF_QUEUES
#define ZS_HANDOVER_RING 1024 /* mbufs waiting for another worker: 32 bursts */

/* One receive queue, which is a transmit queue too unless the device has fewer of those. */
struct zs_queue {
	uint16_t ethdev, id;
	uint8_t worker; /* who polls it, and who sends by it */
};

/* One interface of the configuration. All its receive queues are polled: a PCI device is one
 * ethdev with a queue per worker; a device of the kernel has the queues it has, each an ethdev of
 * its own, because AF_XDP's driver serves no more than one where it cannot set their number. */
struct zs_port {
	const struct zs_conf_port *conf;
	uint16_t queues;    /* receive queues */
	uint16_t tx_queues; /* the first so many can send, at least one */
	struct zs_queue queue[ZS_QUEUES_MAX];
	uint16_t mtu;
	uint16_t vlans;
	uint16_t vlan[ZS_CONF_VLANS];
	uint8_t mac[6];
	bool started;
	bool steered;		     /* the steering program passes the kernel's packets to the kernel */
	bool kernel_shares;	     /* af_packet: the kernel has had its own copy of every frame */
	bool twinned;		     /* what is the kernel's goes through … */
	uint16_t twin;		     /* … this ethdev, a TAP with a queue a worker; and back */
	struct zs_contacts contacts; /* whom the kernel speaks to there */
	uint32_t burst_us;	     /* how long the rx ring lasts at line rate, halved */
	uint64_t unserved;	     /* relay packets on a queue without a worker, as last read */
	uint64_t unserved_ns;	     /* when that last grew while workers ran, 0: not lately */
	struct zs_steer steer;
};

/* A joined tables segment. Main swaps dp->tables between two slots; a worker says in
 * zs_worker.tables_seen which one it uses, so main knows when the other may be left. */
struct zs_dp {
	struct zs_conf *conf;
	struct zs_log *log;
	char shm_dir[96];
	struct zs_state state;
	struct zs_events events;
	struct zs_trace trace;
	struct zs_tables slot[2];
	struct zs_tables *_Atomic tables; /* NULL: none, all is `stopped` */
	struct zs_tables *leaving;	  /* the other slot while workers may still read it */
	/* The sessions segment in the same way. NULL: none, no attachment is known. */
	struct zs_sessions sessions_slot[2];
	struct zs_sessions *_Atomic sessions;
	struct zs_sessions *sessions_leaving;
	uint32_t agrees; /* view.c: of which segments the layout is this program's */
	struct zs_port port[ZS_IFACES_MAX];
	uint32_t ports;
	struct zs_worker *worker[ZS_WORKERS_MAX];
	uint32_t workers;
	uint16_t service_port;			  /* of connection IDs; 0: nobody attaches here */
	struct zs_binds *binds;			  /* the binder's */
	struct zs_senders senders;		  /* the index in the state segment, with this run's key */
	uint16_t tunnel_port;			  /* 0: nobody attaches here */
	struct zs_windows windows;		  /* those of state.tunnel_window that are free */
	struct zs_gcm_key *window_key;		  /* ZS_WINDOW_KEYS times state.windows; see zs_tunnel_keys */
	struct zs_window_ratchet *window_ratchet; /* state.windows */
	struct rte_mempool *pool;
	struct zs_limits *limits;
	struct zs_targets *targets;
	struct zs_offenders *offenders; /* main's */
	struct zs_fastpath *fast;	/* the worker's; NULL: another engine */
	uint32_t blocked;		/* source prefixes that the steering programs drop */
	/* Flow partitions: which worker serves each, and which port range it owns. */
	uint32_t partitions;
	uint64_t flow_room; /* flows that all of them can hold */
	uint8_t partition_owner[ZS_WORKERS_MAX];
	uint16_t partition_first[ZS_WORKERS_MAX], partition_last[ZS_WORKERS_MAX];
	uint8_t
	    range_partition[ZS_FLOW_RANGES]; /* whose the flow numbers of a range are; UINT8_MAX: nobody's */
	uint8_t home[ZS_WORKERS_MAX];	     /* of a worker: the partition it makes flows in */
	struct zs_flow_table partition[ZS_WORKERS_MAX];
	void *waiting[ZS_WORKERS_MAX]; /* each partition's zs_flow_table.ports */
	void *sources[ZS_WORKERS_MAX]; /* … and its zs_flow_table.sources */
	_Atomic uint32_t stop;	       /* 1: receive no more, 2: drain what others handed over and end */
	_Atomic uint32_t quiet;	       /* workers that have stopped receiving */
	uint64_t refused_until_ns;     /* base/refused.h: a second process of this instance */
	struct zs_full {
		uint64_t seen; /* packets refused for want of room, as last summed */
		uint64_t ns;   /* when that last grew */
	} flows_full, lanes_full;
	bool twinned;	     /* some port is */
	bool judged;	     /* the counters compared with the last tick's have been read once */
	const char *damaged; /* a segment found damaged, as last told */
	uint64_t watchdog_ns, watchdog_due_ns; /* 0: the service manager has no watchdog */
	uint64_t levels;		       /* generation of the settings whose log levels are in force */
	uint64_t steer_change;		       /* fingerprint of what the steering maps were last made from */
};

#endif
