/* ICMP errors written, and the one that the relay makes itself: a client's packet that no tunnel carries. */
#include <rte_mbuf.h>
#include "icmp.h"
#include "limit.h"
#include "net/checksum.h"
#include "tunnels.h"

#define ROOM 128 /* before the quote, for all headers */

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

void zs_icmp_write_ip(uint8_t *ip, const struct zs_addr *src, const struct zs_addr *dst, uint8_t proto,
		      uint16_t payload, uint8_t ttl)
{
	bool is4 = zs_addr_is4(src);

	memset(ip, 0, is4 ? ZS_IP4_MIN : ZS_IP6_LEN);
	if (!is4) {
		ip[0] = 0x60;
		put16(ip + 4, payload);
		ip[6] = proto;
		ip[7] = ttl;
		memcpy(ip + 8, src->ip, 16);
		memcpy(ip + 24, dst->ip, 16);
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(payload + ZS_IP4_MIN));
	ip[6] = 0x40;
	ip[8] = ttl;
	ip[9] = proto;
	memcpy(ip + 12, src->ip + 12, 4);
	memcpy(ip + 16, dst->ip + 12, 4);
	uint16_t csum = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, ZS_IP4_MIN));
	memcpy(ip + 10, &csum, 2);
}

void zs_icmp_write(uint8_t *icmp, const struct zs_addr *from, const struct zs_addr *to, uint32_t mtu,
		   uint16_t len)
{
	uint8_t pseudo[8] = { 0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, ZS_PROTO_ICMP6 };
	bool is4 = zs_addr_is4(to);
	uint32_t sum = 0;
	uint16_t csum;

	memset(icmp, 0, ZS_ICMP_LEN);
	icmp[0] = is4 ? 3 : 2;
	icmp[1] = is4 ? 4 : 0;
	put16(icmp + 6, (uint16_t)mtu);
	if (!is4) {
		sum = zs_csum_add(sum, from->ip, 16);
		sum = zs_csum_add(sum, to->ip, 16);
		sum = zs_csum_add(sum, pseudo, sizeof(pseudo));
	}
	csum = (uint16_t)~zs_csum_fold(zs_csum_add(sum, icmp, len));
	memcpy(icmp + 2, &csum, 2);
}

/* What the sender's packets may be long, so that their payload fits. 0: no error would help. */
static uint32_t told(const struct zs_item *it, uint32_t payload)
{
	uint32_t mtu = payload + ZS_UDP_LEN + (it->p.is4 ? ZS_IP4_MIN : ZS_IP6_LEN);

	if (!payload || mtu >= it->ip_len || (!it->p.is4 && mtu < ZS_ICMP_MTU_MIN))
		return 0; /* nobody sends IPv6 packets shorter than that for an error's sake (RFC 8201) */
	return mtu;
}

static bool make(struct zs_item *out, const struct zs_item *it, const struct zs_addr *from, uint32_t mtu)
{
	uint16_t header = it->p.is4 ? ZS_IP4_MIN : ZS_IP6_LEN;
	uint16_t most = it->p.is4 ? ZS_ICMP_QUOTE_4 : ZS_ICMP_QUOTE_6;
	uint16_t quote = it->ip_len < most ? it->ip_len : most, len = (uint16_t)(ZS_ICMP_LEN + quote);
	uint8_t *at = (uint8_t *)out->m->buf_addr + ROOM, *icmp = at - ZS_ICMP_LEN;

	if (ROOM + quote > out->m->buf_len)
		return false;
	memcpy(at, it->ip, quote);
	zs_icmp_write(icmp, from, &it->p.src.addr, mtu, len);
	out->ip = icmp - header;
	out->ip_len = (uint16_t)(header + len);
	zs_icmp_write_ip(out->ip, from, &it->p.src.addr, it->p.is4 ? ZS_PROTO_ICMP : ZS_PROTO_ICMP6, len,
			 ZS_ICMP_TTL);
	return zs_frame_put(out, out->ip, out->ip_len);
}

ZS_COLD void zs_icmp_too_big(struct zs_worker *w, const struct zs_item *it, uint32_t payload)
{
	uint32_t mtu = told(it, payload);
	struct zs_hop_memo memo = { 0 };
	struct zs_item out = { 0 };
	struct zs_sent sent = { 0 };

	if (!mtu || it->side != ZS_SIDE_CLIENT || it->local >= ZS_LOCALS_MAX ||
	    !zs_limit_take(&w->icmp_tat_ns, ZS_ICMP_RATE_S, ZS_ICMP_BURST, w->now_ns))
		return;
	if (zs_hop_toward(w, &it->p.src.addr, &memo, it->hash, &out.hop) != ZS_DROPS ||
	    !(out.m = zs_stage_new(w)))
		return;
	w->count[ZS_COUNTER_originated]++;
	w->count[ZS_COUNTER_made_icmp]++;
	if (!make(&out, it, &w->locals.entry[it->local].addr, mtu)) {
		zs_stage_drop(w, out.m, ZS_DROP_no_mbuf);
		return;
	}
	sent.ip_len = out.ip_len;
	zs_tx_put(w, out.hop.iface, out.m, &sent);
}
