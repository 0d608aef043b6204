/* The second half of the fast path: a packet that knows its way is charged, turned round and sent. As in the worker
 * (dataplane/stage/police.c, rewrite.c, frame.c) the UDP checksum is never computed, and between families the IP header is made
 * anew: DSCP 0, ECN copied, flow label 0, DF. */
#ifndef ZS_BPF_FAST_SEND_BPF_H
#define ZS_BPF_FAST_SEND_BPF_H

#define CE 3

enum fast_verdict { FAST_PASS, FAST_MARK, FAST_REFUSE };

FLAT bool is_ip4(const struct zs_addr *a)
{
	const __u32 *w = (const void *)a;

	return !(w[0] | w[1]) && w[2] == bpf_htonl(0xffff);
}

/* --- the policer --- */

/* One packet of an attachment with limits. Global: the verifier looks at it once, not for each way that leads here. */
int fast_charge(__u32 id, __u32 way, __u32 bytes, __u32 ect);
__attribute__((noinline)) int fast_charge(__u32 id, __u32 way, __u32 bytes, __u32 ect)
{
	const struct zs_fast_attachment *a = bpf_map_lookup_elem(&fast_attachments, &id);
	struct zs_buckets *own = bpf_map_lookup_elem(&fast_buckets, &id), *shared;
	struct zs_amount n = { bytes, 1 };
	const struct zs_fast_tenant *t;
	struct zs_charge c = { .now = bpf_ktime_get_ns() };
	__u32 tenant;
	bool share;

	if (!a || !own || way >= ZS_DIRECTIONS)
		return FAST_PASS;
	tenant = a->tenant;
	t = bpf_map_lookup_elem(&fast_tenants, &tenant);
	shared = bpf_map_lookup_elem(&fast_shared, &tenant);
	if (!t || !shared)
		return FAST_PASS;
	c.own = &a->police;
	c.tenant = &t->police;
	c.share_bytes = &t->share_bytes;
	c.share_packets = &t->share_packets;
	c.bucket = &own->to[way];
	c.above = &shared->to[way];
	c.own_mark = a->mark;
	c.tenant_mark = t->mark;
	if (zs_charge_all(&c, n, true, false, &share))
		return FAST_PASS;
	if (!ect || !(c.own_mark || c.tenant_mark) || !zs_charge_all(&c, n, true, true, &share))
		return FAST_REFUSE;
	return FAST_MARK;
}

/* Both ends of it, as far as they are attachments with limits. */
FLAT bool may_pass(struct fast_packet *p, const struct fast_out *out)
{
	const struct zs_fast_attachment *from, *to;
	__u32 ect = p->ecn == 1 || p->ecn == 2;
	int v = FAST_PASS;

	if (out->from == NOT_FOUND)
		return true;
	from = bpf_map_lookup_elem(&fast_attachments, &out->from);
	to = bpf_map_lookup_elem(&fast_attachments, &out->to);
	if (from && from->policed)
		v = fast_charge(out->from, ZS_FROM_EDGE, p->payload, ect);
	if (v == FAST_MARK)
		p->ecn = CE;
	if (v == FAST_REFUSE || !to || !to->limited)
		return v != FAST_REFUSE;
	v = fast_charge(out->to, ZS_TO_EDGE, p->payload, ect && p->ecn != CE);
	if (v == FAST_MARK)
		p->ecn = CE;
	return v != FAST_REFUSE;
}

/* --- meters --- */

FLAT void meter(struct zs_fast_meter *m, __u32 bytes)
{
	__sync_fetch_and_add(&m->bytes, bytes);
	__sync_fetch_and_add(&m->packets, 1);
}

FLAT void count_sent(const struct fast_packet *p, const struct fast_out *out, struct zs_fast_way *way,
		     __u32 len)
{
	struct zs_fast_counts *c = fast_counts_here();
	struct zs_fast_attachment *a;

	if (way) {
		meter(&way->meter, p->payload);
	} else {
		a = bpf_map_lookup_elem(&fast_attachments, &out->from);
		if (a)
			meter(&a->from, p->payload);
		a = bpf_map_lookup_elem(&fast_attachments, &out->to);
		if (a)
			meter(&a->to, p->payload);
	}
	if (!c)
		return;
	fast_add(c, ZS_FAST_FORWARDED, 1);
	fast_add(c, ZS_FAST_BYTES_IN, p->ip_len);
	fast_add(c, ZS_FAST_BYTES_OUT, len);
	if (!way)
		fast_add(c, ZS_FAST_CID_ROUTED, 1);
}

/* --- headers --- */

/* Sums of 32-bit words in 64: what goes into a checksum, and what is taken out of it. */
FLAT __u64 sum_addr(const struct zs_addr *a, bool four)
{
	const __u32 *w = (const void *)a;

	return four ? w[3] : (__u64)w[0] + w[1] + w[2] + w[3];
}

FLAT __u64 less_addr(const struct zs_addr *a, bool four)
{
	const __u32 *w = (const void *)a;

	return four ? (__u32)~w[3] : (__u64)(__u32)~w[0] + (__u32)~w[1] + (__u32)~w[2] + (__u32)~w[3];
}

FLAT void put_udp(struct udphdr *udp, const struct fast_packet *p, const struct fast_out *out, bool to4)
{
	__be16 source = bpf_htons(out->src.port), dest = bpf_htons(out->dst.port);
	__u64 sum = (__u16)~udp->check;
	__u16 check;

	sum += less_addr(&p->src.addr, p->is4) + less_addr(&p->dst, p->is4);
	sum += sum_addr(&out->src.addr, to4) + sum_addr(&out->dst.addr, to4);
	sum += (__u64)(__u16)~udp->source + (__u16)~udp->dest + source + dest;
	check = (__u16)~fold(sum);
	udp->source = source;
	udp->dest = dest;
	if (!p->no_csum)
		udp->check = check ? check : 0xffff;
}

FLAT void turn_ip4(struct iphdr *ip, const struct fast_packet *p, const struct fast_out *out)
{
	const __u16 *half = (const void *)ip;
	__u64 sum = (__u16)~ip->check;

	sum += (__u64)(__u16)~half[0] + (__u16)~half[4] + (__u32)~ip->saddr + (__u32)~ip->daddr;
	ip->tos = (ip->tos & ~3) | p->ecn;
	ip->ttl--;
	ip->saddr = word4(&out->src.addr);
	ip->daddr = word4(&out->dst.addr);
	BARRIER; /* the halves are read again */
	sum += (__u64)half[0] + half[4] + ip->saddr + ip->daddr;
	ip->check = (__u16)~fold(sum);
}

FLAT void turn_ip6(struct ipv6hdr *ip, const struct fast_packet *p, const struct fast_out *out)
{
	__u8 *byte = (void *)ip;

	byte[1] = (byte[1] & ~0x30) | (__u8)(p->ecn << 4);
	ip->hop_limit--;
	put_words((void *)&ip->saddr, (const void *)&out->src.addr);
	put_words((void *)&ip->daddr, (const void *)&out->dst.addr);
}

FLAT void make_ip4(struct iphdr *ip, const struct fast_packet *p, const struct fast_out *out, __u32 len,
		   __u8 ttl)
{
	const __u32 *w = (const void *)ip;

	*(__be16 *)ip = bpf_htons(0x4500 | p->ecn);
	ip->tot_len = bpf_htons((__u16)len);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = ttl;
	ip->protocol = IPPROTO_UDP;
	ip->check = 0;
	ip->saddr = word4(&out->src.addr);
	ip->daddr = word4(&out->dst.addr);
	BARRIER;
	ip->check = (__u16)~fold((__u64)w[0] + w[1] + w[2] + w[3] + w[4]);
}

FLAT void make_ip6(struct ipv6hdr *ip, const struct fast_packet *p, const struct fast_out *out, __u32 len,
		   __u8 ttl)
{
	*(__be32 *)ip = bpf_htonl(0x60000000 | (__u32)p->ecn << 20);
	ip->payload_len = bpf_htons((__u16)(len - sizeof(*ip)));
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = ttl;
	put_words((void *)&ip->saddr, (const void *)&out->src.addr);
	put_words((void *)&ip->daddr, (const void *)&out->dst.addr);
}

FLAT void put_frame(void *at, const struct zs_fast_hop *hop, bool to4)
{
	__be16 *type = at + 12;

	__builtin_memcpy(at, hop->macs, sizeof(hop->macs));
	if (hop->vlan) {
		type[0] = bpf_htons(ETH_P_8021Q);
		type[1] = bpf_htons(hop->vlan);
		type += 2;
	}
	*type = to4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* --- send --- */

struct fast_shape {
	__u32 l2, l4, len; /* of the new frame's header, up to UDP, of the new IP packet */
	bool to4;
};

/* Makes room in front and cuts padding off. false: nothing was changed. */
FLAT bool fit(struct xdp_md *ctx, const struct fast_packet *p, const struct fast_shape *s)
{
	int shift = (int)p->l4 - (int)s->l4;
	void *data, *end;
	long extra;

	if (shift && bpf_xdp_adjust_head(ctx, shift))
		return false;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	extra = end - data - (long)(s->l2 + s->len);
	if (extra > 0)
		bpf_xdp_adjust_tail(ctx, (int)-extra);
	return true;
}

/* What is read of the old header is read before the new one is written over it. */
FLAT bool turn(struct xdp_md *ctx, const struct fast_packet *p, const struct fast_out *out,
	       const struct fast_shape *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip;
	__u32 l2 = s->l2 == sizeof(struct ethhdr) ? sizeof(struct ethhdr)
						  : sizeof(struct ethhdr) + sizeof(struct vlan_tag);

	ip = data + l2;
	if (s->to4) {
		struct iphdr *ip4 = ip;

		if ((void *)(ip4 + 1) + sizeof(struct udphdr) > end)
			return false;
		if (p->is4)
			turn_ip4(ip4, p, out);
		else /* the old header ended where the new one does */
			make_ip4(ip4, p, out, s->len, p->ttl - 1);
		put_udp((void *)(ip4 + 1), p, out, true);
	} else {
		struct ipv6hdr *ip6 = ip;

		if ((void *)(ip6 + 1) + sizeof(struct udphdr) > end)
			return false;
		if (p->is4)
			make_ip6(ip6, p, out, s->len, p->ttl - 1);
		else
			turn_ip6(ip6, p, out);
		put_udp((void *)(ip6 + 1), p, out, false);
	}
	put_frame(data, out->hop, s->to4);
	return true;
}

FLAT int send(struct xdp_md *ctx, struct fast_packet *p, const struct fast_out *out, struct zs_fast_way *way)
{
	struct fast_shape s = { .to4 = is_ip4(&out->dst.addr) };
	__u32 header = p->is4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	s.l2 = sizeof(struct ethhdr) + (out->hop->vlan ? sizeof(struct vlan_tag) : 0);
	s.l4 = s.l2 + (s.to4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	s.len = p->ip_len - header + s.l4 - s.l2;
	if (s.len > out->hop->mtu || (p->no_csum && !s.to4) || !fit(ctx, p, &s))
		return SLOW;
	if (!may_pass(p, out))
		return fast_drop(ZS_FAST_DROPPED_POLICED);
	if (!turn(ctx, p, out, &s))
		return XDP_ABORTED; /* the verifier cannot know that the room is there */
	count_sent(p, out, way, s.len);
	return out->hop->ifindex == ctx->ingress_ifindex ? XDP_TX : (int)bpf_redirect(out->hop->ifindex, 0);
}

#endif
