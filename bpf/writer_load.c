/* The maps of an object that is about to be loaded, or is: the one part of the writer that knows libbpf. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "pins.h"
#include "writer_load.h"

int zs_fast_size(struct bpf_object *object, const struct zs_fast_shape *shape)
{
	for (enum zs_fast_map m = 0; m < ZS_FAST_MAPS; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, zs_fast_map_name(m));
		int rc = map ? bpf_map__set_max_entries(map, zs_fast_entries(m, shape)) : -ENOENT;

		if (rc)
			return rc;
	}
	return 0;
}

int zs_fast_map_object(struct zs_fast *f, struct bpf_object *object, const struct zs_fast_shape *shape)
{
	int fd[ZS_FAST_MAPS];

	for (enum zs_fast_map m = 0; m < ZS_FAST_MAPS; m++) {
		fd[m] = bpf_object__find_map_fd_by_name(object, zs_fast_map_name(m));
		if (fd[m] < 0)
			return fd[m];
	}
	return zs_fast_map(f, shape, fd);
}

int zs_fast_open(struct zs_fast *f, const char *instance, const struct zs_fast_shape *shape,
		 struct zs_error *err)
{
	int fd[ZS_FAST_MAPS], rc = 0, n = 0;
	struct zs_pins pins;

	if ((rc = zs_pins_name(&pins, instance, NULL, err)))
		return rc;
	for (; !rc && n < ZS_FAST_MAPS; n++) {
		fd[n] = zs_pin_open(pins.shared, zs_fast_map_name((enum zs_fast_map)n));
		rc = fd[n] < 0 ? fd[n] : 0;
	}
	if (!rc)
		rc = zs_fast_map(f, shape, fd);
	if (!rc && libbpf_num_possible_cpus() > 0 && libbpf_num_possible_cpus() < ZS_FAST_CPUS)
		f->cpus = (uint32_t)libbpf_num_possible_cpus();
	while (n-- > 0)
		if (fd[n] >= 0)
			close(fd[n]);
	return rc ? zs_error_set(err, rc, ZS_EXIT_RESOURCE, "cannot map the fast path's maps in %s: %s",
				 pins.shared, strerror(-rc))
		  : 0;
}

void zs_fast_forget(const char *instance)
{
	struct zs_error err;
	struct zs_pins pins;

	if (zs_pins_name(&pins, instance, NULL, &err))
		return;
	zs_pins_sweep(pins.shared);
	rmdir(pins.shared);
}
