/* What every contender is sent: UDP over IPv4 from g0, of some clients in turn, at a rate or as fast as it goes. Nobody answers, and
 * what arrives at s0 is no frame of its host's: it is counted and dropped by its driver's side. */
#ifndef ZS_BENCH_LOAD_H
#define ZS_BENCH_LOAD_H

#include "wire.h"

#define ZS_LOAD_CLIENTS	   4
#define ZS_LOAD_PORT	   40000 /* of the first client */
#define ZS_LOAD_RELAY_PORT 4443	 /* of those that need no TURN */

struct zs_load {
	uint16_t port;	  /* whereto, at the relay's address */
	bool channel;	  /* as TURN's ChannelData of channel ZS_TURN_CHANNEL */
	uint32_t payload; /* bytes */
	uint32_t rate;	  /* packets a second; 0: as fast as it goes */
	uint32_t ms;	  /* for so long */
};

struct zs_moved {
	uint64_t sent, got;
	double seconds;
};

/* 0 or -errno with err. */
int zs_load_run(const struct zs_wire *w, const struct zs_load *load, struct zs_moved *m,
		struct zs_error *err);
/* As zs_load_run, while whoever is at s0 sends each packet back. */
int zs_load_answered(const struct zs_wire *w, const struct zs_load *load, struct zs_error *err);

#endif
