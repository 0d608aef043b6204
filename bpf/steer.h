/* What the steering program and its loader agree on. Plain C for both compilers. */
#ifndef ZS_BPF_STEER_H
#define ZS_BPF_STEER_H

#ifndef __bpf__
#include <stdint.h>
#define ZS_STEER_U8  uint8_t
#define ZS_STEER_U16 uint16_t
#define ZS_STEER_U32 uint32_t
#define ZS_STEER_U64 uint64_t
#else
#define ZS_STEER_U8  __u8
#define ZS_STEER_U16 __u16
#define ZS_STEER_U32 __u32
#define ZS_STEER_U64 __u64
#endif

#define ZS_STEER_KEYS_MAX   8192 /* own addresses × (published ports + flow port ranges) */
#define ZS_STEER_BLOCKS_MAX 1024 /* source prefixes that are dropped at once */
#define ZS_STEER_QUEUES_MAX 64	 /* receive queues; relay packets of a later queue are dropped */

/* A relay port on an own address. port in host order; range: all ports of the configured flow range are one
 * key with port 0 (the range itself is in the config map). */
struct zs_steer_key {
	ZS_STEER_U32 ifindex;
	ZS_STEER_U16 vlan;    /* 0: untagged */
	ZS_STEER_U16 port;    /* 0: the flow source-port range */
	ZS_STEER_U8 addr[16]; /* canonical (IPv4 as v4-mapped) */
};

/* A source prefix that is dropped for a while: a /24 of IPv4, a /56 of IPv6. */
struct zs_steer_site {
	ZS_STEER_U8 family; /* 4, 6 */
	ZS_STEER_U8 net[7]; /* its leading bytes */
};

struct zs_steer_block {
	ZS_STEER_U64 until_ns; /* monotonic */
	ZS_STEER_U64 dropped;
};

enum zs_steer_counter {
	ZS_STEER_STEERED,
	ZS_STEER_PASSED,
	ZS_STEER_DROPPED /* no worker bound */,
	ZS_STEER_BLOCKED /* of a blocked prefix */,
	ZS_STEER_COUNTERS
};

/* Value of the one-entry array map `config`. */
struct zs_steer_config {
	ZS_STEER_U16 flow_port_first, flow_port_last;
	ZS_STEER_U8 mac[6];   /* frames to another address are passed */
	ZS_STEER_U8 blocking; /* there are blocked prefixes */
	ZS_STEER_U8 pad;
};

#endif
