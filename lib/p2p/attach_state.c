#include "p2p/attach_state.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/attach_codec.h"

/* A sixth of the spread: noticing a restart that late leaves five sixths to return in, a fifth more a second than
 * with all of it. Not below 1 s (load), not above 15 s (NATs forget UDP after 30). */
#define SILENCE_SHARE 6
#define SILENCE_LEAST (1 * ZS_NS_PER_S)
#define SILENCE_MOST  (15 * ZS_NS_PER_S)
/* Of the spread, at its beginning for the relay to be there again, and at its end for the dial, Hello and Grant among all the
 * others'. */
#define BACK_SHARE    16
#define BACK_MOST     (1 * ZS_NS_PER_S)

const struct zs_attach_retry *zs_attach_retry(enum zs_attach_state state)
{
	static const struct zs_attach_retry rules[] = {
#define ZS_ATTACH_STATE(name, within_ms, first_ms, most_ms, text)                                            \
	{ #name, text, (within_ms)*ZS_NS_PER_MS, (first_ms)*ZS_NS_PER_MS, (most_ms)*ZS_NS_PER_MS },
#include "defs/attach_states.def"
#undef ZS_ATTACH_STATE
	};

	ZS_CHECK(state < ZS_ATTACH_STATES);
	return &rules[state];
}

uint64_t zs_attach_retry_silence(uint64_t spread_ns)
{
	uint64_t share = spread_ns / SILENCE_SHARE;

	if (share == 0 || share > SILENCE_MOST)
		return SILENCE_MOST;
	return share < SILENCE_LEAST ? SILENCE_LEAST : share;
}

uint64_t zs_attach_retry_wait(enum zs_attach_state state, uint32_t failures, uint64_t spread_ns,
			      uint64_t silence_ns, const struct zs_random *random)
{
	const struct zs_attach_retry *rule = zs_attach_retry(state);
	uint64_t wait = rule->first_ns;

	if (state == ZS_ATTACH_STATE_lost && spread_ns > 0) {
		uint64_t share = spread_ns / BACK_SHARE, most = spread_ns / 2;

		share = share < BACK_MOST ? share : BACK_MOST;
		return share + zs_random_below(random, spread_ns - 2 * share -
							   (silence_ns < most ? silence_ns : most));
	}
	while (--failures > 0 && wait < rule->most_ns)
		wait *= 2;
	if (wait > rule->most_ns)
		wait = rule->most_ns;
	return wait / 2 + zs_random_below(random, wait - wait / 2);
}

const struct zs_attach_refusal *zs_attach_refusal(uint32_t code)
{
#define KEEP(yes) yes
	static const struct zs_attach_refusal rows[] = {
#define ZS_ATTACH_REFUSAL(name, state, keep, advice)                                                         \
	[ZS_ATTACH_ERROR_##name] = { ZS_ATTACH_STATE_##state, keep, advice },
#include "defs/attach_refusals.def"
#undef ZS_ATTACH_REFUSAL
	};
#undef KEEP
	static const struct zs_attach_refusal other = { ZS_ATTACH_STATE_error, true,
							"upgrade this end to learn what it means" };

	return code < ZS_ARRAY_LEN(rows) && rows[code].advice ? &rows[code] : &other;
}

static const char *advice(const zs_pb_Error *e)
{
	static const struct {
		uint32_t code;
		const char *scope, *advice;
	} rows[] = {
#define ZS_ATTACH_REFUSAL(name, state, keep, advice)
#define ZS_ATTACH_ADVICE(name, scope, advice) { ZS_ATTACH_ERROR_##name, scope, advice },
#include "defs/attach_refusals.def"
#undef ZS_ATTACH_ADVICE
#undef ZS_ATTACH_REFUSAL
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		if (rows[i].code == e->code && !strcmp(rows[i].scope, e->scope))
			return rows[i].advice;
	return zs_attach_refusal(e->code)->advice;
}

const char *zs_attach_refusal_line(const zs_pb_Error *e, char *buf, size_t size)
{
	char measure[96] = "";

	if (e->scope[0] && (e->current || e->limit))
		snprintf(measure, sizeof(measure), ", %s %llu of %llu", e->scope,
			 (unsigned long long)e->current, (unsigned long long)e->limit);
	else if (e->scope[0])
		snprintf(measure, sizeof(measure), " (%s)", e->scope);
	snprintf(buf, size, "refused (%s): %s%s; %s", zs_attach_name(ZS_ATTACH_TABLE_ERROR, e->code),
		 e->text[0] ? e->text : zs_attach_text(ZS_ATTACH_TABLE_ERROR, e->code), measure, advice(e));
	return buf;
}
