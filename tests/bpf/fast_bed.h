/* What the fast path's rows stand on: a loaded program, a small world in its maps, packets, and what a run may come to. */
#ifndef ZS_TESTS_BPF_FAST_BED_H
#define ZS_TESTS_BPF_FAST_BED_H

#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "datagram.h"
#include "loader.h"
#include "relay/cidset.h"
#include "writer_load.h"

#define LO	  1 /* BPF_PROG_TEST_RUN lends the loopback */
#define ELSEWHERE 2
#define VLAN	  7
#define SERVICE	  4433
#define PORT	  443 /* published */
#define SOURCE	  20001
#define POP	  9
#define ROTATION  3
#define CLEAR	  4 /* rotation of IDs in clear */
#define ROOM	  512
#define COARSE_NS 20000000 /* the program's clock may be a tick behind */

enum { FROM4 = 5, TO4, TO6, FROM6, IDS = 64 };
enum { LOCAL4, LOCAL6, LOCAL_VLAN };

struct bed {
	struct zs_fast f;
	struct zs_senders senders;
	struct zs_cidset mint;
	struct zs_steer steer;
	struct zs_fast_config config;
	int prog_fd;
	unsigned run, wrong;
	uint8_t out[ROOM];
	uint32_t out_len, verdict;
};

/* The steering program's maps; then the world: own addresses, four bound attachments, two flows. Any number of times. */
void bed_open_steer(struct bed *b, struct bpf_object *object);
void bed_build_world(struct bed *b);

struct zs_endpoint bed_at(const char *text);
/* Index of a hop toward the next station. */
uint32_t bed_hop(struct bed *b, uint32_t ifindex, uint16_t vlan, uint16_t mtu);
struct datagram bed_packet(const char *src, const char *dst);
void bed_put_cid(struct bed *b, struct datagram *d, const struct zs_cid *cid, bool is_long);
/* Between two of FROM4 … FROM6, by a short header. */
struct datagram bed_cid_packet(struct bed *b, uint32_t from, uint32_t to);
/* What must come out of d for {src, dst}; the IP header is made anew between families. */
struct datagram bed_turned(const struct datagram *d, const char *src, const char *dst);

/* Counts one check, and says what was wrong. */
void bed_check(struct bed *b, bool ok, const char *what);
/* One run: b->verdict, b->out. */
void bed_run_bytes(struct bed *b, const uint8_t *frame, uint32_t len);
/* Checks of what a frame comes to: exactly these bytes; left as it was, for the worker (ours) or the kernel; one counted drop. */
void bed_forwards(struct bed *b, const char *what, const struct datagram *d, const struct datagram *want,
		  uint32_t verdict);
void bed_slow_bytes(struct bed *b, const char *what, const uint8_t *in, uint32_t len, bool ours);
void bed_slow(struct bed *b, const char *what, const struct datagram *d);
void bed_drops(struct bed *b, const char *what, const struct datagram *d, enum zs_fast_count why);
/* Takes the counts; returns their sum. */
uint64_t bed_sum_of(struct bed *b, uint64_t counts[ZS_FAST_COUNTS]);

#endif
