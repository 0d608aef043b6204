/* Granted ports: names of an attachment's services, the relay's ports behind them, and service numbers, which
 * stand in each datagram of a tunnel. The program holds the port against everybody else. */
#include "attach/internal.h"

#include <errno.h>
#include <stdio.h>
#include "base/bitmap.h"
#include "program.h"

#define TRIES 64 /* ports tried for an edge that leaves the choice to us */

static struct zs_attach_port *find(struct ports *ports, const char *name)
{
	for (uint32_t i = 0; i < ports->count; i++)
		if (!strcmp(ports->at[i].name, name))
			return &ports->at[i];
	return NULL;
}

static bool has(const struct ports *ports, const struct zs_attach_port *p)
{
	for (uint32_t i = 0; i < ports->count; i++)
		if (ports->at[i].port == p->port)
			return true;
	return false;
}

static int reserve(struct zs_attach *s, const struct slot *slot, const struct zs_attach_port *p)
{
	struct zs_publication pub = { .port = p->port,
				      .attached = { .id = slot->id,
						    .generation = slot->kept.generation,
						    .service = p->service,
						    .protection = p->protection } };
	struct zs_error why = { 0 };

	return zs_program_reserve(s->c->program, &pub, &why);
}

static void release(struct zs_attach *s, const struct slot *slot, const struct zs_attach_port *p)
{
	if (p->held)
		zs_program_release(s->c->program, p->port, slot->id);
}

void zs_attach_ports_reserve(struct zs_attach *s, struct slot *slot)
{
	for (uint32_t i = 0; i < slot->kept.ports.count; i++)
		slot->kept.ports.at[i].held = reserve(s, slot, &slot->kept.ports.at[i]) == 0;
}

void zs_attach_ports_release(struct zs_attach *s, struct slot *slot)
{
	for (uint32_t i = 0; i < slot->kept.ports.count; i++)
		release(s, slot, &slot->kept.ports.at[i]);
	s->counts.ports -= slot->kept.ports.count;
	slot->kept.ports.count = 0;
}

uint32_t zs_attach_announce(const struct zs_attach *s, uint16_t port, uint8_t (*out)[18], uint32_t max)
{
	const struct zs_conf_attach *a = conf_of(s);
	const struct zs_conf_interface_address *own;
	struct zs_conf_place at = { 0 };
	uint32_t n = 0;

	for (; n < a->announces && n < max; n++)
		memcpy(out[n], a->announce[n].ip, 16);
	while (!a->announces && n < max && (own = zs_conf_own_next(s->c->conf, &at)))
		memcpy(out[n++], own->addr.ip, 16);
	for (uint32_t i = 0; i < n; i++) {
		out[i][16] = (uint8_t)(port >> 8);
		out[i][17] = (uint8_t)port;
	}
	return n;
}

static void refuse(zs_pb_Port *out, const struct refusal *r)
{
	out->has_error = true;
	out->error = zs_attach_error(r);
}

void zs_attach_port_tell(const struct zs_attach *s, const struct zs_attach_port *p, zs_pb_Port *out)
{
	uint8_t addr[ZS_ARRAY_LEN(out->announce)][18];

	*out = (zs_pb_Port){ .port = p->port, .service = p->service, .protection = p->protection };
	snprintf(out->name, sizeof(out->name), "%s", p->name);
	if (!p->held) {
		refuse(out, &(struct refusal){ .code = ZS_ATTACH_ERROR_port_taken, .scope = "port" });
		return;
	}
	out->announce_count = (pb_size_t)zs_attach_announce(s, p->port, addr, ZS_ARRAY_LEN(addr));
	for (uint32_t i = 0; i < out->announce_count; i++) {
		memcpy(out->announce[i].bytes, addr[i], sizeof(addr[i]));
		out->announce[i].size = sizeof(addr[i]);
	}
}

static uint8_t free_service(const struct ports *ports)
{
	uint64_t used[ZS_BITMAP_WORDS(ZS_SERVICE_MAX + 1)] = { 0 };

	_Static_assert(ZS_ATTACH_PORTS < ZS_SERVICE_MAX, "one is always free");
	for (uint32_t i = 0; i < ports->count; i++)
		zs_bitmap_set(used, ports->at[i].service);
	return (uint8_t)zs_bitmap_find(used, ZS_SERVICE_MAX + 1, 1, false);
}

static uint32_t code_of(int rc)
{
	switch (rc) {
	case -ENOSPC:
		return ZS_ATTACH_ERROR_quota;
	case -ENOMEM:
	case -EMFILE:
		return ZS_ATTACH_ERROR_internal;
	default:
		return ZS_ATTACH_ERROR_port_taken;
	}
}

static bool is_granted(const struct zs_conf_attach *a, uint32_t port)
{
	return port >= a->port_first && port <= a->port_last;
}

/* A port of our choice: from a random place on, so that none can be foretold. */
static int choose(struct zs_attach *s, const struct slot *slot, struct zs_attach_port *p)
{
	const struct zs_conf_attach *a = conf_of(s);
	uint32_t count = (uint32_t)a->port_last - a->port_first + 1;
	uint32_t first = (uint32_t)zs_random_below(&s->random, count);
	int rc = -EADDRINUSE;

	for (uint32_t i = 0; i < TRIES && i < count; i++) {
		p->port = (uint16_t)(a->port_first + (first + i) % count);
		if (has(&slot->kept.ports, p))
			continue;
		rc = reserve(s, slot, p);
		if (rc != -EADDRINUSE && rc != -EEXIST)
			break;
	}
	return rc;
}

static void grant_new(struct zs_attach *s, struct slot *slot, const zs_pb_Publish *want, zs_pb_Port *out)
{
	const struct zs_conf_attach *a = conf_of(s);
	struct zs_attach_port p = { .port = (uint16_t)want->port,
				    .service = free_service(&slot->kept.ports),
				    .protection = (uint8_t)want->protection };
	char range[48];
	int rc;

	if (slot->kept.ports.count >= a->ports || slot->kept.ports.count >= ZS_ATTACH_PORTS) {
		refuse(out, &(struct refusal){ .code = ZS_ATTACH_ERROR_quota,
					       .scope = "ports",
					       .current = slot->kept.ports.count,
					       .limit = a->ports });
		return;
	}
	if (s->draining) {
		refuse(out, &(struct refusal){ .code = ZS_ATTACH_ERROR_drain, .scope = "port" });
		return;
	}
	if (p.port && !is_granted(a, p.port)) {
		snprintf(range, sizeof(range), "the relay grants ports %u to %u", a->port_first,
			 a->port_last);
		refuse(out,
		       &(struct refusal){ .code = ZS_ATTACH_ERROR_denied, .scope = "port", .text = range });
		return;
	}
	if (p.port && has(&slot->kept.ports, &p)) {
		refuse(out, &(struct refusal){ .code = ZS_ATTACH_ERROR_port_taken, .scope = "port" });
		return;
	}
	rc = p.port ? reserve(s, slot, &p) : choose(s, slot, &p);
	if (rc) {
		refuse(out, &(struct refusal){ .code = code_of(rc), .scope = "port" });
		return;
	}
	p.held = true;
	snprintf(p.name, sizeof(p.name), "%s", want->name);
	slot->kept.ports.at[slot->kept.ports.count++] = p;
	zs_attach_port_tell(s, &p, out);
}

/* A name that is there: its port stays, its protection may change. */
static void grant_again(struct zs_attach *s, struct slot *slot, struct zs_attach_port *p,
			const zs_pb_Publish *want, zs_pb_Port *out)
{
	if (want->port && want->port != p->port) {
		refuse(out, &(struct refusal){ .code = ZS_ATTACH_ERROR_denied,
					       .scope = "name",
					       .text = "the name has a port; withdraw it first" });
		return;
	}
	p->protection = (uint8_t)want->protection;
	p->held = reserve(s, slot, p) == 0;
	zs_attach_port_tell(s, p, out);
}

static void withdraw(struct slot *slot, struct zs_attach_port *p, zs_pb_Port *out)
{
	if (!p) {
		refuse(out, &(struct refusal){ .code = ZS_ATTACH_ERROR_not_published, .scope = "name" });
		return;
	}
	out->service = p->service;
	*p = slot->kept.ports.at[--slot->kept.ports.count];
}

void zs_attach_port_publish(struct zs_attach *s, struct slot *slot, const zs_pb_Publish *want,
			    zs_pb_Port *out)
{
	struct zs_attach_port *p = find(&slot->kept.ports, want->name);

	*out = (zs_pb_Port){ .port = 0 };
	snprintf(out->name, sizeof(out->name), "%s", want->name);
	if (want->withdraw)
		withdraw(slot, p, out);
	else if (p)
		grant_again(s, slot, p, want, out);
	else
		grant_new(s, slot, want, out);
}

void zs_attach_ports_keep(struct zs_attach *s, struct slot *slot, const struct ports *before)
{
	for (uint32_t i = 0; i < before->count; i++)
		if (!has(&slot->kept.ports, &before->at[i]))
			release(s, slot, &before->at[i]);
	s->counts.ports += (uint32_t)slot->kept.ports.count - before->count;
}

void zs_attach_ports_undo(struct zs_attach *s, struct slot *slot, const struct ports *before)
{
	for (uint32_t i = 0; i < slot->kept.ports.count; i++)
		if (!has(before, &slot->kept.ports.at[i]))
			release(s, slot, &slot->kept.ports.at[i]);
	slot->kept.ports = *before;
	zs_attach_ports_reserve(s, slot);
}
