/* A forwarder by exact match as DPDK's l3fwd is one, on rte_hash: addresses, ports and protocol of a packet, 16 bytes, lead to the
 * port it leaves by; link addresses, TTL and checksum are rewritten, nothing else. It knows both ways of each of f's flows. Its
 * table lies on pages of the same file system as the relay's segments. */
#ifndef ZS_BENCH_EXACT_H
#define ZS_BENCH_EXACT_H

#include "forward/forward.h"

#define ZS_EXACT_BULK 64 /* keys looked up at once, at most */

struct zs_exact;

/* Of kind flow over IPv4. NULL with err. One a process. */
struct zs_exact *zs_exact_open(struct zs_forward *f, struct zs_error *err);
void zs_exact_close(struct zs_exact *x);
uint32_t zs_exact_keys(const struct zs_exact *x);
/* Forwards the n packets that wait in the ports' rings, `bulk` look-ups at once, in the relay's burst or the bulk if that is larger;
 * cycles. They leave as zs_forward_flow_sent has them. */
uint64_t zs_exact_turns(struct zs_exact *x, uint32_t n, uint32_t bulk);

#endif
