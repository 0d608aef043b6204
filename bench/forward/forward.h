/* What a packet costs from a port to a port: one worker's own loop on ports of rings, in turns with the same ports, loop and burst
 * with the packets untouched (`io`).
 *
 *     generator ──► ring ──► worker ──► ring ──► sink
 *        who sends, whereto: drawn apart        every packet counted, one batch in some looked at whole
 *
 * The generator computes where an entry is from its number: it never reads the relay's tables, so it warms none of their lines.
 * Batches are made ahead of the clock and taken away behind it. */
#ifndef ZS_BENCH_FORWARD_H
#define ZS_BENCH_FORWARD_H

#include "core/histogram.h"
#include "core/probe.h"
#include "core/zipf.h"
#include "relay/bed.h"

#define ZS_FORWARD_BATCH    512	 /* packets of a batch: 16 bursts */
#define ZS_FORWARD_BATCHES  1024 /* whose costs are kept at once */
#define ZS_FORWARD_HEAD_MAX 24	 /* bytes of payload that differ from packet to packet */
#define ZS_FORWARD_UNPLACED 64	 /* entries at most that an index had no room for */

/* IMIX: of 12 packets 7 are the kind's smallest, 4 of 594 bytes, 1 of 1,518. */
#define ZS_FORWARD_SIZES 3

struct zs_forward;

/* What was made, in the order it leaves. */
struct zs_made {
	uint32_t entry; /* that it goes to, or by */
	uint8_t way;	/* the kind's own */
	uint8_t out;	/* port that it leaves by */
	uint8_t mix;	/* which of the sizes */
	uint8_t head_len;
	uint8_t head[ZS_FORWARD_HEAD_MAX];
	bool found; /* among those that left */
};

struct zs_forward_kind {
	const char *name;
	/* Bytes on the wire, FCS included, of the smallest frame of the kind. */
	uint32_t (*smallest)(const struct zs_forward *f);
	void (*shape)(const struct zs_forward *f, struct zs_bed_shape *shape);
	int (*open)(struct zs_forward *f, struct zs_error *err);
	/* Writes a frame into an empty packet. Returns the port it comes in by. */
	uint8_t (*make)(struct zs_forward *f, struct rte_mbuf *m, struct zs_made *made);
	/* Source and destination as it must leave. */
	void (*expect)(const struct zs_forward *f, const struct zs_made *made, struct zs_ends *ends);
	/* Packets as the relay's meters have them. */
	uint64_t (*metered)(const struct zs_forward *f);
	uint8_t io[2]; /* where what comes in by a port goes, untouched */
	/* What its `own` points to; `own` itself is freed behind it. NULL: nothing. */
	void (*close)(struct zs_forward *f);
};
extern const struct zs_forward_kind zs_forward_cid, zs_forward_flow;

enum zs_forward_header { ZS_FORWARD_SHORT, ZS_FORWARD_LONG, ZS_FORWARD_MIXED };

struct zs_forward {
	const struct zs_forward_kind *kind;
	struct zs_bed *bed;
	/* A worker's own: what it polls, and room for its burst. */
	struct zs_worker *w;
	struct zs_bed_queues queues;
	struct zs_burst burst;
	bool is4;
	enum zs_forward_header header;
	/* Of frames on the wire, and of UDP's payload in them. */
	uint32_t sizes, size[ZS_FORWARD_SIZES], payload[ZS_FORWARD_SIZES];
	uint32_t entries, rules, keys;
	struct zs_zipf zipf; /* n 0: uniform */
	uint64_t random;
	/* Entries that the relay has no room for are not drawn. */
	uint32_t unplaced, unplaced_at[ZS_FORWARD_UNPLACED];
	/* Payload behind the head, and its sum from each even offset on that a head ends at. */
	uint8_t pattern[1500];
	uint32_t pattern_sum[ZS_FORWARD_SIZES][ZS_FORWARD_HEAD_MAX + 1];
	struct zs_made made[2][ZS_FORWARD_BATCH]; /* by the port they leave by */
	uint32_t made_count[2];
	uint64_t began_ns;
	uint32_t serial; /* of what has been made: the kind's */
	uint64_t packets, lost, wrong, verified;
	const char *wrong_what;
	void *own; /* the kind's */
};

/* --- setup.c --- */

/* A worker with its entries loaded, as the options have it. NULL with err. */
struct zs_forward *zs_forward_open(const struct zs_bench_options *opt, struct zs_error *err);
/* The same for several workers, of which it drives the first. */
struct zs_forward *zs_forward_open_many(const struct zs_bench_options *opt, uint32_t workers,
					struct zs_error *err);
/* Another one's generator and sink; what it reads is the first one's. NULL: no memory. Freed by free(). */
struct zs_forward *zs_forward_another(const struct zs_forward *f, uint32_t worker);
void zs_forward_close(struct zs_forward *f);
/* Of all packets of this run: none lost, none wrong, each in the meters. */
int zs_forward_check(const struct zs_forward *f, struct zs_error *err);
/* What was sent through it, into the report. */
void zs_forward_describe(const struct zs_forward *f, json_t *report);

/* --- traffic.c --- */

/* Where peer or client `entry` is: somewhere beyond the near router; and target `number`: beyond the far one. */
struct zs_endpoint zs_forward_near(const struct zs_forward *f, uint32_t entry);
struct zs_endpoint zs_forward_far(const struct zs_forward *f, uint32_t number);
/* The relay's own address on a port. */
struct zs_endpoint zs_forward_relay(const struct zs_forward *f, uint8_t port, uint16_t udp_port);
/* An entry by the chosen distribution. */
uint32_t zs_forward_draw(struct zs_forward *f);
/* The relay refused it. -E2BIG with err: too many. */
int zs_forward_unplace(struct zs_forward *f, uint32_t entry, struct zs_error *err);
/* Headers and payload: the made packet's head, then the pattern. */
void zs_forward_frame(struct zs_forward *f, struct rte_mbuf *m, uint8_t in, const struct zs_endpoint *src,
		      const struct zs_endpoint *dst, const struct zs_made *made);
/* Lists that deny, filled with prefixes that nobody here is in. */
void zs_forward_deny(struct zs_forward *f);
void zs_forward_pattern(struct zs_forward *f);

/* --- cost.c --- */

struct zs_forward_cost {
	/* After the end: cycles a packet, all of it and without housekeeping; of one housekeeping; of each stage. */
	double all, path, house, stage[ZS_STAGES];
	/* On the way. */
	uint32_t batches;
	struct zs_samples houses;
	double batch[ZS_FORWARD_BATCHES], of_stage[ZS_STAGES][ZS_FORWARD_BATCHES];
};
void zs_forward_warm_up(struct zs_forward *f);
void zs_forward_cost_begin(struct zs_forward_cost *c);
/* Makes, runs and takes away one batch; its cycles without housekeeping. */
uint64_t zs_forward_cost_batch(struct zs_forward *f, struct zs_forward_cost *c);
void zs_forward_cost_end(struct zs_forward_cost *c, double hz);

/* --- batch.c --- */

/* Makes n packets, which wait in the ports' rings. */
void zs_forward_fill(struct zs_forward *f, uint32_t n);
/* Lets the worker go round until it has taken n; its cycles. */
uint64_t zs_forward_turns(struct zs_forward *f, uint32_t n);
/* Once round the ports, what came moved on untouched; how many came. What the other port does not take is freed. */
uint32_t zs_forward_io_turn(struct zs_forward *f);
/* The same number moved from port to port; cycles. */
uint64_t zs_forward_io(struct zs_forward *f, uint32_t n);
/* Takes what left, unseen; how many. */
uint32_t zs_forward_take(struct zs_forward *f);
/* Source and destination that a made packet must leave with. */
typedef void zs_forward_expect(const struct zs_forward *f, const struct zs_made *made, struct zs_ends *ends);
/* Takes what left: all of it is compared with what was made unless `look` is NULL. What lacks of n is lost. */
void zs_forward_sink(struct zs_forward *f, uint32_t n, zs_forward_expect *look);

/* --- record.c --- */

/* Some batches of what would come in by each port into a pcapng file of its own; `written`: packets in each. 0 or -errno. */
int zs_forward_record(struct zs_forward *f, char path[2][300], uint32_t written[2]);

/* --- flow.c --- */

/* Source and destination that a packet of a flow comes in with, by made's entry and way (0: to the target, by port 0; 1: to the
 * client, by port 1). The destination's port is 0 where there is no such flow. */
void zs_forward_flow_sent(const struct zs_forward *f, const struct zs_made *made, struct zs_ends *ends);

#endif
