/* The table of special.def as constant data, and the policy over it. Look-ups walk the table:
 * some thirty rows a family, done once for a new flow or a new target, never for each packet of a flow. */
#include "net/deny.h"

#include <endian.h>
#include <errno.h>

#include "base/check.h"

enum rule { NEVER, LIST };

static const struct {
	const char *name, *text;
	enum rule rule;
} classes[ZS_SPECIALS] = {
	[ZS_SPECIAL_NONE] = { "none", "an ordinary address", NEVER },
#define ZS_SPECIAL(name, text, rule) [ZS_SPECIAL_##name] = { #name, text, rule },
#include "defs/special.def"
#undef ZS_SPECIAL
};

static const struct {
	uint32_t net;
	uint8_t len, class;
} nets4[] = {
#define ZS_SPECIAL_NET4(a, b, c, d, len, name)                                                               \
	{ (uint32_t)a << 24 | b << 16 | c << 8 | d, len, ZS_SPECIAL_##name },
#include "defs/special.def"
#undef ZS_SPECIAL_NET4
};

static const struct {
	uint64_t hi, lo;
	uint8_t len, class;
} nets6[] = {
#define ZS_SPECIAL_NET6(hi, lo, len, name) { hi, lo, len, ZS_SPECIAL_##name },
#include "defs/special.def"
#undef ZS_SPECIAL_NET6
};

/* An IPv6 address as two numbers. */
struct halves {
	uint64_t hi, lo;
};

static struct halves split(const struct zs_addr *a)
{
	uint64_t be[2];

	memcpy(be, a->ip, sizeof(be));
	return (struct halves){ be64toh(be[0]), be64toh(be[1]) };
}

/* Are the first `len` bits of both the same? */
static bool same4(uint32_t a, uint32_t b, unsigned len)
{
	return len == 0 || (a ^ b) >> (32 - len) == 0;
}

static bool same6(struct halves a, struct halves b, unsigned len)
{
	if (len <= 64)
		return len == 0 || (a.hi ^ b.hi) >> (64 - len) == 0;
	return a.hi == b.hi && (a.lo ^ b.lo) >> (128 - len) == 0;
}

static enum zs_special class4(uint32_t ip)
{
	int best = -1, class = ZS_SPECIAL_NONE;

	for (size_t i = 0; i < ZS_ARRAY_LEN(nets4); i++) {
		if (nets4[i].len > best && same4(ip, nets4[i].net, nets4[i].len)) {
			best = nets4[i].len;
			class = nets4[i].class;
		}
	}
	return class;
}

static enum zs_special class6(struct halves h)
{
	int best = -1, class = ZS_SPECIAL_NONE;

	for (size_t i = 0; i < ZS_ARRAY_LEN(nets6); i++) {
		struct halves net = { nets6[i].hi, nets6[i].lo };
		if (nets6[i].len > best && same6(h, net, nets6[i].len)) {
			best = nets6[i].len;
			class = nets6[i].class;
		}
	}
	return class;
}

static enum zs_special class_of(const struct zs_addr *addr)
{
	return zs_addr_is4(addr) ? class4(be32toh(zs_addr_get4(addr))) : class6(split(addr));
}

/* The IPv4 address inside an IPv6 one that some list may allow: NAT64 or ISATAP. The other
 * embedding forms (mapped, compatible, translated, 6to4, Teredo, local NAT64) are classes that
 * are never lifted, so what they hold makes no difference. */
static bool embedded(const struct zs_addr *addr, struct zs_addr *inner)
{
	struct halves h = split(addr);
	uint32_t isatap = (uint32_t)(h.lo >> 32) & ~0x02000000u; /* with or without the "universal" bit */

	if (zs_addr_is4(addr) || ((h.hi != 0x0064ff9b00000000 || h.lo >> 32 != 0) && isatap != 0x00005efe))
		return false;
	*inner = zs_addr_from4(htobe32((uint32_t)h.lo));
	return true;
}

enum zs_special zs_special_of(const struct zs_addr *addr)
{
	enum zs_special class = class_of(addr);
	struct zs_addr inner;

	return class == ZS_SPECIAL_NONE && embedded(addr, &inner) ? class_of(&inner) : class;
}

const char *zs_special_name(enum zs_special special)
{
	return (unsigned)special < ZS_SPECIALS ? classes[special].name : "unknown";
}

const char *zs_special_text(enum zs_special special)
{
	return (unsigned)special < ZS_SPECIALS ? classes[special].text : "unknown";
}

static bool listed(const struct zs_deny *deny, const struct zs_addr *addr)
{
	uint32_t n = deny->allowed_count;

	if (n > ZS_DENY_ALLOWED_MAX) /* the policy may come from shared memory */
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (zs_prefix_has(&deny->allowed[i], addr))
			return true;
	return false;
}

/* The class of one address by itself, NONE when the list lifts it. */
static enum zs_special judge(const struct zs_deny *deny, const struct zs_addr *addr)
{
	enum zs_special class = class_of(addr);

	if (class != ZS_SPECIAL_NONE && classes[class].rule == LIST && listed(deny, addr))
		return ZS_SPECIAL_NONE;
	return class;
}

enum zs_special zs_deny_target(const struct zs_deny *deny, const struct zs_addr *addr)
{
	enum zs_special class = judge(deny, addr);
	struct zs_addr inner;

	return class == ZS_SPECIAL_NONE && embedded(addr, &inner) ? judge(deny, &inner) : class;
}

/* Space that a list may not even touch. */
static bool untouchable(uint8_t class)
{
	return class == ZS_SPECIAL_unspecified || class == ZS_SPECIAL_this_network ||
	       class == ZS_SPECIAL_loopback || class == ZS_SPECIAL_multicast || class == ZS_SPECIAL_broadcast;
}

static bool meets_untouchable(const struct zs_prefix *p)
{
	uint32_t ip = be32toh(zs_addr_get4(&p->addr));
	struct halves h = split(&p->addr);

	if (zs_addr_is4(&p->addr) && p->len >= 96) {
		unsigned len = p->len - 96u;
		for (size_t i = 0; i < ZS_ARRAY_LEN(nets4); i++)
			if (untouchable(nets4[i].class) &&
			    same4(ip, nets4[i].net, len < nets4[i].len ? len : nets4[i].len))
				return true;
		return false;
	}
	for (size_t i = 0; i < ZS_ARRAY_LEN(nets6); i++) {
		struct halves net = { nets6[i].hi, nets6[i].lo };
		if (untouchable(nets6[i].class) &&
		    same6(h, net, p->len < nets6[i].len ? p->len : nets6[i].len))
			return true;
	}
	return false;
}

int zs_deny_allow(struct zs_deny *deny, const struct zs_prefix *prefix)
{
	enum zs_special class = class_of(&prefix->addr);

	if (prefix->len > 128 || meets_untouchable(prefix))
		return -EPERM;
	/* The first address of a prefix stands for it where classes do not nest further. */
	if (class != ZS_SPECIAL_NONE && classes[class].rule == NEVER)
		return -EPERM;
	if (deny->allowed_count >= ZS_DENY_ALLOWED_MAX)
		return -ENOSPC;
	deny->allowed[deny->allowed_count++] = *prefix;
	return 0;
}
