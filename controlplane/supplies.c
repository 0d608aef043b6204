#include "supplies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/clock.h"
#include "reserve.h"

#define LOOK_NS	    ZS_NS_PER_S
#define SHOWN_NS    (60 * ZS_NS_PER_S)
#define IN_HAND	    4	       /* descriptors: calls of zsctl that come at once while there are no others */
#define SHORT_BYTES (2u << 20) /* disk_full from here: a write buffer of the store's */
#define FINE_BYTES  (4u << 20) /* … and until there is so much */
#define ROOM_BYTES  (1u << 20) /* of memory: what the store and connections ask for at once */

struct zs_supplies {
	struct zs_control *c;
	struct zs_timer *timer;
	int fd[IN_HAND];
	unsigned fds;
	uint64_t refused[ZS_MEMORIES]; /* at the last look */
	uint64_t short_until_ns;       /* of memory */
};

static void look_at_disk(struct zs_control *c)
{
	struct statvfs fs;
	uint64_t left;

	if (statvfs(c->conf->state_dir, &fs))
		return; /* store and audit tell why */
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (left < SHORT_BYTES)
		zs_control_raise(c, ZS_HEALTH_disk_full, "%s: %lu KiB left", c->conf->state_dir, left >> 10);
	else if (left >= FINE_BYTES)
		zs_control_clear(c, ZS_HEALTH_disk_full);
	if (left >= 2 * ZS_RESERVE_BYTES)
		zs_reserve_hold(c->conf->state_dir);
}

static int spare(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* One more than is kept in hand tells whether others get one. */
static void look_at_descriptors(struct zs_supplies *s)
{
	int fd = 0;

	while (s->fds < IN_HAND && (fd = spare()) >= 0)
		s->fd[s->fds++] = fd;
	if (fd >= 0 && (fd = spare()) >= 0)
		close(fd);
	if (fd == -EMFILE || fd == -ENFILE)
		zs_control_raise(s->c, ZS_HEALTH_no_descriptors, "%s", strerror(-fd));
	else if (fd >= 0)
		zs_control_clear(s->c, ZS_HEALTH_no_descriptors);
}

/* Does the machine give this process more than it has? */
static bool has_room(void)
{
	void *p = mmap(NULL, ROOM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, ROOM_BYTES);
	return true;
}

static void look_at_memory(struct zs_supplies *s)
{
	uint64_t now = zs_loop_now(s->c->loop);
	bool room = has_room();

	if (!room && now >= s->short_until_ns) /* a module that was refused tells more */
		zs_control_raise(s->c, ZS_HEALTH_memory_budget, "the process gets no %u KiB more",
				 ROOM_BYTES >> 10);

	for (int m = 0; m < ZS_MEMORIES; m++) {
		const struct zs_budget *b = &s->c->memory[m];

		if (b->refused == s->refused[m])
			continue;
		s->refused[m] = b->refused;
		s->short_until_ns = now + SHOWN_NS;
		zs_control_raise(s->c, ZS_HEALTH_memory_budget, "%s: %lu of %lu KiB used, refused %lu times",
				 zs_memory_name(m), b->used >> 10, b->limit >> 10, b->refused);
	}
	if (room && now >= s->short_until_ns)
		zs_control_clear(s->c, ZS_HEALTH_memory_budget);
}

static void look(void *ctx)
{
	struct zs_supplies *s = ctx;

	look_at_disk(s->c);
	look_at_descriptors(s);
	look_at_memory(s);
	zs_timer_after(s->timer, LOOK_NS);
}

int zs_supplies_new(struct zs_supplies **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_supplies *s = calloc(1, sizeof(*s));
	int rc = s ? zs_timer_new(&s->timer, c->loop, look, s) : -ENOMEM;

	if (rc) {
		free(s);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
	}
	s->c = c;
	look(s);
	*out = s;
	return 0;
}

void zs_supplies_delete(struct zs_supplies *s)
{
	if (!s)
		return;
	while (zs_supplies_descriptor(s))
		;
	zs_timer_delete(s->timer);
	free(s);
}

bool zs_supplies_descriptor(struct zs_supplies *s)
{
	if (!s || !s->fds)
		return false;
	close(s->fd[--s->fds]);
	return true;
}
