/* The part of the state segment that belongs to tunnels: @tunnel_session, a slot each; @tunnel_lane, a slot each for
 * every worker; @tunnel_window, a pool. Carried over whole, with the incarnation, or not at all: then the incarnation
 * is another and every session ends, since counters would come again under its keys. */
#include "shm/state.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"

static const struct zs_segment_field members[] = {
	ZS_SEGMENT_MEMBER("tsession", struct zs_tunnel_session, path),
	ZS_SEGMENT_MEMBER("tsession", struct zs_tunnel_session, tag),
	ZS_SEGMENT_MEMBER("tsession", struct zs_tunnel_session, owner),
	ZS_SEGMENT_MEMBER("tsession", struct zs_tunnel_session, ended),
	ZS_SEGMENT_MEMBER("tsession", struct zs_tunnel_session, window),
	ZS_SEGMENT_MEMBER("tsession", struct zs_tunnel_session, roam),
	ZS_SEGMENT_MEMBER("tsession", struct zs_tunnel_session, pmtu),
	ZS_SEGMENT_MEMBER("tpath", struct zs_tunnel_path, seq),
	ZS_SEGMENT_MEMBER("tpath", struct zs_tunnel_path, to),
	ZS_SEGMENT_MEMBER("tpath", struct zs_tunnel_path, local),
	ZS_SEGMENT_MEMBER("tpath", struct zs_tunnel_path, size),
	ZS_SEGMENT_MEMBER("tlane", struct zs_tunnel_lane, tag),
	ZS_SEGMENT_MEMBER("tlane", struct zs_tunnel_lane, store),
	ZS_SEGMENT_MEMBER("lanestore", struct zs_lane_store, end),
	ZS_SEGMENT_MEMBER("lanestore", struct zs_lane_store, first),
	ZS_SEGMENT_MEMBER("lanestore", struct zs_lane_store, epoch),
	ZS_SEGMENT_MEMBER("lanestore", struct zs_lane_store, longs),
	ZS_SEGMENT_MEMBER("window", struct zs_window, highest),
	ZS_SEGMENT_MEMBER("window", struct zs_window, last),
	ZS_SEGMENT_MEMBER("window", struct zs_window, failed),
	ZS_SEGMENT_MEMBER("window", struct zs_window, old_until_ns),
	ZS_SEGMENT_MEMBER("window", struct zs_window, epoch),
	ZS_SEGMENT_MEMBER("window", struct zs_window, seen),
	ZS_SEGMENT_MEMBER("roam", struct zs_roam, current),
	ZS_SEGMENT_MEMBER("roam", struct zs_roam, pending),
	ZS_SEGMENT_MEMBER("roam", struct zs_roam, has_current),
	ZS_SEGMENT_MEMBER("roam", struct zs_roam, has_pending),
	ZS_SEGMENT_MEMBER("roam", struct zs_roam, heard_ns),
	ZS_SEGMENT_MEMBER("roam", struct zs_roam, next_ns),
	ZS_SEGMENT_MEMBER("roam", struct zs_roam, nonce),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, due_ns),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, raise_ns),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, size),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, above),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, most),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, probing),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, state),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, tries),
	ZS_SEGMENT_MEMBER("pmtu", struct zs_pmtu, nonce),
};
_Static_assert(ZS_ARRAY_LEN(members) <= ZS_STATE_TUNNEL_MEMBERS, "room in the field table");

uint32_t zs_state_tunnel_members(struct zs_segment_field *out)
{
	memcpy(out, members, sizeof(members));
	return ZS_ARRAY_LEN(members);
}

uint32_t zs_state_tunnel_regions(struct zs_segment_field *out, uint32_t n, const struct zs_state_shape *s)
{
	uint64_t lanes = (uint64_t)s->partitions * s->sessions;

	n = zs_segment_put_region(out, n, "@tunnel_session",
				  (uint64_t)s->sessions * sizeof(struct zs_tunnel_session));
	n = zs_segment_put_region(out, n, "@tunnel_lane", lanes * sizeof(struct zs_tunnel_lane));
	return zs_segment_put_region(out, n, "@tunnel_window",
				     (uint64_t)s->windows * sizeof(struct zs_window));
}

static void *entries(const struct zs_state *s, const char *name, size_t entry, uint64_t max, uint32_t *count)
{
	size_t have = 0;
	void *p = zs_segment_region(&s->seg, name, &have);

	*count = 0;
	if (!p || have % entry || have / entry > max)
		return NULL;
	*count = (uint32_t)(have / entry);
	return *count ? p : NULL;
}

int zs_state_bind_tunnels(struct zs_state *s)
{
	uint32_t lanes;

	s->tunnel_session = entries(s, "@tunnel_session", sizeof(*s->tunnel_session), ZS_SESSIONS_MAX,
				    &s->sessions);
	s->tunnel_lane = entries(s, "@tunnel_lane", sizeof(*s->tunnel_lane),
				 (uint64_t)ZS_SESSIONS_MAX * ZS_WORKERS_MAX, &lanes);
	s->tunnel_window = entries(s, "@tunnel_window", sizeof(*s->tunnel_window), ZS_WINDOWS_MAX,
				   &s->windows);
	if (!s->tunnel_session || !s->tunnel_lane || !s->tunnel_window || s->sessions & (s->sessions - 1))
		return -EPROTO;
	return lanes == s->partitions * s->sessions ? 0 : -EPROTO;
}

void zs_state_carry_tunnels(const struct zs_state *old, struct zs_state *fresh)
{
	size_t lanes = (size_t)old->partitions * old->sessions;

	memcpy(fresh->tunnel_session, old->tunnel_session, old->sessions * sizeof(*old->tunnel_session));
	memcpy(fresh->tunnel_lane, old->tunnel_lane, lanes * sizeof(*old->tunnel_lane));
	memcpy(fresh->tunnel_window, old->tunnel_window, old->windows * sizeof(*old->tunnel_window));
}

bool zs_state_tunnel_proven(const struct zs_state *s, const struct zs_session *v)
{
	struct zs_tunnel_path path;

	return zs_tunnel_path_get(&s->tunnel_session[v->receiver & (s->sessions - 1)], zs_tunnel_tag(v),
				  &path);
}
