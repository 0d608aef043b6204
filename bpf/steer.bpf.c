/* The steering program: what is the relay's goes to the worker's AF_XDP socket, everything else to
 * the kernel.
 *
 * The relay's: an unfragmented or first-fragment UDP packet to one of `keys` on our own MAC, and an
 * ICMP error that quotes a UDP packet sent from one of `keys`. The program looks no further than it
 * must to read the port: lengths, checksums, options and versions are judged by the worker, which has
 * a drop reason for each. A relay packet that finds no worker is dropped and counted, because the
 * kernel would answer it with an ICMP error and end the peer's session.
 *
 * libxdp takes a program of the name xsk_def_prog that carries a version in the BTF section
 * xdp_metadata and uses a map xsks_map as its own dispatcher and only puts the socket into the map.
 * There is no reference count (libxdp's is a variable in .data) on purpose: without one libxdp never
 * detaches the program, and it takes no lock in the bpf file system. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "steer.h"

#define VLAN_ID_MASK	0x0fff
#define IP4_OFFSET_MASK 0x1fff /* fragment offset in units of 8 bytes */
#define ICMP_QUOTE	8      /* bytes before the quoted packet, both families */
#define FLAT		__attribute__((always_inline)) static inline

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, ZS_STEER_QUEUES_MAX);
} xsks_map SEC(".maps");

/* Twice the limit: a new set is added before the old one is removed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct zs_steer_key);
	__type(value, __u32);
	__uint(max_entries, 2 * ZS_STEER_KEYS_MAX);
} steer_keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct zs_steer_site);
	__type(value, struct zs_steer_block);
	__uint(max_entries, ZS_STEER_BLOCKS_MAX);
} steer_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, ZS_STEER_COUNTERS);
} steer_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct zs_steer_config);
	__uint(max_entries, 1);
} steer_config SEC(".maps");

/* Where a frame is read: everything at or past `end` is out of bounds. */
struct frame {
	void *at;
	void *end;
	const struct zs_steer_config *config;
	struct zs_steer_key key;
	struct zs_steer_site from; /* of a UDP packet; family 0: of none */
};

struct port_pair {
	__be16 source, dest;
};

struct vlan_tag {
	__be16 tci, type;
};

FLAT void set_addr4(struct zs_steer_key *key, __be32 addr)
{
	__builtin_memset(key->addr, 0, 10);
	key->addr[10] = key->addr[11] = 0xff;
	__builtin_memcpy(key->addr + 12, &addr, 4);
}

/* False for an IPv4 address in IPv6 clothes: on the wire it is nobody's, in a key it would be an IPv4 one. */
FLAT bool set_addr6(struct zs_steer_key *key, const struct in6_addr *addr)
{
	const __be32 *word = addr->in6_u.u6_addr32;

	__builtin_memcpy(key->addr, addr, 16);
	return word[0] || word[1] || word[2] != bpf_htonl(0xffff);
}

FLAT bool is_key(struct frame *f, __be16 be_port)
{
	__u16 port = bpf_ntohs(be_port);

	if (!port) /* 0 stands for the flow range in a key, never for itself */
		return false;
	f->key.port = port;
	if (bpf_map_lookup_elem(&steer_keys, &f->key))
		return true;
	if (port < f->config->flow_port_first || port > f->config->flow_port_last)
		return false;
	f->key.port = 0;
	return bpf_map_lookup_elem(&steer_keys, &f->key);
}

FLAT bool to_key(struct frame *f)
{
	struct port_pair *ports = f->at;

	return (void *)(ports + 1) <= f->end && is_key(f, ports->dest);
}

FLAT bool from_key(struct frame *f)
{
	struct port_pair *ports = f->at;

	return (void *)(ports + 1) <= f->end && is_key(f, ports->source);
}

/* Steps over an IPv4 header; NULL when the bytes behind it are no port: cut off, no header at all, or a
 * later fragment. */
FLAT struct iphdr *skip_ip4(struct frame *f)
{
	struct iphdr *ip = f->at;

	if ((void *)(ip + 1) > f->end || ip->ihl < 5)
		return NULL;
	if (ip->frag_off & bpf_htons(IP4_OFFSET_MASK))
		return NULL;
	f->at += ip->ihl * 4;
	return ip;
}

FLAT struct ipv6hdr *skip_ip6(struct frame *f)
{
	struct ipv6hdr *ip = f->at;

	if ((void *)(ip + 1) > f->end)
		return NULL;
	f->at = ip + 1;
	return ip;
}

/* The type of the ICMP message at f->at, which then is its quoted packet; 0 when cut off (no error has
 * type 0 in either family). */
FLAT __u8 skip_icmp(struct frame *f)
{
	__u8 *icmp = f->at;

	if ((void *)(icmp + ICMP_QUOTE) > f->end)
		return 0;
	f->at = icmp + ICMP_QUOTE;
	return icmp[0];
}

FLAT bool quotes_key4(struct frame *f)
{
	__u8 type = skip_icmp(f);
	struct iphdr *ip;

	if (type != 3 && type != 11 && type != 12) /* unreachable, time exceeded, parameter problem */
		return false;
	ip = skip_ip4(f);
	if (!ip || ip->protocol != IPPROTO_UDP)
		return false;
	set_addr4(&f->key, ip->saddr);
	return from_key(f);
}

FLAT bool quotes_key6(struct frame *f)
{
	__u8 type = skip_icmp(f);
	struct ipv6hdr *ip;

	if (type < 1 || type > 4) /* unreachable, too big, time exceeded, parameter problem */
		return false;
	ip = skip_ip6(f);
	if (!ip || ip->nexthdr != IPPROTO_UDP)
		return false;
	return set_addr6(&f->key, &ip->saddr) && from_key(f);
}

FLAT bool is_ours4(struct frame *f)
{
	struct iphdr *ip = skip_ip4(f);

	if (!ip)
		return false;
	if (ip->protocol == IPPROTO_ICMP)
		return quotes_key4(f);
	if (ip->protocol != IPPROTO_UDP)
		return false;
	set_addr4(&f->key, ip->daddr);
	f->from.family = 4;
	__builtin_memcpy(f->from.net, &ip->saddr, 3);
	return to_key(f);
}

FLAT bool is_ours6(struct frame *f)
{
	struct ipv6hdr *ip = skip_ip6(f);

	if (!ip)
		return false;
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return quotes_key6(f);
	if (ip->nexthdr != IPPROTO_UDP) /* an extension header is the kernel's too */
		return false;
	f->from.family = 6;
	__builtin_memcpy(f->from.net, &ip->saddr, sizeof(f->from.net));
	return set_addr6(&f->key, &ip->daddr) && to_key(f);
}

/* Group frames are not ours either: our own address is no group. By halves, because memcmp is no helper. */
FLAT bool is_to_us(const struct ethhdr *eth, const struct zs_steer_config *config)
{
	const __u16 *a = (const void *)eth->h_dest, *b = (const void *)config->mac;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

FLAT bool is_ours(struct frame *f)
{
	struct ethhdr *eth = f->at;
	struct vlan_tag *tag = f->at + sizeof(*eth);
	__be16 type;

	if ((void *)(eth + 1) > f->end || !is_to_us(eth, f->config))
		return false;
	type = eth->h_proto;
	f->at = eth + 1;
	if (type == bpf_htons(ETH_P_8021Q)) {
		if ((void *)(tag + 1) > f->end)
			return false;
		type = tag->type;
		f->key.vlan = bpf_ntohs(tag->tci) & VLAN_ID_MASK;
		f->at = tag + 1;
		if (!f->key.vlan) /* a priority tag: 0 stands for untagged in a key */
			return false;
	}
	if (type == bpf_htons(ETH_P_IP))
		return is_ours4(f);
	return type == bpf_htons(ETH_P_IPV6) && is_ours6(f);
}

FLAT void count(__u32 which)
{
	__u64 *value = bpf_map_lookup_elem(&steer_counters, &which);

	if (value)
		(*value)++;
}

/* Is it from a prefix that floods? Counted at its entry. An entry that has run out lets all pass. */
FLAT bool is_blocked(const struct frame *f)
{
	struct zs_steer_block *block;

	if (!f->config->blocking || !f->from.family)
		return false;
	block = bpf_map_lookup_elem(&steer_blocks, &f->from);
	if (!block || block->until_ns <= bpf_ktime_get_ns())
		return false;
	__sync_fetch_and_add(&block->dropped, 1);
	return true;
}

/* Two objects are made of this file: steer.bpf.o, and fast.bpf.o with the fast path in front. */
#ifdef ZS_FAST
#include "fast.bpf.h"
#else
#define SLOW		     (-1)
#define fast_path(ctx, conf) SLOW
#endif

FLAT int steer(struct xdp_md *ctx, const struct zs_steer_config *config)
{
	__u32 queue = ctx->rx_queue_index;
	struct frame f = {
		.at = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.config = config,
		.key = { .ifindex = ctx->ingress_ifindex },
	};

	if (!is_ours(&f)) {
		count(ZS_STEER_PASSED);
		return XDP_PASS;
	}
	if (is_blocked(&f)) {
		count(ZS_STEER_BLOCKED);
		return XDP_DROP;
	}
	if (!bpf_map_lookup_elem(&xsks_map, &queue)) {
		count(ZS_STEER_DROPPED);
		return XDP_DROP;
	}
	count(ZS_STEER_STEERED);
	return bpf_redirect_map(&xsks_map, queue, XDP_DROP);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	__u32 zero = 0;
	const struct zs_steer_config *config = bpf_map_lookup_elem(&steer_config, &zero);
	int verdict;

	if (!config) /* never */
		return XDP_PASS;
	verdict = fast_path(ctx, config);
	return verdict == SLOW ? steer(ctx, config) : verdict;
}

int (*xsk_prog_version)[1] SEC("xdp_metadata"); /* libxdp reads the array's length out of the BTF */
char steer_license[] SEC("license") = "Dual MIT/GPL";
