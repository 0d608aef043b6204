/* Loads, attaches and adopts the steering program bpf/steer.bpf.c, one per interface.
 * Runs in zs-dataplane's main thread before and (map updates only) after privileges drop.
 *
 * The program and its link are pinned in /sys/fs/bpf/zerostate-<instance>/<ifname>/ and
 * outlive the worker: while no worker is bound, relay packets are dropped and counted
 * (XDP_DROP), never passed to a kernel that would answer with ICMP. DPDK's net_af_xdp adopts the
 * attached program (its name and metadata say it dispatches by `xsks_map`). */
#ifndef ZS_BPF_LOADER_H
#define ZS_BPF_LOADER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "pins.h"
#include "steer.h"
#include "writer.h"
#include "net/addr.h"

#define ZS_STEER_CPUS_MAX 512 /* a counter's values are summed on the stack: 4 KiB */

struct zs_steer {
	int keys_fd;	 /* hash: struct zs_steer_key -> number of the set that wanted it */
	int counters_fd; /* per-CPU array by enum zs_steer_counter */
	int config_fd;
	int xsks_fd;
	int blocks_fd; /* hash: struct zs_steer_site -> struct zs_steer_block */
	uint32_t blocks;
	struct zs_steer_config config; /* as last written */
	int ifindex;
	uint32_t set;  /* number of the last set of keys */
	uint32_t cpus; /* possible CPUs, as per-CPU maps count them */
	bool adopted;  /* true: the program of an earlier run was there */
	struct zs_pins pins;
	char ifname[16];
};

/* Attaches (or adopts our own pinned) program on ifname. Never detaches another's program:
 * -EBUSY names it. -EPERM: needs CAP_SYS_ADMIN (which net_af_xdp needs
 * for adopting anyway), or CAP_BPF, CAP_NET_ADMIN and, for a packet pointer moved by a variable, CAP_PERFMON;
 * the calls below need none. object: path of steer.bpf.o; with `fast`, of fast.bpf.o, whose maps are the instance's and of these
 * capacities. */
int zs_steer_open(struct zs_steer *s, const char *instance, const char *ifname, const char *object,
		  const struct zs_fast_shape *fast, struct zs_error *err);
/* Opens the maps of what is pinned for looking and for zs_steer_sync; attaches nothing. -ENOENT: nothing
 * is pinned. No capability is needed, only the right to the pins (root's). */
int zs_steer_peek(struct zs_steer *s, const char *instance, const char *ifname, struct zs_error *err);
/* Of loader.c alone: learns from freshly opened maps what sync and counters need. */
int zs_steer_resume(struct zs_steer *s);
/* Closes descriptors; the program stays attached. */
void zs_steer_close(struct zs_steer *s);
/* Detaches and unpins what this instance left on ifname; 0 when there is nothing. */
int zs_steer_remove(const char *instance, const char *ifname, struct zs_error *err);
/* Makes the map hold exactly these keys: adds first, then removes. -E2BIG: too many. One writer at a time.
 * On failure every key of the set before is still there. A bpf(2) call or two for each key. */
int zs_steer_sync(struct zs_steer *s, const struct zs_steer_config *config, const struct zs_steer_key *keys,
		  uint32_t count);
/* The site of an address. */
struct zs_steer_site zs_steer_site_of(const struct zs_addr *addr);
/* Drops what comes from a site until then, beside what is blocked already; -E2BIG: as many as the map holds are. */
int zs_steer_block(struct zs_steer *s, const struct zs_steer_site *site, uint64_t until_ns);
/* Lets a site in again; its packets that were dropped are added to *dropped. -ENOENT: it was not blocked. */
int zs_steer_unblock(struct zs_steer *s, const struct zs_steer_site *site, uint64_t *dropped);
/* Empties the map: what a process before left. */
int zs_steer_unblock_all(struct zs_steer *s);
/* Sums over CPUs. */
int zs_steer_counters(const struct zs_steer *s, uint64_t out[ZS_STEER_COUNTERS]);

#endif
