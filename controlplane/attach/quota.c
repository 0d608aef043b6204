/* Bytes in all: what an owner has used of them, as the usage records say. The larger direction counts. When nothing
 * is left its sessions end; the attachment and its ports stay for the lease, so that a raised limit finds them. */
#include "attach/internal.h"

#include <stdio.h>
#include "usage/usage.h"

#define NEARLY(limit) ((limit) - (limit) / 10)

uint64_t zs_attach_quota_used(const struct zs_attach *s, const struct zs_peer_id *owner)
{
	struct zs_usage_sum sum;

	if (!s->c->usage || !zs_usage_of(s->c->usage, owner, &sum))
		return 0;
	return sum.to[ZS_TO_EDGE].bytes > sum.to[ZS_FROM_EDGE].bytes ? sum.to[ZS_TO_EDGE].bytes
								     : sum.to[ZS_FROM_EDGE].bytes;
}

bool zs_attach_quota_tenant_spent(const struct zs_attach *s, uint32_t tenant)
{
	return s->tenant[tenant].bytes && s->tenant[tenant].used >= s->tenant[tenant].bytes;
}

static void notice(struct zs_attach *s, struct slot *slot, const char *what, uint64_t limit)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %llu bytes are used", what, (unsigned long long)limit);
	if (slot->conn && slot->conn->state == CONN_ATTACHED)
		zs_attach_send_notice(s, slot->conn, ZS_ATTACH_NOTICE_quota, 0, text);
}

static void end(struct zs_attach *s, struct slot *slot, const char *whose, uint64_t limit)
{
	if (!slot->conn && slot->now.at == ZS_SESSION_NONE)
		return;
	notice(s, slot, whose, limit);
	ZS_LOG(&s->c->log, ATTACH_SPENT, "attachment=%u limit=%llu tenant=%s", slot->id,
	       (unsigned long long)limit, s->tenant[slot->tenant].name);
	s->counts.spent++;
	zs_attach_sessions_end(s, slot);
	if (slot->conn)
		zs_attach_conn_close(s, slot->conn, "its bytes are used up");
}

void zs_attach_quota_judge(struct zs_attach *s, struct slot *slot)
{
	uint64_t limit = slot->policy.bytes_left;
	bool nearly = limit && slot->used >= NEARLY(limit);

	if (zs_attach_quota_tenant_spent(s, slot->tenant))
		end(s, slot, "all of the tenant's", s->tenant[slot->tenant].bytes);
	else if (limit && slot->used >= limit)
		end(s, slot, "all", limit);
	else if (nearly && !slot->warned)
		notice(s, slot, "nine tenths of", limit);
	slot->warned = nearly;
}

void zs_attach_used(struct zs_attach *s, uint32_t id, const struct zs_peer_id *owner, uint64_t used)
{
	struct slot *slot = id < s->high ? s->slot[id] : NULL;

	if (!slot || !zs_peer_id_eq(&slot->kept.owner, owner))
		return;
	slot->used = used;
	zs_attach_quota_judge(s, slot);
}
