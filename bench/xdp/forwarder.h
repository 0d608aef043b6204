/* Where the least XDP forwarder sends what comes for `port`. Network order. */
#ifndef ZS_BENCH_FORWARDER_H
#define ZS_BENCH_FORWARDER_H

#include <linux/types.h>

struct zs_forwarder {
	__u8 macs[12]; /* to, from */
	__u16 port, dport;
	__u32 saddr, daddr, ifindex;
};

#endif
