/* Pins of one interface, in its folder (pins.h):
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
 * and, of an object with the fast path, in the instance's shared folder the maps of fast_maps.def: whichever interface a packet
 * came by, it is forwarded from the same ones.
 *
 * bpf(2), BPF_LINK_CREATE and BPF_LINK_UPDATE in linux/bpf.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "base/check.h"
#include "loader.h"
#include "writer_load.h"

#define PROGRAM_NAME "xsk_def_prog"
#define PROGRAM_MAPS 32 /* more than any version of the program uses */

static const char *const map_names[] = { "steer_keys", "steer_counters", "steer_config", "xsks_map",
					 "steer_blocks" };

#define MAPS ZS_ARRAY_LEN(map_names)

struct load_map {
	struct bpf_map *map;
	const char *name, *dir; /* of its pin */
	int fd;			/* belongs to the object */
	bool kept;
};

/* One call of zs_steer_open. */
struct load {
	struct zs_steer *s;
	struct zs_error *err;
	struct bpf_object *object;
	int prog_fd;			  /* belongs to object */
	const struct zs_fast_shape *fast; /* NULL: the object has none */
	struct load_map map[MAPS + ZS_FAST_MAPS];
	unsigned maps;
	int link_fd;	  /* -1: nothing of ours is attached */
	uint32_t link_id; /* the program behind it */
};

static int name_pins(struct zs_steer *s, const char *instance, const char *ifname, struct zs_error *err)
{
	*s = (struct zs_steer){
		.keys_fd = -1, .counters_fd = -1, .config_fd = -1, .xsks_fd = -1, .blocks_fd = -1
	};
	if (strlen(ifname) >= sizeof(s->ifname))
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_USAGE, "interface name too long: '%s'",
				    ifname);
	strcpy(s->ifname, ifname);
	return zs_pins_name(&s->pins, instance, ifname, err);
}

static int find_interface(struct zs_steer *s, struct zs_error *err)
{
	s->ifindex = (int)if_nametoindex(s->ifname);
	if (!s->ifindex)
		return zs_error_set(err, -ENODEV, ZS_EXIT_RESOURCE,
				    "no interface '%s' in this network namespace", s->ifname);
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

static void forget_link(struct load *l)
{
	close(l->link_fd);
	l->link_fd = -1;
	zs_pins_sweep(l->s->pins.dir);
}

/* Sets link_fd if the program on the interface is the one behind our pinned link. */
static int find_ours(struct load *l)
{
	struct bpf_link_info info = { 0 };
	uint32_t attached = 0, len = sizeof(info);
	int rc = attached_program(l->s->ifindex, &attached);

	if (rc)
		return refused(l->err, rc, "query", l->s->ifname);
	l->link_fd = zs_pin_open(l->s->pins.dir, "link");
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
			    l->s->pins.dir, info.xdp.ifindex);
		l->link_id = info.prog_id;
	}
	return l->link_fd < 0 && attached ? busy(l->s, attached, l->err) : 0;
}

static bool same_layout(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       !strncmp(info.name, bpf_map__name(map), sizeof(info.name) - 1) &&
	       info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) && info.max_entries == bpf_map__max_entries(map) &&
	       info.map_flags == bpf_map__map_flags(map);
}

static void list_maps(struct load *l)
{
	for (unsigned i = 0; i < MAPS; i++)
		l->map[l->maps++] = (struct load_map){ .name = map_names[i], .dir = l->s->pins.dir };
	for (enum zs_fast_map m = 0; l->fast && m < ZS_FAST_MAPS; m++)
		l->map[l->maps++] = (struct load_map){ .name = zs_fast_map_name(m),
						       .dir = l->s->pins.shared };
}

static int keep_map(struct load *l, struct load_map *m)
{
	int fd, rc = 0;

	m->map = bpf_object__find_map_by_name(l->object, m->name);
	if (!m->map)
		return -ENOENT;
	fd = zs_pin_open(m->dir, m->name);
	if (fd < 0)
		return 0;
	m->kept = same_layout(m->map, fd);
	if (m->kept)
		rc = bpf_map__reuse_fd(m->map, fd); /* duplicates fd */
	close(fd);
	return rc;
}

static int load_object(struct load *l, const char *path)
{
	struct bpf_program *prog;
	int rc = 0;

	l->object = bpf_object__open_file(path, NULL);
	if (!l->object)
		return -errno;
	prog = bpf_object__find_program_by_name(l->object, PROGRAM_NAME);
	if (!prog)
		return -ENOENT;
	if (l->fast)
		rc = zs_fast_size(l->object, l->fast);
	list_maps(l);
	for (unsigned i = 0; !rc && i < l->maps; i++)
		rc = keep_map(l, &l->map[i]);
	if (!rc)
		rc = bpf_object__load(l->object);
	for (unsigned i = 0; !rc && i < l->maps; i++)
		l->map[i].fd = bpf_map__fd(l->map[i].map);
	l->prog_fd = bpf_program__fd(prog);
	return rc;
}

static int pin_maps(struct load *l)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < l->maps; i++) {
		if (!l->map[i].kept)
			rc = zs_pin_replace(l->map[i].dir, l->map[i].name, l->map[i].fd);
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
	int fd = zs_pin_open(l->s->pins.dir, "program");
	bool same;

	if (fd < 0)
		return false;
	same = !bpf_obj_get_info_by_fd(fd, &old, &old_len) &&
	       !bpf_obj_get_info_by_fd(l->prog_fd, &new, &new_len) && old.id == l->link_id &&
	       !memcmp(old.tag, new.tag, sizeof(old.tag)) && !strcmp(old.name, new.name);
	for (unsigned i = 0; same && i < l->maps; i++)
		same = uses_map(&old, ids, l->map[i].fd);
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
		return rc ? rc : zs_pin_replace(l->s->pins.dir, "program", l->prog_fd);
	}
	l->link_fd = create_link(l); /* until it is pinned, closing it detaches */
	if (l->link_fd < 0)
		return l->link_fd;
	rc = zs_pin_replace(l->s->pins.dir, "program", l->prog_fd);
	return rc ? rc : zs_pin_replace(l->s->pins.dir, "link", l->link_fd);
}

static int keep_descriptors(struct load *l)
{
	int *to[] = { &l->s->keys_fd, &l->s->counters_fd, &l->s->config_fd, &l->s->xsks_fd,
		      &l->s->blocks_fd };

	for (unsigned i = 0; i < MAPS; i++) {
		*to[i] = fcntl(l->map[i].fd, F_DUPFD_CLOEXEC, 3);
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
		rc = zs_pins_make(&l->s->pins, l->fast, l->err);
		if (rc)
			return rc;
		rc = attach(l);
		if (rc && !l->s->adopted)
			zs_pins_remove(&l->s->pins);
		if (rc)
			return refused(l->err, rc, "attach the steering program to", l->s->ifname);
	}
	rc = keep_descriptors(l);
	return rc ? refused(l->err, rc, "keep the maps of", l->s->ifname) : 0;
}

int zs_steer_open(struct zs_steer *s, const char *instance, const char *ifname, const char *object,
		  const struct zs_fast_shape *fast, struct zs_error *err)
{
	struct load l = { .s = s, .err = err, .fast = fast, .link_fd = -1, .prog_fd = -1 };
	libbpf_print_fn_t print = libbpf_set_print(NULL); /* it would speak beside the log */
	int rc = name_pins(s, instance, ifname, err);

	if (!rc)
		rc = find_interface(s, err);
	if (!rc)
		rc = zs_pins_check(&s->pins, err);
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
		rc = zs_pins_check(&s->pins, err);
	if (rc)
		return rc;
	s->keys_fd = zs_pin_open(s->pins.dir, "steer_keys");
	s->counters_fd = zs_pin_open(s->pins.dir, "steer_counters");
	s->config_fd = zs_pin_open(s->pins.dir, "steer_config");
	s->xsks_fd = zs_pin_open(s->pins.dir, "xsks_map");
	s->blocks_fd = zs_pin_open(s->pins.dir, "steer_blocks");
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
	if (access(s.pins.dir, F_OK) && errno == ENOENT)
		return 0;
	fd = zs_pin_open(s.pins.dir, "link");
	if (fd >= 0) {
		bpf_link_detach(fd); /* now, whoever still holds it; fails only when the interface is gone */
		close(fd);
	}
	rc = zs_pins_remove(&s.pins);
	return rc ? refused(err, rc, "remove", s.pins.dir) : 0;
}
