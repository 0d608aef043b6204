/* Open addressing with linear probing. A slot names a port; the tables say what it leads to now, so a
 * stale slot finds nothing wrong. Main fills the half that no worker reads and then turns: the half it
 * fills next has been out of use for a tick. */
#include "targets.h"

#include <stdatomic.h>
#include <string.h>
#include "base/hash.h"

#define PROBES 64 /* at half load a run this long is all but impossible; a target beyond it is not found */

static uint32_t place(const struct zs_targets *t, const struct zs_endpoint *e)
{
	struct {
		struct zs_addr addr;
		uint64_t port;
	} key = { e->addr, e->port };

	_Static_assert(sizeof(key) == 24, "hashed as bytes: no holes");
	return (uint32_t)zs_hash24(t->key, &key) % ZS_TARGETS_SLOTS;
}

/* The slot of an endpoint in one half: where it is, or the empty one where it would be. */
static uint32_t find(const struct zs_targets *t, uint32_t half, const struct zs_tables *tables,
		     const struct zs_endpoint *e)
{
	uint32_t at = place(t, e);

	for (uint32_t i = 0; i < PROBES; i++, at = (at + 1) % ZS_TARGETS_SLOTS) {
		uint16_t port = __atomic_load_n(&t->slot[half][at], __ATOMIC_RELAXED);
		struct zs_published p;

		if (!port || (zs_tables_published(tables, port, &p) && p.kind == ZS_PUBLISHED_TARGET &&
			      p.target_port == e->port && zs_addr_eq(&p.target, &e->addr)))
			return at;
	}
	return ZS_TARGETS_SLOTS;
}

void zs_targets_sync(struct zs_targets *t, const struct zs_tables *tables)
{
	uint32_t half = !atomic_load(&t->on);
	uint64_t change;

	change = (atomic_load_explicit(&tables->meta->published_change, memory_order_acquire) << 1 | 1) ^
		 tables->seg.base->incarnation;
	if (change == t->change)
		return;
	memset(t->slot[half], 0, sizeof(t->slot[half]));
	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++) {
		struct zs_published p;
		uint32_t at;

		if (!tables->published[port].used || !zs_tables_published(tables, (uint16_t)port, &p) ||
		    p.kind != ZS_PUBLISHED_TARGET)
			continue;
		at = find(t, half, tables, &(struct zs_endpoint){ p.target, p.target_port });
		if (at < ZS_TARGETS_SLOTS)
			__atomic_store_n(&t->slot[half][at], (uint16_t)port, __ATOMIC_RELAXED);
	}
	atomic_store_explicit(&t->on, half, memory_order_release);
	t->change = change;
}

bool zs_targets_have(const struct zs_targets *t, const struct zs_tables *tables, const struct zs_endpoint *e)
{
	uint32_t half = atomic_load_explicit(&t->on, memory_order_acquire) & 1;
	uint32_t at = find(t, half, tables, e);

	return at < ZS_TARGETS_SLOTS && __atomic_load_n(&t->slot[half][at], __ATOMIC_RELAXED);
}
