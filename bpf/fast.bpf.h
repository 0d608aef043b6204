/* The fast path: what a worker has decided before (fast.h) is done here, before the packet leaves the driver.
 *
 *   read     the frame, if nothing about it is unusual
 *   local    which own address it came to
 *   cid      its sender, its connection ID's attachment; AES by tables, because programs reach no cipher that is faster
 *   flow     its way
 *   admit    room for the new header, then the policer
 *   send     addresses, checksums, TTL, the other family's header, frame header
 *
 * cid is in fast_cid.bpf.h, the last two in fast_send.bpf.h. Each step either goes on or leaves the packet as it is for the
 * worker (SLOW), which has the rules for all that is unusual and a drop reason for each. Dropped here is only what comes from an
 * address that is bound and was judged, and what the policer refuses.
 *
 * Loads of one CPU are seen in order on x86; elsewhere the sequence words would need barriers that programs lack. */
#ifndef ZS_BPF_FAST_BPF_H
#define ZS_BPF_FAST_BPF_H

/* Calls cost a program, and pass no structures. */
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#include "fast.h"
#include "inverse.h"
#include "shm/charge.h"
#pragma clang attribute pop

#define SLOW	    (-1)
#define LOCAL_TRIES 4
#define NOT_FOUND   ZS_SENDER_NONE
#define ID_BITS	    20
#define BARRIER	    asm volatile("" ::: "memory")

/* The loader knows how many entries. */
#define ZS_FAST_MAP(name, entry, entries)                                                                    \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                            \
		__type(key, __u32);                                                                          \
		__type(value, struct entry);                                                                 \
		__uint(max_entries, 1);                                                                      \
		__uint(map_flags, BPF_F_MMAPABLE);                                                           \
	} fast_##name SEC(".maps");
#include "fast_maps.def"
#undef ZS_FAST_MAP

/* Addresses are read by words: on the stack they must be aligned. */
struct fast_end {
	struct zs_addr addr;
	__u16 port;
} __attribute__((aligned(8)));

/* A packet that nothing is unusual about. Offsets are from the frame's start. */
struct fast_packet {
	struct fast_end src;
	struct zs_addr dst;
	__u32 l4;
	__u16 dport, payload; /* bytes */
	__u16 ip_len, vlan;
	__u8 is4, ecn, ttl;
	__u8 local;   /* index of the own address it came to */
	__u8 no_csum; /* of UDP */
};

/* What it leaves with. */
struct fast_out {
	struct fast_end src, dst;
	const struct zs_fast_hop *hop;
	__u32 from, to; /* attachments; NOT_FOUND: none */
};

FLAT void fast_add(struct zs_fast_counts *c, enum zs_fast_count which, __u64 n)
{
	c->count[which] += n;
}

FLAT struct zs_fast_counts *fast_counts_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&fast_counts, &cpu);
}

FLAT int fast_drop(enum zs_fast_count why)
{
	struct zs_fast_counts *c = fast_counts_here();

	if (c)
		fast_add(c, why, 1);
	return XDP_DROP;
}

/* --- read --- */

FLAT __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

FLAT void put_words(struct zs_addr *a, const __u32 *from)
{
	__u32 *to = (__u32 *)a;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

FLAT void put4(struct zs_addr *a, __be32 ip)
{
	__u32 *to = (__u32 *)a;

	to[0] = to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = ip;
}

FLAT __u32 word4(const struct zs_addr *a)
{
	return ((const __u32 *)a)[3];
}

FLAT bool read_ip4(struct fast_packet *p, const struct iphdr *ip)
{
	const __u32 *w = (const void *)ip;
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];

	if (*(const __u8 *)ip != 0x45 || ip->frag_off & bpf_htons(0x3fff) || ip->ttl <= 1 ||
	    ip->protocol != IPPROTO_UDP || fold(sum) != 0xffff)
		return false;
	p->is4 = 1;
	p->ip_len = bpf_ntohs(ip->tot_len);
	p->ecn = ip->tos & 3;
	p->ttl = ip->ttl;
	put4(&p->src.addr, ip->saddr);
	put4(&p->dst, ip->daddr);
	return p->ip_len >= sizeof(*ip) + sizeof(struct udphdr);
}

/* Addresses of ::/64 are nobody's on the wire; as canonical ones some would be IPv4's. */
FLAT bool read_ip6(struct fast_packet *p, const struct ipv6hdr *ip)
{
	const __u32 *src = ip->saddr.in6_u.u6_addr32, *dst = ip->daddr.in6_u.u6_addr32;
	__u32 payload = bpf_ntohs(ip->payload_len);

	if (*(const __u8 *)ip >> 4 != 6 || ip->nexthdr != IPPROTO_UDP || ip->hop_limit <= 1 ||
	    !(src[0] | src[1]) || !(dst[0] | dst[1]) || payload < sizeof(struct udphdr) || payload > 65000)
		return false;
	p->is4 = 0;
	p->ip_len = (__u16)(payload + sizeof(*ip));
	p->ecn = ((const __u8 *)ip)[1] >> 4 & 3;
	p->ttl = ip->hop_limit;
	put_words(&p->src.addr, src);
	put_words(&p->dst, dst);
	return true;
}

FLAT bool read_udp(struct fast_packet *p, const struct udphdr *udp)
{
	__u16 len = (__u16)(p->ip_len - (p->is4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)));

	p->src.port = bpf_ntohs(udp->source);
	p->dport = bpf_ntohs(udp->dest);
	p->payload = (__u16)(len - sizeof(*udp));
	p->no_csum = !udp->check;
	return bpf_ntohs(udp->len) == len && p->src.port && p->dport && (udp->check || p->is4);
}

FLAT bool read_frame(struct fast_packet *p, struct xdp_md *ctx, const struct zs_steer_config *steer)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end,
	     *at = data + sizeof(struct ethhdr);
	struct ethhdr *eth = data;
	struct vlan_tag *tag = at;
	__be16 type;
	bool ok;

	if (at > end || !is_to_us(eth, steer))
		return false;
	type = eth->h_proto;
	p->vlan = 0;
	if (type == bpf_htons(ETH_P_8021Q)) {
		if ((void *)(tag + 1) > end)
			return false;
		type = tag->type;
		p->vlan = bpf_ntohs(tag->tci) & VLAN_ID_MASK;
		at = tag + 1;
		if (!p->vlan) /* a priority tag is the kernel's, as in the steering program */
			return false;
	}
	if (type == bpf_htons(ETH_P_IP)) {
		if (at + sizeof(struct iphdr) + sizeof(struct udphdr) > end)
			return false;
		ok = read_ip4(p, at) && at + p->ip_len <= end;
		p->l4 = (__u32)(at - data) + sizeof(struct iphdr);
		return ok && read_udp(p, at + sizeof(struct iphdr));
	}
	if (type != bpf_htons(ETH_P_IPV6) || at + sizeof(struct ipv6hdr) + sizeof(struct udphdr) > end)
		return false;
	ok = read_ip6(p, at) && at + p->ip_len <= end;
	p->l4 = (__u32)(at - data) + sizeof(struct ipv6hdr);
	return ok && read_udp(p, at + sizeof(struct ipv6hdr));
}

/* --- whose --- */

FLAT bool same_addr(const struct zs_addr *a, const struct zs_addr *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;

	return x[0] == y[0] && x[1] == y[1];
}

FLAT bool find_local(struct fast_packet *p, const struct zs_fast_config *conf, __u32 ifindex)
{
	__u32 at = zs_addr_spread(&p->dst);

#pragma unroll
	for (int i = 0; i < LOCAL_TRIES; i++) {
		__u32 index = conf->slot[(at + i) % ZS_FAST_SLOTS];
		const struct zs_fast_local *l;

		if (!index || index > ZS_FAST_LOCALS)
			return false;
		l = &conf->local[index - 1];
		if (same_addr(&l->addr, &p->dst) && l->ifindex == ifindex && l->vlan == p->vlan) {
			p->local = (__u8)(index - 1);
			return true;
		}
	}
	return false;
}

FLAT __u32 word_in(void *map, __u32 at, __u64 print)
{
	const volatile __u64 *word = bpf_map_lookup_elem(map, &at);

	if (!word)
		return NOT_FOUND;
#pragma unroll
	for (int i = 0; i < ZS_SENDER_WORDS; i++) {
		__u64 w = word[i];

		if ((w ^ print) < 1u << ID_BITS)
			return (__u32)(w ^ print);
	}
	return NOT_FOUND;
}

/* As zs_senders_find. */
FLAT __u32 find_word(void *map, __u64 hash, __u32 mask)
{
	__u64 print = hash >> ID_BITS << ID_BITS;
	__u32 at = (__u32)hash & mask, id;

	if (!print)
		print = 1u << ID_BITS;
	id = word_in(map, at, print);
	return id != NOT_FOUND ? id : word_in(map, at ^ 1, print);
}

FLAT __u64 hash_of(const struct fast_packet *p, const uint64_t key[2], __u16 port)
{
	return zs_fast_hash(key, (const void *)&p->src.addr, p->src.port, p->local, port);
}

FLAT bool take_hop(__u32 index, struct fast_out *out)
{
	out->hop = bpf_map_lookup_elem(&fast_hops, &index);
	return out->hop;
}

FLAT bool take_local(const struct zs_fast_config *conf, __u8 local, struct zs_addr *out)
{
	if (local >= ZS_FAST_LOCALS)
		return false;
	*out = conf->local[local].addr;
	return true;
}

#include "fast_cid.bpf.h"

/* --- flows --- */

FLAT bool is_way(const struct zs_fast_way *w, const struct fast_packet *p)
{
	return same_addr(&w->from.addr, &p->src.addr) && w->from.port == p->src.port && w->port == p->dport &&
	       w->local == p->local;
}

/* The worker's clock may be some ms ahead. */
FLAT bool silent(const struct zs_fast_way *w, __u32 now_ms, const struct zs_fast_config *conf)
{
	return (__s32)(now_ms - w->last_ms) > (__s32)conf->flow_idle_ms;
}

FLAT int by_flow(const struct fast_packet *p, const struct zs_fast_config *conf, __u64 now,
		 struct fast_out *out, struct zs_fast_way **taken)
{
	__u32 id = find_word(&fast_index, hash_of(p, conf->flow_key, p->dport), conf->flow_mask), seq, stamp,
	      hop;
	__u32 now_ms = (__u32)(now / 1000000);
	struct zs_fast_flow *f;
	struct zs_fast_way *in, *back;
	__u8 local;

	if (id == NOT_FOUND)
		return SLOW;
	f = bpf_map_lookup_elem(&fast_flows, &id);
	if (!f)
		return SLOW;
	seq = *(volatile __u32 *)&f->way[0].seq;
	BARRIER;
	if (is_way(&f->way[0], p)) {
		in = &f->way[0];
		back = &f->way[1];
	} else if (is_way(&f->way[1], p)) {
		in = &f->way[1];
		back = &f->way[0];
	} else {
		return SLOW;
	}
	stamp = in->stamp;
	hop = in->hop;
	local = in->out;
	out->dst.addr = back->from.addr;
	out->dst.port = back->from.port;
	out->src.port = back->port;
	BARRIER;
	if (seq & 1 || seq != *(volatile __u32 *)&f->way[0].seq || stamp != conf->stamp)
		return SLOW;
	if ((silent(in, now_ms, conf) && silent(back, now_ms, conf)) ||
	    !take_local(conf, local, &out->src.addr) || !take_hop(hop, out))
		return SLOW;
	if (in->last_ms != now_ms)
		in->last_ms = now_ms;
	out->from = out->to = NOT_FOUND;
	*taken = in;
	return 0;
}

#include "fast_send.bpf.h"

/* SLOW: the packet is as it was, for whoever comes next. Else the program's verdict. */
FLAT int fast_path(struct xdp_md *ctx, const struct zs_steer_config *steer)
{
	__u32 zero = 0;
	const struct zs_fast_config *conf = bpf_map_lookup_elem(&fast_config, &zero);
	struct zs_fast_way *way = NULL;
	struct fast_packet p;
	struct fast_out out;
	__u64 now;
	int rc;

	if (!conf || !conf->stamp || !read_frame(&p, ctx, steer) ||
	    !find_local(&p, conf, ctx->ingress_ifindex))
		return SLOW;
	now = bpf_ktime_get_coarse_ns();
	if (conf->alive_until_ns <= now)
		return SLOW;
	if (p.dport == conf->service_port)
		rc = by_cid(ctx, &p, conf, now, &out);
	else
		rc = by_flow(&p, conf, now, &out, &way);
	return rc ? rc : send(ctx, &p, &out, way);
}

#endif
