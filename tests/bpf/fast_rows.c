/* The fast path by BPF_PROG_TEST_RUN: what a writer offered is forwarded byte for byte as it must be, everything else comes out
 * as it went in, for the worker. Root only; attaches nothing.
 *
 * Usage: fast_rows fast.bpf.o. 0 all right, 1 something is wrong, 77 no right to load programs. */
#include <errno.h>
#include <bpf/libbpf.h>
#include "crypto/aes.h"
#include "fast_bed.h"
#include "inverse.h"
#include "shm/police.h"

/* --- rows --- */

/* Two bytes of the payload make the sum of what comes out 0, which is written as 0xffff. */
static void make_sum_zero(struct datagram *d, struct datagram *o)
{
	uint8_t frame[ROOM], *sum = frame + 14 + 20 + 6;

	for (uint32_t v = 0; v <= UINT16_MAX; v++) {
		datagram_put16(o->payload + 40, v);
		datagram_make(o, frame);
		if (sum[0] == 0xff && sum[1] == 0xff)
			break;
	}
	memcpy(d->payload + 40, o->payload + 40, 2);
}

static void run_cids(struct bed *b)
{
	struct datagram d = bed_cid_packet(b, FROM4, TO4),
			o = bed_turned(&d, "10.0.0.1:4433", "198.51.100.7:6000");
	struct zs_cid cid = { .rotation = ROTATION, .generation = 77, .pop = POP, .attachment = TO4 };

	bed_forwards(b, "IPv4 to IPv4, another port of ours", &d, &o, XDP_REDIRECT);
	d.padding = 20;
	bed_forwards(b, "padding is cut off", &d, &o, XDP_REDIRECT);
	d.padding = 0;
	d.no_checksum = o.no_checksum = true;
	bed_forwards(b, "no UDP checksum stays none", &d, &o, XDP_REDIRECT);
	d = bed_cid_packet(b, FROM4, TO4);
	bed_put_cid(b, &d, &cid, true);
	o = bed_turned(&d, "10.0.0.1:4433", "198.51.100.7:6000");
	bed_forwards(b, "a long header", &d, &o, XDP_REDIRECT);
	d = bed_cid_packet(b, FROM4, TO6);
	o = bed_turned(&d, "[fd00::1]:4433", "[2001:db8::7]:7000");
	o.vlan = VLAN;
	bed_forwards(b, "IPv4 to IPv6, into a VLAN, back on the port", &d, &o, XDP_TX);
	d.no_checksum = true;
	bed_slow(b, "no UDP checksum toward IPv6", &d);
	d = bed_cid_packet(b, FROM6, TO6);
	o = bed_turned(&d, "[fd00::1]:4433", "[2001:db8::7]:7000");
	o.vlan = VLAN;
	bed_forwards(b, "IPv6 to IPv6", &d, &o, XDP_TX);
	d = bed_cid_packet(b, FROM6, TO4);
	o = bed_turned(&d, "10.0.0.1:4433", "198.51.100.7:6000");
	bed_forwards(b, "IPv6 to IPv4", &d, &o, XDP_REDIRECT);
	d = bed_cid_packet(b, FROM4, TO4);
	memcpy(d.payload + 1, "\x90\0\0\0\x09\0\0\0\x06\0\x4d\0\0\1\2\3\4", 17);
	o = bed_turned(&d, "10.0.0.1:4433", "198.51.100.7:6000");
	bed_forwards(b, "a connection ID in clear", &d, &o, XDP_REDIRECT);
	d = bed_cid_packet(b, FROM4, TO4);
	o = bed_turned(&d, "10.0.0.1:4433", "198.51.100.7:6000");
	make_sum_zero(&d, &o);
	bed_forwards(b, "a UDP checksum that comes to 0", &d, &o, XDP_REDIRECT);
	for (unsigned ttl = 2; ttl < 256; ttl += 253)
		for (unsigned i = 0; i < 2000; i++) {
			d = bed_cid_packet(b, FROM4, TO4);
			d.ttl = (uint8_t)ttl;
			d.id = (uint16_t)rand();
			d.tos = (uint8_t)rand();
			d.payload_len = (uint16_t)(18 + rand() % 150);
			for (unsigned k = 18; k < 170; k++)
				d.payload[k] = (uint8_t)rand();
			o = bed_turned(&d, "10.0.0.1:4433", "198.51.100.7:6000");
			bed_forwards(b, "any packet", &d, &o, XDP_REDIRECT);
		}
}

static void run_flows(struct bed *b)
{
	struct datagram d = bed_packet("192.0.2.50:1000", "10.0.0.1:443"),
			o = bed_turned(&d, "10.0.0.1:20001", "203.0.113.80:443");
	struct zs_fast_meter m;

	bed_forwards(b, "a client's", &d, &o, XDP_REDIRECT);
	d.payload_len = o.payload_len = 0;
	bed_forwards(b, "nothing in it", &d, &o, XDP_REDIRECT);
	m = zs_fast_take(&b->f.flows[1].way[ZS_FAST_CLIENT].meter);
	bed_check(b, m.packets == 2 && m.bytes == 60, "metered");
	d = bed_packet("203.0.113.80:443", "10.0.0.1:20001");
	o = bed_turned(&d, "10.0.0.1:443", "192.0.2.50:1000");
	bed_forwards(b, "its target's", &d, &o, XDP_TX);
	d.src.port++;
	bed_slow(b, "a stranger to the source port", &d);
	d = bed_packet("[2001:db8::50]:1000", "[fd00::1]:443");
	o = bed_turned(&d, "10.0.0.1:20001", "203.0.113.81:443");
	bed_forwards(b, "IPv6 to IPv4", &d, &o, XDP_REDIRECT);
	d = bed_packet("203.0.113.81:443", "10.0.0.1:20001");
	o = bed_turned(&d, "[fd00::1]:443", "[2001:db8::50]:1000");
	bed_forwards(b, "IPv4 to IPv6", &d, &o, XDP_TX);
	d = bed_packet("192.0.2.50:1000", "10.0.0.1:443");
	b->f.flows[1].way[0].last_ms -= 1500;
	o = bed_turned(&d, "10.0.0.1:20001", "203.0.113.80:443");
	bed_forwards(b, "one side was silent", &d, &o, XDP_REDIRECT);
	b->f.flows[1].way[0].last_ms -= 1500;
	b->f.flows[1].way[1].last_ms -= 1500;
	bed_slow(b, "a flow that was silent", &d);
	b->f.flows[1].way[0].last_ms += 1600; /* the worker's clock is ahead */
	bed_forwards(b, "and spoke again", &d, &o, XDP_REDIRECT);
	zs_fast_void_flow(&b->f, 1);
	bed_slow(b, "a flow that ended", &d);
}

/* Frames that are unusual, whatever the maps say. */
static void run_slow_frames(struct bed *b)
{
	struct datagram good = bed_cid_packet(b, FROM4, TO4), d = good;
	uint8_t in[ROOM];
	uint32_t len;

	for (len = datagram_make(&good, in); len-- > 14;)
		bed_slow_bytes(b, "cut off", in, len, len >= 38);
	d.src.port++;
	bed_slow(b, "from a stranger", &d);
	d = good, d.ttl = 1;
	bed_slow(b, "TTL 1", &d);
	d = good, d.options = 1;
	bed_slow(b, "IPv4 options", &d);
	d = good, d.frag = 0x2000;
	bed_slow(b, "a first fragment", &d);
	d = good, d.payload_len = 17;
	bed_slow(b, "a connection ID too short", &d);
	d = good, d.payload_len = 173;
	bed_slow(b, "longer than the MTU there", &d);
	d = good, d.to[5]++;
	len = datagram_make(&d, in);
	bed_slow_bytes(b, "to another station", in, len, false);
	d = good, d.vlan = VLAN;
	len = datagram_make(&d, in);
	bed_slow_bytes(b, "the address of another VLAN", in, len, false);
	d = good, d.vlan = 0xe000;
	len = datagram_make(&d, in);
	bed_slow_bytes(b, "a priority tag", in, len, false);
	len = datagram_make(&good, in);
	in[14 + 10] ^= 1;
	bed_slow_bytes(b, "a wrong IPv4 checksum", in, len, true);
	len = datagram_make(&good, in);
	in[14 + 20 + 5]++;
	bed_slow_bytes(b, "a UDP length that lies", in, len, true);
}

/* Connection IDs that are not this relay's, or not a plain packet's. */
static void run_slow_cids(struct bed *b)
{
	struct zs_cid cid = { .rotation = ROTATION, .generation = 77, .pop = POP + 1, .attachment = TO4 };
	struct datagram good = bed_cid_packet(b, FROM4, TO4), d = good;

	bed_put_cid(b, &d, &cid, false);
	bed_slow(b, "of another PoP", &d);
	cid.pop = POP;
	d = good, bed_put_cid(b, &d, &cid, true), memcpy(d.payload + 1, "ZS\0\1", 4);
	bed_slow(b, "BIND", &d);
	d = good, bed_put_cid(b, &d, &cid, true), d.payload[5] = 16;
	bed_slow(b, "a long header with another length", &d);
	d = good, bed_put_cid(b, &d, &cid, true), d.payload[23] = 200;
	bed_slow(b, "a source connection ID beyond the packet", &d);
	d = good, d.payload[1] = (uint8_t)(d.payload[1] ^ 0x80);
	bed_slow(b, "of no configuration", &d);
}

/* A good packet while an entry or all of them are out of force. */
static void run_slow_entries(struct bed *b)
{
	struct zs_fast_attachment *to = &b->f.attachments[TO4], *from = &b->f.attachments[FROM4];
	struct datagram good = bed_cid_packet(b, FROM4, TO4);

	to->stamp++;
	bed_slow(b, "an entry of another stamp", &good);
	to->stamp--;
	to->seq |= 1;
	bed_slow(b, "an entry that is being written", &good);
	to->seq++;
	to->expires_ns = zs_clock_ns() - COARSE_NS;
	bed_slow(b, "a binding that ran out", &good);
	to->expires_ns = zs_clock_ns() + 1000 * ZS_NS_PER_S;
	from->sends++;
	bed_slow(b, "a sender of another stamp", &good);
	from->sends--;
	b->f.config->alive_until_ns = zs_clock_ns() - COARSE_NS;
	bed_slow(b, "no sign of life of the worker", &good);
	zs_fast_alive(&b->f, zs_clock_ns());
	zs_fast_hold(&b->f);
	bed_slow(b, "held", &good);
	zs_fast_renew(&b->f, &b->config);
	bed_slow(b, "renewed", &good);
	bed_build_world(b);
	zs_fast_void(&b->f, TO4);
	bed_slow(b, "void", &good);
	bed_build_world(b);
}

static void run_drops(struct bed *b)
{
	struct zs_cid cid = { .rotation = ROTATION, .generation = 78, .pop = POP, .attachment = TO4 };
	struct datagram d = bed_cid_packet(b, FROM4, TO4);

	bed_put_cid(b, &d, &cid, false);
	bed_drops(b, "another generation", &d, ZS_FAST_DROPPED_STALE);
	cid = (struct zs_cid){ .rotation = ROTATION, .generation = 77, .pop = POP, .attachment = IDS };
	bed_put_cid(b, &d, &cid, false);
	bed_drops(b, "beyond all attachments", &d, ZS_FAST_DROPPED_STALE);
	d = bed_cid_packet(b, FROM4, FROM4);
	bed_drops(b, "to itself", &d, ZS_FAST_DROPPED_SELF);
	d = bed_cid_packet(b, FROM4, TO4), d.payload[1] ^= 1;
	bed_drops(b, "other length bits", &d, ZS_FAST_DROPPED_MALFORMED);
	d = bed_cid_packet(b, FROM4, TO4), d.payload[9] ^= 1;
	bed_drops(b, "another block", &d, ZS_FAST_DROPPED_MALFORMED);
}

/* --- policing --- */

static void limit(struct bed *b, uint32_t id, const struct zs_police_limits *l, bool mark, uint16_t tenant)
{
	struct zs_fast_attachment a = b->f.attachments[id];

	zs_police_of(&a.police, l);
	a.policed = a.limited = 1;
	a.mark = mark;
	a.tenant = tenant;
	zs_fast_put_to(&b->f, id, &a);
	zs_fast_put_limits(&b->f, id, &a);
	zs_fast_put_from(&b->f, id);
}

static bool passes(struct bed *b, const struct datagram *d, uint8_t *ecn)
{
	uint8_t in[ROOM];

	bed_run_bytes(b, in, datagram_make(d, in));
	*ecn = b->out[15] & 3;
	return b->verdict == XDP_REDIRECT;
}

static void run_policer(struct bed *b)
{
	struct zs_police_limits slow_rate = { .pkt_s = 1 }, bytes = { .bit_s = 80, .burst = 150 };
	struct datagram d = bed_cid_packet(b, FROM4, TO4);
	struct zs_bucket *bucket = &b->f.buckets[TO4].to[ZS_TO_EDGE];
	uint8_t ecn;

	limit(b, TO4, &slow_rate, false, 0);
	bed_check(b, passes(b, &d, &ecn) && passes(b, &d, &ecn), "two packets at once");
	bed_drops(b, "the third is policed", &d, ZS_FAST_DROPPED_POLICED);
	bed_check(b, bucket->packets > zs_clock_ns() && !b->f.buckets[FROM4].to[0].packets,
		  "one bucket was charged");
	bucket->packets = zs_clock_ns() - 1;
	bed_check(b, passes(b, &d, &ecn), "its time has come");
	memset(bucket, 0, sizeof(*bucket));
	limit(b, TO4, &bytes, true, 0);
	d.tos = 1;
	bed_check(b, passes(b, &d, &ecn) && passes(b, &d, &ecn) && ecn == 1, "120 bytes of 150");
	bed_check(b, passes(b, &d, &ecn) && ecn == 3, "marked within another burst");
	d.tos = 0;
	bed_drops(b, "not where it is not ECT", &d, ZS_FAST_DROPPED_POLICED);
	memset(bucket, 0, sizeof(*bucket));
	zs_fast_void(&b->f, FROM4);
	bed_build_world(b);
	limit(b, FROM4, &slow_rate, false, 0);
	bed_check(b, passes(b, &d, &ecn) && passes(b, &d, &ecn), "the sender's");
	bed_drops(b, "of its own limit", &d, ZS_FAST_DROPPED_POLICED);
	bed_build_world(b);
	zs_police_of(&b->f.tenants[3].police, &slow_rate);
	limit(b, TO4, &(struct zs_police_limits){ 0 }, false, 3);
	b->f.shared[3] = (struct zs_buckets){ 0 };
	bed_check(b, passes(b, &d, &ecn) && passes(b, &d, &ecn), "the tenant's");
	bed_drops(b, "of the tenant's limit", &d, ZS_FAST_DROPPED_POLICED);
	bed_check(b, b->f.shared[3].to[ZS_TO_EDGE].packets, "in the tenant's bucket");
	bed_build_world(b);
}

/* --- the rest --- */

static void run_meters(struct bed *b)
{
	struct datagram d = bed_cid_packet(b, FROM4, TO4),
			o = bed_turned(&d, "10.0.0.1:4433", "198.51.100.7:6000");
	uint64_t counts[ZS_FAST_COUNTS];
	struct zs_fast_meter m;

	zs_fast_take_counts(&b->f, counts);
	zs_fast_take(&b->f.attachments[TO4].to), zs_fast_take(&b->f.attachments[FROM4].from);
	for (unsigned i = 0; i < 3; i++)
		bed_forwards(b, "metered", &d, &o, XDP_REDIRECT);
	m = zs_fast_take(&b->f.attachments[TO4].to);
	bed_check(b, m.packets == 3 && m.bytes == 180, "who gets it");
	m = zs_fast_take(&b->f.attachments[FROM4].from);
	bed_check(b, m.packets == 3 && m.bytes == 180, "who sent it");
	m = zs_fast_take(&b->f.attachments[FROM4].from);
	bed_check(b, !m.packets && !m.bytes, "once");
	zs_fast_take_counts(&b->f, counts);
	bed_check(b,
		  counts[ZS_FAST_FORWARDED] == 3 && counts[ZS_FAST_CID_ROUTED] == 3 &&
		      counts[ZS_FAST_BYTES_IN] == 3 * 88 && counts[ZS_FAST_BYTES_OUT] == 3 * 88,
		  "counted");
	bed_check(b, !bed_sum_of(b, counts), "once too");
}

static void run_inverse(struct bed *b)
{
	static const uint8_t key[16] = { 0x8f, 0x95, 0xf0, 0x92, 0x45, 0x76, 0x5f, 0x80,
					 0x25, 0x69, 0x34, 0xe5, 0x0c, 0x66, 0x20, 0x7f },
			     cid[16] = { 0x4d, 0xd2, 0xd0, 0x5a, 0x7b, 0x0d, 0xe9, 0xb2,
					 0xb9, 0x90, 0x7a, 0xfb, 0x5e, 0xcf, 0x8c, 0xc3 },
			     plain[16] = { 0xed, 0x79, 0x3a, 0x51, 0xd4, 0x9b, 0x8f, 0x5f,
					   0xee, 0x08, 0x0d, 0xbf, 0x48, 0xc0, 0xd1, 0xe5 };
	struct zs_fast_cids *c = b->f.cids;
	uint32_t block[4];

	zs_inverse_key(c, 0, key);
	memcpy(block, cid, 16);
	zs_inverse_decrypt(c, c->round[0], block);
	bed_check(b, !memcmp(block, plain, 16), "the draft's vector");
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t any[16], text[1][16], in[1][16];
		struct zs_aes aes;

		for (unsigned k = 0; k < 16; k++)
			any[k] = (uint8_t)rand(), in[0][k] = (uint8_t)rand();
		b->mint.engine->expand(&aes, any);
		b->mint.engine->encrypt(&aes, (const uint8_t(*)[16])in, text, 1);
		zs_inverse_key(c, 0, any);
		memcpy(block, text, 16);
		zs_inverse_decrypt(c, c->round[0], block);
		bed_check(b, !memcmp(block, in, 16), "any key, any block");
	}
	zs_fast_void_cids(&b->f, 0);
}

/* Stamps run out after four thousand million changes: what was offered long ago stays void. */
static void run_stamps(struct bed *b)
{
	struct datagram d = bed_cid_packet(b, FROM4, TO4);
	uint32_t first;

	b->f.attachments[TO4].stamp = b->f.attachments[FROM4].sends = 1;
	b->f.stamp = UINT32_MAX;
	first = bed_hop(b, ELSEWHERE, 0, 200);
	zs_fast_renew(&b->f, &b->config);
	bed_slow(b, "stamps begin anew", &d);
	bed_check(b, bed_hop(b, ELSEWHERE, 0, 201) / ZS_FAST_HOPS != first / ZS_FAST_HOPS,
		  "hops are left alone");
	bed_build_world(b);
	for (uint32_t i = 0; i < ZS_FAST_HOPS; i++)
		bed_hop(b, ELSEWHERE, 0, (uint16_t)(1000 + i));
	bed_check(b, bed_hop(b, ELSEWHERE, 0, 9) == ZS_FAST_NO_HOP, "hops are bounded");
	bed_check(b, bed_hop(b, ELSEWHERE, 0, 200) < 2 * ZS_FAST_HOPS, "those that are there are found");
	bed_build_world(b);
}

int main(int argc, char **argv)
{
	static const struct zs_fast_shape shape = { .attachments = IDS, .flows = 64 };
	struct bpf_object *object = NULL;
	struct bed b = { 0 };
	int rc;

	libbpf_set_print(NULL); /* it remarks on the section that libxdp reads */
	if (argc == 2)
		object = bpf_object__open_file(argv[1], NULL);
	ZS_CHECK(object, "usage: fast_rows fast.bpf.o");
	ZS_CHECK(!zs_fast_size(object, &shape));
	rc = bpf_object__load(object);
	if (rc == -EPERM) {
		printf("no right to load BPF programs\n");
		return 77;
	}
	ZS_CHECK(!rc, "the object does not load: %s", strerror(-rc));
	ZS_CHECK(!zs_fast_map_object(&b.f, object, &shape));
	b.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(object, "xsk_def_prog"));
	zs_cidset_init(&b.mint, zs_aes_best());
	bed_open_steer(&b, object);
	bed_build_world(&b);
	run_inverse(&b);
	run_cids(&b);
	run_flows(&b);
	run_slow_frames(&b);
	run_slow_cids(&b);
	run_slow_entries(&b);
	run_drops(&b);
	run_policer(&b);
	run_meters(&b);
	run_stamps(&b);
	zs_fast_unmap(&b.f);
	bpf_object__close(object);
	printf("%u checks, %u wrong\n", b.run, b.wrong);
	return b.wrong ? 1 : 0;
}
