/* The data side's life, where a datagram belongs, and time. */
#include "data_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/clock.h"

#define FILES_BESIDE 64	   /* descriptors for all else than flows */
#define NUMBERS	     16384 /* for our own flows: those that ended rest for twice the idle time-out */

void edge_data_tell(struct zs_edge_data *d, enum zs_edge_data_kind kind, const char *name, const char *what,
		    const char *fmt, ...)
{
	char text[ZS_ERROR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->config.news(d->config.ctx, &(struct zs_edge_news){ kind, name, what, text });
}

/* --- flows ------------------------------------------------------------------------------------ */

void edge_flow_end(struct zs_edge_data *d, struct zs_edge_flow *flow, uint16_t reason)
{
	struct zs_tunnel_flow id = flow->id;

	if (flow->socket)
		zs_connected_close(flow->socket);
	zs_edge_flows_remove(d->flows, flow);
	if (reason)
		zs_uplink_close(d->uplink, &id, reason);
}

struct zs_edge_flow *edge_flow_begin(struct zs_edge_data *d, const struct zs_edge_flow *flow)
{
	struct zs_edge_flow *f = zs_edge_flows_add(d->flows, flow), *spare;

	if (!f && (spare = zs_edge_flows_spare(d->flows))) {
		edge_flow_end(d, spare, ZS_ATTACH_CLOSE_refused);
		f = zs_edge_flows_add(d->flows, flow);
	}
	if (f) {
		d->begun++;
		return f;
	}
	d->full++;
	if (!d->told_full)
		edge_data_tell(d, ZS_EDGE_TUNNEL, "", "full",
			       "all %u flows are in use, new ones are refused; --flows allows more",
			       d->config.flows);
	d->told_full = true;
	if (flow->id.opener == ZS_TUNNEL_RELAY)
		zs_uplink_close(d->uplink, &flow->id, ZS_ATTACH_CLOSE_refused);
	return NULL;
}

/* Nobody but the network says to a UDP program how long its datagrams may be, and on loopback that takes rights that we gave up. So
 * it is said to people; QUIC finds out by probing, and what is lost here is its answer. */
static void say_longer(struct zs_edge_data *d, const struct zs_edge_flow *flow, size_t len)
{
	bool ours = flow->id.opener == ZS_TUNNEL_EDGE;
	struct edge_service *s = &d->service[flow->id.service];
	uint32_t *said = ours ? &d->forward[flow->of].longer : &s->longer;
	struct zs_uplink_state up;
	uint32_t most;

	zs_uplink_state(d->uplink, &up);
	most = up.way.size - ZS_TUNNEL_OVERHEAD;
	if (!up.way.measured || *said == most || (!ours && !s->publish))
		return;
	*said = most;
	edge_data_tell(
	    d, ours ? ZS_EDGE_FORWARD : ZS_EDGE_SERVICE,
	    ours ? d->forward[flow->of].name : d->config.publish[s->publish - 1].name, "longer",
	    "a datagram of %zu bytes is longer than the path to the relay carries, %u, and such are "
	    "lost; QUIC finds that out by itself, let others send shorter ones, or raise the path's "
	    "MTU",
	    len, most);
}

void edge_data_send(struct zs_edge_data *d, const struct zs_edge_flow *flow, uint8_t ecn, const void *payload,
		    size_t len)
{
	if (zs_uplink_send(d->uplink, &flow->id, ecn, payload, len) == ZS_DROP_tunnel_mtu)
		say_longer(d, flow, len);
}

static void end_all(struct zs_edge_data *d, uint16_t reason)
{
	struct zs_edge_flow *f;

	while ((f = zs_edge_flows_any(d->flows)))
		edge_flow_end(d, f, reason);
}

/* --- the tunnel's upcalls --------------------------------------------------------------------- */

static bool is_ours(const struct zs_tunnel_flow *id)
{
	return id->opener == ZS_TUNNEL_EDGE;
}

static void on_data(void *ctx, const struct zs_tunnel_flow *id, uint8_t ecn, const uint8_t *payload,
		    size_t len)
{
	struct zs_edge_data *d = ctx;
	struct zs_edge_flow *f;

	if (!zs_tunnel_flow_id(id)) { /* routed by a connection ID */
		d->unknown += !edge_door_data(d->door, ecn, payload, len);
		return;
	}
	if (!is_ours(id)) {
		edge_service_data(d, id, ecn, payload, len);
		return;
	}
	f = zs_edge_flows_find(d->flows, id);
	if (f && !f->refused)
		edge_forward_data(d, f, ecn, payload, len);
}

static void on_opened(void *ctx, const struct zs_tunnel_flow *id, const struct zs_endpoint *client)
{
	edge_service_opened(ctx, id, client);
}

static void on_closed(void *ctx, const struct zs_tunnel_flow *id, uint16_t reason)
{
	struct zs_edge_data *d = ctx;
	struct zs_edge_flow *f = zs_edge_flows_find(d->flows, id);

	if (f && is_ours(id))
		edge_forward_closed(d, f, reason);
	else if (f)
		edge_flow_end(d, f, 0);
}

static void on_burst(void *ctx)
{
	edge_data_turn(ctx);
}

static void on_renewed(void *ctx)
{
	struct zs_edge_data *d = ctx;

	end_all(d, 0);
	memset(d->service, 0, sizeof(d->service));
	edge_door_tell(d->door);
}

static const char *ended_because(uint16_t reason, const struct zs_endpoint *relay, char *line, size_t size)
{
	char at[ZS_ENDPOINT_TEXT];

	zs_endpoint_format(relay, at);
	if (reason == ZS_ATTACH_CLOSE_idle)
		snprintf(line, size,
			 "the tunnel port %s does not answer; see whether UDP to it passes, and whether the "
			 "relay's dataplane runs",
			 at);
	else
		snprintf(line, size, "the relay at %s ended the tunnel: %s", at,
			 zs_attach_text(ZS_ATTACH_TABLE_CLOSE, reason));
	return line;
}

static void on_news(void *ctx, const struct zs_uplink_event *e)
{
	struct zs_edge_data *d = ctx;
	char line[ZS_ERROR_TEXT], at[ZS_ENDPOINT_TEXT];

	switch (e->news) {
	case ZS_UPLINK_UP:
		edge_data_tell(d, ZS_EDGE_TUNNEL, "", "up", "up");
		edge_forward_resolve(d);
		edge_door_tell(d->door);
		d->config.proved(d->config.ctx, e->link);
		break;
	case ZS_UPLINK_WAY:
		edge_data_tell(d, ZS_EDGE_TUNNEL, "", "way", "its way");
		break;
	case ZS_UPLINK_SMALL:
		edge_data_tell(d, ZS_EDGE_TUNNEL, "", "small",
			       "the path to the relay carries no datagrams of 1232 bytes, so QUIC will not "
			       "work; raise the MTU on the way to 1280 at least");
		break;
	case ZS_UPLINK_SILENT:
		edge_data_tell(d, ZS_EDGE_TUNNEL, "", "silent",
			       "no answer yet from the tunnel port %s; see whether UDP to it passes",
			       zs_endpoint_format(&e->relay, at));
		break;
	case ZS_UPLINK_LOST:
		snprintf(line, sizeof(line),
			 "the relay's tunnel port %s is silent; a fresh session is asked for",
			 zs_endpoint_format(&e->relay, at));
		edge_data_tell(d, ZS_EDGE_TUNNEL, "", "lost", "%s", line);
		d->config.lost(d->config.ctx, e->link, line);
		break;
	case ZS_UPLINK_ENDED:
		ended_because(e->reason, &e->relay, line, sizeof(line));
		edge_data_tell(d, ZS_EDGE_TUNNEL, "", "ended", "%s", line);
		edge_door_tell(d->door);
		d->config.lost(d->config.ctx, e->link, line);
		break;
	}
}

static const struct zs_uplink_ops uplink_ops = { .data = on_data,
						 .opened = on_opened,
						 .closed = on_closed,
						 .burst = on_burst,
						 .renewed = on_renewed,
						 .news = on_news };

/* --- turns ------------------------------------------------------------------------------------ */

void edge_data_turn(struct zs_edge_data *d)
{
	uint64_t at = zs_edge_flows_deadline(d->flows);

	zs_connected_flush(d->pool);
	edge_replies_flush(d->replies);
	zs_uplink_flush(d->uplink);
	zs_timer_set(d->timer, at == UINT64_MAX ? 0 : at ? at : 1);
}

static void on_timer(void *ctx)
{
	struct zs_edge_data *d = ctx;
	struct zs_edge_flow *f;

	while ((f = zs_edge_flows_idle(d->flows, data_now(d))))
		edge_flow_end(d, f, ZS_ATTACH_CLOSE_idle);
	d->told_full = false;
	edge_data_turn(d);
}

void zs_edge_data_event(struct zs_edge_data *d, const struct zs_attach_event *event)
{
	if (event->kind == ZS_ATTACH_EVENT_GRANTED)
		zs_uplink_granted(d->uplink, event->session);
	else if (event->kind == ZS_ATTACH_EVENT_PORT)
		edge_service_port(d, event->port);
}

void zs_edge_data_dial(struct zs_edge_data *d, const uint8_t *cid, const char *why)
{
	edge_door_dial(d->door, cid, why);
}

void zs_edge_data_moved(struct zs_edge_data *d)
{
	zs_uplink_moved(d->uplink);
}

void zs_edge_data_shutdown(struct zs_edge_data *d)
{
	end_all(d, ZS_ATTACH_CLOSE_shutdown);
	zs_uplink_shutdown(d->uplink);
}

void zs_edge_data_state(const struct zs_edge_data *d, struct zs_edge_data_state *out)
{
	*out = (struct zs_edge_data_state){ .local = zs_connected_stats(d->pool),
					    .flows = zs_edge_flows_count(d->flows),
					    .most = d->config.flows,
					    .begun = d->begun,
					    .rebound = d->rebound,
					    .refused = d->refused,
					    .full = d->full,
					    .unknown = d->unknown,
					    .strays = d->strays };
	zs_uplink_state(d->uplink, &out->uplink);
}

/* --- life ------------------------------------------------------------------------------------- */

static int raise_files(uint32_t flows, struct zs_error *err)
{
	rlim_t want = (rlim_t)flows + FILES_BESIDE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
		return 0;
	limit.rlim_cur = want;
	if (limit.rlim_max >= want && setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	return zs_error_set(err, -EMFILE, ZS_EXIT_RESOURCE,
			    "%u flows want %llu open files, %llu are allowed; raise the limit (ulimit -n, "
			    "LimitNOFILE=), or lower --flows",
			    flows, (unsigned long long)want, (unsigned long long)limit.rlim_max);
}

static int make(struct zs_edge_data *d, struct zs_error *err)
{
	const struct zs_uplink_config up = { .loop = d->config.loop,
					     .random = d->config.random,
					     .idle_ns = d->config.idle_ns,
					     .flows = d->config.forwards ? NUMBERS : 1 };
	int rc = raise_files(d->config.flows, err);

	if (rc)
		return rc;
	if (zs_edge_flows_new(&d->flows, d->config.flows, d->config.idle_ns, d->config.random) ||
	    edge_replies_new(&d->replies) ||
	    zs_connected_pool_new(&d->pool, d->config.loop, &edge_service_ops, d) ||
	    zs_timer_new(&d->timer, d->config.loop, on_timer, d))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = zs_uplink_new(&d->uplink, &up, &uplink_ops, d, err);
	if (!rc && d->config.cid_socket)
		rc = edge_door_new(&d->door, d, err);
	return rc ? rc : edge_forward_open(d, err);
}

int zs_edge_data_new(struct zs_edge_data **out, const struct zs_edge_data_config *config,
		     struct zs_error *err)
{
	struct zs_edge_data *d = calloc(1, sizeof(*d));
	int rc;

	ZS_CHECK(config->forwards <= ZS_EDGE_FORWARDS && config->flows);
	if (!d)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	d->config = *config;
	rc = make(d, err);
	if (rc) {
		zs_edge_data_delete(d);
		return rc;
	}
	*out = d;
	return 0;
}

void zs_edge_data_delete(struct zs_edge_data *d)
{
	if (!d)
		return;
	edge_door_delete(d->door);
	edge_forward_close(d);
	edge_replies_delete(d->replies);
	zs_connected_pool_delete(d->pool);
	zs_uplink_delete(d->uplink);
	zs_edge_flows_delete(d->flows);
	if (d->timer)
		zs_timer_delete(d->timer);
	free(d);
}
