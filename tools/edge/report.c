#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"

#define V4_MAPPED_PORT 18 /* an address of the protocol */

static const char *peer_text(const struct zs_peer_id *peer, char buf[ZS_PEER_ID_TEXT])
{
	return peer->len ? zs_peer_id_format(peer, buf) : "";
}

const char *zs_edge_state_text(const struct zs_attach_event *event, const struct zs_attach_session *session,
			       char buf[512])
{
	const char *name = zs_attach_retry(event->state)->name;
	char peer[ZS_PEER_ID_TEXT], again[48] = "";

	if (event->retry_ns)
		snprintf(again, sizeof(again), "; next try in %.1f s", (double)event->retry_ns / ZS_NS_PER_S);
	if (event->why[0])
		snprintf(buf, 512, "%s: %s%s", name, event->why, again);
	else if (event->state == ZS_ATTACH_STATE_active && session)
		snprintf(buf, 512, "%s: attachment %u, generation %u at %s, %s, %s", name,
			 session->attachment, session->generation, peer_text(&session->relay, peer),
			 session->group, zs_attach_name(ZS_ATTACH_TABLE_CONTINUITY, session->continuity));
	else
		snprintf(buf, 512, "%s: %s%s", name, zs_attach_retry(event->state)->text, again);
	return buf;
}

const struct zs_endpoint *zs_edge_target(const struct zs_edge_options *o, const char *name)
{
	for (uint32_t i = 0; i < o->publishes; i++)
		if (!strcmp(o->publish[i].name, name))
			return &o->target[i].at;
	return NULL;
}

static struct zs_endpoint announced(const zs_pb_Port *port, pb_size_t i)
{
	struct zs_reader r = zs_reader_of(port->announce[i].bytes, V4_MAPPED_PORT);
	struct zs_endpoint ep;

	zs_read_bytes(&r, ep.addr.ip, sizeof(ep.addr.ip));
	ep.port = zs_read_u16(&r);
	return ep;
}

/* --- text ------------------------------------------------------------------------------------- */

static void say_refusal(const char *what, const zs_pb_Error *e)
{
	char line[ZS_ATTACH_WHY];

	printf("%s: %s\n", what, zs_attach_refusal_line(e, line, sizeof(line)));
}

static void say_port(const struct zs_edge_options *o, const zs_pb_Port *port)
{
	const struct zs_endpoint *target = zs_edge_target(o, port->name);
	char at[ZS_ENDPOINT_TEXT], to[ZS_ENDPOINT_TEXT];

	if (port->has_error) {
		say_refusal(port->name, &port->error);
		return;
	}
	if (!port->port) {
		printf("%s: withdrawn, as it was published before\n", port->name);
		return;
	}
	printf("%s: published at", port->name);
	for (pb_size_t i = 0; i < port->announce_count; i++) {
		struct zs_endpoint ep = announced(port, i);
		printf(" %s", zs_endpoint_format(&ep, at));
	}
	if (!port->announce_count)
		printf(" port %u of the relay", port->port);
	printf(", for %s%s\n", target ? zs_endpoint_format(target, to) : "nothing here",
	       port->protection == ZS_ATTACH_PROTECTION_auth ? ", payloads in clear" : "");
}

static void say(const struct zs_edge_options *o, const struct zs_attach_event *event,
		const struct zs_attach_session *session)
{
	char line[512];

	if (event->kind == ZS_ATTACH_EVENT_STATE)
		puts(zs_edge_state_text(event, session, line));
	else if (event->kind == ZS_ATTACH_EVENT_PORT)
		say_port(o, event->port);
	else if (event->kind == ZS_ATTACH_EVENT_NOTICE)
		printf("notice: %s%s%s\n", zs_attach_text(ZS_ATTACH_TABLE_NOTICE, event->notice->code),
		       event->notice->text[0] ? ": " : "", event->notice->text);
	else if (event->kind == ZS_ATTACH_EVENT_REFUSED)
		say_refusal("request", event->error);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *state_json(const struct zs_attach_event *e)
{
	return json_pack("{s:s,s:s,s:s,s:s?,s:I}", "schema", "zs-edge.state/1", "state",
			 zs_attach_retry(e->state)->name, "why", e->why, "refused",
			 e->refusal ? zs_attach_name(ZS_ATTACH_TABLE_ERROR, e->refusal) : NULL, "retry_ms",
			 (json_int_t)(e->retry_ns / ZS_NS_PER_MS));
}

static json_t *session_json(const struct zs_attach_session *s)
{
	char peer[ZS_PEER_ID_TEXT];

	return json_pack("{s:s,s:i,s:i,s:s,s:s,s:s,s:i,s:I,s:I}", "schema", "zs-edge.session/1", "attachment",
			 (int)s->attachment, "generation", (int)s->generation, "continuity",
			 zs_attach_name(ZS_ATTACH_TABLE_CONTINUITY, s->continuity), "relay",
			 peer_text(&s->relay, peer), "group", s->group, "pop", (int)s->pop, "lease_s",
			 (json_int_t)(s->lease_ns / ZS_NS_PER_S), "spread_ms",
			 (json_int_t)(s->spread_ns / ZS_NS_PER_MS));
}

static json_t *error_json(const zs_pb_Error *e)
{
	return json_pack("{s:s,s:s,s:s,s:I,s:I}", "code", zs_attach_name(ZS_ATTACH_TABLE_ERROR, e->code),
			 "text", e->text[0] ? e->text : zs_attach_text(ZS_ATTACH_TABLE_ERROR, e->code),
			 "scope", e->scope, "current", (json_int_t)e->current, "limit", (json_int_t)e->limit);
}

static json_t *port_json(const struct zs_edge_options *o, const zs_pb_Port *port)
{
	const struct zs_endpoint *target = zs_edge_target(o, port->name);
	char at[ZS_ENDPOINT_TEXT];
	json_t *list = json_array();

	for (pb_size_t i = 0; i < port->announce_count; i++) {
		struct zs_endpoint ep = announced(port, i);
		json_array_append_new(list, json_string(zs_endpoint_format(&ep, at)));
	}
	return json_pack("{s:s,s:s,s:i,s:b,s:s?,s:s,s:o,s:o*}", "schema", "zs-edge.port/1", "name",
			 port->name, "port", (int)port->port, "withdrawn", !port->port && !port->has_error,
			 "target", target ? zs_endpoint_format(target, at) : NULL, "protection",
			 zs_attach_name(ZS_ATTACH_TABLE_PROTECTION, port->protection), "announce", list,
			 "error", port->has_error ? error_json(&port->error) : NULL);
}

static json_t *event_json(const struct zs_edge_options *o, const struct zs_attach_event *e)
{
	switch (e->kind) {
	case ZS_ATTACH_EVENT_STATE:
		return state_json(e);
	case ZS_ATTACH_EVENT_GRANTED:
		return session_json(e->session);
	case ZS_ATTACH_EVENT_PORT:
		return port_json(o, e->port);
	case ZS_ATTACH_EVENT_NOTICE:
		return json_pack("{s:s,s:s,s:I,s:s}", "schema", "zs-edge.notice/1", "notice",
				 zs_attach_name(ZS_ATTACH_TABLE_NOTICE, e->notice->code), "in_ms",
				 (json_int_t)e->notice->in_ms, "text", e->notice->text);
	case ZS_ATTACH_EVENT_REFUSED:
		return json_pack("{s:s,s:o}", "schema", "zs-edge.refused/1", "error", error_json(e->error));
	default:
		return NULL;
	}
}

void zs_edge_print_json(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

void zs_edge_report_self(const struct zs_edge_options *o, const struct zs_identity *identity)
{
	struct zs_public_key key = zs_identity_public(identity);
	char text[ZS_PEER_ID_TEXT];
	struct zs_peer_id id;

	zs_peer_id_of(&id, &key);
	zs_peer_id_format(&id, text);
	if (o->json)
		zs_edge_print_json(json_pack("{s:s,s:s}", "schema", "zs-edge.self/1", "peer", text));
	else
		printf("this edge is %s\n", text);
	fflush(stdout);
}

void zs_edge_report(const struct zs_edge_options *o, const struct zs_attach_event *event,
		    const struct zs_attach_session *session)
{
	json_t *line = o->json ? event_json(o, event) : NULL;

	if (line)
		zs_edge_print_json(line);
	if (!o->json)
		say(o, event, session);
	fflush(stdout);
}

int zs_edge_fail(bool json, const struct zs_error *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	if (json)
		zs_edge_print_json(json_pack("{s:s,s:{s:i,s:s,s:s}}", "schema", "zs-edge.error/1", "error",
					     "exit", (int)err->exit, "name", zs_exit_name((int)err->exit),
					     "text", err->text));
	return (int)err->exit;
}
