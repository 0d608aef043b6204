#include "fast_bed.h"

#include <errno.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static const uint8_t us[6] = { 2, 0, 0, 0, 0, 0x42 }, them[6] = { 2, 0, 0, 0, 0, 0x43 },
		     next[6] = { 2, 0, 0, 0, 0, 0x44 };

void bed_check(struct bed *b, bool ok, const char *what)
{
	b->run++;
	if (!ok) {
		printf("wrong: %s\n", what);
		b->wrong++;
	}
}

struct zs_endpoint bed_at(const char *text)
{
	struct zs_endpoint e;

	ZS_CHECK(!zs_endpoint_parse(&e, text), "%s", text);
	return e;
}

/* --- the world --- */

uint32_t bed_hop(struct bed *b, uint32_t ifindex, uint16_t vlan, uint16_t mtu)
{
	struct zs_fast_hop h = { .ifindex = ifindex, .vlan = vlan, .mtu = mtu };

	memcpy(h.macs, next, 6);
	memcpy(h.macs + 6, us, 6);
	return zs_fast_hop(&b->f, &h);
}

static void bind(struct bed *b, uint32_t id, const char *where, uint8_t local, uint32_t way)
{
	struct zs_endpoint e = bed_at(where);
	struct zs_fast_attachment a = { .generation = 77,
					.port = e.port,
					.addr = e.addr,
					.local = local,
					.hop = way,
					.expires_ns = zs_clock_ns() + 1000 * ZS_NS_PER_S };

	zs_fast_put_to(&b->f, id, &a);
	zs_fast_put_limits(&b->f, id, &a);
	zs_fast_put_from(&b->f, id);
	zs_senders_insert(&b->senders, zs_senders_hash(&b->senders, &e, local), id);
}

static void own(struct bed *b, uint32_t i, const char *where, uint16_t vlan)
{
	struct zs_fast_local *l = &b->config.local[i];
	uint8_t slot;

	*l = (struct zs_fast_local){ .addr = bed_at(where).addr, .ifindex = LO, .vlan = vlan, .used = 1 };
	for (slot = zs_addr_spread(&l->addr); b->config.slot[slot]; slot++)
		;
	b->config.slot[slot] = (uint8_t)(i + 1);
}

static void flow(struct bed *b, uint32_t id, const char *client, const char *target, uint8_t local_client,
		 uint8_t local_target, uint32_t now_ms)
{
	struct zs_fast_flow ends = {
		.way = { { .from = bed_at(client), .port = PORT, .local = local_client, .out = local_target },
			 { .from = bed_at(target),
			   .port = SOURCE,
			   .local = local_target,
			   .out = local_client } }
	};

	zs_fast_put_way(&b->f, id, ZS_FAST_CLIENT, &ends, bed_hop(b, ELSEWHERE, 0, 1500), now_ms);
	zs_fast_put_way(&b->f, id, ZS_FAST_TARGET, &ends, bed_hop(b, LO, 0, 1500), now_ms);
}

void bed_build_world(struct bed *b)
{
	static const uint8_t key[16] = "sixteen bytes...";
	static const uint64_t keys[2] = { 0x1234567890abcdef, 0xfedcba0987654321 };

	zs_fast_begin(&b->f, keys);
	memset(b->f.buckets, 0, IDS * sizeof(*b->f.buckets));
	b->senders = (struct zs_senders){ .bucket = b->f.senders,
					  .mask = zs_senders_for(IDS) - 1,
					  .key = { 5, 6 } };
	zs_senders_clear(&b->senders);
	b->config = (struct zs_fast_config){
		.pop = POP, .sender_key = { 5, 6 }, .flow_idle_ms = 1000, .service_port = SERVICE
	};
	own(b, LOCAL4, "10.0.0.1:1", 0);
	own(b, LOCAL6, "[fd00::1]:1", 0);
	own(b, LOCAL_VLAN, "10.0.7.1:1", VLAN);
	zs_fast_renew(&b->f, &b->config);
	zs_fast_alive(&b->f, zs_clock_ns());
	zs_cidset_put(&b->mint, ROTATION, key);
	zs_fast_put_cids(&b->f, ROTATION, key);
	zs_fast_put_cids(&b->f, CLEAR, NULL);
	bind(b, FROM4, "192.0.2.9:5000", LOCAL4, bed_hop(b, LO, 0, 1500));
	bind(b, FROM6, "[2001:db8::9]:5000", LOCAL6, bed_hop(b, LO, 0, 1500));
	bind(b, TO4, "198.51.100.7:6000", LOCAL4, bed_hop(b, ELSEWHERE, 0, 200));
	bind(b, TO6, "[2001:db8::7]:7000", LOCAL6, bed_hop(b, LO, VLAN, 1500));
	flow(b, 1, "192.0.2.50:1000", "203.0.113.80:443", LOCAL4, LOCAL4,
	     (uint32_t)(zs_clock_ns() / 1000000));
	flow(b, 2, "[2001:db8::50]:1000", "203.0.113.81:443", LOCAL6, LOCAL4,
	     (uint32_t)(zs_clock_ns() / 1000000));
}

/* --- packets --- */

struct datagram bed_packet(const char *src, const char *dst)
{
	struct datagram d = { .src = bed_at(src), .dst = bed_at(dst), .ttl = 64, .tos = 0xb9, .id = 0x1234 };

	memcpy(d.to, us, 6);
	memcpy(d.from, them, 6);
	d.payload_len = 60;
	for (unsigned i = 0; i < sizeof(d.payload); i++)
		d.payload[i] = (uint8_t)(i * 7);
	return d;
}

void bed_put_cid(struct bed *b, struct datagram *d, const struct zs_cid *cid, bool is_long)
{
	uint8_t *to = d->payload + (is_long ? 6 : 1);

	d->payload[0] = is_long ? 0xc3 : 0x43;
	memcpy(d->payload + 1, "\0\0\0\1\x11", 5);
	zs_cidset_encode(&b->mint, cid, to);
	if (is_long)
		to[17] = 8;
}

struct datagram bed_cid_packet(struct bed *b, uint32_t from, uint32_t to)
{
	struct datagram d = from == FROM4 ? bed_packet("192.0.2.9:5000", "10.0.0.1:4433")
					  : bed_packet("[2001:db8::9]:5000", "[fd00::1]:4433");
	struct zs_cid cid = {
		.rotation = ROTATION, .generation = 77, .pop = POP, .attachment = to, .nonce = 4711
	};

	bed_put_cid(b, &d, &cid, false);
	return d;
}

void bed_run_bytes(struct bed *b, const uint8_t *frame, uint32_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = len, .data_out = b->out,
		    .data_size_out = sizeof(b->out), .repeat = 1);

	ZS_CHECK(!bpf_prog_test_run_opts(b->prog_fd, &run), "%s", strerror(errno));
	b->out_len = run.data_size_out;
	b->verdict = run.retval;
}

struct datagram bed_turned(const struct datagram *d, const char *src, const char *dst)
{
	struct datagram o = *d;

	o.src = bed_at(src);
	o.dst = bed_at(dst);
	o.ttl = d->ttl - 1;
	o.vlan = o.padding = 0;
	if (zs_addr_is4(&o.src.addr) != zs_addr_is4(&d->src.addr)) {
		o.tos = d->tos & 3;
		o.id = 0;
		o.frag = 0x4000;
	}
	memcpy(o.to, next, 6);
	memcpy(o.from, us, 6);
	return o;
}

void bed_forwards(struct bed *b, const char *what, const struct datagram *d, const struct datagram *want,
		  uint32_t verdict)
{
	uint8_t in[ROOM], expected[ROOM];
	uint32_t len = datagram_make(want, expected);

	bed_run_bytes(b, in, datagram_make(d, in));
	bed_check(b, b->verdict == verdict && b->out_len == len && !memcmp(b->out, expected, len), what);
}

uint64_t bed_sum_of(struct bed *b, uint64_t counts[ZS_FAST_COUNTS])
{
	uint64_t sum = 0;

	zs_fast_take_counts(&b->f, counts);
	for (unsigned i = 0; i < ZS_FAST_COUNTS; i++)
		sum += counts[i];
	return sum;
}

void bed_slow_bytes(struct bed *b, const char *what, const uint8_t *in, uint32_t len, bool ours)
{
	uint64_t counts[ZS_FAST_COUNTS], before[ZS_STEER_COUNTERS], after[ZS_STEER_COUNTERS];
	unsigned expected = ours ? ZS_STEER_DROPPED : ZS_STEER_PASSED; /* dropped: there is no socket */

	zs_fast_take_counts(&b->f, counts);
	ZS_CHECK(!zs_steer_counters(&b->steer, before));
	bed_run_bytes(b, in, len);
	ZS_CHECK(!zs_steer_counters(&b->steer, after));
	bed_check(b,
		  after[expected] == before[expected] + 1 && !bed_sum_of(b, counts) && b->out_len == len &&
		      !memcmp(b->out, in, len),
		  what);
}

void bed_slow(struct bed *b, const char *what, const struct datagram *d)
{
	uint8_t in[ROOM];
	uint32_t len = datagram_make(d, in);

	bed_slow_bytes(b, what, in, len, true);
}

void bed_drops(struct bed *b, const char *what, const struct datagram *d, enum zs_fast_count why)
{
	uint64_t counts[ZS_FAST_COUNTS];
	uint8_t in[ROOM];

	zs_fast_take_counts(&b->f, counts);
	bed_run_bytes(b, in, datagram_make(d, in));
	bed_check(b, b->verdict == XDP_DROP && bed_sum_of(b, counts) == 1 && counts[why] == 1, what);
}

void bed_open_steer(struct bed *b, struct bpf_object *object)
{
	struct zs_steer_config c = { .flow_port_first = 20000, .flow_port_last = 30000 };
	struct zs_steer_key keys[4] = { { LO, 0, SERVICE, { 0 } },
					{ LO, 0, PORT, { 0 } },
					{ LO, 0, 0, { 0 } } };
	struct zs_addr four = bed_at("10.0.0.1:1").addr, six = bed_at("[fd00::1]:1").addr;

	b->steer = (struct zs_steer){ .keys_fd = bpf_object__find_map_fd_by_name(object, "steer_keys"),
				      .counters_fd = bpf_object__find_map_fd_by_name(object,
										     "steer_counters"),
				      .config_fd = bpf_object__find_map_fd_by_name(object, "steer_config") };
	memcpy(c.mac, us, 6);
	for (unsigned i = 0; i < 3; i++)
		memcpy(keys[i].addr, four.ip, 16);
	keys[3] = keys[0];
	memcpy(keys[3].addr, six.ip, 16);
	ZS_CHECK(!zs_steer_resume(&b->steer) && !zs_steer_sync(&b->steer, &c, keys, 4));
}
