/* A rule of the deny and allow lists, and what the store keeps of it. */
#ifndef ZS_CONTROLPLANE_LISTED_H
#define ZS_CONTROLPLANE_LISTED_H

#include "conf/conf.h"

/* A rule as people see it: what is denied and what allowed by enum zs_acl_way; never both of one way. */
struct zs_listed {
	struct zs_prefix prefix;
	uint8_t deny, allow;
	bool from_config;
	char comment[ZS_CONF_COMMENT];
};

#define ZS_LISTED_PREFIX "acl/" /* of all keys */
#define ZS_LISTED_KEY	 (4 + 17)
#define ZS_LISTED_RECORD (3 + ZS_CONF_COMMENT)
void zs_listed_key(uint8_t key[ZS_LISTED_KEY], const struct zs_prefix *p);
/* Returns the record's length. */
size_t zs_listed_write(const struct zs_listed *r, uint8_t key[ZS_LISTED_KEY], uint8_t out[ZS_LISTED_RECORD]);
/* Judges what no memory is safe from; false: damaged. */
bool zs_listed_read(struct zs_listed *out, const void *key, size_t key_len, const void *value, size_t len);

#endif
