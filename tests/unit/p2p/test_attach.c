/* Attach frames: Hello and Grant of tests/vectors/wire.json, every kind both ways, every
 * bound broken once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "p2p/attach_codec.h"
#include "unit/p2p/hex.h"

#define PEER "0024080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"

static size_t input(const json_t *vectors, const char *name, uint8_t *out, size_t capacity)
{
	return hex_read(out, capacity,
			json_string_value(json_object_get(json_object_get(vectors, "inputs"), name)));
}

/* The vectors' Hello and Grant as frames: what is inside, and their bytes for the hash. */
static void vectors_as_frames(void **state)
{
	json_t *v = json_load_file("tests/vectors/wire.json", 0, NULL);
	uint8_t wire[256] = { 0x08, 0x05 }, again[256];
	struct zs_attach_frame f;
	struct zs_span raw;

	assert_non_null(v);
	for (int kind = ZS_ATTACH_HELLO; kind <= ZS_ATTACH_GRANT; kind++) {
		size_t len = input(v, kind == ZS_ATTACH_HELLO ? "hello" : "grant", wire + 4,
				   sizeof(wire) - 4);
		wire[2] = (uint8_t)(kind << 3 | 2);
		wire[3] = (uint8_t)len;
		assert_int_equal(zs_attach_decode(&f, wire, len + 4, &raw), 0);
		assert_int_equal(f.kind, kind);
		assert_int_equal(f.id, 5);
		assert_ptr_equal(raw.bytes, wire + 4);
		assert_int_equal(raw.len, len);
		if (kind == ZS_ATTACH_HELLO) {
			assert_int_equal(f.hello.receiver, 0x04030201);
			assert_int_equal(f.hello.mode, ZS_ATTACH_MODE_tunnel);
		} else {
			assert_int_equal(f.grant.receiver, 0x08070605);
			assert_int_equal(f.grant.attachment, 42);
			assert_int_equal(f.grant.bind_id, 9);
		}
		assert_int_equal(zs_attach_encode(&f, again, sizeof(again), &raw), len + 4);
		assert_memory_equal(again, wire, len + 4);
		assert_ptr_equal(raw.bytes, again + 4);
		assert_int_equal(raw.len, len);
	}
	json_decref(v);
}

static struct zs_attach_frame full_hello(void)
{
	struct zs_attach_frame f = { .id = 1, .kind = ZS_ATTACH_HELLO };
	zs_pb_Hello *h = &f.hello;

	h->version = ZS_ATTACH_VERSION;
	h->instance.size = 16;
	h->has_resume = true;
	h->resume.generation = 65535;
	h->resume.grant_hash.size = 32;
	h->mode = ZS_ATTACH_MODE_tunnel;
	h->receiver = 7;
	h->token.size = 512;
	h->psk_id.size = 64;
	h->publish_count = 16;
	for (int i = 0; i < 16; i++) {
		memset(h->publish[i].name, 'a' + i, 32);
		h->publish[i].port = 65535;
		h->publish[i].protection = ZS_ATTACH_PROTECTION_auth;
	}
	return f;
}

static struct zs_attach_frame full_grant(void)
{
	struct zs_attach_frame f = { .id = 1, .kind = ZS_ATTACH_GRANT };
	zs_pb_Grant *g = &f.grant;

	g->continuity = ZS_ATTACH_CONTINUITY_known;
	g->generation = 1;
	g->receiver = 9;
	g->nonce.size = 32;
	g->tunnel_addrs_count = 8;
	for (int i = 0; i < 8; i++)
		g->tunnel_addrs[i].size = 18;
	g->has_policy = true;
	g->ports_count = 16;
	for (int i = 0; i < 16; i++) {
		strcpy(g->ports[i].name, "web");
		g->ports[i].service = 127;
		g->ports[i].announce_count = 2;
		g->ports[i].announce[0].size = g->ports[i].announce[1].size = 18;
	}
	g->has_cids = true;
	g->cids.cid_count = 32;
	for (int i = 0; i < 32; i++)
		g->cids.cid[i].size = 17;
	return f;
}

static struct zs_attach_frame of_kind(enum zs_attach_kind kind)
{
	struct zs_attach_frame f = { .id = 3, .kind = kind };

	if (kind == ZS_ATTACH_HELLO)
		return full_hello();
	if (kind == ZS_ATTACH_GRANT)
		return full_grant();
	if (kind == ZS_ATTACH_PUBLISH)
		f.publish = (zs_pb_Publish){ .name = "web", .port = 1, .withdraw = true };
	if (kind == ZS_ATTACH_PORT)
		f.port = (zs_pb_Port){ .name = "web",
				       .has_error = true,
				       .error = { .code = ZS_ATTACH_ERROR_port_taken } };
	if (kind == ZS_ATTACH_CID_ASK) {
		f.cid_ask.count = 64;
		f.cid_ask.peer.size = (pb_size_t)hex_read(f.cid_ask.peer.bytes, 44, PEER);
	}
	if (kind == ZS_ATTACH_CIDS_SENT) {
		f.cids.cid_count = 64;
		for (int i = 0; i < 64; i++)
			f.cids.cid[i].size = 17;
		f.cids.rotation = 6;
		f.cids.retire_mask = 0x7f;
	}
	if (kind == ZS_ATTACH_POLICY)
		f.policy = (zs_pb_Policy){ .serial = UINT64_MAX, .strangers = ZS_ATTACH_STRANGERS_limited };
	if (kind == ZS_ATTACH_NOTICE)
		f.notice = (zs_pb_Notice){ .code = ZS_ATTACH_NOTICE_drain, .text = "moving" };
	if (kind == ZS_ATTACH_ERROR)
		f.error = (zs_pb_Error){
			.code = 99, .scope = "peer", .side = ZS_ATTACH_SIDE_peer, .text = "no"
		};
	if (kind == ZS_ATTACH_DETACH)
		f.detach.reason = ZS_ATTACH_CLOSE_shutdown;
	return f;
}

static void every_kind_both_ways(void **state)
{
	for (int kind = ZS_ATTACH_HELLO; kind <= ZS_ATTACH_DETACH; kind++) {
		struct zs_attach_frame f = of_kind((enum zs_attach_kind)kind), back;
		uint8_t out[ZS_ATTACH_FRAME], again[ZS_ATTACH_FRAME];
		struct zs_span raw, raw_back;
		size_t len = zs_attach_encode(&f, out, sizeof(out), &raw);

		assert_true(len > 0);
		assert_int_equal(zs_attach_encode(&f, out, len - 1, &raw), 0);
		assert_int_equal(zs_attach_encode(&f, out, len, &raw), len);
		uint8_t *exact = exact_copy(out, len);
		assert_int_equal(zs_attach_decode(&back, exact, len, &raw_back), 0);
		assert_true(back.kind == f.kind && back.id == f.id);
		assert_int_equal(raw.len, raw_back.len);
		assert_memory_equal(raw.bytes, raw_back.bytes, raw.len);
		assert_int_equal(zs_attach_encode(&back, again, sizeof(again), &raw), len);
		assert_memory_equal(again, out, len);
		free(exact);
		for (size_t cut = 0; cut < len; cut++) {
			exact = exact_copy(out, cut);
			assert_int_not_equal(zs_attach_decode(&back, exact, cut, &raw), 0);
			free(exact);
		}
	}
}

/* Breaks one bound: the check that both ways ask sees it, and the frame is not written. */
#define REFUSED(make, change)                                                                                \
	do {                                                                                                 \
		struct zs_attach_frame f = make;                                                             \
		uint8_t out[ZS_ATTACH_FRAME];                                                                \
		struct zs_span raw;                                                                          \
		assert_true(zs_attach_check(&f));                                                            \
		change;                                                                                      \
		assert_false(zs_attach_check(&f));                                                           \
		assert_int_equal(zs_attach_encode(&f, out, sizeof(out), &raw), 0);                           \
	} while (0)

static void hello_bounds(void **state)
{
	REFUSED(full_hello(), f.id = 0);
	REFUSED(full_hello(), f.hello.instance.size = 15);
	REFUSED(full_hello(), f.hello.mode = 0);
	REFUSED(full_hello(), f.hello.mode = 3);
	REFUSED(full_hello(), f.hello.mode = ZS_ATTACH_MODE_socket); /* has no receiver */
	REFUSED(full_hello(), f.hello.receiver = 0);
	REFUSED(full_hello(), f.hello.resume.generation = 0);
	REFUSED(full_hello(), f.hello.resume.generation = 65536);
	REFUSED(full_hello(), f.hello.resume.grant_hash.size = 31);
	REFUSED(full_hello(), f.hello.publish[15].name[0] = 0);
	REFUSED(full_hello(), f.hello.publish[15].name[31] = '\n');
	REFUSED(full_hello(), f.hello.publish[15].name[31] = 0x7f);
	REFUSED(full_hello(), f.hello.publish[15].name[31] = (char)0x80);
	REFUSED(full_hello(), strcpy(f.hello.publish[0].name, "\xc2\x9b"
							      "2J")); /* U+009B */
	REFUSED(full_hello(), strcpy(f.hello.publish[0].name, "\xe2\x80\xae"
							      "bew")); /* U+202E */
	REFUSED(full_hello(), strcpy(f.hello.publish[0].name, "\xff"));
	REFUSED(full_hello(), f.hello.publish[0].port = 65536);
	REFUSED(full_hello(), f.hello.publish[0].protection = 2);
	struct zs_attach_frame f = full_hello();
	f.hello.version = 2, f.hello.mode = 9; /* of another version: to be told so */
	assert_true(zs_attach_check(&f));
}

static void grant_bounds(void **state)
{
	REFUSED(full_grant(), f.grant.continuity = 0);
	REFUSED(full_grant(), f.grant.continuity = 4);
	REFUSED(full_grant(), f.grant.generation = 0);
	REFUSED(full_grant(), f.grant.nonce.size = 31);
	REFUSED(full_grant(), f.grant.bind_id = 256);
	REFUSED(full_grant(), f.grant.tunnel_addrs[0].size = 17);
	REFUSED(full_grant(), f.grant.tunnel_addrs[7].size = 17);
	REFUSED(full_grant(), f.grant.service_addrs_count = 1);
	REFUSED(full_grant(), f.grant.policy.strangers = 2);
	REFUSED(full_grant(), f.grant.ports[15].service = 0);
	REFUSED(full_grant(), f.grant.ports[15].service = 128);
	REFUSED(full_grant(), f.grant.ports[15].announce[1].size = 0);
	REFUSED(full_grant(), f.grant.cids.cid[31].size = 16);
	REFUSED(full_grant(), (f.grant.cids.cid_count = 33, f.grant.cids.cid[32].size = 17));
}

static void other_bounds(void **state)
{
	REFUSED(of_kind(ZS_ATTACH_PUBLISH), f.publish.name[0] = 0);
	REFUSED(of_kind(ZS_ATTACH_PORT), f.port.has_error = false);
	REFUSED(of_kind(ZS_ATTACH_PORT), f.port.error.text[0] = 27);
	REFUSED(of_kind(ZS_ATTACH_CID_ASK), f.cid_ask.count = 65);
	REFUSED(of_kind(ZS_ATTACH_CID_ASK), f.cid_ask.peer.size = 5);
	REFUSED(of_kind(ZS_ATTACH_CIDS_SENT), f.cids.rotation = 7);
	REFUSED(of_kind(ZS_ATTACH_CIDS_SENT), f.cids.retire_mask = 0x80);
	REFUSED(of_kind(ZS_ATTACH_CIDS_SENT), f.cids.peer.size = 1);
	REFUSED(of_kind(ZS_ATTACH_POLICY), f.policy.strangers = 2);
	REFUSED(of_kind(ZS_ATTACH_NOTICE), f.notice.text[2] = '\r');
	REFUSED(of_kind(ZS_ATTACH_ERROR), f.error.side = 4);
	REFUSED(of_kind(ZS_ATTACH_ERROR), f.error.scope[0] = 1);
	REFUSED(of_kind(ZS_ATTACH_DETACH), f.kind = 12);
	REFUSED(of_kind(ZS_ATTACH_DETACH), f.kind = 1);
}

static void frames_refused(void **state)
{
	static const struct {
		const char *wire;
		int ret;
		uint64_t id;
	} rows[] = {
		{ "", -EPROTONOSUPPORT, 0 },
		{ "0807", -EPROTONOSUPPORT, 7 },
		{ "08076200", -EPROTONOSUPPORT, 7 }, /* field 12 */
		{ "62005a0208010807", 0, 7 },	     /* in any order, unknown fields skipped */
		{ "5a0208015a020801", -EINVAL, 0 },  /* Detach twice */
		{ "5a0208014a020801", -EINVAL, 0 },  /* Detach and Notice */
		{ "08075801", -EINVAL, 7 },	     /* Detach as a number */
		{ "0a01005a020801", -EINVAL, 0 },    /* the id as bytes */
		{ "5a030801", -EINVAL, 0 },	     /* longer than the frame */
		{ "5a02088000", -EINVAL, 0 },
		{ "0807520b12090000000000000000", -EINVAL, 7 },
		{ "22230a21616161616161616161616161616161616161616161616161616161616161616161", -EINVAL,
		  0 }, /* a name of 33 */
		{ "00", -EINVAL, 0 },
		{ "0000", -EINVAL, 0 },	    /* field 0 */
		{ "2200", -EINVAL, 0 },	    /* a Publish without a name */
		{ "12020801", -EINVAL, 0 }, /* a Hello with id 0 */
	};
	uint8_t long_frame[ZS_ATTACH_FRAME + 1] = { 0x5a, 0x00, 0x62, 0xfa, 0x1f };
	struct zs_attach_frame f;
	struct zs_span raw;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint8_t wire[64];
		size_t len = hex_read(wire, sizeof(wire), rows[i].wire);
		uint8_t *exact = exact_copy(wire, len);
		if (zs_attach_decode(&f, exact, len, &raw) != rows[i].ret)
			fail_msg("%s: %d", rows[i].wire, zs_attach_decode(&f, exact, len, &raw));
		assert_int_equal(f.id, rows[i].id);
		free(exact);
	}
	assert_int_equal(zs_attach_decode(&f, long_frame, sizeof(long_frame), &raw), -EMSGSIZE);
	long_frame[3] = 0xfb; /* 4,091 unknown bytes: one frame exactly */
	assert_int_equal(zs_attach_decode(&f, long_frame, ZS_ATTACH_FRAME, &raw), 0);
}

static void modes(void **state)
{
	zs_pb_Grant tunnel = full_grant().grant, socket = { .bind_id = 1, .service_addrs_count = 1 };

	assert_true(zs_attach_grant_fits(&tunnel, ZS_ATTACH_MODE_tunnel));
	assert_false(zs_attach_grant_fits(&tunnel, ZS_ATTACH_MODE_socket));
	assert_true(zs_attach_grant_fits(&socket, ZS_ATTACH_MODE_socket));
	assert_false(zs_attach_grant_fits(&socket, ZS_ATTACH_MODE_tunnel));
	tunnel.bind_id = 1;
	assert_false(zs_attach_grant_fits(&tunnel, ZS_ATTACH_MODE_tunnel));
	socket.ports_count = 1;
	assert_false(zs_attach_grant_fits(&socket, ZS_ATTACH_MODE_socket));
}

static void codes(void **state)
{
	assert_string_equal(zs_attach_name(ZS_ATTACH_TABLE_ERROR, 16), "busy");
	assert_string_equal(zs_attach_name(ZS_ATTACH_TABLE_NOTICE, 1), "drain");
	assert_string_equal(zs_attach_name(ZS_ATTACH_TABLE_CLOSE, 1), "idle");
	assert_string_equal(zs_attach_name(ZS_ATTACH_TABLE_ERROR, 17), "unknown");
	assert_string_equal(zs_attach_text(ZS_ATTACH_TABLE_SIDE, 2), "the edge's limit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_as_frames),
		cmocka_unit_test(every_kind_both_ways),
		cmocka_unit_test(hello_bounds),
		cmocka_unit_test(grant_bounds),
		cmocka_unit_test(other_bounds),
		cmocka_unit_test(frames_refused),
		cmocka_unit_test(modes),
		cmocka_unit_test(codes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
