/* Which protocol a stream speaks: incoming ones from their first byte on, ours from the proposal. In
 * this time a stream counts as transient. */
#include <errno.h>
#include "p2p/host/internal.h"

static const void *find(void *ctx, const char *id, size_t len)
{
	const struct zs_host_stream *s = ctx;
	const struct zs_host_entry *e = zs_host_protocol_of(s->host, id, len);

	return e && e->on && e->ops && (e->limited_ok || !s->conn->limited) ? e : NULL;
}

struct zs_host_stream *zs_hstream_accept(struct zs_host_conn *c, struct zs_quic_stream *link, uint64_t *code)
{
	struct zs_host *h = c->host;
	struct zs_host_stream *s = zs_hstream_new(h, NULL, NULL);
	struct zs_refusal why = { 0 };

	if (!s)
		return NULL;
	if (zs_limits_stream_open(h->limits, &s->limits, &c->limits, ZS_IN, h->now, &why) < 0) {
		s->limits.conn = NULL;
		zs_host_refused_by(h, c, &why);
		*code = (why.resource == ZS_RESOURCE_streams_per_s ? ZS_HOST_RATE : ZS_HOST_RESOURCES) + 1;
		zs_hstream_free(s);
		return NULL;
	}
	s->conn = c;
	s->link_stream = link;
	s->state = ZS_HSTREAM_NEGOTIATING;
	zs_multistream_listen(&s->negotiation, find, s);
	TAILQ_INSERT_TAIL(&c->streams, s, link);
	h->stats.streams_in++;
	c->streams_in++;
	zs_connmgr_streams(h->connmgr, c->manager, c->streams_in + c->streams_out);
	zs_host_stream_deadline(s, h->now + h->config.negotiate_ns);
	return s;
}

/* Into the protocol's scopes; for our own streams in the moment it is certain, or taken for granted. -EDQUOT. */
static int take_protocol(struct zs_host_stream *s, const struct zs_host_entry *e, char text[ZS_HOST_TEXT])
{
	struct zs_host *h = s->host;
	struct zs_refusal why = { 0 };
	int rc = zs_limits_stream_protocol(h->limits, &s->limits, e->group, &why);

	s->protocol = e;
	if (rc == 0 && e >= h->protocol + h->own_protocols)
		zs_host_tag(h, &s->conn->id, s->ours ? "asked" : "served", ZS_HSCORE_PROTOCOL);
	if (rc == 0)
		return 0;
	zs_host_refused_by(h, s->conn, &why);
	zs_refusal_text(&why, text);
	return rc;
}

static void ready(struct zs_host_stream *s)
{
	s->state = ZS_HSTREAM_OPEN;
	zs_host_stream_deadline(s, UINT64_MAX);
	if (s->ops && s->ops->ready)
		s->ops->ready(s->user, s);
}

int zs_hstream_propose(struct zs_host_stream *s, char text[ZS_HOST_TEXT])
{
	uint8_t room[ZS_MULTISTREAM_ROOM];
	struct zs_writer out = zs_writer_of(room, sizeof(room));
	const char *first = s->ids[0];
	int rc = 0;

	zs_multistream_open(&s->negotiation, s->ids, s->count, &out);
	if (s->lazy)
		rc = take_protocol(s, zs_host_protocol_of(s->host, first, strlen(first)), text);
	if (rc < 0)
		return rc;
	if (zs_link_write(s, room, zs_writer_len(&out)) != (ssize_t)zs_writer_len(&out)) {
		strcpy(text, "out of memory");
		return -ENOMEM;
	}
	if (s->lazy)
		ready(s);
	return 0;
}

/* False: the stream has failed. */
static bool settle(struct zs_host_stream *s, const uint8_t *answer, size_t len)
{
	const struct zs_host_entry *e = zs_multistream_found(&s->negotiation);
	char text[ZS_HOST_TEXT];

	if (s->ours) {
		const char *id = s->ids[zs_multistream_chosen(&s->negotiation)];
		e = zs_host_protocol_of(s->host, id, strlen(id));
	}
	s->settled = true;
	zs_multistream_free(&s->negotiation);
	if (s->ours && s->lazy)
		return true;
	if (take_protocol(s, e, text) < 0) {
		zs_hstream_fail(s, ZS_STREAM_LIMIT, 0, text);
		return false;
	}
	if (!s->ours) {
		s->ops = e->ops;
		s->user = e->user;
		/* A peer that reads no answer has heard enough: no failure. */
		zs_link_write(s, answer, len);
	}
	ready(s);
	return s->ops;
}

static void fail_negotiation(struct zs_host_stream *s, int rc)
{
	zs_hstream_fail(s,
			rc == -ENOPROTOOPT ? ZS_STREAM_NO_PROTOCOL
			: rc == -ENOMEM	   ? ZS_STREAM_MEMORY
					   : ZS_STREAM_NEGOTIATION,
			0, NULL);
}

bool zs_hstream_negotiate(struct zs_host_stream *s, struct zs_reader *in)
{
	uint8_t room[2 * ZS_MULTISTREAM_ROOM];
	int rc = 0;

	while (!s->settled && zs_reader_left(in)) {
		struct zs_writer out = zs_writer_of(room, sizeof(room));
		rc = zs_multistream_read(&s->negotiation, in, &out);
		if (rc < 0) {
			fail_negotiation(s, rc);
			return false;
		}
		if (rc == 1)
			return settle(s, room, zs_writer_len(&out));
		zs_link_write(s, room, zs_writer_len(&out));
	}
	return true;
}
