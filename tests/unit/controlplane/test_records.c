/* Records of connection IDs, deny lists and usage: one thing wrong in a good one, and it is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/check.h"
#include "cid/internal.h"
#include "lists.h"
#include "shm/acl.h"
#include "usage/internal.h"

/* A copy of exactly these bytes, so that one read too many is seen; the caller frees it. */
static uint8_t *exact(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	return copy;
}

static bool config_is_read(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = exact(bytes, len);
	struct config c;
	bool ok = zs_config_read(&c, copy, len);

	free(copy);
	return ok;
}

static void test_configurations(void **state)
{
	struct config c = { .live = true,
			    .mints = true,
			    .used = true,
			    .serial = 7,
			    .created_s = 1,
			    .start_s = 2,
			    .here_s = 3 },
		      again;
	uint8_t good[CID_RECORD + 1] = { 0 }, bad[CID_RECORD];

	zs_config_write(&c, good);
	assert_true(zs_config_read(&again, good, CID_RECORD));
	assert_true(again.live && again.mints && again.used && again.serial == 7 && again.here_s == 3);
	for (size_t n = 0; n < CID_RECORD; n++)
		assert_false(config_is_read(good, n));
	assert_false(config_is_read(good, CID_RECORD + 1));
	for (unsigned bit = 8; bit < 0x100; bit <<= 1) { /* flags of a later build */
		memcpy(bad, good, sizeof(bad));
		bad[1] |= (uint8_t)bit;
		assert_false(config_is_read(bad, sizeof(bad)));
	}
	memcpy(bad, good, sizeof(bad));
	bad[0] = 2;
	assert_false(config_is_read(bad, sizeof(bad)));
	c.serial = 0;
	zs_config_write(&c, bad);
	assert_false(config_is_read(bad, sizeof(bad)));
	c.serial = 7;
	c.withdrawn_s = 9; /* live and withdrawn */
	zs_config_write(&c, bad);
	assert_false(config_is_read(bad, sizeof(bad)));
	c.live = false;
	zs_config_write(&c, bad);
	assert_true(config_is_read(bad, sizeof(bad)));
}

static bool rule_is_read(const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	uint8_t *k = exact(key, key_len), *v = exact(value, len);
	struct zs_listed r;
	bool ok = zs_listed_read(&r, k, key_len, v, len);

	free(k);
	free(v);
	return ok;
}

static void test_rules(void **state)
{
	struct zs_listed r = { .deny = ZS_ACL_IN, .allow = ZS_ACL_OUT, .comment = "who" };
	uint8_t key[ZS_LISTED_KEY + 1] = { 0 }, value[ZS_LISTED_RECORD + 1] = { 0 };
	size_t len;

	assert_int_equal(zs_prefix_parse(&r.prefix, "192.0.2.0/24"), 0);
	len = zs_listed_write(&r, key, value);
	assert_int_equal(len, 6);
	assert_true(rule_is_read(key, ZS_LISTED_KEY, value, len));
	assert_false(rule_is_read(key, ZS_LISTED_KEY - 1, value, len));
	assert_false(rule_is_read(key, ZS_LISTED_KEY + 1, value, len));
	for (size_t n = 0; n < 3; n++)
		assert_false(rule_is_read(key, ZS_LISTED_KEY, value, n));
	assert_true(rule_is_read(key, ZS_LISTED_KEY, value, 3));	/* no comment */
	assert_false(rule_is_read(key, ZS_LISTED_KEY, value, len + 1)); /* an end in it */
	memset(value + 3, 'x', ZS_CONF_COMMENT);
	assert_true(rule_is_read(key, ZS_LISTED_KEY, value, 3 + ZS_CONF_COMMENT - 1));
	assert_false(rule_is_read(key, ZS_LISTED_KEY, value, 3 + ZS_CONF_COMMENT));
	for (uint8_t deny = 0; deny < 8; deny++)
		for (uint8_t allow = 0; allow < 8; allow++) {
			bool good = deny < 4 && allow < 4 && (deny | allow) && !(deny & allow);

			value[1] = deny;
			value[2] = allow;
			assert_int_equal(rule_is_read(key, ZS_LISTED_KEY, value, len), good);
		}
	value[1] = ZS_ACL_IN;
	value[2] = 0;
	key[ZS_LISTED_KEY - 2] = 1; /* a host's bit */
	assert_false(rule_is_read(key, ZS_LISTED_KEY, value, len));
	key[ZS_LISTED_KEY - 1] = 128;
	assert_true(rule_is_read(key, ZS_LISTED_KEY, value, len));
	key[ZS_LISTED_KEY - 1] = 129;
	assert_false(rule_is_read(key, ZS_LISTED_KEY, value, len));
}

static bool last_is_read(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = exact(bytes, len);
	struct last l;
	bool ok = zs_usage_read_last(&l, copy, len);

	free(copy);
	return ok;
}

static void test_usage(void **state)
{
	static struct last l = { .incarnation = 5,
				 .owner = { .len = 34, .bytes = { 0x12, 0x20 } },
				 .generation = 6,
				 .workers = 2 };
	struct zs_usage_sum sum = { .first_s = 1, .last_s = 2 };
	uint8_t bytes[USAGE_LAST + 1] = { 0 }, total[USAGE_SUM + 1] = { 0 };
	struct last again;
	size_t len;

	l.to[1][0].packets = 77;
	len = zs_usage_write_last(&l, bytes);
	assert_true(zs_usage_read_last(&again, bytes, len));
	assert_int_equal(again.to[1][0].packets, 77);
	assert_int_equal(again.generation, 6);
	for (size_t n = 0; n < len; n++)
		assert_false(last_is_read(bytes, n));
	assert_false(last_is_read(bytes, len + 1));
	bytes[0] = 2;
	assert_false(last_is_read(bytes, len));
	bytes[0] = 1;
	bytes[12] = 0x13; /* no peer id */
	assert_false(last_is_read(bytes, len));
	l.workers = ZS_WORKERS_MAX;
	len = zs_usage_write_last(&l, bytes);
	assert_true(last_is_read(bytes, len));
	bytes[46] = ZS_WORKERS_MAX + 1;
	assert_false(last_is_read(bytes, len));
	assert_int_equal(zs_usage_write_sum(&sum, total), USAGE_SUM);
	assert_true(zs_usage_read_sum(&sum, total, USAGE_SUM));
	assert_false(zs_usage_read_sum(&sum, total, USAGE_SUM - 1));
	assert_false(zs_usage_read_sum(&sum, total, USAGE_SUM + 1));
	total[0] = 0;
	assert_false(zs_usage_read_sum(&sum, total, USAGE_SUM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
