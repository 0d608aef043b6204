/* The control plane's one context: everything hangs off it. Made in main.c, torn down in
 * the reverse order. All of it runs on the loop's thread. */
#ifndef ZS_CONTROLPLANE_CONTROL_H
#define ZS_CONTROLPLANE_CONTROL_H

#include "base/budget.h"
#include "base/log.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "shm/events.h"
#include "shm/health.h"
#include "shm/state.h"
#include "shm/tables.h"

struct zs_store;
struct zs_store_batch;
struct zs_revisions;
struct zs_caller;
struct zs_attach;
struct zs_usage;
struct zs_program;
struct zs_lists;
struct zs_netlink;
struct zs_admin;
struct zs_audit;
struct zs_metrics;
struct zs_peers;
struct zs_ident;
struct zs_state_watch;
struct zs_tracing;
struct zs_supplies;

enum zs_drain_state { ZS_SERVING, ZS_DRAINING, ZS_DRAINED };

struct zs_drain {
	enum zs_drain_state state; /* anything but SERVING: nothing new is let in */
	uint32_t timeout_s;
	uint64_t until_s;  /* Unix time */
	uint64_t until_ns; /* monotonic */
	bool resumed;	   /* by a process that did not begin it */
	struct zs_timer *timer;
};

struct zs_control {
	struct zs_log log;
	struct zs_conf *conf; /* in force */
	char conf_path[256];
	char shm_dir[96]; /* folder of the segments; a test has its own */
	const char *version;
	struct zs_loop *loop;
	struct zs_health_cell health[ZS_HEALTHS]; /* the control plane's own board */
	struct zs_state *state; /* NULL while no state segment is there; re-joined when replaced */
	struct zs_events *events;
	struct zs_ident *ident;
	struct zs_store *store;
	struct zs_revisions *revisions; /* NULL in tests of others */
	/* NULL without the role relay, down to usage; some in tests of others. */
	struct zs_program *program;
	struct zs_lists *lists;
	struct zs_netlink *netlink;
	struct zs_attach *attach;
	struct zs_usage *usage; /* of what the attachments sent and got */
	struct zs_peers *peers; /* NULL: no libp2p host runs */
	struct zs_admin *admin;
	const struct zs_caller *caller; /* whose call is being answered; NULL: nobody's */
	struct zs_audit *audit;		/* made and ended by admin; without it nothing may be changed */
	struct zs_metrics *metrics;
	struct zs_tracing *tracing;	      /* as program */
	struct zs_budget memory[ZS_MEMORIES]; /* limits: zs_control_budgets */
	struct zs_supplies *supplies;	      /* NULL in tests of others */
	struct zs_state_watch *watch;	      /* as program; owns what `state` and `events` point to */
	uint64_t started_ns;		      /* wall clock */
	struct zs_drain drain;		      /* drain.h */
};

/* Health of the control plane's own board, with a record in the log when a code is raised or cleared (not when it is
 * raised again). Loop thread. */
__attribute__((format(printf, 3, 4))) void zs_control_raise(struct zs_control *c, enum zs_health h,
							    const char *fmt, ...);
void zs_control_clear(struct zs_control *c, enum zs_health h);

bool zs_control_raised(const struct zs_control *c, enum zs_health h);
/* zs_store_commit; a failing disk shows as the health code store_failed until one is on the disk again. */
int zs_control_commit(struct zs_control *c, struct zs_store_batch *b, struct zs_error *err);
/* zs_store_write; while store_failed stands it waits for the disk, for only that ends it. */
int zs_control_write(struct zs_control *c, struct zs_store_batch *b, struct zs_error *err);

/* The configuration's limits of the modules' memory. Before any of them is made; zs_control_apply does it too. */
void zs_control_budgets(struct zs_control *c);
/* -ENOMEM, and the module and its key in err. supplies.h raises memory_budget. */
int zs_control_no_memory(struct zs_control *c, enum zs_memory m, struct zs_error *err);

/* Applies a checked configuration: settings, addresses, publishes. Refuses (-EBUSY) what needs a restart, unless nothing of
 * that changed; the one in force stays untouched on any failure. Takes ownership of `next` on success. */
int zs_control_apply(struct zs_control *c, struct zs_conf *next, struct zs_error *err);
/* Puts one in force again that was before and differs in nothing that wants a restart. Nothing that happened since refuses it,
 * a drain neither: what took its place gives way, as at a start. Takes ownership of `back` on success; -ENOMEM. */
int zs_control_go_back(struct zs_control *c, struct zs_conf *back, struct zs_error *err);
#endif
