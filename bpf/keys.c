/* The maps of an attached steering program.
 *
 * The value of a key is the number of the set that wanted it last. A sync writes its whole set under a
 * new number and then deletes whatever still bears another: nothing is allocated, a key wanted before and
 * after is there at every moment, and a sync that was cut short is mended by the next one. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "loader.h"

#define WALK_MAX (4 * ZS_STEER_KEYS_MAX) /* steps: a walk starts anew when another writer removes its key */

/* Deletes the keys that another set than `keep` wanted; keep 0 deletes nothing. *newest: highest number met. */
static int walk(const struct zs_steer *s, uint32_t keep, uint32_t *newest)
{
	struct zs_steer_key key, next;
	uint32_t value;
	int more = bpf_map_get_next_key(s->keys_fd, NULL, &next);

	for (unsigned i = 0; !more; i++) {
		if (i == WALK_MAX)
			return -ELOOP;
		key = next;
		more = bpf_map_get_next_key(s->keys_fd, &key, &next);
		if (bpf_map_lookup_elem(s->keys_fd, &key, &value))
			continue;
		if (newest && value > *newest)
			*newest = value;
		if (keep && value != keep && bpf_map_delete_elem(s->keys_fd, &key) && errno != ENOENT)
			return -errno;
	}
	return more == -ENOENT ? 0 : more;
}

int zs_steer_resume(struct zs_steer *s)
{
	uint32_t zero = 0;
	int cpus = libbpf_num_possible_cpus(); /* reads /sys once; a sandbox may hide that later */

	if (cpus < 0)
		return cpus;
	if (cpus > ZS_STEER_CPUS_MAX)
		return -E2BIG;
	s->cpus = (uint32_t)cpus;
	s->set = 0;
	if (bpf_map_lookup_elem(s->config_fd, &zero, &s->config))
		return -errno;
	s->blocks = s->config.blocking; /* at least: whoever empties the map counts from there */
	return walk(s, 0, &s->set);
}

static int add(const struct zs_steer *s, const struct zs_steer_key *keys, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		int rc = bpf_map_update_elem(s->keys_fd, &keys[i], &s->set, BPF_ANY);
		if (rc)
			return rc;
	}
	return 0;
}

int zs_steer_sync(struct zs_steer *s, const struct zs_steer_config *config, const struct zs_steer_key *keys,
		  uint32_t count)
{
	uint32_t zero = 0;
	int rc;

	if (count > ZS_STEER_KEYS_MAX)
		return -E2BIG;
	s->set = s->set == UINT32_MAX ? 1 : s->set + 1;
	rc = add(s, keys, count);
	if (rc == -E2BIG) { /* leftovers of a sync that was cut short fill the map */
		rc = walk(s, s->set, NULL);
		if (!rc)
			rc = add(s, keys, count);
	}
	s->config = *config;
	s->config.blocking = s->blocks != 0;
	if (!rc)
		rc = bpf_map_update_elem(s->config_fd, &zero, &s->config, BPF_ANY);
	return rc ? rc : walk(s, s->set, NULL);
}

int zs_steer_counters(const struct zs_steer *s, uint64_t out[ZS_STEER_COUNTERS])
{
	uint64_t per_cpu[ZS_STEER_CPUS_MAX];

	for (uint32_t which = 0; which < ZS_STEER_COUNTERS; which++) {
		int rc = bpf_map_lookup_elem(s->counters_fd, &which, per_cpu);
		if (rc)
			return rc;
		out[which] = 0;
		for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
			out[which] += per_cpu[cpu];
	}
	return 0;
}
