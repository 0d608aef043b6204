/* Blocked source prefixes of an attached steering program. The program looks at the map only while the configuration says that there
 * is something in it. */
#include <errno.h>
#include <bpf/bpf.h>
#include "loader.h"

static int tell(struct zs_steer *s)
{
	uint32_t zero = 0;
	uint8_t blocking = s->blocks != 0;

	if (s->config.blocking == blocking)
		return 0;
	s->config.blocking = blocking;
	return bpf_map_update_elem(s->config_fd, &zero, &s->config, BPF_ANY);
}

struct zs_steer_site zs_steer_site_of(const struct zs_addr *addr)
{
	bool is4 = zs_addr_is4(addr);
	struct zs_steer_site s = { .family = is4 ? 4 : 6 };

	memcpy(s.net, addr->ip + (is4 ? 12 : 0), is4 ? 3 : 7);
	return s;
}

int zs_steer_block(struct zs_steer *s, const struct zs_steer_site *site, uint64_t until_ns)
{
	struct zs_steer_block block = { .until_ns = until_ns };
	int rc = bpf_map_update_elem(s->blocks_fd, site, &block, BPF_NOEXIST);

	if (rc == -EEXIST)
		return 0; /* until its time */
	if (rc)
		return rc;
	s->blocks++;
	return tell(s);
}

int zs_steer_unblock(struct zs_steer *s, const struct zs_steer_site *site, uint64_t *dropped)
{
	struct zs_steer_block block = { 0 };
	int rc = bpf_map_lookup_elem(s->blocks_fd, site, &block);

	if (!rc)
		rc = bpf_map_delete_elem(s->blocks_fd, site);
	if (rc)
		return rc;
	*dropped += block.dropped;
	s->blocks -= s->blocks != 0;
	return tell(s);
}

int zs_steer_unblock_all(struct zs_steer *s)
{
	struct zs_steer_site site;
	uint32_t zero = 0;
	int rc = 0;

	for (uint32_t i = 0;
	     !rc && i < ZS_STEER_BLOCKS_MAX && !bpf_map_get_next_key(s->blocks_fd, NULL, &site); i++)
		rc = bpf_map_delete_elem(s->blocks_fd, &site);
	s->blocks = 0;
	s->config.blocking = 0;
	return rc ? rc : bpf_map_update_elem(s->config_fd, &zero, &s->config, BPF_ANY);
}
