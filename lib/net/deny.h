/* Which addresses nobody may aim the relay at: the IANA special-purpose registries
 * (RFC 6890 and successors) as one table, lib/defs/special.def. Enforced in both processes on
 * canonical addresses. An IPv6 address that embeds an IPv4 one (v4-mapped, v4-compatible,
 * 6to4, Teredo, NAT64 64:ff9b::/96, ISATAP) is judged by that one too. */
#ifndef ZS_NET_DENY_H
#define ZS_NET_DENY_H

#include "net/addr.h"

enum zs_special {
	ZS_SPECIAL_NONE, /* an ordinary unicast address */
#define ZS_SPECIAL(name, text, rule) ZS_SPECIAL_##name,
#include "defs/special.def"
#undef ZS_SPECIAL
	ZS_SPECIALS
};

#define ZS_DENY_ALLOWED_MAX 64 /* prefixes in the named allow-list: sites have a handful */

/* The policy: `allowed` lifts the ban for private-like ranges it names. */
struct zs_deny {
	uint32_t allowed_count;
	struct zs_prefix allowed[ZS_DENY_ALLOWED_MAX];
};

/* The special-purpose class of addr, by longest match; an address outside all of them that
 * embeds an IPv4 address (ISATAP) has the class of that one. */
enum zs_special zs_special_of(const struct zs_addr *addr);
const char *zs_special_name(enum zs_special special); /* "loopback", "private", …; "none" */
const char *zs_special_text(enum zs_special special);
/* May `addr` be a target? Returns ZS_SPECIAL_NONE when it may, else why not. */
enum zs_special zs_deny_target(const struct zs_deny *deny, const struct zs_addr *addr);
/* Adds a prefix. -EPERM: it meets loopback, unspecified, multicast or broadcast space, which
 * no list may allow, or begins in another class that is never lifted; -ENOSPC: full. What
 * lies inside an allowed prefix and is never lifted (a metadata service) stays denied. */
int zs_deny_allow(struct zs_deny *deny, const struct zs_prefix *prefix);

#endif
