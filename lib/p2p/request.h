/* Request and response: one varint-framed message each way on a stream of its own. The asker writes and
 * finishes, the answerer may see FIN right behind the request and still answers, then finishes. Whatever
 * else comes is a broken protocol. Host's thread; sizes are without the frame. */
#ifndef ZS_P2P_REQUEST_H
#define ZS_P2P_REQUEST_H

#include "p2p/host.h"

struct zs_request {
	struct zs_peer_id peer;
	const char *protocol; /* registered, a constant */
	const void *bytes;    /* copied */
	uint32_t len, max_response;
	uint64_t timeout_ns; /* the whole of it, a dial included */
	bool insist;
	/* Once. text NULL: the response, until it returns; else why there is none, one line. */
	void (*done)(void *user, const uint8_t *bytes, size_t len, const char *text);
	void *user;
};
/* Errors of zs_host_open(); `done` does not come then. */
int zs_request_send(struct zs_host *h, const struct zs_request *request, uint64_t now, struct zs_error *err);

struct zs_responder {
	struct zs_host_protocol protocol; /* ops and user are not looked at */
	uint32_t max_request, max_response;
	uint64_t timeout_ns; /* for the request to come, and again for the response to go */
	/* Answer now or later by zs_respond(), or zs_host_stream_reset(). `bytes` until it returns. */
	void (*request)(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len);
	/* The asker went away before the answer; `s` is gone. Optional. */
	void (*gone)(void *user, struct zs_host_stream *s);
	void *user;
};
/* `responder` outlives the host. Errors of zs_host_register(). */
int zs_responder_register(struct zs_host *h, const struct zs_responder *responder);
/* -EMSGSIZE: longer than max_response; -EPIPE: nobody reads it. In both cases the stream is given up; s is gone. */
int zs_respond(struct zs_host_stream *s, const void *bytes, uint32_t len);

#endif
