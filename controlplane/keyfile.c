#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

#define TAG_MAX	   32
#define LENGTH_MAX (TAG_MAX + 1 + 2 * ZS_KEYFILE + 1)

static int refuse(struct zs_error *err, int code, const char *path, const char *what)
{
	enum zs_exit end = code == -EPERM	  ? ZS_EXIT_PRIVILEGE
			   : zs_error_lacks(code) ? ZS_EXIT_RESOURCE
						  : ZS_EXIT_FAILED;

	return zs_error_set(err, code, end, "%s: %s", path, what);
}

/* Another user who may read the secret is the relay; one who may write it chooses the relay. */
static int check_owner(int fd, const char *path, struct zs_error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return refuse(err, -errno, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(err, -EPERM, path, "is not a plain file; move it away");
	if (st.st_uid != geteuid())
		return refuse(err, -EPERM, path, "belongs to another user; chown it to the relay's");
	if (st.st_mode & 077)
		return refuse(err, -EPERM, path, "is open to others; chmod it to 0600");
	return 0;
}

/* "TAG HEX\n" */
static int parse(const char *text, size_t len, const char *tag, uint8_t secret[ZS_KEYFILE])
{
	size_t got = 0, at = strlen(tag);

	if (len != at + 1 + 2 * ZS_KEYFILE + 1 || memcmp(text, tag, at) || text[at] != ' ' ||
	    text[len - 1] != '\n')
		return -EUCLEAN;
	if (sodium_hex2bin(secret, ZS_KEYFILE, text + at + 1, 2 * ZS_KEYFILE, NULL, &got, NULL) ||
	    got != ZS_KEYFILE)
		return -EUCLEAN;
	return 0;
}

static int load(const char *path, const char *tag, const char *what, uint8_t secret[ZS_KEYFILE],
		struct zs_error *err)
{
	char text[LENGTH_MAX + 1], damaged[160];
	ssize_t n;
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : refuse(err, -errno, path, strerror(errno));
	rc = check_owner(fd, path, err);
	if (!rc) {
		n = read(fd, text, sizeof(text));
		rc = n < 0 ? refuse(err, -errno, path, strerror(errno)) : parse(text, (size_t)n, tag, secret);
		if (rc == -EUCLEAN) {
			snprintf(damaged, sizeof(damaged),
				 "is damaged; restore it from a copy, or move it away to get a new %s", what);
			refuse(err, rc, path, damaged);
		}
	}
	close(fd);
	sodium_memzero(text, sizeof(text));
	return rc;
}

static int create(const char *path, const char *tag, struct zs_error *err)
{
	uint8_t secret[ZS_KEYFILE];
	char hex[2 * ZS_KEYFILE + 1], text[LENGTH_MAX + 1];
	int rc, len;

	randombytes_buf(secret, sizeof(secret));
	sodium_bin2hex(hex, sizeof(hex), secret, sizeof(secret));
	len = snprintf(text, sizeof(text), "%s %s\n", tag, hex);
	rc = zs_file_put(path, text, (size_t)len, true);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(hex, sizeof(hex));
	sodium_memzero(text, sizeof(text));
	return rc && rc != -EEXIST ? refuse(err, rc, path, strerror(-rc)) : 0;
}

int zs_keyfile_open(const char *dir, const char *name, const char *tag, const char *what,
		    uint8_t secret[ZS_KEYFILE], struct zs_error *err)
{
	char path[480];
	int rc;

	if (sodium_init() < 0)
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%s: no source of randomness", what);
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_CONFIG,
				    "%s: the state folder's path is too long", what);
	rc = load(path, tag, what, secret, err);
	if (rc != -ENOENT)
		return rc;
	rc = create(path, tag, err);
	return rc ? rc : load(path, tag, what, secret, err);
}
