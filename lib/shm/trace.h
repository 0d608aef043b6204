/* Samples of packets with what became of them. Two segments, both of mode 0600, since they may hold what users send: `trace`,
 * where each worker of the dataplane has a ring of its own, and `tracewant`, where the control plane says what it wants to see
 * and how far it has read. Each process makes or adopts its own half and joins the other's.
 *
 * A record is a line of 64 bytes and the lines of what was captured, published together. A worker never waits: what a full
 * ring or the rate has no room for is lost, and counted by port. Counts and records are of one trace, named by its serial number. */
#ifndef ZS_SHM_TRACE_H
#define ZS_SHM_TRACE_H

#include "net/addr.h"
#include "shm/pair.h"
#include "shm/seqlock.h"
#include "shm/tables.h"

#define ZS_TRACE_LINE	  64
#define ZS_TRACE_LINES	  4096	/* of a worker's ring: 256 KiB, some 1,300 packets' headers */
#define ZS_TRACE_SNAP	  2048	/* bytes captured of a packet at most: a whole frame of MTU 1,500 */
#define ZS_TRACE_RATE_MAX 20000 /* samples a second and worker: some 100 ns each, so 0.2 % of its time */

#define ZS_TRACE_LOOKS                                                                                       \
	200 /* packets a ms and worker that are held against the filter: some 1 % of its time */

enum zs_trace_class {
#define ZS_TRACE_CLASS(name, text) ZS_TRACE_CLASS_##name,
#include "defs/trace.def"
#undef ZS_TRACE_CLASS
	ZS_TRACE_CLASSES
};
const char *zs_trace_class_name(enum zs_trace_class c); /* never NULL */

enum zs_trace_verdict {
	ZS_TRACE_SENT,
	ZS_TRACE_DROPPED,
	ZS_TRACE_CONSUMED,
	ZS_TRACE_PUNTED,
	ZS_TRACE_VERDICTS
};
const char *zs_trace_verdict_name(enum zs_trace_verdict v);

#define ZS_TRACE_ANY_DROP 254 /* in zs_trace_want.drop */
#define ZS_TRACE_ANY	  255 /* in class and drop: no filter */

/* What the control plane wants. */
struct zs_trace_want {
	_Atomic uint32_t seq;
	uint32_t serial;     /* 0: nothing */
	uint64_t until_ns;   /* monotonic: no sample after it */
	uint32_t every;	     /* 1: each packet that fits, n: one of n */
	uint32_t rate;	     /* samples a second and worker */
	uint32_t attachment; /* that sent or gets it; 0: any */
	uint16_t port;	     /* of the relay: published or its own; 0: any */
	uint16_t snap;
	uint8_t class, drop;
	uint8_t payload; /* 0: headers alone */
	uint8_t has_client;
	struct zs_addr client;
	uint8_t pad[12];
};
_Static_assert(sizeof(struct zs_trace_want) == 64, "one line");

struct zs_trace_record {
	uint16_t lines;	   /* of the capture, which follow */
	uint16_t captured; /* bytes */
	uint32_t length;   /* of the frame */
	uint32_t serial;
	uint8_t iface, verdict, reason, class;
	uint64_t time_ns;	   /* monotonic: when the worker's turn began */
	uint32_t from, to;	   /* attachments; 0: none, or not known yet */
	struct zs_endpoint client; /* who sent it, or the client of its flow */
	uint16_t port;		   /* of the relay */
	uint8_t pad[12];
};
_Static_assert(sizeof(struct zs_trace_record) == ZS_TRACE_LINE, "one line");

/* A worker's, of the trace `serial`, by port. */
struct zs_trace_count {
	uint64_t matched;	       /* fit the filter and were the n-th */
	uint64_t over_rate, ring_full; /* of these: not in the ring */
	uint64_t unseen;	       /* nobody looked whether they fit: more than ZS_TRACE_LOOKS */
};

struct zs_trace_head {
	_Atomic uint64_t next; /* lines written so far */
	_Atomic uint32_t serial;
	uint32_t pad;
	uint64_t pad1[6];
	struct zs_trace_count count[ZS_IFACES_MAX];
};
_Static_assert(sizeof(struct zs_trace_head) % 64 == 0, "lines");

struct zs_trace_tail {
	_Atomic uint64_t next; /* lines read so far */
	uint64_t pad[7];
};

extern const struct zs_segment_kind zs_trace_kind;
extern const struct zs_segment_kind zs_tracewant_kind;

/* One process's view. */
struct zs_trace {
	struct zs_pair
	    pair; /* dataplane: own = trace, other = tracewant; control plane: the other way round */
	bool producer;
	struct zs_trace_head *head; /* ZS_WORKERS_MAX; NULL: no dataplane has run */
	uint8_t *line;
	struct zs_trace_want *wanted; /* NULL: no control plane has run. A worker loads it atomically. */
	struct zs_trace_tail *tail;
};

/* As shm/pair.h: the dataplane is the producer. */
int zs_trace_open_producer(struct zs_trace *t, const char *dir, struct zs_error *err);
int zs_trace_open_consumer(struct zs_trace *t, const char *dir, struct zs_error *err);
int zs_trace_link(struct zs_trace *t, const char *dir);
void zs_trace_close(struct zs_trace *t);

/* Worker: begins the trace `serial`: its counts are zero. */
void zs_trace_start(struct zs_trace *t, uint32_t worker, uint32_t serial);
/* Worker: record and capture; `lines` is filled in. false: no room, or nobody reads. */
bool zs_trace_push(struct zs_trace *t, uint32_t worker, struct zs_trace_record *r, const void *capture);

/* Control plane: what is wanted from now on; serial 0: nothing. What lies in the rings is forgotten. */
void zs_trace_set(struct zs_trace *t, const struct zs_trace_want *want);
/* Control plane: takes a worker's oldest record of that trace; `capture` has room for ZS_TRACE_SNAP bytes. Every word of it
 * was judged: sizes fit, enums are in range. false: there is none. */
bool zs_trace_pop(struct zs_trace *t, uint32_t worker, uint32_t serial, struct zs_trace_record *r,
		  void *capture);
/* Control plane: adds what a worker counted for that trace on a port. */
void zs_trace_count(const struct zs_trace *t, uint32_t worker, uint32_t serial, uint32_t iface,
		    struct zs_trace_count *sum);

#endif
