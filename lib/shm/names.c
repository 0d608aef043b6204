/* Names and texts of the definition tables. */
#include "shm/state.h"

#include "base/check.h"

const char *zs_counter_name(enum zs_counter c)
{
	static const char *const name[] = {
#define ZS_COUNTER(name, text) #name,
#include "defs/counters.def"
#undef ZS_COUNTER
	};
	return (uint32_t)c < ZS_ARRAY_LEN(name) ? name[c] : "?";
}

const char *zs_counter_text(enum zs_counter c)
{
	static const char *const text[] = {
#define ZS_COUNTER(name, text) text,
#include "defs/counters.def"
#undef ZS_COUNTER
	};
	return (uint32_t)c < ZS_ARRAY_LEN(text) ? text[c] : "?";
}

const char *zs_drop_name(enum zs_drop d)
{
	static const char *const name[] = {
#define ZS_DROP(name, text) #name,
#include "defs/drops.def"
#undef ZS_DROP
	};
	return (uint32_t)d < ZS_ARRAY_LEN(name) ? name[d] : "?";
}

const char *zs_drop_text(enum zs_drop d)
{
	static const char *const text[] = {
#define ZS_DROP(name, text) text,
#include "defs/drops.def"
#undef ZS_DROP
	};
	return (uint32_t)d < ZS_ARRAY_LEN(text) ? text[d] : "?";
}

const char *zs_stage_name(enum zs_stage s)
{
	static const char *const name[] = {
#define ZS_STAGE(name, text) #name,
#include "defs/stages.def"
#undef ZS_STAGE
	};
	return (uint32_t)s < ZS_ARRAY_LEN(name) ? name[s] : "?";
}
