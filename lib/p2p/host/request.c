/* Request and response. An exchange is the state of one side of one stream. */
#include "p2p/request.h"

#include <errno.h>
#include <stdlib.h>
#include "p2p/frame.h"

struct exchange {
	struct zs_frame frame;
	const struct zs_responder *responder; /* NULL: we ask */
	void (*done)(void *user, const uint8_t *bytes, size_t len, const char *text);
	void *user;
	uint64_t end_at;
	const char *protocol;
	uint8_t *bytes; /* our message, framed: as far as it is not written yet */
	size_t len, written;
	bool read; /* the other side's message came */
};

static void free_exchange(struct exchange *x)
{
	zs_frame_free(&x->frame);
	free(x->bytes);
	free(x);
}

static int set_message(struct exchange *x, const void *bytes, uint32_t len)
{
	struct zs_writer w;

	x->bytes = malloc(len + ZS_VARINT);
	if (!x->bytes)
		return -ENOMEM;
	w = zs_writer_of(x->bytes, len + ZS_VARINT);
	zs_frame_write(&w, bytes, len);
	x->len = zs_writer_len(&w);
	return 0;
}

/* Writes on; false: nobody reads it. */
static bool write_message(struct exchange *x, struct zs_host_stream *s)
{
	ssize_t n;

	if (!x->bytes || x->written == x->len)
		return true;
	n = zs_host_stream_write(s, x->bytes + x->written, x->len - x->written);
	if (n < 0)
		return false;
	x->written += (size_t)n;
	if (x->written == x->len)
		zs_host_stream_fin(s);
	return true;
}

/* 1: the message; 0: more is to come; negative: the protocol is broken. */
static int read_message(struct exchange *x, const uint8_t *bytes, size_t len, bool fin,
			const uint8_t **message, size_t *size)
{
	struct zs_reader in = zs_reader_of(bytes, len);
	int rc;

	if (x->read)
		return len ? -EPROTO : 0;
	rc = zs_frame_read(&x->frame, &in, message, size);
	if (rc == 0 && fin)
		return -EPROTO;
	if (rc == 1 && zs_reader_left(&in))
		return -EPROTO;
	x->read = rc == 1;
	return rc;
}

static void on_writable(void *user, struct zs_host_stream *s)
{
	if (user)
		write_message(user, s);
}

/* --- asking --------------------------------------------------------------------------------- */

static void end_asking(struct exchange *x, const uint8_t *bytes, size_t len, const char *text)
{
	x->done(x->user, bytes, len, text);
	free_exchange(x);
}

static void asked_ready(void *user, struct zs_host_stream *s)
{
	struct exchange *x = user;

	zs_host_stream_deadline(s, x->end_at);
	write_message(x, s);
}

static void asked_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct exchange *x = user;
	const uint8_t *message;
	size_t size;
	int rc;

	zs_host_stream_consume(s, len);
	if (!x)
		return;
	rc = read_message(x, bytes, len, fin, &message, &size);
	if (rc == 0)
		return;
	zs_host_stream_set_user(s, NULL);
	if (rc == 1) {
		if (x->written < x->len) /* answered before all was asked: the rest is of no use */
			zs_host_stream_reset(s, ZS_HOST_NONE);
		end_asking(x, message, size, NULL);
		return;
	}
	zs_host_stream_reset(s, ZS_HOST_VIOLATION + 1);
	end_asking(x, NULL, 0,
		   rc == -EMSGSIZE ? "the response is longer than allowed: raise the limit or ask for less"
				   : "the response is malformed");
}

static void asked_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	if (user)
		end_asking(user, NULL, 0,
			   why->fate == ZS_STREAM_DONE ? "the peer finished without a response" : why->text);
}

static const struct zs_stream_ops asked_ops = {
	.ready = asked_ready, .data = asked_data, .writable = on_writable, .closed = asked_closed
};

int zs_request_send(struct zs_host *h, const struct zs_request *request, uint64_t now, struct zs_error *err)
{
	struct exchange *x = calloc(1, sizeof(*x));
	struct zs_host_stream *s;
	int rc;

	if (!x || set_message(x, request->bytes, request->len) < 0) {
		free(x);
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	}
	zs_frame_init(&x->frame, request->max_response);
	x->done = request->done;
	x->user = request->user;
	x->end_at = now + request->timeout_ns;
	x->protocol = request->protocol;
	const struct zs_host_open ask = { .peer = request->peer,
					  .protocols = &x->protocol,
					  .count = 1,
					  .insist = request->insist,
					  .timeout_ns = request->timeout_ns,
					  .ops = &asked_ops,
					  .user = x };
	rc = zs_host_open(h, &ask, now, &s, err);
	if (rc < 0)
		free_exchange(x);
	return rc;
}

/* --- answering ------------------------------------------------------------------------------ */

static void answer_ready(void *user, struct zs_host_stream *s)
{
	const struct zs_responder *r = user;
	struct exchange *x = calloc(1, sizeof(*x));

	zs_host_stream_set_user(s, x);
	if (!x) {
		zs_host_stream_reset(s, ZS_HOST_RESOURCES + 1);
		return;
	}
	x->responder = r;
	zs_frame_init(&x->frame, r->max_request);
	zs_host_stream_deadline(s, zs_host_stream_now(s) + r->timeout_ns);
}

static void answer_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct exchange *x = user;
	const uint8_t *message;
	size_t size;
	int rc;

	zs_host_stream_consume(s, len);
	if (!x)
		return;
	rc = read_message(x, bytes, len, fin, &message, &size);
	if (rc == 1) {
		zs_host_stream_deadline(s, UINT64_MAX);
		x->responder->request(x->responder->user, s, message, size);
	} else if (rc < 0) {
		bool told = x->read && !x->bytes && x->responder->gone;
		if (told)
			x->responder->gone(x->responder->user, s);
		free_exchange(x);
		zs_host_stream_reset(s, ZS_HOST_VIOLATION + 1);
	}
}

static void answer_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct exchange *x = user;

	if (!x)
		return;
	if (x->read && !x->bytes && x->responder->gone)
		x->responder->gone(x->responder->user, s);
	free_exchange(x);
}

static const struct zs_stream_ops answer_ops = {
	.ready = answer_ready, .data = answer_data, .writable = on_writable, .closed = answer_closed
};

int zs_responder_register(struct zs_host *h, const struct zs_responder *responder)
{
	struct zs_host_protocol p = responder->protocol;

	p.ops = &answer_ops;
	p.user = (void *)(uintptr_t)responder;
	return zs_host_register(h, &p);
}

int zs_respond(struct zs_host_stream *s, const void *bytes, uint32_t len)
{
	struct exchange *x = zs_host_stream_user(s);
	int rc = len > x->responder->max_response ? -EMSGSIZE : set_message(x, bytes, len);

	if (rc == 0 && !write_message(x, s))
		rc = -EPIPE;
	if (rc == 0) {
		zs_host_stream_deadline(s, zs_host_stream_now(s) + x->responder->timeout_ns);
		return 0;
	}
	free_exchange(x);
	zs_host_stream_reset(s, ZS_HOST_RESOURCES + 1);
	return rc;
}
