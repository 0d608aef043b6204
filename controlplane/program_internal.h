/* Shared by the files named below, program.c, nexthops.c and tests alone. */
#ifndef ZS_CONTROLPLANE_PROGRAM_INTERNAL_H
#define ZS_CONTROLPLANE_PROGRAM_INTERNAL_H

#include "placeholder.h"
#include "program.h"

#define ZS_PUBLICATIONS_MAX 4096 /* each holds a socket an own address: descriptors are the limit */

enum zs_slot_state {
	ZS_SLOT_ACTIVE,
	ZS_SLOT_TAKEN,	/* another program has the port; tried again each second */
	ZS_SLOT_DENIED, /* the deny table of this configuration forbids the target */
};

struct zs_slot {
	struct zs_publication pub; /* in force */
	struct zs_publication
	    own; /* the stored one, when `stored`; differs while the configuration's is in force */
	bool stored;
	enum zs_slot_state state;
	struct zs_placeholder held;
};

struct zs_own_port {
	uint16_t port; /* 0: not in use */
	bool taken;    /* another program has it; tried again each second */
	struct zs_placeholder held;
};

#define ZS_OWN_PORTS 2 /* attach.service_port, attach.tunnel_port */

struct zs_program {
	struct zs_control *c;
	struct zs_tables tables;
	struct zs_timer *timer;
	uint64_t retry_ns, probe_ns; /* when the next second chances are due */
	bool stop_unstored;	     /* the stop is set, and could not be stored yet */
	uint64_t refused_until_ns;   /* how long a refused request shows as a health code */
	uint32_t slots;
	uint32_t own_count;
	struct zs_addr own[ZS_LOCALS_MAX];
	struct zs_own_port own_port[ZS_OWN_PORTS];
	struct zs_slot *slot[ZS_UDP_PORTS];
};

/* slots.c */
/* Memory for one, which no table knows yet; NULL: there is none. put gives it its port, free takes back one that was not put. */
struct zs_slot *zs_slot_make(const struct zs_publication *pub);
void zs_slot_put(struct zs_program *p, struct zs_slot *s);
void zs_slot_free(struct zs_slot *s);
/* Both. NULL: no memory. */
struct zs_slot *zs_slot_new(struct zs_program *p, const struct zs_publication *pub);
void zs_slot_delete(struct zs_program *p, uint16_t port);
/* Writes the slot's entry unless the table says the same already: what stays equal is never touched. */
int zs_slot_program(struct zs_program *p, struct zs_slot *s, struct zs_error *err);
void zs_slot_clear(struct zs_program *p, uint16_t port);
/* Tries to bind what is not bound; moves between ACTIVE, TAKEN and DENIED; true when ACTIVE. */
bool zs_slot_settle(struct zs_program *p, struct zs_slot *s);
/* It is active now. */
void zs_slot_log(struct zs_program *p, const struct zs_publication *pub);

/* publications.c */
void zs_publications_retry(struct zs_program *p);
void zs_publications_health(struct zs_program *p);

/* ownports.c: binds what is not bound, on the own addresses of now; what cannot be had is told once. */
void zs_own_ports_settle(struct zs_program *p);
void zs_own_ports_retry(struct zs_program *p);
void zs_own_ports_release(struct zs_program *p);
/* One that another program has, or 0. */
uint16_t zs_own_port_taken(const struct zs_program *p);

/* records.c: the store's records. All durable; store_failed follows each outcome. */
int zs_record_publication(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err);
int zs_record_unpublish(struct zs_program *p, uint16_t port, struct zs_error *err);
int zs_record_stop(struct zs_program *p, bool stopped, struct zs_error *err);
bool zs_record_stopped(struct zs_program *p);
/* Calls fn for each stored publication in order of ports, until one does not return 0, which is returned; damaged records are
 * logged and left alone. */
typedef int zs_record_fn(struct zs_program *p, const struct zs_publication *pub);
int zs_record_each(struct zs_program *p, zs_record_fn *fn);
/* Writes one small record, so that a store that works again is noticed. */
void zs_record_probe(struct zs_program *p);

/* restore.c: what the tables should hold after a start. */
int zs_program_restore(struct zs_program *p, struct zs_error *err);

/* locals.c */
int zs_program_set_locals(struct zs_program *p, const struct zs_conf *conf);
int zs_program_set_settings(struct zs_program *p, const struct zs_conf *conf);

#endif
