/* A rule in the store:
 *
 *   "acl/" address 16, length 1      version 1: {u8 1, deny, allow, comment, no end} */
#include "listed.h"

#include <string.h>
#include "shm/acl.h"

#define PREFIX_LEN 4
#define VERSION	   1
#define VALUE_MIN  3

void zs_listed_key(uint8_t key[ZS_LISTED_KEY], const struct zs_prefix *p)
{
	memcpy(key, ZS_LISTED_PREFIX, PREFIX_LEN);
	memcpy(key + PREFIX_LEN, p->addr.ip, 16);
	key[ZS_LISTED_KEY - 1] = p->len;
}

size_t zs_listed_write(const struct zs_listed *r, uint8_t key[ZS_LISTED_KEY], uint8_t out[ZS_LISTED_RECORD])
{
	size_t len = strlen(r->comment);

	zs_listed_key(key, &r->prefix);
	out[0] = VERSION;
	out[1] = r->deny;
	out[2] = r->allow;
	memcpy(out + VALUE_MIN, r->comment, len);
	return VALUE_MIN + len;
}

bool zs_listed_read(struct zs_listed *r, const void *key_bytes, size_t key_len, const void *value_bytes,
		    size_t len)
{
	const uint8_t *key = key_bytes, *value = value_bytes;
	uint8_t both = ZS_ACL_IN | ZS_ACL_OUT;

	if (key_len != ZS_LISTED_KEY || len < VALUE_MIN || len >= ZS_LISTED_RECORD || value[0] != VERSION)
		return false;
	*r = (struct zs_listed){ .prefix.len = key[ZS_LISTED_KEY - 1], .deny = value[1], .allow = value[2] };
	memcpy(r->prefix.addr.ip, key + PREFIX_LEN, 16);
	memcpy(r->comment, value + VALUE_MIN, len - VALUE_MIN);
	if (strlen(r->comment) != len - VALUE_MIN || r->prefix.len > 128 || !(r->deny | r->allow) ||
	    (r->deny | r->allow) & ~both || r->deny & r->allow)
		return false;
	for (unsigned bit = r->prefix.len; bit < 128; bit++) /* host bits */
		if (r->prefix.addr.ip[bit / 8] & 0x80u >> bit % 8)
			return false;
	return true;
}
