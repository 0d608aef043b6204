/* Who takes part in zs-bench cpu. Each relays, on a wire of its own, what port `port` of 10.78.1.1 gets to 10.78.2.2:443; or what
 * clients of its own say to each other. */
#ifndef ZS_BENCH_STAND_H
#define ZS_BENCH_STAND_H

#include "cpu/helper.h"
#include "cpu/load.h"

struct zs_stand {
	const struct zs_contender *who;
	const struct zs_bench_options *opt;
	const char *made; /* folder of what make bench-peers built; "": it did not */
	struct zs_wire wire;
	struct zs_helper relay, sink, sender;
};

struct zs_contender {
	const char *name;  /* as --contender has it */
	const char *title; /* as the report has it */
	const char *needs; /* a command; NULL: none */
	bool built;	   /* `needs` is one that make bench-peers builds, else one that it installs */
	bool bare, channel;
	uint16_t port;
	/* NULL: nothing to start. 0 or -errno with err. */
	int (*start)(struct zs_stand *s, struct zs_error *err);
	/* What its own clients do; NULL: it gets zs_load_run's. */
	int (*run)(struct zs_stand *s, const struct zs_load *load, struct zs_moved *m, struct zs_error *err);
};

/* The bare wire, the relay with either engine, then the others. */
enum { ZS_STAND_BARE, ZS_STAND_RELAY, ZS_STAND_XDP, ZS_STANDS_FIRST_OTHER, ZS_STANDS = 10 };
extern const struct zs_contender zs_contenders[ZS_STANDS];

/* Why it cannot take part; false: it can. */
bool zs_stand_absent(const struct zs_contender *c, const char *made, char why[128]);
int zs_stand_open(struct zs_stand *s, const struct zs_contender *c, const struct zs_bench_options *opt,
		  const char *made, struct zs_error *err);
/* The logs stay when something `failed`. */
void zs_stand_close(struct zs_stand *s, bool failed);
int zs_stand_run(struct zs_stand *s, struct zs_load load, struct zs_moved *m, struct zs_error *err);
/* Seconds of CPU that the relaying processes have taken so far. */
double zs_stand_seconds(const struct zs_stand *s);

/* clients.c: those with clients of their own. */
int zs_clients_pion(struct zs_stand *s, struct zs_error *err);
int zs_clients_circuit(struct zs_stand *s, struct zs_error *err);
int zs_clients_derper(struct zs_stand *s, struct zs_error *err);
int zs_clients_run(struct zs_stand *s, const struct zs_load *load, struct zs_moved *m, struct zs_error *err);
int zs_clients_echo(struct zs_stand *s, struct zs_error *err);
int zs_clients_uclient(struct zs_stand *s, const struct zs_load *load, struct zs_moved *m,
		       struct zs_error *err);

#ifdef CONFIG_DRIVER_BENCH
/* xdp/forwarder.c: an XDP program on r0 that forwards port ZS_LOAD_RELAY_PORT and knows nothing else. */
int zs_forwarder_start(const struct zs_stand *s, struct zs_error *err);
#endif

#endif
