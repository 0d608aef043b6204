/* identity.key is one line: "zs-ed25519-1 <64 hex digits of the seed>\n". The secret key is
 * derived from the seed, so the file cannot hold a pair that does not match.
 *
 * It is made under another name, synced and linked into place: link(2) never replaces a key
 * that somebody else made meanwhile, and a crash leaves either no key or a whole one. */
#include "ident.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME   "identity.key"
#define TAG    "zs-ed25519-1 "
#define SEED   crypto_sign_SEEDBYTES
#define LENGTH (sizeof(TAG) - 1 + 2 * SEED + 1)

struct zs_ident {
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	char hex[ZS_IDENT_HEX];
};

_Static_assert(crypto_sign_PUBLICKEYBYTES == ZS_IDENT_PUBLIC, "Ed25519");

static int refuse(struct zs_error *err, int code, const char *path, const char *what)
{
	return zs_error_set(err, code, code == -EPERM ? ZS_EXIT_PRIVILEGE : ZS_EXIT_FAILED, "%s: %s", path,
			    what);
}

/* Another user who may read the key is the relay; one who may write it chooses the relay. */
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

static int parse(const char *text, size_t len, uint8_t seed[SEED])
{
	size_t got = 0;

	if (len != LENGTH || memcmp(text, TAG, sizeof(TAG) - 1) || text[len - 1] != '\n')
		return -EUCLEAN;
	if (sodium_hex2bin(seed, SEED, text + sizeof(TAG) - 1, 2 * SEED, NULL, &got, NULL) || got != SEED)
		return -EUCLEAN;
	return 0;
}

static int load(const char *path, uint8_t seed[SEED], struct zs_error *err)
{
	char text[LENGTH + 1];
	ssize_t n;
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : refuse(err, -errno, path, strerror(errno));
	rc = check_owner(fd, path, err);
	if (!rc) {
		n = read(fd, text, sizeof(text));
		rc = n < 0 ? refuse(err, -errno, path, strerror(errno)) : parse(text, (size_t)n, seed);
		if (rc == -EUCLEAN)
			refuse(err, rc, path,
			       "is damaged; restore it from a copy, or move it away to get a new identity");
	}
	close(fd);
	sodium_memzero(text, sizeof(text));
	return rc;
}

static int write_synced(const char *path, const char *text, size_t len)
{
	int rc = 0, fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, len);
	if (n != (ssize_t)len)
		rc = n < 0 ? -errno : -ENOSPC;
	if (!rc && fsync(fd))
		rc = -errno;
	close(fd);
	return rc;
}

static int sync_folder(const char *dir)
{
	int rc = 0, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		rc = -errno;
	close(fd);
	return rc;
}

static int create(const char *dir, const char *path, struct zs_error *err)
{
	uint8_t seed[SEED];
	char text[LENGTH + 1], tmp[512];
	int rc;

	randombytes_buf(seed, sizeof(seed));
	memcpy(text, TAG, sizeof(TAG) - 1);
	sodium_bin2hex(text + sizeof(TAG) - 1, 2 * SEED + 1, seed, SEED);
	text[LENGTH - 1] = '\n';
	snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int)getpid());
	unlink(tmp); /* of a crashed process that had our pid */
	rc = write_synced(tmp, text, LENGTH);
	if (!rc && link(tmp, path) && errno != EEXIST)
		rc = -errno;
	unlink(tmp);
	if (!rc)
		rc = sync_folder(dir);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(text, sizeof(text));
	return rc ? refuse(err, rc, path, strerror(-rc)) : 0;
}

int zs_ident_open(struct zs_ident **out, const char *dir, struct zs_error *err)
{
	uint8_t seed[SEED];
	char path[480];
	struct zs_ident *i;
	int rc;

	if (sodium_init() < 0)
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "identity: no source of randomness");
	if (snprintf(path, sizeof(path), "%s/" NAME, dir) >= (int)sizeof(path))
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_CONFIG,
				    "identity: the state folder's path is too long");
	rc = load(path, seed, err);
	if (rc == -ENOENT) {
		rc = create(dir, path, err);
		if (!rc)
			rc = load(path, seed, err);
	}
	if (rc)
		return rc;
	i = sodium_malloc(sizeof(*i));
	if (!i)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "identity: out of memory");
	crypto_sign_seed_keypair(i->public, i->secret, seed);
	sodium_memzero(seed, sizeof(seed));
	sodium_bin2hex(i->hex, sizeof(i->hex), i->public, sizeof(i->public));
	*out = i;
	return 0;
}

void zs_ident_close(struct zs_ident *i)
{
	sodium_free(i);
}

const uint8_t *zs_ident_public(const struct zs_ident *i)
{
	return i->public;
}

const char *zs_ident_hex(const struct zs_ident *i)
{
	return i->hex;
}
