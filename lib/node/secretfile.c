#include "node/secretfile.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "p2p/attach_codec.h"

_Static_assert(sizeof(((zs_pb_Hello *)0)->token.bytes) == ZS_TOKEN, "what a Hello carries");
_Static_assert(sizeof(((zs_pb_Hello *)0)->psk_id.bytes) == ZS_PSK_ID, "what a Hello carries");

/* A reading: whose lines these are. */
struct reading {
	const char *(*take)(const struct reading *r, const char *line);
	zs_token_fn *token;
	zs_psk_fn *psk;
	void *ctx;
};

bool zs_secretfile_hex(uint8_t out[32], const char *hex)
{
	size_t len;

	return strlen(hex) == 64 && !sodium_hex2bin(out, 32, hex, 64, NULL, &len, NULL) && len == 32;
}

static const char *take_token(const struct reading *r, const char *line)
{
	size_t len = strlen(line);

	return len > ZS_TOKEN ? "a token has at most 512 bytes" : r->token(r->ctx, line, len);
}

static const char *take_psk(const struct reading *r, const char *line)
{
	const char *gap = strpbrk(line, " \t"), *why = "a key of zeros means none; draw one";
	size_t len = gap ? (size_t)(gap - line) : 0;
	struct zs_psk psk = { .len = (uint8_t)len };

	if (!len || len > ZS_PSK_ID || !zs_secretfile_hex(psk.key, gap + strspn(gap, " \t")))
		return "an id of at most 64 characters and 64 hex digits belong here";
	memcpy(psk.id, line, len);
	if (!sodium_is_zero(psk.key, sizeof(psk.key)))
		why = r->psk(r->ctx, &psk);
	sodium_memzero(&psk, sizeof(psk));
	return why;
}

static int refuse(struct zs_error *err, const char *path, unsigned line, const char *why)
{
	return zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "%.128s:%u: %s", path, line, why);
}

static int read_lines(const struct reading *r, const char *path, char *text, uint32_t most,
		      struct zs_error *err)
{
	unsigned number = 0;
	uint32_t count = 0;
	char *line;

	while (count < most && (line = strsep(&text, "\n"))) {
		size_t len = strlen(line);
		const char *why;

		number++;
		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (line[0] == '#' || !line[strspn(line, " \t")])
			continue;
		why = r->take(r, line);
		if (why)
			return refuse(err, path, number, why);
		count++;
	}
	return (int)count;
}

static int read_file(const struct reading *r, const char *path, uint32_t most, struct zs_error *err)
{
	char *text = malloc(ZS_SECRETFILE + 1);
	ssize_t n;
	int rc;

	if (!text)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	n = zs_file_get(path, text, ZS_SECRETFILE, err);
	if (n == -ENOENT)
		rc = zs_error_set(err, -ENOENT, ZS_EXIT_CONFIG, "%.150s: there is no such file", path);
	else if (n < 0)
		rc = (int)n;
	else if (memchr(text, '\0', (size_t)n))
		rc = zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "%.150s: is no text", path);
	else {
		text[n] = '\0';
		rc = read_lines(r, path, text, most, err);
	}
	sodium_memzero(text, ZS_SECRETFILE);
	free(text);
	return rc;
}

int zs_secretfile_tokens(const char *path, uint32_t most, zs_token_fn *fn, void *ctx, struct zs_error *err)
{
	return read_file(&(struct reading){ .take = take_token, .token = fn, .ctx = ctx }, path, most, err);
}

int zs_secretfile_psks(const char *path, uint32_t most, zs_psk_fn *fn, void *ctx, struct zs_error *err)
{
	return read_file(&(struct reading){ .take = take_psk, .psk = fn, .ctx = ctx }, path, most, err);
}
