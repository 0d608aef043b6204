/* What zs-edge says: a line for each change, of text or of JSON, on stdout. Flushed at once. */
#ifndef ZS_EDGE_REPORT_H
#define ZS_EDGE_REPORT_H

#include <jansson.h>
#include "data.h"
#include "options.h"

/* First of all: who we are, which the relay's operator allows. */
void zs_edge_report_self(const struct zs_edge_options *o, const struct zs_identity *identity);
/* One line: the state and, when it is active, the session. */
const char *zs_edge_state_text(const struct zs_attach_event *event, const struct zs_attach_session *session,
			       char buf[512]);
/* Events that people want to see; the others say nothing. `session`: the one that serves, or NULL. */
void zs_edge_report(const struct zs_edge_options *o, const struct zs_attach_event *event,
		    const struct zs_attach_session *session);
/* Where a published name's datagrams go; NULL: there is no such name. */
const struct zs_endpoint *zs_edge_target(const struct zs_edge_options *o, const char *name);
void zs_edge_report_news(const struct zs_edge_options *o, const struct zs_edge_news *news,
			 const struct zs_edge_data_state *s, uint64_t now);
/* The way and all counters, when somebody asks (SIGUSR1). */
void zs_edge_report_state(const struct zs_edge_options *o, const struct zs_edge_data_state *s, uint64_t now);
/* --cid-socket: where the QUIC stack is bound, at our own door beside a tunnel; NULL: not. */
void zs_edge_report_bound(const struct zs_edge_options *o, const struct zs_endpoint *relay,
			  const struct zs_endpoint *seen);
/* Of report*.c: an object on a line of its own. Takes it. */
void zs_edge_print_json(json_t *line);
/* The reason of the end: a line on stderr and, with --json, an object on stdout. Returns the status. */
int zs_edge_fail(bool json, const struct zs_error *err);

#endif
