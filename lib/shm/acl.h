/* Deny and allow lists: which sources the relay takes packets from and which addresses it sends to. A rule is a prefix
 * and a word for each direction; the longest prefix that has a word for a direction decides, without one all is
 * allowed.
 *
 * The rules are flattened into disjoint ranges, sorted, with an index by leading bits: a look-up reads one line where
 * no range begins in its part of the address space, two or three otherwise. Both directions are one look-up.
 *
 * Lies in the tables segment, twice: the control plane fills the one that no worker reads and turns over; it fills the
 * other again only when every worker has passed a quiescent state since (shm/qsbr.h). */
#ifndef ZS_SHM_ACL_H
#define ZS_SHM_ACL_H

#include <endian.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include "base/prefetch.h"
#include "net/addr.h"

#define ZS_ACL_RULES_MAX (1u << 20)
#define ZS_ACL_INDEX	 65536

enum zs_acl_way {
	ZS_ACL_IN = 1 /* sources of packets */,
	ZS_ACL_OUT = 2 /* addresses that the relay sends to */
};

/* Directions by enum zs_acl_way, or both; a direction stands in one of the two at most. */
struct zs_acl_rule {
	struct zs_prefix prefix;
	uint8_t deny, allow;
};

struct zs_acl_key6 {
	uint64_t hi, lo;
};

/* One half. Of each family: where ranges begin, ascending, the first at 0; what is denied in each; and for each value
 * of the leading bits how many ranges begin before it, << 2, with what is denied there. */
struct zs_acl_half {
	const uint32_t *start4;
	const struct zs_acl_key6 *start6;
	const uint8_t *denied4, *denied6;
	const uint32_t *index4, *index6;
	uint32_t ranges; /* room, of this process's reckoning */
};

struct zs_acl_head {
	_Atomic uint64_t turn; /* 0: nothing was ever filled; else the half in force is turn & 1 */
	uint32_t format;
	uint32_t pad;
	_Atomic uint32_t rules[2]; /* that the halves were made from */
	uint64_t pad2[5];
};
_Static_assert(sizeof(struct zs_acl_head) == 64, "one line");

/* One process's view of the region; all zero: there is none, and all is allowed. */
struct zs_acl {
	struct zs_acl_head *head;
	struct zs_acl_half half[2];
	uint32_t rules_max;
};

/* What a worker uses between two quiescent states; NULL: nothing is denied. */
typedef const struct zs_acl_half *zs_acl_view;

/* Bytes of a region for so many rules. */
size_t zs_acl_footprint(uint32_t rules);
/* -EPROTO: a size that no footprint has. A format that this build does not know is bound as if nothing were listed. */
int zs_acl_bind(struct zs_acl *acl, void *region, size_t size);
/* Writer: an empty region. */
void zs_acl_new(struct zs_acl *acl);
/* Writer, when no worker reads the half that is not in force: fills it from the rules and puts it in force. Sorts
 * `rules`. -E2BIG: more than rules_max; -EINVAL: two rules of one prefix, or a direction denied and allowed at once;
 * nothing changed then. */
int zs_acl_put(struct zs_acl *acl, struct zs_acl_rule *rules, uint32_t count);
/* How many rules are in force. */
uint32_t zs_acl_rules(const struct zs_acl *acl);

/* Reader, after a quiescent state. */
zs_acl_view zs_acl_look(const struct zs_acl *acl);
void zs_acl_prefetch(zs_acl_view view, const struct zs_addr *addr);
/* The part of the index that an IPv4 address (host order), or one of IPv6 by its first half, lies in. Parts ascend with addresses;
 * what lies before 2000::/3, where unicast addresses are, shares the first one, what lies behind it the last. */
static inline uint32_t zs_acl_part4(uint32_t ip)
{
	return ip >> 16;
}
static inline uint32_t zs_acl_part6(uint64_t hi)
{
	const uint64_t global = UINT64_C(1) << 61;

	if (hi < global)
		return 0;
	return hi >= 2 * global ? ZS_ACL_INDEX - 1 : (uint32_t)((hi - global) >> 45);
}
/* The same as zs_acl_prefetch for an IPv4 address as it stands in a packet. */
static inline void zs_acl_prefetch4(zs_acl_view v, uint32_t be32)
{
	zs_prefetch(&v->index4[zs_acl_part4(be32toh(be32))]);
}
static inline const uint32_t *zs_acl_at(zs_acl_view v, const struct zs_addr *addr)
{
	uint64_t high;

	if (zs_addr_is4(addr))
		return &v->index4[zs_acl_part4(be32toh(zs_addr_get4(addr)))];
	memcpy(&high, addr->ip, sizeof(high));
	return &v->index6[zs_acl_part6(be64toh(high))];
}
/* Among ranges that begin in its part. */
uint8_t zs_acl_search(zs_acl_view view, const struct zs_addr *addr, uint32_t from, uint32_t to);
/* `at`: its part of the index. */
static inline uint8_t zs_acl_between(zs_acl_view v, const struct zs_addr *addr, const uint32_t *at)
{
	uint32_t from = __atomic_load_n(&at[0], __ATOMIC_RELAXED);
	uint32_t to = __atomic_load_n(&at[1], __ATOMIC_RELAXED) >> 2;

	return from >> 2 == to ? from & (ZS_ACL_IN | ZS_ACL_OUT) : zs_acl_search(v, addr, from >> 2, to);
}
/* Directions that are denied for the address. */
static inline uint8_t zs_acl_denied(zs_acl_view v, const struct zs_addr *addr)
{
	return zs_acl_between(v, addr, zs_acl_at(v, addr));
}
/* The same where it is known to be one of IPv4. */
static inline uint8_t zs_acl_denied4(zs_acl_view v, const struct zs_addr *addr)
{
	const uint32_t *at = &v->index4[zs_acl_part4(be32toh(zs_addr_get4(addr)))];

	return zs_acl_between(v, addr, at);
}
/* Walker for tests: 0 or -EUCLEAN. */
int zs_acl_check(const struct zs_acl *acl);

#endif
