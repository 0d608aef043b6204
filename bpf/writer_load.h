/* The writer's maps in a BPF object. Whoever loads it, before any thread. */
#ifndef ZS_BPF_WRITER_LOAD_H
#define ZS_BPF_WRITER_LOAD_H

#include "writer.h"

#include "base/error.h"

struct bpf_object;

/* Before it is loaded: capacities. -ENOENT: it has no fast path. */
int zs_fast_size(struct bpf_object *object, const struct zs_fast_shape *shape);
/* Afterwards. */
int zs_fast_map_object(struct zs_fast *f, struct bpf_object *object, const struct zs_fast_shape *shape);

/* Main: the maps that the instance's interfaces were opened with. */
int zs_fast_open(struct zs_fast *f, const char *instance, const struct zs_fast_shape *shape,
		 struct zs_error *err);
/* Main: unpins what another engine left; nothing when there is none. */
void zs_fast_forget(const char *instance);

#endif
