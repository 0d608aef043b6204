#include "relay/roam.h"

#include <string.h>

static bool pending_at(struct zs_roam *r, const struct zs_roam_place *place, uint64_t now_ns)
{
	if (r->has_pending && now_ns > r->heard_ns + ZS_ROAM_LAPSE_NS)
		r->has_pending = false;
	return r->has_pending && zs_roam_at(&r->pending, place);
}

bool zs_roam_heard(struct zs_roam *r, const struct zs_roam_place *place, size_t len, bool newest,
		   uint64_t now_ns, const struct zs_random *random)
{
	if (r->has_current && zs_roam_at(&r->current, place))
		return false;
	if (!pending_at(r, place, now_ns)) {
		if (!newest)
			return false;
		r->pending = *place;
		r->has_pending = true;
		random->fill(random->ctx, r->nonce, sizeof(r->nonce));
	}
	r->heard_ns = now_ns;
	/* Each PROBE answers a packet that was no shorter. The pace is the session's: places that take turns get no more
	 * between them. */
	if (len < ZS_ROAM_PROBE || now_ns < r->next_ns)
		return false;
	r->next_ns = now_ns + ZS_ROAM_PACE_NS;
	return true;
}

bool zs_roam_echo(struct zs_roam *r, const struct zs_roam_place *place, const uint8_t nonce[ZS_TUNNEL_PROBE],
		  uint64_t now_ns)
{
	if (!pending_at(r, place, now_ns) || memcmp(nonce, r->nonce, sizeof(r->nonce)) != 0)
		return false;
	r->current = r->pending;
	r->has_current = true;
	r->has_pending = false;
	return true;
}
