/* The relay's own UDP ports beside the published ones: of connection IDs and of tunnels. Placeholders stand on them too, so
 * that no program of the host gets them, and so that the kernel answers nobody while no worker is bound: an ICMP error would
 * end what goes on by itself when the dataplane is back. */
#include "program_internal.h"

static void settle(struct zs_program *p, struct zs_own_port *o, uint16_t port)
{
	struct zs_error why = { 0 };
	bool taken;

	o->port = port;
	if (!port) {
		zs_placeholder_release(&o->held);
		o->taken = false;
		return;
	}
	taken = zs_placeholder_hold(&o->held, port, p->own, p->own_count, &why) != 0;
	if (taken && !o->taken)
		ZS_LOG(&p->c->log, OWN_PORT_TAKEN, "port=%u error=\"%s\"", port, why.text);
	o->taken = taken;
}

void zs_own_ports_settle(struct zs_program *p)
{
	const struct zs_conf *conf = p->c->conf;
	bool host = conf->p2p.listens; /* else nobody attaches, and the dataplane knows of neither port */

	settle(p, &p->own_port[0], host ? conf->attach.service_port : 0);
	settle(p, &p->own_port[1], host ? conf->attach.tunnel_port : 0);
}

uint16_t zs_own_port_taken(const struct zs_program *p)
{
	for (uint32_t i = 0; i < ZS_OWN_PORTS; i++)
		if (p->own_port[i].taken)
			return p->own_port[i].port;
	return 0;
}

void zs_own_ports_retry(struct zs_program *p)
{
	if (zs_own_port_taken(p))
		zs_own_ports_settle(p);
}

void zs_own_ports_release(struct zs_program *p)
{
	for (uint32_t i = 0; i < ZS_OWN_PORTS; i++)
		zs_placeholder_release(&p->own_port[i].held);
}
