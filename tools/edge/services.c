/* The relay's flows: each has a connected socket of its own toward the service, so that the service tells clients apart by
 * our port. It is made with the flow's first datagram; who is behind it is only told. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "data_internal.h"

static const char *name_of(const struct zs_edge_data *d, uint8_t service)
{
	return d->config.publish[d->service[service].publish - 1].name;
}

static const struct zs_endpoint *target_of(const struct zs_edge_data *d, uint8_t service)
{
	return &d->config.target[d->service[service].publish - 1].at;
}

void edge_service_port(struct zs_edge_data *d, const zs_pb_Port *port)
{
	uint32_t i = 0;

	while (i < d->config.publishes && strcmp(d->config.publish[i].name, port->name) != 0)
		i++;
	if (i == d->config.publishes)
		return;
	for (uint32_t s = 0; s < EDGE_SERVICES; s++)
		if (d->service[s].publish == i + 1)
			d->service[s].publish = 0;
	if (!port->port || !port->service || port->service >= EDGE_SERVICES)
		return;
	d->service[port->service].publish = (uint8_t)(i + 1);
	if (port->protection == ZS_ATTACH_PROTECTION_auth)
		zs_uplink_clear(d->uplink, (uint8_t)port->service);
}

/* --- from the relay --------------------------------------------------------------------------- */

static void say_refused(struct zs_edge_data *d, uint8_t service, int error)
{
	char to[ZS_ENDPOINT_TEXT];

	d->refused++;
	if (d->service[service].silent)
		return;
	d->service[service].silent = true;
	edge_data_tell(d, ZS_EDGE_SERVICE, name_of(d, service), "refused",
		       "nothing answers at %s (%s); start the service, or publish where it is",
		       zs_endpoint_format(target_of(d, service), to), strerror(error));
}

static struct zs_edge_flow *begin(struct zs_edge_data *d, const struct zs_tunnel_flow *id)
{
	const struct zs_edge_flow flow = {
		.id = *id, .of = id->service, .used_ns = data_now(d), .begun_ns = data_now(d)
	};
	struct zs_edge_flow *f;
	int rc;

	if (id->opener != ZS_TUNNEL_RELAY || !d->service[id->service].publish) {
		d->unknown++;
		zs_uplink_close(d->uplink, id, ZS_ATTACH_CLOSE_not_published);
		return NULL;
	}
	f = edge_flow_begin(d, &flow);
	if (!f)
		return NULL;
	rc = zs_connected_open(&f->socket, d->pool, target_of(d, id->service), f);
	if (!rc)
		return f;
	if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM || rc == -ENOSPC)
		d->full++; /* ours to mend, not the service's */
	else
		say_refused(d, id->service, -rc);
	edge_flow_end(d, f, ZS_ATTACH_CLOSE_refused);
	return NULL;
}

void edge_service_data(struct zs_edge_data *d, const struct zs_tunnel_flow *id, uint8_t ecn,
		       const uint8_t *payload, size_t len)
{
	struct zs_edge_flow *f = zs_edge_flows_find(d->flows, id);

	if (!f)
		f = begin(d, id);
	if (f)
		edge_rebound_asked(d, f, payload, len);
	if (f && !f->socket) { /* another flow took it, and has ended since */
		edge_flow_end(d, f, 0);
		f = begin(d, id);
	}
	if (!f)
		return;
	zs_edge_flows_used(d->flows, f, false, data_now(d));
	zs_connected_send(f->socket, ecn, payload, len);
}

/* Another client under the same number: the relay began anew, the service must not take it for the old one. */
void edge_service_opened(struct zs_edge_data *d, const struct zs_tunnel_flow *id,
			 const struct zs_endpoint *client)
{
	struct zs_edge_flow *f = zs_edge_flows_find(d->flows, id);

	if (f && f->client.port && !zs_endpoint_eq(&f->client, client)) {
		edge_flow_end(d, f, 0);
		f = NULL;
	}
	if (!f)
		f = begin(d, id);
	if (f)
		f->client = *client;
}

/* --- from the service ------------------------------------------------------------------------- */

static void on_data(void *ctx, void *user, uint8_t ecn, const uint8_t *data, size_t len)
{
	struct zs_edge_data *d = ctx;
	struct zs_edge_flow *f = user;

	f = edge_rebound_answered(d, f, data, len);
	zs_edge_flows_used(d->flows, f, true, data_now(d));
	d->service[f->id.service].silent = false;
	edge_data_send(d, f, ecn, data, len);
}

static void on_burst(void *ctx)
{
	edge_data_turn(ctx);
}

static void on_failed(void *ctx, void *user, int error)
{
	struct zs_edge_data *d = ctx;
	struct zs_edge_flow *f = user;

	if (d->service[f->id.service].publish)
		say_refused(d, f->id.service, error);
	edge_flow_end(d, f, ZS_ATTACH_CLOSE_refused);
}

const struct zs_connected_ops edge_service_ops = { on_data, on_burst, on_failed };
