/* The states of an edge's session with its relay and what is done about refusals: the tables attach_states.def and
 * attach_refusals.def as functions. Pure; any thread. */
#ifndef ZS_P2P_ATTACH_STATE_H
#define ZS_P2P_ATTACH_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/random.h"
#include "p2p/attach.pb.h"

enum zs_attach_state {
#define ZS_ATTACH_STATE(name, within_ms, first_ms, most_ms, text) ZS_ATTACH_STATE_##name,
#include "defs/attach_states.def"
#undef ZS_ATTACH_STATE
	ZS_ATTACH_STATES
};

struct zs_attach_retry {
	const char *name, *text;
	uint64_t within_ns, first_ns, most_ns; /* see attach_states.def */
};
const struct zs_attach_retry *zs_attach_retry(enum zs_attach_state state);

/* How long to wait in `state` after so many failures in a row (≥ 1). A relay that restarts is noticed within
 * `silence_ns` and told `spread_ns` (0: nothing): all its edges are back within the spread, none in the first
 * sixteenth (1 s at most) after it noticed, and with another one for the attempt itself. */
uint64_t zs_attach_retry_wait(enum zs_attach_state state, uint32_t failures, uint64_t spread_ns,
			      uint64_t silence_ns, const struct zs_random *random);
/* After how much silence an edge asks whether its relay still knows it. */
uint64_t zs_attach_retry_silence(uint64_t spread_ns);

struct zs_attach_refusal {
	enum zs_attach_state state;
	bool keep; /* the attachment for the next Resume */
	const char *advice;
};
/* Never NULL, whatever the code. */
const struct zs_attach_refusal *zs_attach_refusal(uint32_t code);
/* "refused (quota): text, ports 2 of 2; what to do": the one line for people. */
const char *zs_attach_refusal_line(const zs_pb_Error *e, char *buf, size_t size);

#endif
