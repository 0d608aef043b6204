/* Shared memory as JSON: what the show verbs answer, built by the control plane, and by zsctl
 * itself when there is none. Read-only; every word of a segment is taken as hostile. Each
 * function returns a new reference, NULL only when memory is out. */
#ifndef ZS_CLI_VIEW_H
#define ZS_CLI_VIEW_H

#include <jansson.h>
#include "shm/health.h"
#include "shm/state.h"
#include "shm/tables.h"

#define ZS_VIEW_FLOWS	  100	/* listed unless told: a screen or two */
#define ZS_VIEW_FLOWS_MAX 10000 /* some 3 MB of JSON */

/* Text of unknown origin as JSON: what is not printable ASCII becomes '?'. */
json_t *zs_view_text(const char *text, size_t cap);
/* What an attached port leads to: "attachment 5 service 1". */
json_t *zs_view_attached(uint32_t attachment, uint8_t service);
json_t *zs_view_endpoint(const struct zs_endpoint *ep);

/* {"running","pid","heartbeat_ms","workers"}; s may be NULL: not running. */
json_t *zs_view_dataplane(const struct zs_state *s);
/* {"total":{rx:…},"drops","balance"[,"workers":[{…}]]} */
json_t *zs_view_counters(const struct zs_state *s, bool workers);
/* {"total":N,"reasons":[{"reason","count","text"}]} */
json_t *zs_view_drops(const struct zs_state *s, bool all);
/* {"workers":[{"worker","cpu","running",…,"stages":[{"stage","packets","cycles_per_packet"}]}]} */
json_t *zs_view_runtime(const struct zs_state *s);
/* port 0: all. {"used","capacity","listed","flows":[…]} */
json_t *zs_view_flows(const struct zs_state *s, uint16_t port, uint32_t limit);
json_t *zs_view_interfaces(const struct zs_state *s);

/* --- view_relay.c --- */

#define ZS_VIEW_ATTACHED     100 /* bindings, tunnels listed unless told */
#define ZS_VIEW_ATTACHED_MAX 10000

/* Where an attachment is bound; generation 0: whichever it has. NULL: nowhere. */
json_t *zs_view_binding(const struct zs_state *s, uint32_t id, uint16_t generation);
/* Those beyond `after`, without whose they are: zsctl's, when nobody else can tell. */
json_t *zs_view_bindings(const struct zs_state *s, uint32_t after, uint32_t limit);
/* A session and what the dataplane knows of it. No key and nothing that one could be had from. */
json_t *zs_view_tunnel(const struct zs_state *s, const struct zs_session *v);
/* {"listed",WHAT:list,"next"}, list taken over; next: the last one looked at, 0: that was all. */
json_t *zs_view_page(const char *what, json_t *list, uint32_t next);
/* Flows in use over all partitions, and the room there is. */
void zs_view_flow_use(const struct zs_state *s, uint64_t *used, uint64_t *capacity);

json_t *zs_view_published(const struct zs_tables *t);
json_t *zs_view_neighbours(const struct zs_tables *t);
json_t *zs_view_routes(const struct zs_tables *t);
/* {"segment","bytes","resident","version","generation","writer_pid","writer_alive"} */
json_t *zs_view_segment(const struct zs_segment *seg);

/* Appends the board's raised codes (all of them when `all`) to `list`. */
void zs_view_health(json_t *list, const struct zs_health_cell *board, const char *plane, bool all);
/* What `health` answers of such a list, which is taken over: healthy while no error is raised. */
json_t *zs_view_healthy(json_t *list);

#endif
