/* An offered load: streams of packets, each with a rate, that come when they come. What finds no room in its port's ring is lost before
 * the worker, and counted as offered alone.
 *
 * The clock of arrivals is the worker's own: it advances by the cycles that the worker's turns take, and by idle waiting up to the next
 * arrival. While this thread makes frames and takes what left, it stands; so a rate is what it would be to a worker with a core of its
 * own, beside senders with cores of theirs. The worker's timers go by the time of day, which passes two to three times as fast: that
 * much of housekeeping, and of the checks a ms that flood mode grants, comes on top. */
#ifndef ZS_BENCH_FLOOD_LOAD_H
#define ZS_BENCH_FLOOD_LOAD_H

#include "flood/world.h"

#define FLOOD_STREAMS 3

struct flood_stream {
	bool good;
	uint32_t kind; /* enum flood_good or enum flood_class; FLOOD_CLASSES: of each class by turns */
	double gap;    /* cycles from one to the next */
	double next;
	uint64_t offered, received, left; /* left: of good ones */
};

struct flood_load {
	uint32_t streams;
	struct flood_stream stream[FLOOD_STREAMS];
	double clock; /* cycles */
	double
	    least; /* cycles a packet, of the best of many windows: in others the machine did something else too */
	uint64_t cycles, packets; /* of all turns that had any */
	bool flood_mode;	  /* at the end */
};

/* Another stream, at so many packets a cycle. */
void flood_load_good(struct flood_load *l, enum flood_good kind, double rate);
void flood_load_bogus(struct flood_load *l, uint32_t class, double rate);
/* Runs it for so long, by the time of day, and until all that was received has its end. */
void flood_load_run(struct flood_world *w, struct flood_load *l, uint64_t ns);

#endif
