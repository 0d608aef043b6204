/* Varints, frames and multistream-select: every way to cut the bytes, limits, wrong answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "p2p/multistream.h"
#include "unit/p2p/hex.h"
#include "unit/random.h"

static void varints(void **state)
{
	static const struct {
		const char *bytes;
		uint64_t v;
		int ret;
	} rows[] = {
		{ "00", 0, 1 },
		{ "01", 1, 1 },
		{ "7f", 127, 1 },
		{ "8001", 128, 2 },
		{ "ff01", 255, 2 },
		{ "ac02", 300, 2 },
		{ "808001", 16384, 3 },
		{ "ffffffffffffffff7f", ZS_VARINT_MAX, 9 },
		{ "8000", 0, -EINVAL },
		{ "818000", 0, -EINVAL },
		{ "ffffffffffffffffff01", 0, -EINVAL },
		{ "ffffffffffffffffff", 0, -EINVAL },
		{ "", 0, 0 },
		{ "80", 0, 0 },
		{ "ffffffffffffffff", 0, 0 },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint8_t bytes[16], back[16];
		size_t len = hex_read(bytes, sizeof(bytes), rows[i].bytes);
		uint8_t *exact = exact_copy(bytes, len);
		struct zs_reader r = zs_reader_of(exact, len);
		uint64_t v = 0;

		assert_int_equal(zs_varint_decode(exact, len, &v), rows[i].ret);
		assert_int_equal(v, rows[i].v);
		assert_int_equal(zs_varint_read(&r), rows[i].v);
		assert_int_equal(r.failed, rows[i].ret <= 0);
		if (rows[i].ret > 0) {
			struct zs_writer w = zs_writer_of(back, sizeof(back));
			zs_varint_write(&w, v);
			assert_int_equal(zs_writer_len(&w), len);
			assert_int_equal(zs_varint_len(v), len);
			assert_memory_equal(back, bytes, len);
		}
		free(exact);
	}
	uint8_t out[16];
	struct zs_writer w = zs_writer_of(out, sizeof(out));
	zs_varint_write(&w, ZS_VARINT_MAX + 1);
	assert_true(w.failed);
}

/* Random messages, cut at random places, come out as they went in; nothing stays held. */
static void frames_in_pieces(void **state)
{
	struct random rnd = random_new("frames");

	for (int round = 0; round < 200; round++) {
		uint8_t wire[4096], sent[8][300];
		struct zs_writer w = zs_writer_of(wire, sizeof(wire));
		size_t lens[8], got = 0;
		struct zs_frame f;

		zs_frame_init(&f, 299);
		for (int i = 0; i < 8; i++) {
			lens[i] = random_below(&rnd, 4) ? random_below(&rnd, 300) : 0;
			random_bytes(&rnd, sent[i], lens[i]);
			zs_frame_write(&w, sent[i], lens[i]);
		}
		for (size_t at = 0; at < zs_writer_len(&w);) {
			size_t n = 1 + random_below(&rnd, round % 2 ? 3 : 500);
			if (n > zs_writer_len(&w) - at)
				n = zs_writer_len(&w) - at;
			uint8_t *piece = exact_copy(wire + at, n);
			struct zs_reader in = zs_reader_of(piece, n);
			const uint8_t *msg;
			size_t len;
			int ret;
			while ((ret = zs_frame_read(&f, &in, &msg, &len)) == 1) {
				assert_int_equal(len, lens[got]);
				assert_memory_equal(msg, sent[got], len);
				got++;
			}
			assert_int_equal(ret, 0);
			assert_int_equal(zs_reader_left(&in), 0);
			free(piece);
			at += n;
		}
		assert_int_equal(got, 8);
		assert_false(zs_frame_is_partial(&f));
		assert_null(f.partial);
	}
}

static void frames_refused(void **state)
{
	static const struct {
		const char *bytes;
		int ret;
		bool partial;
	} rows[] = {
		{ "e907", -EMSGSIZE, false }, /* 1001 */
		{ "ffffffffffffffff7f", -EMSGSIZE, false },
		{ "8000", -EINVAL, false },
		{ "ffffffffffffffffffff", -EINVAL, false },
		{ "e8", 0, true },
		{ "e807", 0, true }, /* 1000: the longest */
		{ "0201", 0, true },
		{ "", 0, false },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint8_t bytes[16];
		struct zs_reader in = zs_reader_of(bytes, hex_read(bytes, sizeof(bytes), rows[i].bytes));
		const uint8_t *msg;
		struct zs_frame f;
		size_t len;

		zs_frame_init(&f, 1000);
		assert_int_equal(zs_frame_read(&f, &in, &msg, &len), rows[i].ret);
		if (rows[i].ret == 0)
			assert_int_equal(zs_frame_is_partial(&f), rows[i].partial);
		assert_true(f.partial == NULL || f.len <= 1000);
		zs_frame_free(&f);
	}
}

static const char ping[] = "/ipfs/ping/1.0.0", identify[] = "/ipfs/id/1.0.0";

static const void *find(void *ctx, const char *id, size_t len)
{
	(*(int *)ctx)++;
	return len == strlen(ping) && memcmp(id, ping, len) == 0 ? ping : NULL;
}

static void put(struct zs_writer *w, const char *text)
{
	zs_frame_write(w, text, strlen(text));
}

/* A listener fed `text` in pieces of `step` bytes, all of it but what stands behind the answer. */
static int listen_to(const uint8_t *bytes, size_t len, size_t step, struct zs_writer *out, size_t *left)
{
	struct zs_multistream m;
	int asked = 0, ret = 0;

	zs_multistream_listen(&m, find, &asked);
	for (size_t at = 0; at < len && ret == 0; at += step) {
		size_t n = len - at < step ? len - at : step;
		uint8_t *piece = exact_copy(bytes + at, n);
		struct zs_reader in = zs_reader_of(piece, n);
		ret = zs_multistream_read(&m, &in, out);
		*left = zs_reader_left(&in) + len - at - n;
		free(piece);
	}
	if (ret == 1)
		assert_ptr_equal(zs_multistream_found(&m), ping);
	zs_multistream_free(&m);
	return ret;
}

/* The specification's bytes: header and proposal in one packet, data right behind. */
static void listener(void **state)
{
	static const uint8_t first[] =
	    "\x13/multistream/1.0.0\n\x0f/ipfs/id/1.0.0\n\x11/ipfs/ping/1.0.0\nDATA";
	static const uint8_t answer[] = "\x13/multistream/1.0.0\n\x03na\n\x11/ipfs/ping/1.0.0\n";

	for (size_t step = 1; step <= sizeof(first); step++) {
		uint8_t bytes[4096];
		struct zs_writer out = zs_writer_of(bytes, sizeof(bytes));
		size_t left = 0;

		assert_int_equal(listen_to(first, sizeof(first) - 1, step, &out, &left), 1);
		assert_int_equal(left, 4);
		assert_int_equal(zs_writer_len(&out), sizeof(answer) - 1);
		assert_memory_equal(bytes, answer, sizeof(answer) - 1);
	}
}

static void listener_refuses(void **state)
{
	static const struct {
		const char *messages[3];
		int ret;
	} rows[] = {
		{ { "/multistream/1.0.0\n", "ls\n" }, 0 },
		{ { "/multistream/1.0.0\n", "/libp2p/simultaneous-connect\n", "/ipfs/ping/1.0.0\n" }, 1 },
		{ { "/multistream/1.0.0\n", "\n", "/ipfs/ping/1.0.0\n" }, 1 },
		{ { "/multistream/1.0.0\n", "/ipfs/ping/1.0.0" }, -EPROTO },
		{ { "/multistream/1.0.0\n", "" }, -EPROTO },
		{ { "/multistream/2.0.0\n" }, -EPROTO },
		{ { "/ipfs/ping/1.0.0\n" }, -EPROTO },
		{ { "GET / HTTP/1.1\r\n" }, -EPROTO },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint8_t in[256], bytes[4096];
		struct zs_writer w = zs_writer_of(in, sizeof(in)), out = zs_writer_of(bytes, sizeof(bytes));
		size_t left;

		for (int j = 0; j < 3 && rows[i].messages[j]; j++)
			put(&w, rows[i].messages[j]);
		assert_int_equal(listen_to(in, zs_writer_len(&w), 7, &out, &left), rows[i].ret);
	}
}

static void listener_bounds(void **state)
{
	uint8_t in[4096], bytes[8192];
	struct zs_writer w = zs_writer_of(in, sizeof(in)), out = zs_writer_of(bytes, sizeof(bytes));
	char longest[1025];
	size_t left;

	memset(longest, 'x', sizeof(longest));
	longest[1023] = '\n';
	put(&w, "/multistream/1.0.0\n");
	zs_frame_write(&w, longest, 1024);
	assert_int_equal(listen_to(in, zs_writer_len(&w), 100, &out, &left), 0);
	zs_frame_write(&w, longest, 1025);
	assert_int_equal(listen_to(in, zs_writer_len(&w), 100, &out, &left), -EMSGSIZE);

	w = zs_writer_of(in, sizeof(in)), out = zs_writer_of(bytes, sizeof(bytes));
	put(&w, "/multistream/1.0.0\n");
	for (int i = 0; i < ZS_MULTISTREAM_PROPOSALS; i++)
		put(&w, "/x\n");
	assert_int_equal(listen_to(in, zs_writer_len(&w), 100, &out, &left), 0);
	put(&w, "/x\n");
	assert_int_equal(listen_to(in, zs_writer_len(&w), 100, &out, &left), -ENOPROTOOPT);
}

/* Without room for an answer nothing is taken; with room it goes on. */
static void listener_without_room(void **state)
{
	static const uint8_t first[] = "\x13/multistream/1.0.0\n\x11/ipfs/ping/1.0.0\n";
	uint8_t bytes[ZS_MULTISTREAM_ROOM];
	struct zs_writer small = zs_writer_of(bytes, sizeof(bytes) - 1),
			 out = zs_writer_of(bytes, sizeof(bytes));
	struct zs_reader in = zs_reader_of(first, sizeof(first) - 1);
	struct zs_multistream m;
	int asked = 0;

	zs_multistream_listen(&m, find, &asked);
	assert_int_equal(zs_multistream_read(&m, &in, &small), 0);
	assert_int_equal(zs_reader_left(&in), sizeof(first) - 1);
	assert_int_equal(zs_multistream_read(&m, &in, &out), 0);
	assert_int_equal(asked, 0); /* the header alone fitted */
	assert_int_equal(zs_writer_len(&out), 20);
	out = zs_writer_of(bytes, sizeof(bytes));
	assert_int_equal(zs_multistream_read(&m, &in, &out), 1);
	assert_int_equal(zs_writer_len(&out), 18);
	zs_multistream_free(&m);
}

static void opener(void **state)
{
	static const char *const ids[] = { identify, ping };
	static const uint8_t first[] = "\x13/multistream/1.0.0\n\x0f/ipfs/id/1.0.0\n",
			     second[] = "\x11/ipfs/ping/1.0.0\n";
	static const struct {
		const char *messages[3];
		int ret;
		uint16_t chosen;
		bool second;
	} rows[] = {
		{ { "/multistream/1.0.0\n", "/ipfs/id/1.0.0\n" }, 1, 0, false },
		{ { "/multistream/1.0.0\n", "na\n", "/ipfs/ping/1.0.0\n" }, 1, 1, true },
		{ { "/multistream/1.0.0\n", "na\n", "na\n" }, -ENOPROTOOPT, 1, true },
		{ { "/multistream/1.0.0\n", "na\n", "/ipfs/id/1.0.0\n" }, -EPROTO, 1, true },
		{ { "/multistream/1.0.0\n", "/ipfs/ping/1.0.0\n" }, -EPROTO, 0, false },
		{ { "/multistream/1.0.0\n" }, 0, 0, false },
		{ { "na\n" }, -EPROTO, 0, false },
		{ { "/ipfs/id/1.0.0\n" }, -EPROTO, 0, false },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint8_t in[256], bytes[4096];
		struct zs_writer w = zs_writer_of(in, sizeof(in)), out = zs_writer_of(bytes, sizeof(bytes));
		struct zs_multistream m;

		assert_int_equal(zs_multistream_open(&m, ids, 2, &out), 0);
		assert_int_equal(zs_writer_len(&out), sizeof(first) - 1);
		assert_memory_equal(bytes, first, sizeof(first) - 1);
		for (int j = 0; j < 3 && rows[i].messages[j]; j++)
			put(&w, rows[i].messages[j]);
		zs_write_bytes(&w, "DATA", 4);
		struct zs_reader r = zs_reader_of(in, zs_writer_len(&w));
		assert_int_equal(zs_multistream_read(&m, &r, &out), rows[i].ret);
		assert_int_equal(zs_multistream_chosen(&m), rows[i].chosen);
		if (rows[i].ret == 1)
			assert_int_equal(zs_reader_left(&r), 4);
		assert_int_equal(zs_writer_len(&out),
				 sizeof(first) - 1 + (rows[i].second ? sizeof(second) - 1 : 0));
		zs_multistream_free(&m);
	}
	struct zs_multistream m;
	uint8_t tight[34];
	struct zs_writer out = zs_writer_of(tight, sizeof(tight));
	assert_int_equal(zs_multistream_open(&m, ids, 2, &out), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints),
		cmocka_unit_test(frames_in_pieces),
		cmocka_unit_test(frames_refused),
		cmocka_unit_test(listener),
		cmocka_unit_test(listener_refuses),
		cmocka_unit_test(listener_bounds),
		cmocka_unit_test(listener_without_room),
		cmocka_unit_test(opener),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
