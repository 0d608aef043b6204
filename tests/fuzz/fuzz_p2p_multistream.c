/* Any bytes at a listener and at an opener, whole and in pieces: the same verdict, the same answers, the same bytes
 * left. The first byte is the size of a piece. */
#include "fuzz/exact.h"
#include "p2p/multistream.h"

struct outcome {
	int ret;
	size_t used, said;
	uint8_t out[8192];
};

static const void *find(void *ctx, const char *id, size_t len)
{
	return len > 2 && id[0] == '/' && id[len - 1] == '0' ? ctx : NULL;
}

static void run(struct zs_multistream *m, const uint8_t *data, size_t size, size_t step, struct outcome *o)
{
	while (o->ret == 0 && o->used < size) {
		size_t n = size - o->used < step ? size - o->used : step;
		uint8_t *piece = fuzz_exact(data + o->used, n);
		struct zs_reader in = zs_reader_of(piece, n);
		struct zs_writer out = zs_writer_of(o->out + o->said, sizeof(o->out) - o->said);
		o->ret = zs_multistream_read(m, &in, &out);
		size_t taken = n - zs_reader_left(&in);
		o->used += taken;
		o->said += zs_writer_len(&out);
		free(piece);
		if (taken == 0 && o->ret == 0)
			break; /* no room */
	}
	ZS_CHECK(m->frame.partial == NULL || m->frame.len <= ZS_MULTISTREAM_ID + 1);
	zs_multistream_free(m);
}

static void both(const uint8_t *data, size_t size, size_t step, bool opener)
{
	static const char *const ids[] = { "/a/1.0.0", "/b" };
	static struct outcome o[2];

	for (int i = 0; i < 2; i++) {
		struct zs_multistream m;
		struct zs_writer out = zs_writer_of(o[i].out, sizeof(o[i].out));
		o[i].ret = 0, o[i].used = o[i].said = 0;
		if (opener)
			ZS_CHECK(zs_multistream_open(&m, ids, 2, &out) == 0);
		else
			zs_multistream_listen(&m, find, &m);
		o[i].said = zs_writer_len(&out);
		run(&m, data, size, i ? step : size + 1, &o[i]);
	}
	ZS_CHECK(o[0].ret == o[1].ret && o[0].said == o[1].said &&
		 memcmp(o[0].out, o[1].out, o[0].said) == 0);
	if (o[0].ret == 1)
		ZS_CHECK(o[0].used == o[1].used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	both(data + 1, size - 1, 1u + data[0], false);
	both(data + 1, size - 1, 1u + data[0], true);
	return 0;
}
