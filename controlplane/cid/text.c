/* Configurations as text, from PoP to PoP. One line each, in this order, and a digest against damage (it proves nobody):
 *
 *   zerostate-cid-keys 1
 *   pop 1
 *   configuration 3 created 1763752000 start 1763752060 key 8f95f09245765f80256934e50c66207f
 *   sha256 64 hex digits over all the lines before */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "cid/internal.h"

#define TITLE  "zerostate-cid-keys 1\n"
#define DIGEST "sha256 "

/* --- out --- */

static void hash_hex(const char *text, size_t len, char hex[65])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const uint8_t *)text, len);
	sodium_bin2hex(hex, 65, hash, sizeof(hash));
}

size_t zs_config_export(const struct config config[ZS_CID_ROTATIONS], uint32_t pop, char out[ZS_CIDS_EXPORT])
{
	char hex[65];
	int n = snprintf(out, ZS_CIDS_EXPORT, TITLE "pop %u\n", pop);

	for (unsigned i = 0; i < ZS_CID_ROTATIONS; i++) {
		const struct config *c = &config[i];

		if (!c->live)
			continue;
		sodium_bin2hex(hex, sizeof(hex), c->key, sizeof(c->key));
		n += snprintf(out + n, (size_t)(ZS_CIDS_EXPORT - n),
			      "configuration %u created %llu start %llu key %s\n", i,
			      (unsigned long long)c->created_s, (unsigned long long)c->start_s, hex);
	}
	hash_hex(out, (size_t)n, hex);
	n += snprintf(out + n, (size_t)(ZS_CIDS_EXPORT - n), DIGEST "%s\n", hex);
	ZS_CHECK(n < ZS_CIDS_EXPORT, "an export has room for every configuration");
	return (size_t)n;
}

/* --- in --- */

struct text {
	const char *at, *end;
};

static bool word(struct text *t, const char *want)
{
	size_t len = strlen(want);

	if ((size_t)(t->end - t->at) < len || memcmp(t->at, want, len))
		return false;
	t->at += len;
	return true;
}

static bool number(struct text *t, uint64_t max, uint64_t *out)
{
	const char *start = t->at;

	for (*out = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9' && t->at - start < 18; t->at++)
		*out = *out * 10 + (uint64_t)(*t->at - '0');
	return t->at > start && *out <= max;
}

static bool key(struct text *t, uint8_t out[ZS_AES_KEY])
{
	size_t len;

	if (t->end - t->at < 2 * ZS_AES_KEY ||
	    sodium_hex2bin(out, ZS_AES_KEY, t->at, 2 * ZS_AES_KEY, NULL, &len, NULL) || len != ZS_AES_KEY)
		return false;
	t->at += 2 * ZS_AES_KEY;
	return true;
}

static bool digest_good(const char *text, size_t len)
{
	const size_t tail = strlen(DIGEST) + 65; /* 64 digits and the end of the line */
	char hex[65];

	if (len < tail || memcmp(text + len - tail, DIGEST, strlen(DIGEST)) || text[len - 1] != '\n')
		return false;
	hash_hex(text, len - tail, hex);
	return !memcmp(text + len - 65, hex, 64);
}

static bool read_line(struct text *t, struct config file[ZS_CID_ROTATIONS])
{
	struct config c = { .live = true };
	uint64_t rotation;

	if (!word(t, "configuration ") || !number(t, ZS_CID_ROTATIONS - 1, &rotation) ||
	    !word(t, " created ") || !number(t, NEVER, &c.created_s) || !word(t, " start ") ||
	    !number(t, NEVER, &c.start_s) || !word(t, " key ") || !key(t, c.key) || !word(t, "\n"))
		return false;
	zs_config_name(c.key, c.name);
	if (file[rotation].live)
		return false;
	file[rotation] = c;
	sodium_memzero(&c, sizeof(c));
	return true;
}

bool zs_config_import(const char *text, size_t len, uint64_t *pop, struct config file[ZS_CID_ROTATIONS])
{
	struct text t = { text, text + len };

	if (len >= ZS_CIDS_EXPORT || !digest_good(text, len) || !word(&t, TITLE) || !word(&t, "pop ") ||
	    !number(&t, UINT32_MAX, pop) || !word(&t, "\n"))
		return false;
	while (!word(&t, DIGEST))
		if (!read_line(&t, file))
			return false;
	return t.end - t.at == 65;
}
