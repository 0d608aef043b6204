/* The frame header, written right before the IP header wherever that begins now. Old frame
 * headers, VLAN tags and padding are simply left outside of the packet. */
#include <rte_mbuf.h>
#include "stage.h"

#define ETHER 14
#define VLAN  4

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

bool zs_frame_put(struct zs_item *it, uint8_t *ip, uint16_t ip_len)
{
	uint16_t l2 = ETHER + (it->hop.vlan ? VLAN : 0);
	uint8_t *frame = ip - l2;
	struct rte_mbuf *m = it->m;

	if (frame < (uint8_t *)m->buf_addr || ip + ip_len > (uint8_t *)m->buf_addr + m->buf_len)
		return false;
	memcpy(frame, &it->hop, 12);
	if (it->hop.vlan) {
		put16(frame + 12, 0x8100);
		put16(frame + 14, it->hop.vlan);
	}
	put16(ip - 2, ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	m->data_off = (uint16_t)(frame - (uint8_t *)m->buf_addr);
	m->data_len = l2 + ip_len;
	m->pkt_len = m->data_len;
	m->ol_flags = 0;
	return true;
}
