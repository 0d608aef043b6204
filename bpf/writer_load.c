/* The maps of an object that is about to be loaded, or is: the one part of the writer that knows libbpf. */
#include <errno.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
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
