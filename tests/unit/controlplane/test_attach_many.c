/* As many owners as the largest build has room for, a million (make test-matrix); a thousand in the others: each attaches, is granted
 * a session, proves it and goes; then the control plane comes back to all of them. What that takes of memory is told, and is no more
 * than docs/OPERATIONS.md promises. Its store does not wait for the disk: it is linked so. */
#include <time.h>
#include "attach_rig.h"
#include "memory.h"

#define LARGEST 1048576
#define MANY                                                                                                 \
	(CONFIG_ATTACHMENTS == LARGEST ? LARGEST - 1                                                         \
	 : CONFIG_ATTACHMENTS > 1000   ? 1000                                                                \
				       : CONFIG_ATTACHMENTS - 1)
/* Bytes of the budget `attach`: of one that somebody owns, and of the room for one. */
#define OWNED 1536
#define ROOM  128
#define BOUND ((uint64_t)OWNED * MANY + (uint64_t)ROOM * CONFIG_ATTACHMENTS)

int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err);
int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err)
{
	return zs_store_write(b, err);
}

static struct zs_peer_id owner_of(uint32_t n)
{
	struct zs_peer_id id = { .len = 34, .bytes = { 0x12, 0x20 } };

	memcpy(id.bytes + 2, &n, sizeof(n));
	return id;
}

/* As edge_open_as and edge_send, without a walk over all there are each time. */
static zs_pb_Grant attach_one(struct world *w, uint32_t n)
{
	struct zs_attach_frame f = a_hello(1);
	struct edge e = { .w = w, .number = 1 };
	struct zs_attach_peer peer = { .id = owner_of(n),
				       .remote = { zs_addr_from4(htobe32(0x0a000000 + n)), 4000 },
				       .group = "X25519",
				       .link = &e };
	uint8_t bytes[ZS_ATTACH_FRAME];
	struct zs_span raw;
	zs_pb_Grant grant;

	e.conn = zs_attach_opened(w->s, &peer, w->now);
	assert_non_null(e.conn);
	zs_attach_receive(w->s, e.conn, bytes, zs_attach_encode(&f, bytes, sizeof(bytes), &raw), w->now);
	grant = granted(&e, ZS_ATTACH_CONTINUITY_fresh);
	zs_attach_alive(w->s, e.conn, w->now);
	zs_attach_closed(w->s, e.conn, w->now);
	edge_free(&e);
	return grant;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(const struct world *w, const char *what, double since)
{
	struct zs_memory_figure figure[ZS_MEMORY_FIGURES];
	unsigned n = zs_memory_figures(figure);

	print_message("%u attachments %s in %.1f s: %zu bytes of the module each", MANY, what,
		      seconds() - since, (size_t)(w->r.c.memory[ZS_MEMORY_attach].used / MANY));
	for (unsigned i = 0; i < n; i++)
		print_message(", %s %zu MiB", figure[i].name, (size_t)(figure[i].bytes >> 20));
	print_message("\n");
}

static void test_as_many_as_there_is_room_for(void **state)
{
	struct world *w = *state;
	double begun = seconds();

	world_conf(w, "{mode: open, attachments: 1048575, sessions: 1048576}");
	for (uint32_t n = 0; n < MANY; n++)
		attach_one(w, n);
	tell(w, "granted", begun);
	walk(w);
	assert_int_equal(zs_attach_counts(w->s)->attachments, MANY);
	assert_in_range(w->r.c.memory[ZS_MEMORY_attach].used, MANY, BOUND);
	begun = seconds();
	world_restart(w);
	tell(w, "there again", begun);
	assert_int_equal(zs_attach_counts(w->s)->attachments, MANY);
	assert_in_range(w->r.c.memory[ZS_MEMORY_attach].used, MANY, BOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_as_many_as_there_is_room_for,
									    world_setup, world_teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
