#include "pins.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/bpf.h>

#define ROOT   "/sys/fs/bpf"
#define SHARED ":fast"

int zs_pins_name(struct zs_pins *p, const char *instance, const char *ifname, struct zs_error *err)
{
	const char *of = ifname ? ifname : SHARED;
	int n, shared;

	if (!*instance || !*of || strchr(instance, '/') || strchr(of, '/'))
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "not an instance and an interface: '%s' '%s'", instance, of);
	n = snprintf(p->dir, sizeof(p->dir), ROOT "/zerostate-%s/%s", instance, of);
	shared = snprintf(p->shared, sizeof(p->shared), ROOT "/zerostate-%s/" SHARED, instance);
	if (n >= (int)sizeof(p->dir) || shared >= (int)sizeof(p->shared))
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_USAGE,
				    "instance or interface name too long: '%s' '%s'", instance, of);
	for (char *c = p->dir; (c = strchr(c, '.'));)
		*c = ':';
	for (char *c = p->shared; (c = strchr(c, '.'));)
		*c = ':';
	return 0;
}

static bool is_bpf(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static void parent_of(const char *dir, char out[ZS_PIN_DIR])
{
	strcpy(out, dir);
	*strrchr(out, '/') = 0;
}

/* A service manager may show the instance's folder alone. */
int zs_pins_check(const struct zs_pins *p, struct zs_error *err)
{
	char parent[ZS_PIN_DIR];

	parent_of(p->dir, parent);
	if (!is_bpf(parent) && !is_bpf(ROOT))
		return zs_error_set(err, -ENOENT, ZS_EXIT_RESOURCE,
				    ROOT " is no bpf file system; run: mount -t bpf bpf " ROOT);
	return 0;
}

static int make(const char *dir, struct zs_error *err)
{
	int rc = mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;

	return rc ? zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "cannot make %s: %s", dir, strerror(-rc)) : 0;
}

int zs_pins_make(const struct zs_pins *p, bool shared, struct zs_error *err)
{
	char parent[ZS_PIN_DIR];
	int rc;

	parent_of(p->dir, parent);
	rc = make(parent, err);
	if (!rc)
		rc = make(p->dir, err);
	return rc || !shared ? rc : make(p->shared, err);
}

int zs_pin_open(const char *dir, const char *name)
{
	char path[ZS_PIN_PATH];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return bpf_obj_get(path);
}

int zs_pin_replace(const char *dir, const char *name, int fd)
{
	char path[ZS_PIN_PATH];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(fd, path);
}

void zs_pins_sweep(const char *path)
{
	DIR *dir = opendir(path);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
}

/* Is there an interface's folder left beside the shared one? */
static bool in_use(const char *parent)
{
	DIR *dir = opendir(parent);
	bool used = false;

	if (!dir)
		return false;
	for (struct dirent *e; !used && (e = readdir(dir));)
		used = e->d_name[0] != '.' && strcmp(e->d_name, SHARED) != 0;
	closedir(dir);
	return used;
}

int zs_pins_remove(const struct zs_pins *p)
{
	char parent[ZS_PIN_DIR];

	zs_pins_sweep(p->dir);
	if (rmdir(p->dir) && errno != ENOENT)
		return -errno;
	parent_of(p->shared, parent);
	if (in_use(parent))
		return 0;
	zs_pins_sweep(p->shared);
	rmdir(p->shared);
	rmdir(parent);
	return 0;
}
