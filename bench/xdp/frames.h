/* What zs-bench xdp and its programs agree on. Plain C for both compilers. */
#ifndef ZS_BENCH_XDP_FRAMES_H
#define ZS_BENCH_XDP_FRAMES_H

#include <stdint.h>

#define ZS_XDP_FRAME                                                                                         \
	60 /* 64 on the wire: the smallest with a connection ID behind a short header over IPv4 */
#define ZS_XDP_FRAMES (1u << 20)

/* A frame to be put into the packet before the path sees it: PROG_TEST_RUN gives every run what the run before left. */
struct zs_xdp_frame {
	uint8_t bytes[64];
};

struct zs_xdp_state {
	uint32_t next, mask; /* frames go round */
	uint64_t slow;	     /* runs that ended with the worker */
};

#endif
