/* One secret a line; '#' begins a comment line, blank lines are skipped. */
#include "attach/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (256u << 10)
#define HASHED	 "sha256:"

static int refuse(struct zs_error *err, int code, const char *path, unsigned line, const char *why)
{
	if (line)
		return zs_error_set(err, code, ZS_EXIT_CONFIG, "%.128s:%u: %s", path, line, why);
	return zs_error_set(err, code, code == -EPERM ? ZS_EXIT_PRIVILEGE : ZS_EXIT_CONFIG, "%.128s: %s",
			    path, why);
}

/* The whole file with an end; the caller wipes and frees it. */
static int slurp(const char *path, char **out, struct zs_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return refuse(err, -errno, path, 0, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (st.st_mode & 077)) {
		close(fd);
		return refuse(err, -EPERM, path, 0, "others may read it, or it is no file; chmod 600");
	}
	*out = calloc(1, FILE_MAX + 1);
	n = *out ? read(fd, *out, FILE_MAX + 1) : -1;
	close(fd);
	if (n >= 0 && n <= (ssize_t)FILE_MAX)
		return 0;
	if (*out)
		sodium_memzero(*out, FILE_MAX);
	free(*out);
	return refuse(err, -EFBIG, path, 0, "unreadable, or larger than 256 KiB");
}

static bool from_hex(uint8_t out[32], const char *hex)
{
	size_t len;

	return strlen(hex) == 64 && !sodium_hex2bin(out, 32, hex, 64, NULL, &len, NULL) && len == 32;
}

static const char *read_token(struct zs_secrets *s, const char *line)
{
	if (s->tokens == ZS_TOKENS)
		return "too many tokens; 4,096 fit";
	if (!strncmp(line, HASHED, strlen(HASHED))) {
		if (!from_hex(s->token[s->tokens], line + strlen(HASHED)))
			return "behind sha256: stand 64 hex digits";
	} else if (strlen(line) < ZS_TOKEN_MIN) {
		return "a token has 16 characters at least";
	} else {
		crypto_hash_sha256(s->token[s->tokens], (const uint8_t *)line, strlen(line));
	}
	s->tokens++;
	return NULL;
}

static const char *read_psk(struct zs_secrets *s, const char *line)
{
	const char *gap = strpbrk(line, " \t");
	struct zs_psk *p = &s->psk[s->psks];
	size_t len = gap ? (size_t)(gap - line) : 0;

	if (s->psks == ZS_PSKS)
		return "too many keys; 1,024 fit";
	if (!len || len > ZS_PSK_ID || !from_hex(p->key, gap + strspn(gap, " \t")))
		return "an id of at most 64 characters and 64 hex digits belong here";
	if (sodium_is_zero(p->key, sizeof(p->key)))
		return "a key of zeros means none; draw one";
	if (zs_secrets_psk(s, line, len))
		return "this id stands here twice; keep one";
	memcpy(p->id, line, len);
	p->len = (uint8_t)len;
	s->psks++;
	return NULL;
}

static int read_lines(struct zs_secrets *s, const char *path,
		      const char *(*read_line)(struct zs_secrets *s, const char *line), struct zs_error *err)
{
	const char *why = NULL;
	char *text = NULL, *at, *line;
	unsigned number = 0;
	int rc;

	if (!path[0])
		return 0;
	rc = slurp(path, &text, err);
	if (rc)
		return rc;
	for (at = text; !why && (line = strsep(&at, "\n"));) {
		line[strcspn(line, "\r")] = '\0';
		number++;
		if (line[0] && line[0] != '#')
			why = read_line(s, line);
	}
	sodium_memzero(text, FILE_MAX);
	free(text);
	return why ? refuse(err, -EINVAL, path, number, why) : 0;
}

int zs_secrets_load(struct zs_secrets *s, const char *token_file, const char *psk_file, struct zs_error *err)
{
	struct zs_secrets next = { .token = calloc(ZS_TOKENS, sizeof(*next.token)),
				   .psk = calloc(ZS_PSKS, sizeof(*next.psk)) };
	int rc;

	if (!next.token || !next.psk)
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	else
		rc = read_lines(&next, token_file, read_token, err);
	if (!rc)
		rc = read_lines(&next, psk_file, read_psk, err);
	if (rc) {
		zs_secrets_free(&next);
		return rc;
	}
	zs_secrets_free(s);
	*s = next;
	return 0;
}

void zs_secrets_free(struct zs_secrets *s)
{
	if (s->psk)
		sodium_memzero(s->psk, ZS_PSKS * sizeof(*s->psk));
	free(s->token);
	free(s->psk);
	*s = (struct zs_secrets){ 0 };
}

bool zs_secrets_token(const struct zs_secrets *s, const void *token, size_t len)
{
	uint8_t hash[32];
	unsigned found = 0;

	crypto_hash_sha256(hash, token, len);
	for (uint32_t i = 0; i < s->tokens; i++)
		found |= !sodium_memcmp(hash, s->token[i], sizeof(hash));
	return found && len;
}

const uint8_t *zs_secrets_psk(const struct zs_secrets *s, const void *id, size_t len)
{
	for (uint32_t i = 0; i < s->psks; i++)
		if (s->psk[i].len == len && !memcmp(s->psk[i].id, id, len))
			return s->psk[i].key;
	return NULL;
}
