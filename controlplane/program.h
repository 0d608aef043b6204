/* program: the only writer of the tables segment. Durable first (store), then shared memory. */
#ifndef ZS_CONTROLPLANE_PROGRAM_H
#define ZS_CONTROLPLANE_PROGRAM_H

#include "control.h"
#include "publication.h"

/* Opens or creates the tables with the stored stop word, writes the stored published ports and the configuration's. */
int zs_program_new(struct zs_program **out, struct zs_control *c, struct zs_error *err);
void zs_program_delete(struct zs_program *p); /* the segment stays for the dataplane */
struct zs_tables *zs_program_tables(struct zs_program *p);
/* 0, or -EUCLEAN: the tables are damaged, so that what is written reaches no worker. Every change asks first,
 * but for the emergency stop: workers without tables forward nothing. */
int zs_program_writable(struct zs_program *p, struct zs_error *err);
/* Tells the dataplane the log levels of this process. */
void zs_program_log_levels(struct zs_program *p);

/* Checks the target against the deny table (-EPERM), that the UDP port is free on the own addresses (-EADDRINUSE; binds a
 * placeholder socket that it keeps), capacity (-ENOSPC), then stores and publishes. -EEXIST: published already with another
 * target. The same again is 0. */
int zs_program_publish(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err);
int zs_program_unpublish(struct zs_program *p, uint16_t port,
			 struct zs_error *err);		   /* -ENOENT, -EPERM (config's) */
uint32_t zs_program_published(const struct zs_program *p); /* how many */
uint32_t zs_program_publications(struct zs_program *p, struct zs_publication *out,
				 uint32_t cap); /* sorted; returns count */

/* attach/'s: takes the port of pub->attached, as publish does, but the caller's record is the durable one. For the same attachment
 * and service again: 0, with what changed. -EEXIST: published for somebody else; -EADDRINUSE: another program has it; -ENOSPC. */
int zs_program_reserve(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err);
/* Gives back a port of that attachment; of nobody else's. */
void zs_program_release(struct zs_program *p, uint16_t port, uint32_t attachment);
/* After a start, when every attachment has its ports: clears attached entries of the life before that nobody holds. */
void zs_program_release_rest(struct zs_program *p);

/* The emergency stop: stored durably, then one word. */
int zs_program_stop(struct zs_program *p, bool stopped, struct zs_error *err);
bool zs_program_stopped(const struct zs_program *p);
/* Settings, own addresses, published ports of `next`: all of it or, on failure, nothing. The caller makes `next` the
 * configuration in force right after. */
int zs_program_apply(struct zs_program *p, const struct zs_conf *next, struct zs_error *err);
/* The same for one that was in force before: what took its ports meanwhile gives way, and what cannot be had yet is tried again
 * each second, as after a start. -ENOMEM, and nothing is changed. */
int zs_program_go_back(struct zs_program *p, const struct zs_conf *back, struct zs_error *err);
/* The stored publication of a port that the configuration aims elsewhere: in force again when the configuration lets go of it. */
bool zs_program_waiting(const struct zs_program *p, uint16_t port, struct zs_publication *out);
/* c->drain.state changed. Draining: existing flows go on, new ones are dropped; drained: they end too. */
void zs_program_drain(struct zs_program *p);

/* netlink.c's: makes the routes (next hops) of the tables those of the list, touching only what differs. Sorts `want`.
 * -ENOSPC: the table is full (health table_full), the rest is in. */
int zs_program_set_routes(struct zs_program *p, struct zs_route *want, uint32_t count);
int zs_program_set_nexthops(struct zs_program *p, struct zs_nexthop *want, uint32_t count);

#endif
