/* A message is its varint length, text, newline. Both ends send the header first; the opener proposes, the
 * listener echoes what it speaks or says `na`. `ls` is long out of use and gets `na`, as
 * does simultaneous-connect, which nobody implements. */
#include "p2p/multistream.h"

#include <errno.h>
#include <string.h>

#define MESSAGE_MAX (ZS_MULTISTREAM_ID + 1)

static const char header[] = "/multistream/1.0.0";
static const char refusal[] = "na";

static void say(struct zs_writer *out, const char *text, size_t len)
{
	zs_varint_write(out, len + 1);
	zs_write_bytes(out, text, len);
	zs_write_u8(out, '\n');
}

static bool is(const char *text, const uint8_t *msg, size_t len)
{
	return strlen(text) == len && memcmp(text, msg, len) == 0;
}

void zs_multistream_listen(struct zs_multistream *m, zs_multistream_find *find, void *ctx)
{
	*m = (struct zs_multistream){ .listen = { .find = find, .ctx = ctx } };
	zs_frame_init(&m->frame, MESSAGE_MAX);
}

int zs_multistream_open(struct zs_multistream *m, const char *const *ids, uint16_t n, struct zs_writer *out)
{
	*m = (struct zs_multistream){ .opener = true, .propose = { .ids = ids, .n = n } };
	zs_frame_init(&m->frame, MESSAGE_MAX);
	say(out, header, strlen(header));
	say(out, ids[0], strlen(ids[0]));
	return out->failed ? -EMSGSIZE : 0;
}

static int listener_step(struct zs_multistream *m, const uint8_t *msg, size_t len, struct zs_writer *out)
{
	m->listen.found = m->listen.find(m->listen.ctx, (const char *)msg, len);
	if (m->listen.found) {
		say(out, (const char *)msg, len);
		return 1;
	}
	if (++m->at > ZS_MULTISTREAM_PROPOSALS)
		return -ENOPROTOOPT;
	say(out, refusal, strlen(refusal));
	return 0;
}

static int opener_step(struct zs_multistream *m, const uint8_t *msg, size_t len, struct zs_writer *out)
{
	if (is(m->propose.ids[m->at], msg, len))
		return 1;
	if (!is(refusal, msg, len))
		return -EPROTO;
	if (m->at + 1 == m->propose.n)
		return -ENOPROTOOPT;
	m->at++;
	say(out, m->propose.ids[m->at], strlen(m->propose.ids[m->at]));
	return 0;
}

/* One message without its newline. */
static int step(struct zs_multistream *m, const uint8_t *msg, size_t len, struct zs_writer *out)
{
	if (m->header_read)
		return m->opener ? opener_step(m, msg, len, out) : listener_step(m, msg, len, out);
	if (!is(header, msg, len))
		return -EPROTO;
	m->header_read = true;
	if (!m->opener)
		say(out, header, strlen(header));
	return 0;
}

int zs_multistream_read(struct zs_multistream *m, struct zs_reader *in, struct zs_writer *out)
{
	const uint8_t *msg;
	size_t len;
	int ret = 0;

	while (ret == 0 && out->end - out->at >= ZS_MULTISTREAM_ROOM) {
		ret = zs_frame_read(&m->frame, in, &msg, &len);
		if (ret <= 0)
			return ret == -EINVAL ? -EPROTO : ret;
		if (len == 0 || msg[len - 1] != '\n')
			return -EPROTO;
		ret = step(m, msg, len - 1, out);
	}
	return ret;
}

void zs_multistream_free(struct zs_multistream *m)
{
	zs_frame_free(&m->frame);
}

const void *zs_multistream_found(const struct zs_multistream *m)
{
	return m->opener ? NULL : m->listen.found;
}

uint16_t zs_multistream_chosen(const struct zs_multistream *m)
{
	return m->at;
}
