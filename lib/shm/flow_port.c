/* A doubly linked list for each port, through one array of links by flow id. Each step is O(1), so a
 * flood to other ports costs this one nothing. */
#include "shm/flow_port.h"

#include <string.h>
#include "shm/tables.h"

struct link {
	uint32_t younger, older;
	uint32_t port; /* 0: in no list */
};

struct zs_flow_ports {
	uint32_t oldest[ZS_UDP_PORTS], youngest[ZS_UDP_PORTS];
	struct link link[];
};

size_t zs_flow_ports_bytes(uint32_t capacity)
{
	return sizeof(struct zs_flow_ports) + (size_t)capacity * sizeof(struct link);
}

void zs_flow_ports_bind(struct zs_flow_table *t, void *memory)
{
	uint32_t id = t->head->oldest;

	t->ports = memory;
	memset(t->ports->oldest, 0xff, sizeof(t->ports->oldest));
	memset(t->ports->youngest, 0xff, sizeof(t->ports->youngest));
	memset(t->ports->link, 0, (size_t)t->capacity * sizeof(struct link));
	/* Linked already: the list goes round, whatever its reason. */
	for (; id < t->capacity && !t->ports->link[id].port && t->flow[id].port; id = t->rest[id].next)
		zs_flow_ports_link(t, id, t->flow[id].port);
}

void zs_flow_ports_link(struct zs_flow_table *t, uint32_t id, uint16_t port)
{
	struct zs_flow_ports *p = t->ports;

	if (!p)
		return;
	zs_flow_ports_unlink(t, id); /* the partition was damaged: its free list led to a flow */
	p->link[id] = (struct link){ .younger = ZS_FLOW_NONE, .older = p->youngest[port], .port = port };
	if (p->youngest[port] == ZS_FLOW_NONE)
		__atomic_store_n(&p->oldest[port], id, __ATOMIC_RELAXED);
	else
		p->link[p->youngest[port]].younger = id;
	p->youngest[port] = id;
}

void zs_flow_ports_unlink(struct zs_flow_table *t, uint32_t id)
{
	struct zs_flow_ports *p = t->ports;
	struct link l;

	if (!p || !p->link[id].port)
		return;
	l = p->link[id];
	__atomic_store_n(l.older == ZS_FLOW_NONE ? &p->oldest[l.port] : &p->link[l.older].younger, l.younger,
			 __ATOMIC_RELAXED);
	*(l.younger == ZS_FLOW_NONE ? &p->youngest[l.port] : &p->link[l.younger].older) = l.older;
	p->link[id].port = 0;
}

uint32_t zs_flow_ports_oldest(const struct zs_flow_table *t, uint16_t port)
{
	return t->ports ? __atomic_load_n(&t->ports->oldest[port], __ATOMIC_RELAXED) : ZS_FLOW_NONE;
}

bool zs_flow_ports_right(const struct zs_flow_table *t, uint32_t id)
{
	const struct zs_flow *f = &t->flow[id];

	return !t->ports ||
	       t->ports->link[id].port == (f->used == ZS_FLOW_LIVE && t->rest[id].waits ? f->port : 0);
}
