/* The least that forwards: what comes for one port goes to one target, with addresses, ports and checksums made anew. No table, no
 * policy, no meter. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "xdp/forwarder.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct zs_forwarder);
	__uint(max_entries, 1);
} forwarder_to SEC(".maps");

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

static inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

static inline void turn(struct headers *h, const struct zs_forwarder *to)
{
	__u64 addresses = (__u64)(__u32)~h->ip.saddr + (__u32)~h->ip.daddr + to->saddr + to->daddr;
	__u64 ip = addresses + (__u16)~h->ip.check + (__u16)~bpf_htons(0x100);
	__u64 udp = addresses + (__u16)~h->udp.check + (__u16)~h->udp.dest + to->dport;

	__builtin_memcpy(h->eth.h_dest, to->macs, sizeof(to->macs));
	h->ip.saddr = to->saddr;
	h->ip.daddr = to->daddr;
	h->ip.ttl--;
	h->ip.check = (__u16)~fold(ip);
	h->udp.dest = to->dport;
	if (h->udp.check)
		h->udp.check = (__u16)~fold(udp);
}

SEC("xdp")
int forward(struct xdp_md *ctx)
{
	struct headers *h = (void *)(long)ctx->data;
	__u32 zero = 0;
	const struct zs_forwarder *to = bpf_map_lookup_elem(&forwarder_to, &zero);

	if (!to || (void *)(h + 1) > (void *)(long)ctx->data_end || h->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    h->ip.ihl != 5 || h->ip.protocol != IPPROTO_UDP || h->udp.dest != to->port)
		return XDP_PASS;
	turn(h, to);
	return (int)bpf_redirect(to->ifindex, 0);
}

char forwarder_license[] SEC("license") = "Dual BSD/GPL";
