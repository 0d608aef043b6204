/* Version 1 of the tables segment, frozen: what zs_tables_kind.migrate reads. Never changes
 * again. Only the published ports differ from version 2: they had no limits of their own and
 * kept the target first. Everything else is repeated here so that it stays frozen. */
#ifndef ZS_SHM_TABLES_V1_H
#define ZS_SHM_TABLES_V1_H

#include "shm/segment.h"

struct zs_published_v1 {
	_Atomic uint32_t seq;
	uint32_t generation;
	uint8_t target[16];
	uint16_t target_port;
	uint8_t used;
	uint8_t pad[37];
};
_Static_assert(sizeof(struct zs_published_v1) == 64, "one line");

struct zs_prefix_v1 {
	uint8_t addr[16];
	uint8_t len;
};

struct zs_settings_v1 {
	_Atomic uint32_t seq;
	uint32_t flow_idle_answered_ms;
	uint32_t flow_idle_unanswered_ms;
	uint32_t new_flows_per_prefix_s;
	uint32_t new_flows_prefix_burst;
	uint32_t busy_poll_us;
	uint32_t sleep_max_us;
	uint16_t flow_port_first;
	uint16_t flow_port_last;
	uint64_t generation;
	uint32_t allowed_count;
	struct zs_prefix_v1 allowed[64];
	uint8_t hash_key[16];
};

struct zs_local_v1 {
	_Atomic uint32_t seq;
	uint8_t used, iface;
	uint16_t vlan;
	uint8_t addr[16];
	uint8_t prefix_len;
	uint8_t pad[39];
};
_Static_assert(sizeof(struct zs_local_v1) == 64, "one line");

#define ZS_TABLES_V1_PUBLISHED 65536
#define ZS_TABLES_V1_LOCALS    64

/* Members of the v1 field table. */
extern const struct zs_segment_field zs_tables_v1_members[];
extern const uint32_t zs_tables_v1_member_count;

int zs_tables_migrate_v1(const void *old, size_t old_size, void *fresh, struct zs_error *err);

#endif
