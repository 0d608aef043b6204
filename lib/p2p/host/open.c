/* Streams of ours, until they are handed to the transport: those that wait for a connection are in their
 * peer's list, those that wait for the peer's credit in their connection's. */
#include <errno.h>
#include <stdio.h>
#include "p2p/host/internal.h"

static void put_back(struct zs_host_stream *s)
{
	zs_limits_stream_close(s->host->limits, &s->limits);
	s->limits.conn = NULL;
	s->conn = NULL;
}

/* Hands a stream that is in no list to the connection. -EAGAIN: the peer allows no more for now. On failure
 * it is as before. */
static int start(struct zs_host_stream *s, struct zs_host_conn *c, char text[ZS_HOST_TEXT])
{
	struct zs_host *h = s->host;
	struct zs_refusal why = { 0 };
	int rc = zs_limits_stream_open(h->limits, &s->limits, &c->limits, ZS_OUT, h->now, &why);

	if (rc < 0) {
		s->limits.conn = NULL;
		zs_host_refused_by(h, c, &why);
		zs_refusal_text(&why, text);
		return rc;
	}
	s->conn = c;
	rc = zs_link_open(s);
	if (rc < 0) {
		put_back(s);
		snprintf(text, ZS_HOST_TEXT, "the connection to the peer is closing");
		return rc;
	}
	s->state = ZS_HSTREAM_NEGOTIATING;
	TAILQ_INSERT_TAIL(&c->streams, s, link);
	h->stats.streams_out++;
	c->streams_out++;
	zs_connmgr_streams(h->connmgr, c->manager, c->streams_in + c->streams_out);
	return 0;
}

static int wait(struct zs_host_stream *s, struct zs_host_streams *list)
{
	s->state = ZS_HSTREAM_WAITING;
	TAILQ_INSERT_TAIL(list, s, link);
	s->host->stats.waiting++;
	return 0;
}

static enum zs_stream_fate fate_of(int rc)
{
	return rc == -EDQUOT ? ZS_STREAM_LIMIT : rc == -ENOMEM ? ZS_STREAM_MEMORY : ZS_STREAM_DISCONNECTED;
}

void zs_hopen_on(struct zs_host_stream *s, struct zs_host_conn *c)
{
	struct zs_host *h = s->host;
	char text[ZS_HOST_TEXT];
	int rc;

	TAILQ_REMOVE(s->conn ? &c->waiting : &h->peer[s->peer].waiting, s, link);
	h->stats.waiting--;
	rc = start(s, c, text);
	if (rc < 0) {
		s->conn = c;
		TAILQ_INSERT_HEAD(&c->waiting, s, link);
		h->stats.waiting++;
	} else {
		rc = zs_hstream_propose(s, text);
	}
	if (rc < 0 && rc != -EAGAIN)
		zs_hstream_fail(s, fate_of(rc), 0, text);
}

static bool may_run(const struct zs_host_stream *s, const struct zs_host_conn *c)
{
	for (uint16_t i = 0; c->limited && i < s->count; i++)
		if (!zs_host_protocol_of(s->host, s->ids[i], strlen(s->ids[i]))->limited_ok)
			return false;
	return true;
}

void zs_hopen_waiting(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	struct zs_host_streams *list = &h->peer[c->peer].waiting;
	struct zs_host_stream *s;
	uint32_t count = 0;

	TAILQ_FOREACH(s, list, link)
	count++;
	for (; count && !c->leaving && (s = TAILQ_FIRST(list)); count--) {
		if (may_run(s, c)) {
			zs_hopen_on(s, c);
		} else {
			TAILQ_REMOVE(list, s, link);
			TAILQ_INSERT_TAIL(list, s, link);
		}
	}
}

static int queue(struct zs_host_stream *s, struct zs_host_conn *c, const struct zs_host_open *ask,
		 struct zs_error *err)
{
	struct zs_host *h = s->host;
	int rc;

	if (h->stats.waiting >= h->config.waiting)
		return zs_error_set(err, -EBUSY, ZS_EXIT_FAILED,
				    "our limit: %u of %llu streams wait already; waiting raises it",
				    h->stats.waiting, (unsigned long long)h->config.waiting);
	if (c) {
		s->conn = c;
		return wait(s, &c->waiting);
	}
	rc = zs_hdial_begin(h, &ask->peer, ask->insist, err);
	if (rc < 0)
		return rc;
	s->peer = zs_peertable_find(&h->peers, &ask->peer);
	return wait(s, &h->peer[s->peer].waiting);
}

/* The connection asked for, or the best that these protocols may run over. */
static struct zs_host_conn *choose(const struct zs_host_stream *s, const struct zs_host_open *ask)
{
	struct zs_host_conn *c = ask->conn ? ask->conn : zs_host_conn_to(s->host, &ask->peer);

	return c && (ask->conn || may_run(s, c)) ? c : NULL;
}

/* 1: handed to the transport; 0: it waits. */
static int begin(struct zs_host_stream *s, const struct zs_host_open *ask, struct zs_error *err)
{
	struct zs_host_conn *c = choose(s, ask);
	char text[ZS_HOST_TEXT];
	int rc;

	if (!c)
		return queue(s, NULL, ask, err);
	rc = start(s, c, text);
	if (rc == -EAGAIN)
		return queue(s, c, ask, err);
	if (rc == -ENOTCONN && !ask->conn && !c->leaving) { /* it just ended and is about to say so */
		c->leaving = true;
		return begin(s, ask, err);
	}
	return rc < 0 ? zs_error_set(err, rc, ZS_EXIT_REFUSED, "%s", text) : 1;
}

int zs_host_open(struct zs_host *h, const struct zs_host_open *ask, uint64_t now, struct zs_host_stream **out,
		 struct zs_error *err)
{
	struct zs_host_stream *s;
	char text[ZS_HOST_TEXT];
	int rc;

	zs_host_tell_time(h, now);
	for (uint16_t i = 0; i < ask->count; i++)
		if (!zs_host_protocol_of(h, ask->protocols[i], strlen(ask->protocols[i])))
			return zs_error_set(err, -ENOPROTOOPT, ZS_EXIT_FAILED,
					    "protocol %s is not registered", ask->protocols[i]);
	s = zs_hstream_new(h, ask->ops, ask->user);
	if (!s)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	s->ours = true;
	s->lazy = ask->lazy && ask->count == 1;
	s->ids = ask->protocols;
	s->count = ask->count;
	zs_host_stream_deadline(s, h->now + (ask->timeout_ns ? ask->timeout_ns : h->config.open_ns));
	rc = begin(s, ask, err);
	if (rc < 0) {
		zs_hstream_free(s);
		return rc;
	}
	*out = s;
	rc = rc ? zs_hstream_propose(s, text) : 0;
	if (rc < 0) { /* the transport knows it: it goes as one that was given up */
		zs_host_stream_reset(s, ZS_HOST_RESOURCES + 1);
		return zs_error_set(err, rc, ZS_EXIT_REFUSED, "%s", text);
	}
	return 0;
}
