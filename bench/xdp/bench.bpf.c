/* The real program's parts behind a source of frames, for BPF_PROG_TEST_RUN:
 *
 *   bench_copy   a frame is put into the packet
 *   bench_parse  … and read, up to which own address it is for
 *   bench_path   … and goes all the way */
#define ZS_FAST
#include "steer.bpf.c"
#include "frames.h"

#define BENCH_MAP(name, entry)                                                                               \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                            \
		__type(key, __u32);                                                                          \
		__type(value, struct entry);                                                                 \
		__uint(max_entries, 1);                                                                      \
		__uint(map_flags, BPF_F_MMAPABLE);                                                           \
	} name SEC(".maps")

BENCH_MAP(bench_frames, zs_xdp_frame);
BENCH_MAP(bench_state, zs_xdp_state);

FLAT struct zs_xdp_state *next_frame(struct xdp_md *ctx)
{
	__u64 *to = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, at;
	struct zs_xdp_state *s = bpf_map_lookup_elem(&bench_state, &zero);
	const __u64 *from;

	if (!s || (void *)to + ZS_XDP_FRAME > end)
		return NULL;
	at = s->next++ & s->mask;
	from = bpf_map_lookup_elem(&bench_frames, &at);
	if (!from)
		return NULL;
#pragma unroll
	for (int i = 0; i < ZS_XDP_FRAME / 8; i++)
		to[i] = from[i];
	*(__u32 *)(to + 7) = *(const __u32 *)(from + 7);
	return s;
}

SEC("xdp")
int bench_copy(struct xdp_md *ctx)
{
	return next_frame(ctx) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int bench_parse(struct xdp_md *ctx)
{
	__u32 zero = 0;
	const struct zs_steer_config *steer = bpf_map_lookup_elem(&steer_config, &zero);
	const struct zs_fast_config *conf = bpf_map_lookup_elem(&fast_config, &zero);
	struct fast_packet p;

	if (!next_frame(ctx) || !steer || !conf || !read_frame(&p, ctx, steer))
		return XDP_ABORTED;
	return find_local(&p, conf, ctx->ingress_ifindex) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int bench_path(struct xdp_md *ctx)
{
	__u32 zero = 0;
	const struct zs_steer_config *steer = bpf_map_lookup_elem(&steer_config, &zero);
	struct zs_xdp_state *s = next_frame(ctx);
	int verdict;

	if (!steer || !s)
		return XDP_ABORTED;
	verdict = fast_path(ctx, steer);
	if (verdict == SLOW)
		s->slow++;
	return verdict == SLOW ? XDP_DROP : verdict;
}
