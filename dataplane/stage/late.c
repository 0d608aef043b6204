/* What is dear waits for the rest of its burst: a request's tag, and the tag of a tunnel datagram from where its peer has not proven to
 * be. Such a packet has passed all that costs little, and is taken up when the others of its burst have left: nobody known waits
 * for an authentic word of nobody known, nor is a check spent on what a cheaper one refuses. */
#include "stage.h"

ZS_COLD void zs_stage_later(struct zs_worker *w, struct zs_item *it)
{
	w->later.at[w->later.count++] = it;
}

uint32_t zs_stage_late(struct zs_worker *w, struct zs_item **at)
{
	uint32_t n = 0, on;

	w->later.now = true;
	for (uint32_t i = 0; i < w->later.count; i++) {
		struct zs_item *it = w->later.at[i];

		if (it->class == ZS_CLASS_CID)
			zs_bind_take(w, it);
		else
			at[n++] = it;
	}
	w->later.count = 0;
	on = zs_stage_cid(w, at, zs_stage_tunnel_in(w, at, n));
	w->later.now = false;
	return on;
}
