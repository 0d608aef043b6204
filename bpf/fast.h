/* What the fast path in the kernel (fast.bpf.h) and its writer agree on: the values of its maps. Plain C for both compilers.
 *
 * The maps are a cache of what a worker has decided. It offers what it forwarded (an attachment that got a packet, one that sent
 * one, a direction of a confirmed flow) with all that the next such packet needs; the program forwards what it finds, and hands
 * everything else to the worker by AF_XDP. So each rule is judged in one place, and a map that is empty, stale or
 * full costs time and nothing else.
 *
 * An entry holds while its stamp is the configuration's. The writer changes that whenever anything an entry was made from has
 * changed, and sets it to 0 to keep all packets for itself.
 *
 * All are arrays that the writer has mapped (BPF_F_MMAPABLE): plain memory, begun on a page, written without a system call.
 * Entries that the program reads as a whole are under a sequence word, as in shm/seqlock.h; meters are raised by
 * atomic additions and taken by atomic exchange; buckets are the policer's own. */
#ifndef ZS_BPF_FAST_H
#define ZS_BPF_FAST_H

#include "net/addr.h"
#include "shm/police.h"
#include "shm/senders.h"

#define ZS_FAST_FLOWS_MAX  (1u << 20) /* ids are 20 bits wide; flows beyond stay with the worker */
#define ZS_FAST_HOPS	   4096	      /* in each of two halves, which take turns */
#define ZS_FAST_CPUS	   512
#define ZS_FAST_LOCALS	   64
#define ZS_FAST_TENANTS	   1025 /* as ZS_TENANTS */
#define ZS_FAST_SLOTS	   256
#define ZS_FAST_ROTATIONS  8
#define ZS_FAST_ROUND_KEYS 44
#define ZS_FAST_ALIVE_MS                                                                                     \
	5000 /* without a worker's sign of life for so long, packets are for it: and dropped */

/* What may change while packets flow; one entry. */
struct zs_fast_local {
	struct zs_addr addr;
	uint32_t ifindex;
	uint16_t vlan;
	uint8_t used, pad;
};

struct zs_fast_config {
	uint32_t stamp;		 /* 0: nothing is forwarded here */
	uint32_t pop;		 /* that connection IDs must name */
	uint64_t alive_until_ns; /* monotonic */
	uint64_t sender_key[2], flow_key[2];
	uint32_t sender_mask, flow_mask; /* buckets − 1 */
	uint32_t flow_idle_ms;
	uint16_t service_port; /* 0: none */
	uint16_t pad;
	uint8_t slot[ZS_FAST_SLOTS]; /* index + 1 of an own address by zs_addr_spread, 0: empty */
	struct zs_fast_local local[ZS_FAST_LOCALS];
};

/* A frame header and where it leaves. */
struct zs_fast_hop {
	uint8_t macs[12]; /* destination, source */
	uint16_t vlan;	  /* 0: untagged */
	uint16_t mtu;
	uint32_t ifindex;
	uint32_t pad[3];
};
_Static_assert(sizeof(struct zs_fast_hop) == 32, "two a line");

struct zs_fast_meter {
	uint64_t bytes, packets; /* of UDP payload */
};

/* Of an attachment, by id: line 0 when a packet goes to it, line 1 when one comes from it. */
struct zs_fast_attachment {
	uint32_t seq;
	uint32_t stamp; /* of what follows in this line */
	uint16_t generation;
	uint16_t port; /* host order */
	uint32_t hop;
	uint8_t local;	 /* index of the own address it faces */
	uint8_t limited; /* as `policed` of the other line */
	uint8_t pad[6];
	uint64_t expires_ns;
	struct zs_addr addr;
	struct zs_fast_meter to;
	/* line 1 */
	uint32_t sends;	 /* stamp under which packets from its bound address are good */
	uint8_t policed; /* the policer is to be asked, for either direction */
	uint8_t mark;
	uint16_t tenant;
	struct zs_police police;
	uint64_t pad1;
	struct zs_fast_meter from;
};
_Static_assert(sizeof(struct zs_fast_attachment) == 128, "two lines");
_Static_assert(offsetof(struct zs_fast_attachment, sends) == 64, "line 1");

/* One side of a flow: packets from `from` to own port `port`. */
struct zs_fast_way {
	uint32_t stamp;
	uint32_t hop;
	struct zs_endpoint from;
	uint16_t port;	 /* own, host order */
	uint8_t local;	 /* index of the own address they come to */
	uint8_t out;	 /* … and of the one they leave from */
	uint8_t indexed; /* the writer's: its word is in the index */
	uint8_t pad;
	uint32_t seq;	  /* the first way's counts for both */
	uint32_t last_ms; /* of the program's clock, written by it */
	uint32_t pad1;
	struct zs_fast_meter meter;
};
_Static_assert(sizeof(struct zs_fast_way) == 64, "one line");

enum zs_fast_side { ZS_FAST_CLIENT, ZS_FAST_TARGET }; /* who the packets of a way are from */

/* A confirmed flow, by its id in the worker's table. Each way leads to the other's `from`, from the other's `port`. */
struct zs_fast_flow {
	struct zs_fast_way way[2];
};

/* Where a way's word is in the index; of own port 0 it is zs_senders_hash. `addr`: its two halves. */
static inline uint64_t zs_fast_hash(const uint64_t key[2], const uint64_t addr[2], uint16_t port,
				    uint8_t local, uint16_t own_port)
{
	uint64_t k[3] = { addr[0], addr[1], port | (uint64_t)local << 16 | (uint64_t)own_port << 32 };

	return zs_hash24(key, k);
}

/* Connection IDs by configuration (shm/sessions.h): AES-128 by tables, and the round keys of the inverse cipher. */
enum zs_fast_kind { ZS_FAST_CID_NONE /* the worker's */, ZS_FAST_CID_AES, ZS_FAST_CID_PLAIN };
struct zs_fast_cids {
	uint32_t table[4][256]; /* FIPS 197, 5.3.5: inverse S-box and mixed columns in one */
	uint8_t inverse[256];
	uint8_t kind[ZS_FAST_ROTATIONS];
	uint32_t round[ZS_FAST_ROTATIONS][ZS_FAST_ROUND_KEYS];
};

/* Of a tenant, by its number: as in shm/sessions.h. */
struct zs_fast_tenant {
	struct zs_police police;
	struct zs_rate share_bytes, share_packets;
	uint8_t mark;
	uint8_t pad[15];
};
_Static_assert(sizeof(struct zs_fast_tenant) == 64, "one line");

/* What a CPU has counted; the program raises, the writer takes what came since `taken`. Index = CPU. */
enum zs_fast_count {
	ZS_FAST_FORWARDED,
	ZS_FAST_CID_ROUTED,
	ZS_FAST_BYTES_IN, /* from the IP header on */
	ZS_FAST_BYTES_OUT,
	ZS_FAST_DROPPED_STALE,
	ZS_FAST_DROPPED_MALFORMED,
	ZS_FAST_DROPPED_SELF,
	ZS_FAST_DROPPED_POLICED,
	ZS_FAST_COUNTS
};
struct zs_fast_counts {
	uint64_t count[ZS_FAST_COUNTS];
	uint64_t taken[ZS_FAST_COUNTS]; /* the writer's: it outlives it */
};
_Static_assert(sizeof(struct zs_fast_counts) == 128, "two lines");

#endif
