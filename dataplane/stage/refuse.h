/* What is refused after a look or two at memory, one set of rules for the short way and the long one, which asks further where they have
 * nothing against a packet (ZS_DROPS). */
#ifndef ZS_STAGE_REFUSE_H
#define ZS_STAGE_REFUSE_H

#include "shm/flow_source.h"
#include "stage.h"

/* A packet of nobody known is refused: of those a flood mode counts a sample by source prefix. */
static inline void zs_refuse_suspect(struct zs_worker *w, const struct zs_addr *src)
{
	if (w->flood.on && zs_worker_random(w) % ZS_FLOOD_SAMPLE == 0)
		zs_flood_suspect(w, src);
}

/* Flood mode: may no more tags of unproven addresses be checked until the next look? */
static inline bool zs_flood_is_spent(const struct zs_worker *w)
{
	return w->flood.on && !w->flood.dear;
}

/* A connection ID that was decoded, before anything is known of whom it leads to. */
static inline enum zs_drop zs_refuse_cid(const struct zs_worker *w, const struct zs_cid *cid)
{
	if (ZS_UNLIKELY(cid->verdict != ZS_CID_OK))
		return zs_cid_drop(cid->verdict);
	if (ZS_UNLIKELY(cid->pop != w->dp->conf->attach.pop))
		return ZS_DROP_backhaul;
	return cid->attachment < w->dp->state.attachments ? ZS_DROPS : ZS_DROP_cid_stale;
}

/* The line that it leads to. `sender`: an attachment, or ZS_SENDER_NONE. */
static inline enum zs_drop zs_refuse_line(const struct zs_hot *to, uint32_t attachment, uint16_t generation,
					  uint32_t sender)
{
	if (!to->generation || to->generation != generation)
		return ZS_DROP_cid_stale;
	return sender == attachment ? ZS_DROP_self : ZS_DROPS;
}

/* A sender that has bound nothing. */
static inline enum zs_drop zs_refuse_stranger(const struct zs_worker *w, const struct zs_hot *to)
{
	if (!(to->flags & ZS_HOT_STRANGERS))
		return ZS_DROP_cid_stranger;
	return w->flood.on ? ZS_DROP_flood : ZS_DROPS;
}

/* A new flow of a published port, whoever asks for it. */
static inline enum zs_drop zs_refuse_flow(const struct zs_worker *w, const struct zs_flow_table *t,
					  uint16_t port, bool drain)
{
	if (w->flood.on)
		return ZS_DROP_flood;
	if (drain)
		return ZS_DROP_draining;
	return zs_flow_sources_none(t, port, w->stamp) ? ZS_DROP_flow_ports : ZS_DROPS;
}

#endif
