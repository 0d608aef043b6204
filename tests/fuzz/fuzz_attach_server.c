/* The attach server as hostile edges meet it: a script of connections that open, close, answer pings and send any
 * bytes or almost good Hellos, while time passes and the dataplane's state is lost. A real store, program and
 * segments stand behind it. At the end everybody has left, and nothing may be left of them. */
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "fuzz/plane.h"
#include "relay/keys.h"
#include "sim/prng.h"

#define LINKS 6

struct link {
	struct zs_attach_conn *conn;
	uint64_t grants;
	zs_pb_Grant grant;
	uint8_t hash[ZS_ATTACH_HASH];
};

static struct link links[LINKS];
static struct zs_prng prng;
static uint64_t now = ZS_NS_PER_S, incarnation = 1;

static void fill(void *ctx, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)zs_prng_u64(&prng);
}

/* Whatever the server says must be what the protocol allows. */
static int send_frame(void *ctx, void *link, const void *bytes, size_t len)
{
	static struct zs_attach_frame f;
	struct link *l = link;
	struct zs_span raw;

	memset(&f, 0, sizeof(f));
	ZS_CHECK(zs_attach_decode(&f, bytes, len, &raw) == 0, "a frame that no edge would take");
	if (f.kind == ZS_ATTACH_GRANT) {
		l->grant = f.grant;
		zs_attach_grant_hash(raw.bytes, raw.len, l->hash);
	}
	return 0;
}

static int export_secret(void *ctx, void *link, const void *context, size_t len, uint8_t out[32])
{
	memcpy(out, context, 32);
	return 0;
}

static void probe(void *ctx, void *link) {}

static void close_link(void *ctx, void *link, const char *why)
{
	ZS_CHECK(why[0], "closed without a reason");
}

static void own(void *ctx, const struct zs_peer_id *peer, bool owns) {}

static void start(void)
{
	static const struct zs_attach_ops ops = {
		.send = send_frame, .export = export_secret, .probe = probe, .close = close_link, .own = own
	};
	struct zs_error err = { 0 };

	fuzz_plane("attach: {mode: open, ports_each: 16}\n");
	ZS_CHECK(zs_attach_new(&plane.attach, &plane, (struct zs_random){ .fill = fill }, now, 1, &err) == 0,
		 "%s", err.text);
	zs_attach_serve(plane.attach, &ops, NULL);
}

static void open_link(struct link *l, uint8_t owner)
{
	struct zs_attach_peer peer = { .id = { .len = 34, .bytes = { 0x12, 0x20, owner & 3 } },
				       .remote = { zs_addr_from4(owner), 1 },
				       .group = "X25519",
				       .link = l };

	if (!l->conn)
		l->conn = zs_attach_opened(plane.attach, &peer, now);
}

static void close_one(struct link *l)
{
	if (l->conn)
		zs_attach_closed(plane.attach, l->conn, now);
	memset(l, 0, sizeof(*l));
}

static void say(struct link *l, const void *bytes, size_t len)
{
	uint8_t *exact = malloc(len); /* no more and no less: an overrun is seen */

	memcpy(exact, bytes, len);
	if (l->conn)
		zs_attach_receive(plane.attach, l->conn, exact, len, now);
	free(exact);
}

/* A good Hello but for what `how` says. */
static void hello(struct link *l, const struct link *from, uint8_t how)
{
	static struct zs_attach_frame f;
	uint8_t bytes[ZS_ATTACH_FRAME];
	struct zs_span raw;
	size_t len;

	memset(&f, 0, sizeof(f));
	f.id = 1;
	f.kind = ZS_ATTACH_HELLO;
	f.hello.version = 1;
	f.hello.mode = how & 1 ? ZS_ATTACH_MODE_socket : ZS_ATTACH_MODE_tunnel;
	f.hello.receiver = !(how & 1);
	f.hello.instance.size = ZS_ATTACH_INSTANCE;
	f.hello.instance.bytes[0] = how >> 1 & 1;
	for (uint32_t i = 0; !(how & 1) && i < (how >> 4); i++) {
		f.hello.publish[i].name[0] = (char)('a' + i);
		f.hello.publish[i].withdraw = i & how >> 3;
		f.hello.publish[i].port = i & 1 ? 10000 + i : 0;
		f.hello.publish_count++;
	}
	if ((how & 4) && from->grant.generation) {
		f.hello.has_resume = true;
		f.hello.resume.attachment = from->grant.attachment;
		f.hello.resume.generation = from->grant.generation;
		f.hello.resume.grant_hash.size = ZS_ATTACH_HASH;
		memcpy(f.hello.resume.grant_hash.bytes, from->hash, ZS_ATTACH_HASH);
	}
	len = zs_attach_encode(&f, bytes, sizeof(bytes), &raw);
	if (len)
		say(l, bytes, len);
}

static void pass(uint64_t ns)
{
	now += ns;
	zs_attach_advance(plane.attach, now, now / ZS_NS_PER_S);
}

static void act(struct zs_reader *r)
{
	uint8_t what = zs_read_u8(r), arg = zs_read_u8(r);
	struct link *l = &links[arg % LINKS];
	const uint8_t *bytes;

	switch (what % 8) {
	case 0:
		open_link(l, arg / LINKS);
		break;
	case 1:
		close_one(l);
		break;
	case 2:
		hello(l, &links[zs_read_u8(r) % LINKS], zs_read_u8(r));
		break;
	case 3:
		if (l->conn)
			zs_attach_alive(plane.attach, l->conn, now);
		break;
	case 4:
		pass((uint64_t)zs_read_u16(r) * 10 * ZS_NS_PER_MS);
		break;
	case 5:
		zs_attach_state(plane.attach, incarnation = what & 8 ? incarnation + 1 : 0, now);
		zs_attach_state(plane.attach, ++incarnation, now);
		break;
	case 6:
		if (l->conn)
			zs_attach_broken(plane.attach, l->conn, now);
		break;
	default:
		what = zs_read_u8(r);
		bytes = zs_read_span(r, what);
		if (bytes)
			say(l, bytes, what);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_reader r = zs_reader_of(data, size);
	const struct zs_attach_counts *n;
	const char *where = NULL;

	if (!plane.conf)
		start();
	prng.state = 1;
	n = zs_attach_counts(plane.attach);
	zs_attach_state(plane.attach, ++incarnation, now);
	for (int steps = 0; steps < 200 && zs_reader_left(&r) >= 2; steps++)
		act(&r);
	ZS_CHECK(zs_attach_walk(plane.attach, &where) == 0, "%s", where);
	for (size_t i = 0; i < LINKS; i++)
		close_one(&links[i]);
	pass(301 * ZS_NS_PER_S);
	ZS_CHECK(!n->attachments && !n->connections && !n->sessions && !n->ports, "something is left");
	return 0;
}
