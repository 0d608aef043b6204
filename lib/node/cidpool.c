#include "node/cidpool.h"

#include <errno.h>
#include "base/clock.h"
#include "relay/codes.h"

static struct zs_attach_client *client_of(const struct zs_cidpool *p)
{
	return zs_edge_client(p->edge);
}

bool zs_cidpool_own(struct zs_cidpool *p, uint8_t cid[ZS_ATTACH_CID], uint64_t *expires_s, uint64_t now_ns)
{
	bool found;

	if (!p->edge)
		return false;
	found = zs_attach_client_take_cid(client_of(p), cid, expires_s, now_ns,
					  zs_clock_wall_ns() / ZS_NS_PER_S);
	zs_edge_turn(p->edge); /* it may have asked for more */
	return found;
}

int zs_cidpool_ask(struct zs_cidpool *p, const struct zs_peer_id *callee, uint64_t now_ns)
{
	int64_t id;

	if (!p->edge)
		return -ENOTCONN;
	if (p->asks == ZS_CIDPOOL_ASKED)
		return -EBUSY;
	id = zs_attach_client_ask_cids(client_of(p), callee, 1, now_ns);
	if (id < 0)
		return (int)id;
	p->asked[p->asks++] = id;
	zs_edge_turn(p->edge);
	return 0;
}

/* An id is that of a question: which one is of no matter, they are answered in order. */
static bool answered(struct zs_cidpool *p, uint64_t id)
{
	for (uint32_t i = 0; i < p->asks; i++) {
		if (p->asked[i] != (int64_t)id)
			continue;
		for (uint32_t k = i + 1; k < p->asks; k++)
			p->asked[k - 1] = p->asked[k];
		p->asks--;
		return true;
	}
	return false;
}

static void on_cids(struct zs_cidpool *p, uint64_t id, const zs_pb_Cids *cids)
{
	if (!cids->peer.size || !answered(p, id))
		return;
	if (cids->cid_count)
		p->dial(p->ctx, cids->cid[0].bytes, "");
	else
		p->dial(p->ctx, NULL, "the relay gave no connection ID");
}

void zs_cidpool_event(struct zs_cidpool *p, const struct zs_attach_event *event)
{
	char line[ZS_ATTACH_WHY];

	if (event->kind == ZS_ATTACH_EVENT_CIDS)
		on_cids(p, event->id, event->cids);
	else if (event->kind == ZS_ATTACH_EVENT_REFUSED && answered(p, event->id))
		p->dial(p->ctx, NULL, zs_attach_refusal_line(event->error, line, sizeof(line)));
	/* A connection that is gone answers nothing any more. */
	while (event->kind == ZS_ATTACH_EVENT_STATE && event->state != ZS_ATTACH_STATE_active && p->asks) {
		p->asks--;
		p->dial(p->ctx, NULL, "the control connection is gone");
	}
}
