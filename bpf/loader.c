/* Pins of one interface, in s->pin_dir:
 *
 *     link       keeps the program attached while no process lives
 *     program    the program behind the link, to compare a new one with
 *     xsks_map, steer_keys, steer_counters, steer_config, steer_blocks
 *
 * Life: open() loads the object around those pinned maps that still have the layout it wants, then
 * attaches it (nothing there), leaves the attached one alone (same instructions, same maps) or puts it
 * behind the pinned link in one step, so that at no moment a packet meets no program. A link whose
 * interface is gone is dead for good and is swept away. A program that is attached without being behind
 * our pinned link is somebody else's, even if it is a copy of ours.
 *
 * bpf(2), BPF_LINK_CREATE and BPF_LINK_UPDATE in linux/bpf.h; the bpf file system refuses names with
 * dots, which interfaces may have: they are written as colons, which interfaces cannot have. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "base/check.h"
#include "loader.h"

#define BPF_ROOT     "/sys/fs/bpf"
#define PIN_PATH     128 /* pin_dir and the longest name in it */
#define PROGRAM_NAME "xsk_def_prog"
#define PROGRAM_MAPS 16 /* more than any version of the program uses */

static const char *const map_names[] = { "steer_keys", "steer_counters", "steer_config", "xsks_map",
					 "steer_blocks" };

#define MAPS ZS_ARRAY_LEN(map_names)

/* One call of zs_steer_open. */
struct load {
	struct zs_steer *s;
	struct zs_error *err;
	struct bpf_object *object;
	int prog_fd; /* belongs to object */
	int map_fd[MAPS];
	bool map_kept[MAPS];
	int link_fd;	  /* -1: nothing of ours is attached */
	uint32_t link_id; /* the program behind it */
};

static void pin_path(const struct zs_steer *s, const char *name, char out[PIN_PATH])
{
	snprintf(out, PIN_PATH, "%s/%s", s->pin_dir, name);
}

static int open_pin(const struct zs_steer *s, const char *name)
{
	char path[PIN_PATH];

	pin_path(s, name, path);
	return bpf_obj_get(path);
}

/* Puts fd behind the name, whatever was there. */
static int replace_pin(const struct zs_steer *s, const char *name, int fd)
{
	char path[PIN_PATH];

	pin_path(s, name, path);
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(fd, path);
}

static int name_pins(struct zs_steer *s, const char *instance, const char *ifname, struct zs_error *err)
{
	int n;

	*s = (struct zs_steer){
		.keys_fd = -1, .counters_fd = -1, .config_fd = -1, .xsks_fd = -1, .blocks_fd = -1
	};
	if (!*instance || !*ifname || strchr(instance, '/') || strchr(ifname, '/'))
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "not an instance and an interface: '%s' '%s'", instance, ifname);
	n = snprintf(s->pin_dir, sizeof(s->pin_dir), BPF_ROOT "/zerostate-%s/%s", instance, ifname);
	if (n >= (int)sizeof(s->pin_dir) || strlen(ifname) >= sizeof(s->ifname))
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_USAGE,
				    "instance or interface name too long: '%s' '%s'", instance, ifname);
	for (char *c = s->pin_dir; (c = strchr(c, '.'));)
		*c = ':';
	strcpy(s->ifname, ifname);
	return 0;
}

static int find_interface(struct zs_steer *s, struct zs_error *err)
{
	s->ifindex = (int)if_nametoindex(s->ifname);
	if (!s->ifindex)
		return zs_error_set(err, -ENODEV, ZS_EXIT_RESOURCE,
				    "no interface '%s' in this network namespace", s->ifname);
	return 0;
}

static int check_bpffs(struct zs_error *err)
{
	struct statfs fs;

	if (statfs(BPF_ROOT, &fs) || fs.f_type != BPF_FS_MAGIC)
		return zs_error_set(err, -ENOENT, ZS_EXIT_RESOURCE,
				    BPF_ROOT " is no bpf file system; run: mount -t bpf bpf " BPF_ROOT);
	return 0;
}

static int make_dirs(const struct zs_steer *s, struct zs_error *err)
{
	char parent[sizeof(s->pin_dir)];

	strcpy(parent, s->pin_dir);
	*strrchr(parent, '/') = 0;
	if ((mkdir(parent, 0700) && errno != EEXIST) || (mkdir(s->pin_dir, 0700) && errno != EEXIST)) {
		int code = -errno;
		return zs_error_set(err, code, ZS_EXIT_PRIVILEGE, "cannot make %s: %s", s->pin_dir,
				    strerror(-code));
	}
	return 0;
}

/* The one message for whatever bpf(2) refuses. */
static int refused(struct zs_error *err, int code, const char *what, const char *object)
{
	if (code == -EPERM || code == -EACCES)
		return zs_error_set(
		    err, -EPERM, ZS_EXIT_PRIVILEGE,
		    "cannot %s %s: needs CAP_SYS_ADMIN at start (or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN "
		    "for the program alone)",
		    what, object);
	return zs_error_set(err, code, ZS_EXIT_RESOURCE, "cannot %s %s: %s", what, object, strerror(-code));
}

/* Id of the program that runs on the interface, 0 for none. A dispatcher may show several ids: then the
 * native one counts. */
static int attached_program(int ifindex, uint32_t *id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	int rc = bpf_xdp_query(ifindex, 0, &q);

	if (rc)
		return rc;
	*id = q.prog_id	      ? q.prog_id
	      : q.drv_prog_id ? q.drv_prog_id
	      : q.skb_prog_id ? q.skb_prog_id
			      : q.hw_prog_id;
	return 0;
}

static int busy(const struct zs_steer *s, uint32_t id, struct zs_error *err)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
	}
	return zs_error_set(
	    err, -EBUSY, ZS_EXIT_RESOURCE,
	    "%s carries another's XDP program, id %u '%s'; detach it first: ip link set dev %s xdp off",
	    s->ifname, id, info.name[0] ? info.name : "?", s->ifname);
}

/* Unlinks everything under pin_dir; what it kept alive ends with the last descriptor. */
static void sweep_pins(const struct zs_steer *s)
{
	DIR *dir = opendir(s->pin_dir);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
}

/* The instance's folder stays while other interfaces are in it. */
static int remove_pins(const struct zs_steer *s)
{
	char parent[sizeof(s->pin_dir)];

	sweep_pins(s);
	if (rmdir(s->pin_dir) && errno != ENOENT)
		return -errno;
	strcpy(parent, s->pin_dir);
	*strrchr(parent, '/') = 0;
	rmdir(parent);
	return 0;
}

static void forget_link(struct load *l)
{
	close(l->link_fd);
	l->link_fd = -1;
	sweep_pins(l->s);
}

/* Sets link_fd if the program on the interface is the one behind our pinned link. */
static int find_ours(struct load *l)
{
	struct bpf_link_info info = { 0 };
	uint32_t attached = 0, len = sizeof(info);
	int rc = attached_program(l->s->ifindex, &attached);

	if (rc)
		return refused(l->err, rc, "query", l->s->ifname);
	l->link_fd = open_pin(l->s, "link");
	if (l->link_fd == -EACCES || l->link_fd == -EPERM)
		return refused(l->err, l->link_fd, "open the pins of", l->s->ifname);
	if (l->link_fd >= 0) {
		if (bpf_obj_get_info_by_fd(l->link_fd, &info, &len) || info.type != BPF_LINK_TYPE_XDP ||
		    !info.xdp.ifindex)
			forget_link(l);
		else if (info.prog_id != attached || (int)info.xdp.ifindex != l->s->ifindex)
			return zs_error_set(
			    l->err, -EBUSY, ZS_EXIT_RESOURCE,
			    "%s holds the program of another interface (index %u, other network namespace?)",
			    l->s->pin_dir, info.xdp.ifindex);
		l->link_id = info.prog_id;
	}
	return l->link_fd < 0 && attached ? busy(l->s, attached, l->err) : 0;
}

static bool same_layout(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, bpf_map__name(map)) &&
	       info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) && info.max_entries == bpf_map__max_entries(map) &&
	       info.map_flags == bpf_map__map_flags(map);
}

static int keep_map(struct load *l, unsigned i)
{
	struct bpf_map *map = bpf_object__find_map_by_name(l->object, map_names[i]);
	int fd, rc = 0;

	if (!map)
		return -ENOENT;
	fd = open_pin(l->s, map_names[i]);
	if (fd < 0)
		return 0;
	l->map_kept[i] = same_layout(map, fd);
	if (l->map_kept[i])
		rc = bpf_map__reuse_fd(map, fd); /* duplicates fd */
	close(fd);
	return rc;
}

static int load_object(struct load *l, const char *path)
{
	struct bpf_program *prog;
	int rc;

	l->object = bpf_object__open_file(path, NULL);
	if (!l->object)
		return -errno;
	prog = bpf_object__find_program_by_name(l->object, PROGRAM_NAME);
	if (!prog)
		return -ENOENT;
	for (unsigned i = 0; i < MAPS; i++) {
		rc = keep_map(l, i);
		if (rc)
			return rc;
	}
	rc = bpf_object__load(l->object);
	if (rc)
		return rc;
	for (unsigned i = 0; i < MAPS; i++)
		l->map_fd[i] = bpf_object__find_map_fd_by_name(l->object, map_names[i]);
	l->prog_fd = bpf_program__fd(prog);
	return 0;
}

static int pin_maps(struct load *l)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < MAPS; i++) {
		if (!l->map_kept[i])
			rc = replace_pin(l->s, map_names[i], l->map_fd[i]);
	}
	return rc;
}

static bool uses_map(const struct bpf_prog_info *info, const uint32_t *ids, int map_fd)
{
	struct bpf_map_info map = { 0 };
	uint32_t len = sizeof(map);

	if (bpf_obj_get_info_by_fd(map_fd, &map, &len))
		return false;
	for (uint32_t i = 0; i < info->nr_map_ids && i < PROGRAM_MAPS; i++) {
		if (ids[i] == map.id)
			return true;
	}
	return false;
}

/* Is the program behind our link what we have just loaded, on the same maps? */
static bool is_current(const struct load *l)
{
	uint32_t ids[PROGRAM_MAPS] = { 0 };
	struct bpf_prog_info old = { .nr_map_ids = PROGRAM_MAPS, .map_ids = (uintptr_t)ids }, new = { 0 };
	uint32_t old_len = sizeof(old), new_len = sizeof(new);
	int fd = open_pin(l->s, "program");
	bool same;

	if (fd < 0)
		return false;
	same = !bpf_obj_get_info_by_fd(fd, &old, &old_len) &&
	       !bpf_obj_get_info_by_fd(l->prog_fd, &new, &new_len) && old.id == l->link_id &&
	       !memcmp(old.tag, new.tag, sizeof(old.tag)) && !strcmp(old.name, new.name);
	for (unsigned i = 0; same && i < MAPS; i++)
		same = uses_map(&old, ids, l->map_fd[i]);
	close(fd);
	return same;
}

/* In the driver if it can, else in the stack, which costs a copy more. */
static int create_link(struct load *l)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(l->prog_fd, l->s->ifindex, BPF_XDP, &opts);

	if (fd < 0 && fd != -EPERM && fd != -EBUSY && fd != -EEXIST && fd != -ENODEV) {
		opts.flags = XDP_FLAGS_SKB_MODE;
		fd = bpf_link_create(l->prog_fd, l->s->ifindex, BPF_XDP, &opts);
	}
	return fd;
}

static int attach(struct load *l)
{
	int rc = pin_maps(l);

	if (rc)
		return rc;
	if (l->link_fd >= 0) {
		rc = bpf_link_update(l->link_fd, l->prog_fd, NULL);
		return rc ? rc : replace_pin(l->s, "program", l->prog_fd);
	}
	l->link_fd = create_link(l); /* until it is pinned, closing it detaches */
	if (l->link_fd < 0)
		return l->link_fd;
	rc = replace_pin(l->s, "program", l->prog_fd);
	return rc ? rc : replace_pin(l->s, "link", l->link_fd);
}

static int keep_descriptors(struct load *l)
{
	int *to[] = { &l->s->keys_fd, &l->s->counters_fd, &l->s->config_fd, &l->s->xsks_fd,
		      &l->s->blocks_fd };

	for (unsigned i = 0; i < MAPS; i++) {
		*to[i] = fcntl(l->map_fd[i], F_DUPFD_CLOEXEC, 3);
		if (*to[i] < 0)
			return -errno;
	}
	return zs_steer_resume(l->s);
}

static int load_and_attach(struct load *l, const char *path)
{
	int rc = load_object(l, path);

	if (rc)
		return refused(l->err, rc, "load", path);
	l->s->adopted = l->link_fd >= 0;
	if (!is_current(l)) {
		rc = make_dirs(l->s, l->err);
		if (rc)
			return rc;
		rc = attach(l);
		if (rc && !l->s->adopted)
			remove_pins(l->s);
		if (rc)
			return refused(l->err, rc, "attach the steering program to", l->s->ifname);
	}
	rc = keep_descriptors(l);
	return rc ? refused(l->err, rc, "keep the maps of", l->s->ifname) : 0;
}

int zs_steer_open(struct zs_steer *s, const char *instance, const char *ifname, const char *object,
		  struct zs_error *err)
{
	struct load l = { .s = s, .err = err, .link_fd = -1, .prog_fd = -1 };
	libbpf_print_fn_t print = libbpf_set_print(NULL); /* it would speak beside the log */
	int rc = name_pins(s, instance, ifname, err);

	if (!rc)
		rc = find_interface(s, err);
	if (!rc)
		rc = check_bpffs(err);
	if (!rc)
		rc = find_ours(&l);
	if (!rc)
		rc = load_and_attach(&l, object);
	if (rc)
		zs_steer_close(s);
	bpf_object__close(l.object);
	if (l.link_fd >= 0)
		close(l.link_fd);
	libbpf_set_print(print);
	return rc;
}

int zs_steer_peek(struct zs_steer *s, const char *instance, const char *ifname, struct zs_error *err)
{
	int rc = name_pins(s, instance, ifname, err);

	if (!rc)
		rc = find_interface(s, err);
	if (!rc)
		rc = check_bpffs(err);
	if (rc)
		return rc;
	s->keys_fd = open_pin(s, "steer_keys");
	s->counters_fd = open_pin(s, "steer_counters");
	s->config_fd = open_pin(s, "steer_config");
	s->xsks_fd = open_pin(s, "xsks_map");
	s->blocks_fd = open_pin(s, "steer_blocks");
	if (s->keys_fd >= 0 && s->counters_fd >= 0 && s->config_fd >= 0 && s->xsks_fd >= 0 &&
	    s->blocks_fd >= 0) {
		s->adopted = true;
		return zs_steer_resume(s);
	}
	zs_steer_close(s);
	return zs_error_set(err, -ENOENT, ZS_EXIT_FAILED, "no steering program of '%s' on %s", instance,
			    ifname);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void zs_steer_close(struct zs_steer *s)
{
	close_one(&s->keys_fd);
	close_one(&s->counters_fd);
	close_one(&s->config_fd);
	close_one(&s->xsks_fd);
	close_one(&s->blocks_fd);
}

int zs_steer_remove(const char *instance, const char *ifname, struct zs_error *err)
{
	struct zs_steer s;
	int fd, rc = name_pins(&s, instance, ifname, err);

	if (rc)
		return rc;
	if (access(s.pin_dir, F_OK) && errno == ENOENT)
		return 0;
	fd = open_pin(&s, "link");
	if (fd >= 0) {
		bpf_link_detach(fd); /* now, whoever still holds it; fails only when the interface is gone */
		close(fd);
	}
	rc = remove_pins(&s);
	return rc ? refused(err, rc, "remove", s.pin_dir) : 0;
}
