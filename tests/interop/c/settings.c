/* `--set NAME=N`: the limits as a refusal names them (peer.conns_in), the host's own numbers (negotiate_ns), and
 * what of the connection manager, of QUIC and of the rates of new connections a test wants small. */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "interop/c/p2phost.h"

static bool set_limit(struct zs_limit *l, enum zs_resource resource, uint64_t n)
{
	uint32_t *const at[ZS_RESOURCES] = {
		[ZS_RESOURCE_conns_in] = &l->conns_in,
		[ZS_RESOURCE_conns_out] = &l->conns_out,
		[ZS_RESOURCE_conns] = &l->conns,
		[ZS_RESOURCE_streams_in] = &l->streams_in,
		[ZS_RESOURCE_streams_out] = &l->streams_out,
		[ZS_RESOURCE_streams] = &l->streams,
		[ZS_RESOURCE_conns_per_s] = &l->conns_burst,
		[ZS_RESOURCE_streams_per_s] = &l->streams_burst,
	};

	if (resource == ZS_RESOURCE_memory_bytes)
		l->memory_bytes = n;
	else if (at[resource])
		*at[resource] = (uint32_t)n;
	if (resource == ZS_RESOURCE_conns_per_s)
		l->conns_per_s = 1;
	if (resource == ZS_RESOURCE_streams_per_s)
		l->streams_per_s = 1;
	return resource == ZS_RESOURCE_memory_bytes || at[resource];
}

static bool set_of_scope(struct zs_host_config *c, const char *name, size_t len, uint64_t n)
{
	char wanted[64];

	for (int scope = 0; scope < ZS_SCOPES; scope++)
		for (int resource = 0; resource < ZS_RESOURCES; resource++) {
			snprintf(wanted, sizeof(wanted), "%s.%s", zs_scope_name(scope),
				 zs_resource_name(resource));
			if (strlen(wanted) == len && !memcmp(wanted, name, len))
				return set_limit(&c->limits.limit[scope], resource, n);
		}
	return false;
}

static bool set_rate(struct zs_host_config *c, enum zs_new_rate rate, uint64_t n)
{
	c->prefix.rate[rate].per_s = c->prefix.rate[rate].burst = (uint32_t)n;
	if (c->prefix.rate[rate].soft > n)
		c->prefix.rate[rate].soft = (uint32_t)n;
	return true;
}

bool settings_apply(struct zs_host_config *c, const char *text)
{
	size_t len = strcspn(text, "=");
	uint64_t n = text[len] ? strtoull(text + len + 1, NULL, 10) : 0;
	const struct {
		const char *name;
		uint32_t *at;
	} numbers[] = {
		{ "connmgr.low", &c->connmgr.low },
		{ "connmgr.high", &c->connmgr.high },
		{ "quic.max_handshakes", &c->quic.max_handshakes },
		{ "quic.retry_above", &c->quic.retry_above },
		{ "quic.streams_bidi", &c->quic.streams_bidi },
		{ "limits.peers", &c->limits.peers },
	};
	const struct {
		const char *name;
		uint64_t *at;
	} longs[] = {
		{ "connmgr.grace_ns", &c->connmgr.grace_ns },
		{ "connmgr.pause_ns", &c->connmgr.pause_ns },
		{ "quic.handshake_ns", &c->quic.handshake_ns },
#define ZS_HOST_NUMBER(name, value, text) { #name, &c->name },
#include "defs/p2p_host.def"
#undef ZS_HOST_NUMBER
	};

	if (!text[len])
		return false;
	for (size_t i = 0; i < ZS_ARRAY_LEN(numbers); i++)
		if (strlen(numbers[i].name) == len && !memcmp(numbers[i].name, text, len))
			return *numbers[i].at = (uint32_t)n, true;
	for (size_t i = 0; i < ZS_ARRAY_LEN(longs); i++)
		if (strlen(longs[i].name) == len && !memcmp(longs[i].name, text, len))
			return *longs[i].at = n, true;
#define ZS_NEW_RATE(name, ...)                                                                               \
	if (!strncmp(text, "rate." #name "=", sizeof("rate." #name "=") - 1))                                \
		return set_rate(c, ZS_NEW_RATE_##name, n);
#include "defs/p2p_limits.def"
#undef ZS_NEW_RATE
	return set_of_scope(c, text, len, n);
}
