/* A packet of the service port: where its connection ID stands by RFC 8999's invariants, who sent it, whose it is. */
#ifndef ZS_BPF_FAST_CID_BPF_H
#define ZS_BPF_FAST_CID_BPF_H

#define CID_LEN	   17
#define CID_LENGTH 0x1f
#define BIND_MARK  0x535a /* of version 0x5a53xxxx, as it stands */
#define SHORT_MIN  (1 + CID_LEN)
#define LONG_MIN   (1 + 4 + 1 + CID_LEN + 1)

struct fast_cid {
	__u32 pop, attachment;
	__u16 generation, zero;
};

/* Copies the connection ID out. false: there is none of ours, or it is BIND's. */
FLAT bool copy_cid(struct xdp_md *ctx, const struct fast_packet *p, __u8 *first, __u32 block[4])
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const __u8 *b = data + (p->l4 & 0xff) + sizeof(struct udphdr), *cid;

	if (p->payload < SHORT_MIN || (const void *)(b + SHORT_MIN) > end)
		return false;
	cid = b + 1;
	if (b[0] & 0x80) {
		if (p->payload < LONG_MIN || (const void *)(b + LONG_MIN) > end ||
		    *(const __u16 *)(b + 1) == BIND_MARK || b[5] != CID_LEN ||
		    p->payload < (__u32)LONG_MIN + b[LONG_MIN - 1])
			return false;
		cid = b + 6;
	}
	*first = cid[0];
	block[0] = *(const __u32 *)(cid + 1);
	block[1] = *(const __u32 *)(cid + 5);
	block[2] = *(const __u32 *)(cid + 9);
	block[3] = *(const __u32 *)(cid + 13);
	return true;
}

/* 0: decoded. Else how it ends. */
FLAT int decode(__u8 first, __u32 block[4], struct fast_cid *out)
{
	__u32 zero = 0, rotation = first >> 5;
	const struct zs_fast_cids *c = bpf_map_lookup_elem(&fast_cids, &zero);
	__u8 kind;

	if (!c)
		return SLOW;
	kind = c->kind[rotation];
	if (kind == ZS_FAST_CID_NONE)
		return SLOW;
	if ((first & CID_LENGTH) != CID_LEN - 1)
		return fast_drop(ZS_FAST_DROPPED_MALFORMED);
	if (kind == ZS_FAST_CID_AES)
		zs_inverse_decrypt(c, c->round[rotation], block);
	out->pop = bpf_ntohl(block[0]);
	out->attachment = bpf_ntohl(block[1]);
	out->generation = (__u16)(bpf_ntohl(block[2]) >> 16);
	return block[2] >> 16 ? fast_drop(ZS_FAST_DROPPED_MALFORMED) : 0;
}

/* 0: the way is known. Else how the packet ends. */
FLAT int route(const struct zs_fast_config *conf, const struct fast_cid *cid, __u32 sender, __u64 now,
	       struct fast_out *out)
{
	struct zs_fast_attachment *to = bpf_map_lookup_elem(&fast_attachments, &cid->attachment);
	__u32 seq, stamp, hop;
	__u16 generation;
	__u64 expires;
	__u8 local;

	if (cid->pop != conf->pop)
		return SLOW;
	if (!to)
		return fast_drop(ZS_FAST_DROPPED_STALE);
	seq = *(volatile __u32 *)&to->seq;
	BARRIER;
	stamp = to->stamp;
	generation = to->generation;
	hop = to->hop;
	local = to->local;
	expires = to->expires_ns;
	out->dst.addr = to->addr;
	out->dst.port = to->port;
	BARRIER;
	if (seq & 1 || seq != *(volatile __u32 *)&to->seq || stamp != conf->stamp)
		return SLOW;
	if (generation != cid->generation)
		return fast_drop(ZS_FAST_DROPPED_STALE);
	if (cid->attachment == sender)
		return fast_drop(ZS_FAST_DROPPED_SELF);
	if (expires <= now || !take_local(conf, local, &out->src.addr) || !take_hop(hop, out))
		return SLOW;
	out->src.port = conf->service_port;
	out->from = sender;
	out->to = cid->attachment;
	return 0;
}

FLAT int by_cid(struct xdp_md *ctx, const struct fast_packet *p, const struct zs_fast_config *conf, __u64 now,
		struct fast_out *out)
{
	const struct zs_fast_attachment *from;
	struct fast_cid cid;
	__u32 block[4], sender;
	__u8 first;
	int rc;

	if (!copy_cid(ctx, p, &first, block))
		return SLOW;
	sender = find_word(&fast_senders, hash_of(p, conf->sender_key, 0), conf->sender_mask);
	if (sender == NOT_FOUND)
		return SLOW;
	from = bpf_map_lookup_elem(&fast_attachments, &sender);
	if (!from || *(volatile __u32 *)&from->sends != conf->stamp)
		return SLOW;
	rc = decode(first, block, &cid);
	return rc ? rc : route(conf, &cid, sender, now, out);
}

#endif
