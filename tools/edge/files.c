#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

#define KEY_MAX	 128  /* libp2p's private key of Ed25519 has 68 bytes, 100 in its old form */
#define TEXT_MAX 4096 /* of a file of secrets */

static int refuse(struct zs_error *err, int code, const char *path, const char *what)
{
	return zs_error_set(err, code, code == -EPERM ? ZS_EXIT_PRIVILEGE : ZS_EXIT_CONFIG, "%.150s: %s",
			    path, what);
}

/* Does the service manager hand it over (systemd.exec, Credentials)? Such a file is root's, and an ACL that stands in the
 * group bits lets the service read it. */
static bool is_credential(const char *path, const struct stat *st)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t len = dir ? strlen(dir) : 0;

	return len && strncmp(path, dir, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/') &&
	       st->st_uid == 0 && !(st->st_mode & 027);
}

static bool is_ours(const struct stat *st)
{
	return !(st->st_mode & 077) && (st->st_uid == geteuid() || geteuid() == 0);
}

/* Up to `max` bytes; its length, -EFBIG: there are more. */
static ssize_t read_own(const char *path, void *out, size_t max, struct zs_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;
	char more;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : refuse(err, -errno, path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		n = refuse(err, -EPERM, path, "is no plain file; name another");
	} else if (!is_ours(&st) && !is_credential(path, &st)) {
		n = refuse(err, -EPERM, path, "is open to others; chmod it to 0600, owned by who runs this");
	} else {
		n = read(fd, out, max);
		if (n < 0)
			n = refuse(err, -errno, path, strerror(errno));
		else if (n == (ssize_t)max && read(fd, &more, 1) != 0)
			n = refuse(err, -EFBIG, path, "is too large to be what it should be");
	}
	close(fd);
	return n;
}

static int make_identity(const char *path, struct zs_error *err)
{
	uint8_t seed[32], key[KEY_MAX];
	struct zs_identity id;
	int rc;

	randombytes_buf(seed, sizeof(seed));
	zs_identity_from_seed(&id, seed);
	rc = zs_file_put(path, key, zs_identity_export(&id, key, sizeof(key)), true);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(key, sizeof(key));
	zs_identity_wipe(&id);
	if (rc == -ENOENT)
		return refuse(err, rc, path, "there is no such folder; make it");
	return rc && rc != -EEXIST ? refuse(err, rc, path, strerror(-rc)) : 0;
}

int zs_edge_identity(struct zs_identity *out, const char *path, struct zs_error *err)
{
	uint8_t key[KEY_MAX];
	ssize_t n = read_own(path, key, sizeof(key), err);
	int rc = 0;

	if (n == -ENOENT) {
		rc = make_identity(path, err);
		if (rc)
			return rc;
		n = read_own(path, key, sizeof(key), err);
		if (n == -ENOENT)
			return refuse(err, -ENOENT, path, "went away as soon as it was made; try again");
	}
	if (n < 0)
		return (int)n;
	if (zs_identity_import(out, key, (size_t)n))
		rc = refuse(
		    err, -EUCLEAN, path,
		    "is no Ed25519 key in libp2p's form; restore it, or move it away to get a new identity");
	sodium_memzero(key, sizeof(key));
	return rc;
}

/* The first line that is neither blank nor begins with '#'; NULL: none. Ends it. */
static char *first_line(char *text)
{
	char *rest;

	for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
		if (line[0] != '#' && line[strspn(line, " \t")])
			return line;
	return NULL;
}

static int take_token(struct zs_edge_secrets *s, const char *line, const char *path, struct zs_error *err)
{
	s->token_len = strlen(line);
	if (s->token_len > sizeof(s->token))
		return refuse(err, -EINVAL, path, "a token has at most 512 bytes");
	memcpy(s->token, line, s->token_len);
	return 0;
}

static int take_psk(struct zs_edge_secrets *s, const char *line, const char *path, struct zs_error *err)
{
	const char *gap = strpbrk(line, " \t"), *hex = gap ? gap + strspn(gap, " \t") : "";
	size_t len = gap ? (size_t)(gap - line) : 0, got = 0;

	if (!len || len > sizeof(s->psk_id) || strlen(hex) != 64 ||
	    sodium_hex2bin(s->psk, sizeof(s->psk), hex, 64, NULL, &got, NULL) || got != sizeof(s->psk) ||
	    sodium_is_zero(s->psk, sizeof(s->psk)))
		return refuse(err, -EINVAL, path,
			      "an id of at most 64 characters and 64 hex digits, not all 0, belong here");
	memcpy(s->psk_id, line, len);
	s->psk_id_len = len;
	return 0;
}

static int read_secret(struct zs_edge_secrets *s, const char *path,
		       int (*take)(struct zs_edge_secrets *, const char *, const char *, struct zs_error *),
		       struct zs_error *err)
{
	char text[TEXT_MAX + 1], *line;
	ssize_t n;
	int rc;

	if (!path)
		return 0;
	n = read_own(path, text, TEXT_MAX, err);
	if (n == -ENOENT)
		return refuse(err, -ENOENT, path, "there is no such file");
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	line = first_line(text);
	rc = line ? take(s, line, path, err) : refuse(err, -EINVAL, path, "is empty");
	sodium_memzero(text, sizeof(text));
	return rc;
}

int zs_edge_secrets(struct zs_edge_secrets *out, const char *token_file, const char *psk_file,
		    struct zs_error *err)
{
	int rc;

	*out = (struct zs_edge_secrets){ 0 };
	rc = read_secret(out, token_file, take_token, err);
	return rc ? rc : read_secret(out, psk_file, take_psk, err);
}

ssize_t zs_edge_state_load(const char *path, uint8_t out[ZS_ATTACH_MEMORY + 1], struct zs_error *err)
{
	ssize_t n = read_own(path, out, ZS_ATTACH_MEMORY + 1, err);

	return n == -ENOENT ? 0 : n;
}

int zs_edge_state_save(const char *path, const uint8_t *bytes, size_t len, struct zs_error *err)
{
	int rc = zs_file_put(path, bytes, len, false);

	return rc ? refuse(err, rc, path, strerror(-rc)) : 0;
}
