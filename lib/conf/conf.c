/* Loading: defaults, the file, what follows from both, checks. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/check.h"
#include "conf/schema.h"

#define INSTANCE "relay"

int zs_conf_fail(struct zs_error *err, const char *name, uint32_t line, const char *fmt, ...)
{
	char what[ZS_ERROR_TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	int ret = line ? zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "%s:%u: %s", name, line, what)
		       : zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "%s: %s", name, what);
	if (err)
		err->line = line;
	return ret;
}

void zs_conf_section_defaults(enum zs_conf_section section, void *base)
{
	char why[ZS_CONF_WHY];
	for (const struct zs_conf_key *k = zs_conf_first_key(section); k->name && k->section == section;
	     k++) {
		if (k->kind == ZS_CONF_SECTION_IN)
			zs_conf_section_defaults(k->sub, base);
		else if (k->dflt && k->dflt[0])
			ZS_CHECK(zs_conf_value_parse(k, k->kind, (char *)base + k->offset, k->dflt, true,
						     why) == 0,
				 "%s: default %s", k->name, why);
	}
	if (section == ZS_CONF_AT_port)
		((struct zs_conf_port *)base)->vlans = 1; /* the untagged one is always there */
}

/* /etc/zerostate/relay.yaml → relay. */
static void instance_of(char out[33], const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');
	size_t len = dot && dot != base ? (size_t)(dot - base) : strlen(base);
	snprintf(out, 33, "%.*s", (int)len, base);
}

static void set_path(char out[108], const char *fmt, const char *arg)
{
	if (out[0])
		return;
	/* Lengths are bounded by the table (32 and 90 characters), so nothing is ever cut. */
	int n = snprintf(out, 108, fmt, arg);
	ZS_CHECK(n > 0 && n < 108, "a path that does not fit");
}

/* A device that DPDK takes from the kernel leaves a twin there unless the file says `none`. */
static void derive_twin(struct zs_conf_port *p)
{
	if (!strcmp(p->twin, "none"))
		p->twin[0] = '\0';
	else if (!p->twin[0] && p->driver == ZS_DRIVER_PCI) {
		memcpy(p->twin, "zs-", 3);
		memcpy(p->twin + 3, p->name, sizeof(p->twin) - 4);
	}
}

/* What follows from other keys, where the file was silent. */
static void derive(struct zs_conf *c, uint32_t cpus_listed)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	set_path(c->state_dir, "/var/lib/zerostate/%s", c->instance);
	set_path(c->run_dir, "/run/zerostate/%s", c->instance);
	set_path(c->admin.socket, "%s/admin.sock", c->run_dir);
	set_path(c->p2p.qlog_dir, "%s/qlog", c->state_dir);
	for (uint32_t i = 0; !cpus_listed && i < c->dataplane.workers; i++)
		c->dataplane.cpu[i] = (uint16_t)((i + 1) % (uint32_t)(cpus > 0 ? cpus : 1));
	for (uint32_t i = 0; i < c->dataplane.ports; i++) {
		struct zs_conf_port *p = &c->dataplane.port[i];
		bool kernel = p->driver == ZS_DRIVER_AF_XDP || p->driver == ZS_DRIVER_AF_PACKET;
		derive_twin(p);
		if (p->twin[0])
			memcpy(p->vlan[0].device, p->twin, sizeof(p->twin));
		else if (kernel && strlen(p->device) < sizeof(p->vlan[0].device))
			memcpy(p->vlan[0].device, p->device, strlen(p->device));
	}
}

static void start(struct zs_conf *out, const char *instance)
{
	memset(out, 0, sizeof(*out));
	snprintf(out->instance, sizeof(out->instance), "%s", instance ? instance : INSTANCE);
	zs_conf_section_defaults(ZS_CONF_AT_root, out);
}

void zs_conf_defaults(struct zs_conf *out, const char *instance)
{
	start(out, instance);
	derive(out, 0);
}

int zs_conf_parse(struct zs_conf *out, const char *name, const char *text, size_t len, struct zs_error *err)
{
	struct zs_conf_marks marks = { .at = NULL };
	char instance[33];
	if (len > ZS_CONF_SIZE_MAX)
		return zs_conf_fail(err, name, 0, "larger than %u bytes; make it smaller", ZS_CONF_SIZE_MAX);
	instance_of(instance, name);
	start(out, instance);
	int ret = zs_conf_read(out, &marks, name, text, len, err);
	if (!ret) {
		derive(out, marks.cpus);
		ret = zs_conf_check(out, &marks, name, err);
	}
	free(marks.at);
	return ret;
}

static int cannot_read(struct zs_error *err, const char *path, int code)
{
	if (zs_error_lacks(code))
		return zs_error_set(err, code, ZS_EXIT_RESOURCE, "%s: cannot be read: %s", path,
				    strerror(-code));
	return zs_error_set(err, code, code == -EACCES ? ZS_EXIT_PRIVILEGE : ZS_EXIT_CONFIG,
			    "%s: cannot be read: %s; look at the path and its permissions", path,
			    strerror(-code));
}

/* Reads at most one byte more than allowed, so that a growing file is noticed. */
static int read_file(int fd, char *buf, size_t room, size_t *len)
{
	*len = 0;
	while (*len < room) {
		ssize_t n = read(fd, buf + *len, room - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

int zs_conf_read_from(int fd, const char *name, char **text, size_t *len, struct zs_error *err)
{
	char *room = malloc(ZS_CONF_SIZE_MAX + 1);
	int ret = room ? read_file(fd, room, ZS_CONF_SIZE_MAX + 1, len) : -ENOMEM;
	if (ret) {
		free(room);
		return cannot_read(err, name, ret);
	}
	*text = room;
	return 0;
}

int zs_conf_read_file(const char *path, char **text, size_t *len, struct zs_error *err)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO by this name must not hang the start. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		int ret = -errno;
		if (fd >= 0)
			close(fd);
		return cannot_read(err, path, ret);
	}
	int ret = S_ISREG(st.st_mode)
		      ? zs_conf_read_from(fd, path, text, len, err)
		      : zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG, "%s: is no regular file; name one", path);
	close(fd);
	return ret;
}

int zs_conf_load(struct zs_conf *out, const char *path, struct zs_error *err)
{
	char *text;
	size_t len;
	int ret = zs_conf_read_file(path, &text, &len, err);
	if (ret)
		return ret;
	ret = zs_conf_parse(out, path, text, len, err);
	free(text);
	return ret;
}

int zs_conf_check_instance(const struct zs_conf *conf, const char *path, const char *instance,
			   struct zs_error *err)
{
	if (!instance || !strcmp(conf->instance, instance))
		return 0;
	return zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG,
			    "%.100s is of instance %s, not %.40s; mend it or --instance", path,
			    conf->instance, instance);
}

int zs_conf_load_for(struct zs_conf *out, const char *path, const char *instance, struct zs_error *err)
{
	int rc = zs_conf_load(out, path, err);

	if (!rc)
		rc = zs_conf_check_instance(out, path, instance, err);
	return rc ? rc : zs_conf_spares_management(out, err);
}
