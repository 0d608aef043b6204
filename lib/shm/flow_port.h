/* Which unconfirmed flows a published port has, by age: who makes room when the port has all it may
 * have. In the owner's own memory beside the partition, as it is worth nothing to anybody else and is
 * made again at each start; so its links are trusted, unlike those in the segment. */
#ifndef ZS_SHM_FLOW_PORT_H
#define ZS_SHM_FLOW_PORT_H

#include <stddef.h>
#include "shm/flow.h"

/* Owner: bytes of the lists for so many flows, and binding them, with what waits in the partition by now.
 * The memory stays the caller's and lives as long as the table's view. */
size_t zs_flow_ports_bytes(uint32_t capacity);
void zs_flow_ports_bind(struct zs_flow_table *t, void *memory);

/* flow.c alone, but for the question; nothing happens while no lists are bound. A flow is linked once, as its port's youngest. */
void zs_flow_ports_link(struct zs_flow_table *t, uint32_t id, uint16_t port);
void zs_flow_ports_unlink(struct zs_flow_table *t, uint32_t id);
/* The oldest of a port, or ZS_FLOW_NONE. For another thread: is there any by now? */
uint32_t zs_flow_ports_oldest(const struct zs_flow_table *t, uint16_t port);
/* Walker: the flow is in its port's list exactly when it waits. */
bool zs_flow_ports_right(const struct zs_flow_table *t, uint32_t id);

#endif
