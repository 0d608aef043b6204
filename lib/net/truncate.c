/* Every length is that of a capture: it may end anywhere. */
#include "net/truncate.h"

#include <string.h>
#include <arpa/inet.h>
#include "net/checksum.h"
#include "net/packet.h"

static void blank(uint8_t *frame, size_t from, size_t len)
{
	if (from < len)
		memset(frame + from, 0, len - from);
}

/* The checksum at `at`, when the capture has it. */
static void mend(uint8_t *frame, size_t len, size_t at, const struct zs_csum_delta *d, bool udp)
{
	uint16_t csum;

	if (at + sizeof(csum) > len)
		return;
	memcpy(&csum, frame + at, sizeof(csum));
	csum = udp ? zs_csum_apply_udp(csum, d) : zs_csum_apply(csum, d);
	memcpy(frame + at, &csum, sizeof(csum));
}

/* Behind the IP header. `d`: what became of the addresses, which the pseudo header has. */
static void transport(uint8_t *frame, size_t len, size_t at, uint8_t proto, bool first,
		      const struct zs_csum_delta *d)
{
	if (first && proto == ZS_PROTO_UDP) {
		mend(frame, len, at + offsetof(struct zs_udp, csum), d, true);
		return;
	}
	if (first && (proto == ZS_PROTO_ICMP || proto == ZS_PROTO_ICMP6)) {
		if (proto == ZS_PROTO_ICMP6)
			mend(frame, len, at + offsetof(struct zs_icmp, csum), d, false);
		at += ZS_ICMP_LEN;
	}
	blank(frame, at, len);
}

static uint32_t truncated4(uint32_t be32, struct zs_csum_delta *d)
{
	struct zs_addr addr = zs_addr_from4(be32);

	zs_addr_truncate(&addr);
	zs_csum_swap32(d, be32, zs_addr_get4(&addr));
	return zs_addr_get4(&addr);
}

static void ip4(uint8_t *frame, size_t len, size_t at)
{
	struct zs_csum_delta addresses = { 0 }, header;
	size_t options;
	struct zs_ip4 ip;
	uint16_t word;

	if (at + sizeof(ip) > len) {
		blank(frame, at, len);
		return;
	}
	memcpy(&ip, frame + at, sizeof(ip));
	options = (size_t)(ip.version_ihl & 15) * 4;
	ip.src = truncated4(ip.src, &addresses);
	ip.dst = truncated4(ip.dst, &addresses);
	header = addresses;
	for (size_t i = sizeof(ip); i < options && at + i + 2 <= len; i += 2) {
		memcpy(&word, frame + at + i, 2);
		zs_csum_swap16(&header, word, 0);
		memset(frame + at + i, 0, 2);
	}
	ip.csum = zs_csum_apply(ip.csum, &header);
	memcpy(frame + at, &ip, sizeof(ip));
	transport(frame, len, at + (options < sizeof(ip) ? sizeof(ip) : options), ip.proto,
		  !(ntohs(ip.frag_off) & ZS_IP4_OFFSET), &addresses);
}

static void ip6(uint8_t *frame, size_t len, size_t at)
{
	struct zs_csum_delta d = { 0 };
	struct zs_ip6 ip, old;

	if (at + sizeof(ip) > len) {
		blank(frame, at, len);
		return;
	}
	memcpy(&ip, frame + at, sizeof(ip));
	old = ip;
	zs_addr_truncate(&ip.src);
	zs_addr_truncate(&ip.dst);
	zs_csum_swap(&d, &old.src, &ip.src, sizeof(ip.src));
	zs_csum_swap(&d, &old.dst, &ip.dst, sizeof(ip.dst));
	memcpy(frame + at, &ip, sizeof(ip));
	transport(frame, len, at + sizeof(ip), ip.next, true, &d);
}

void zs_frame_truncate(uint8_t *frame, size_t len)
{
	size_t at = ZS_ETH_LEN;
	uint16_t type;

	if (len < ZS_ETH_LEN) {
		blank(frame, 0, len);
		return;
	}
	memset(frame + 3, 0, 3);
	memset(frame + 9, 0, 3);
	memcpy(&type, frame + 12, 2);
	if (ntohs(type) == ZS_ETHERTYPE_VLAN && len >= ZS_ETH_LEN + ZS_VLAN_LEN) {
		memcpy(&type, frame + 16, 2);
		at += ZS_VLAN_LEN;
	}
	if (ntohs(type) == ZS_ETHERTYPE_IP4)
		ip4(frame, len, at);
	else if (ntohs(type) == ZS_ETHERTYPE_IP6)
		ip6(frame, len, at);
	else
		blank(frame, at, len);
}
