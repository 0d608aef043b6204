/* Words for refusals: names of scopes and resources, and the one line a person reads. */
#include <stdio.h>
#include "p2p/limits.h"

static const char *const scopes[ZS_SCOPES] = {
#define ZS_LIMIT_SCOPE(name, ...) #name,
#include "defs/p2p_limits.def"
#undef ZS_LIMIT_SCOPE
};
static const char *const resources[ZS_RESOURCES] = {
#define ZS_LIMIT_RESOURCE(name, text) #name,
#include "defs/p2p_limits.def"
#undef ZS_LIMIT_RESOURCE
};
static const char *const texts[ZS_RESOURCES] = {
#define ZS_LIMIT_RESOURCE(name, text) text,
#include "defs/p2p_limits.def"
#undef ZS_LIMIT_RESOURCE
};

const char *zs_scope_name(enum zs_scope scope)
{
	return (unsigned)scope < ZS_SCOPES ? scopes[scope] : "unknown";
}

const char *zs_resource_name(enum zs_resource resource)
{
	return (unsigned)resource < ZS_RESOURCES ? resources[resource] : "unknown";
}

const char *zs_refusal_text(const struct zs_refusal *why, char buf[ZS_REFUSAL_TEXT])
{
	const char *scope = zs_scope_name(why->scope), *resource = zs_resource_name(why->resource);
	char peer[ZS_PEER_ID_TEXT] = "", network[ZS_ADDR_TEXT] = "";

	if (why->peer.len)
		zs_peer_id_format(&why->peer, peer);
	if (why->scope == ZS_SCOPE_network)
		zs_addr_format(&why->network, network);
	if (why->side == ZS_SIDE_PEER) {
		snprintf(buf, ZS_REFUSAL_TEXT,
			 "the peer's limit%s%s%s%s: it takes no more %s; wait, or ask its operator",
			 *peer ? " of " : "", peer, why->group ? " on " : "", why->group ? why->group : "",
			 (unsigned)why->resource < ZS_RESOURCES ? texts[why->resource] : "resources");
		return buf;
	}
	snprintf(buf, ZS_REFUSAL_TEXT,
		 "our limit, scope %s%s%s%s%s%s%s: %llu of %llu %s in use, %llu more asked; %s.%s raises it",
		 scope, *network ? " " : "", network, *peer ? " " : "", peer, why->group ? " " : "",
		 why->group ? why->group : "", (unsigned long long)why->current,
		 (unsigned long long)why->limit,
		 (unsigned)why->resource < ZS_RESOURCES ? texts[why->resource] : "resources",
		 (unsigned long long)why->asked, scope, resource);
	return buf;
}
