/* From worker to worker. A packet that was opened cannot be parsed again: what its flow needs to know goes along in
 * the buffer, before the payload, where the tunnel's header was and the outer ones. */
#include <rte_mbuf.h>
#include "stage.h"

#define OPENED 0x5a530001u /* packet_type of a packet that carries a struct note; else 0 */

struct note {
	struct zs_endpoint src;
	uint16_t port; /* the number, as in the item */
	uint16_t payload_len;
	uint32_t payload_sum;
	uint8_t inner, auth, side, ecn, summed;
};
/* Ethernet, IPv4, UDP and the tunnel's header, plus alignment. */
_Static_assert(sizeof(struct note) + 4 <= 14 + 20 + 8 + 16, "fits where the outer headers were");

static void leave_note(struct zs_item *it)
{
	struct note n = { .src = it->p.src,
			  .port = it->p.dst.port,
			  .payload_len = it->payload_len,
			  .payload_sum = it->summed ? zs_inner_sum(it) : 0,
			  .inner = it->inner,
			  .auth = it->auth,
			  .side = it->side,
			  .ecn = it->p.ecn,
			  .summed = it->summed ? ZS_SUM_KNOWN : ZS_SUM_NONE };

	it->m->data_off = (uint16_t)(it->payload - (uint8_t *)it->m->buf_addr);
	memcpy(it->payload - sizeof(n), &n, sizeof(n));
}

void zs_hand_over(struct zs_worker *w, struct zs_item *it, uint32_t worker)
{
	it->m->port = it->iface;
	it->m->packet_type = it->inner ? OPENED : 0;
	if (it->handed) {
		zs_stage_drop(w, it->m, ZS_DROP_hand_over); /* nobody's: it does not go round */
		return;
	}
	if (it->inner)
		leave_note(it);
	zs_stage_push(w, it->m, worker);
}

bool zs_stage_resume(struct zs_item *it)
{
	struct note n;

	if (!it->handed || it->m->packet_type != OPENED)
		return false;
	it->payload = (uint8_t *)it->m->buf_addr + it->m->data_off;
	memcpy(&n, it->payload - sizeof(n), sizeof(n));
	it->p.src = n.src;
	it->p.dst.port = n.port;
	it->p.ecn = n.ecn;
	it->local = ZS_LOCAL_ATTACHED;
	it->payload_len = n.payload_len;
	it->payload_sum = n.payload_sum;
	it->summed = n.summed;
	it->inner = n.inner;
	it->auth = n.auth;
	it->side = n.side;
	return true;
}
