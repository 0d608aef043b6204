/* Segments: life, every refusal, migration hooks, killed writers, the fault handler. */
#include "unit/lib/shm_test.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "base/check.h"
#include "shm/fault.h"

struct thing {
	uint32_t a;
	uint64_t b;
};
struct shape {
	uint32_t count;
};

static uint32_t fields(struct zs_segment_field *out, const void *shape)
{
	static const struct zs_segment_field members[] = {
		ZS_SEGMENT_MEMBER("thing", struct thing, a),
		ZS_SEGMENT_MEMBER("thing", struct thing, b),
	};
	memcpy(out, members, sizeof(members));
	uint32_t n = zs_segment_put_region(out, 2, "@head", 100);
	return zs_segment_put_region(
	    out, n, "@things", (shape ? ((const struct shape *)shape)->count : 10) * sizeof(struct thing));
}

/* The same version, b elsewhere. */
static uint32_t fields_moved(struct zs_segment_field *out, const void *shape)
{
	uint32_t n = fields(out, shape);
	out[1].offset += 8;
	return n;
}

static uint32_t fields_more(struct zs_segment_field *out, const void *shape)
{
	uint32_t n = fields(out, shape);
	memmove(out + 3, out + 2, (n - 2) * sizeof(*out));
	out[2] = (struct zs_segment_field){ "thing.c", 16, 4 };
	return n + 1;
}

static int migrate(const void *old, size_t old_size, void *fresh, struct zs_error *err)
{
	size_t n = 0, m = 0;
	const struct thing *from = zs_segment_region_in(old, old_size, "@things", &n);
	struct thing *to = zs_segment_region_in(fresh, ((struct zs_segment_header *)fresh)->size, "@things",
						&m);
	(void)err;
	if (!from || !to || m < n)
		return -EPROTO;
	memcpy(to, from, n);
	return 0;
}

static const struct zs_segment_kind kind = { .name = "thing", .version = 1, .fields = fields };
static const struct zs_segment_kind kind2 = {
	.name = "thing", .version = 2, .fields = fields, .migrate = migrate
};
static const struct zs_segment_kind kind3 = {
	.name = "thing", .version = 3, .fields = fields, .migrate = migrate
};
static const struct zs_segment_kind moved = { .name = "thing", .version = 1, .fields = fields_moved };
static const struct zs_segment_kind more = { .name = "thing", .version = 1, .fields = fields_more };

static void make(struct zs_segment *seg, const char *dir, uint32_t count)
{
	struct shape shape = { count };
	struct zs_error err;
	assert_int_equal(zs_segment_new(seg, dir, &kind, &shape, &err), 0);
	struct thing *t = zs_segment_region(seg, "@things", NULL);
	t[count - 1].b = 0x1234;
	assert_int_equal(zs_segment_publish(seg, &err), 0);
}

static void test_life(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, r;
	struct zs_error err;
	struct stat st;
	size_t size;

	assert_int_equal(zs_segment_join(&r, s->dir, &kind, &err), -ENOENT);
	make(&w, s->dir, 1000);
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, zs_segment_footprint(&kind, &(struct shape){ 1000 }));
	assert_true(st.st_blocks * 512 >= st.st_size);
	assert_int_equal(zs_segment_join(&r, s->dir, &kind, &err), 0);
	struct thing *t = zs_segment_region(&r, "@things", &size);
	assert_int_equal(size, 1000 * sizeof(*t));
	assert_int_equal(t[999].b, 0x1234);
	assert_null(zs_segment_region(&r, "@nothing", NULL));
	assert_true(zs_segment_writer_alive(&r));
	zs_segment_beat(&w, 77);
	assert_int_equal(atomic_load(&r.base->heartbeat_ns), 77);
	assert_false(zs_segment_replaced(&r));
	zs_segment_leave(&w);
	assert_false(zs_segment_writer_alive(&r));
	assert_int_equal(zs_segment_delete(s->dir, &kind), 0);
	assert_true(zs_segment_replaced(&r));
	assert_int_equal(atomic_load(&r.base->magic), 0);
	zs_segment_leave(&r);
	assert_int_equal(zs_segment_delete(s->dir, &kind), -ENOENT);
}

static void test_unpublished_is_invisible(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, r;
	struct zs_error err;

	assert_int_equal(zs_segment_new(&w, s->dir, &kind, NULL, &err), 0);
	assert_int_equal(zs_segment_join(&r, s->dir, &kind, &err), -ENOENT);
	assert_int_equal(atomic_load(&w.base->magic), 0);
	/* A second creator at the same time. */
	assert_int_equal(zs_segment_new(&r, s->dir, &kind, NULL, &err), -EBUSY);
	assert_int_equal(err.exit, ZS_EXIT_RUNNING);
	assert_int_equal(zs_segment_publish(&w, &err), 0);
	assert_int_equal(zs_segment_new(&r, s->dir, &kind, NULL, &err), 0);
	assert_int_equal(zs_segment_publish(&r, &err), -EBUSY);
	zs_segment_leave(&r);
	zs_segment_leave(&w);
}

static void test_adopt(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, a;
	struct zs_error err;

	assert_int_equal(zs_segment_adopt(&a, s->dir, &kind, NULL, &err), -ENOENT);
	make(&w, s->dir, 10);
	uint64_t incarnation = w.base->incarnation, generation = atomic_load(&w.base->generation);
	assert_int_not_equal(incarnation, 0);
	assert_int_equal(zs_segment_adopt(&a, s->dir, &kind, NULL, &err), -EBUSY);
	assert_int_equal(err.exit, ZS_EXIT_RUNNING);
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_non_null(strstr(err.text, pid));
	flock(w.fd, LOCK_UN); /* the header's word counts as well */
	assert_int_equal(zs_segment_adopt(&a, s->dir, &kind, NULL, &err), -EBUSY);
	assert_non_null(strstr(err.text, pid));
	zs_segment_leave(&w);
	/* Other region sizes are the file's business. */
	assert_int_equal(zs_segment_adopt(&a, s->dir, &kind, &(struct shape){ 5000 }, &err), 0);
	assert_int_equal(a.base->incarnation, incarnation);
	assert_int_equal(atomic_load(&a.base->generation), generation + 1);
	zs_segment_leave(&a);
}

static void die_as_writer(void *arg)
{
	struct zs_segment w;
	make(&w, arg, 10);
}

static void die_while_creating(void *arg)
{
	struct zs_segment w;
	struct zs_error err;
	zs_segment_new(&w, arg, &kind, &(struct shape){ 100000 }, &err);
}

static void test_killed_writer(void **state)
{
	struct scratch *s = *state;
	struct zs_segment a;
	struct zs_error err;

	in_killed_child(die_while_creating, s->dir);
	assert_int_equal(zs_segment_adopt(&a, s->dir, &kind, NULL, &err), -ENOENT);
	in_killed_child(die_as_writer, s->dir); /* reuses the stale file */
	assert_int_equal(zs_segment_adopt(&a, s->dir, &kind, NULL, &err), 0);
	assert_int_equal(((struct thing *)zs_segment_region(&a, "@things", NULL))[9].b, 0x1234);
	zs_segment_leave(&a);
}

static void test_reused_pid_is_not_the_writer(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, a;
	struct zs_error err;

	make(&w, s->dir, 10);
	atomic_fetch_add(&w.base->writer_start, 1); /* our pid, another start */
	assert_false(zs_segment_writer_alive(&w));
	w.writer = false; /* leave it written as if we had been killed */
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_adopt(&a, s->dir, &kind, NULL, &err), 0);
	zs_segment_leave(&a);
}

static void test_other_layout_names_the_field(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, r;
	struct zs_error err;

	make(&w, s->dir, 10);
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_join(&r, s->dir, &moved, &err), -EPROTO);
	assert_int_equal(err.exit, ZS_EXIT_LAYOUT);
	assert_non_null(strstr(err.text, "'thing.b'"));
	assert_int_equal(zs_segment_adopt(&r, s->dir, &moved, NULL, &err), -EPROTO);
	assert_non_null(strstr(err.text, "'thing.b'"));
	assert_int_equal(zs_segment_join(&r, s->dir, &more, &err), -EPROTO);
	assert_non_null(strstr(err.text, "'thing.c'"));
}

static void test_versions(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, r;
	struct zs_error err;

	make(&w, s->dir, 10);
	assert_int_equal(zs_segment_adopt(&r, s->dir, &kind2, NULL, &err), -EBUSY);
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_join(&r, s->dir, &kind2, &err), -EPROTO); /* readers never migrate */
	assert_int_equal(zs_segment_adopt(&r, s->dir, &kind3, NULL, &err), -EPROTO);
	assert_int_equal(err.exit, ZS_EXIT_LAYOUT);
	assert_non_null(strstr(err.text, "version 1"));
	/* A migration that fails leaves the old file in force. */
	assert_int_equal(zs_segment_adopt(&r, s->dir, &kind2, &(struct shape){ 3 }, &err), -EPROTO);
	assert_int_equal(zs_segment_join(&r, s->dir, &kind, &err), 0);
	assert_int_equal(zs_segment_adopt(&w, s->dir, &kind2, &(struct shape){ 20 }, &err), 0);
	assert_true(zs_segment_replaced(&r));
	assert_int_equal(w.base->version, 2);
	assert_int_equal(((struct thing *)zs_segment_region(&w, "@things", NULL))[9].b, 0x1234);
	zs_segment_leave(&r);
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_adopt(&w, s->dir, &kind, NULL, &err), -EPROTO); /* no way back */
}

struct damage {
	const char *what;
	size_t offset, size;
	uint64_t value;
};
#define AT(member) offsetof(struct zs_segment_header, member), sizeof(((struct zs_segment_header *)0)->member)

static void test_damaged_headers(void **state)
{
	static const struct damage rows[] = {
		{ "magic", AT(magic), 0x3131313131313131u },
		{ "kind", offsetof(struct zs_segment_header, kind), 1, 'x' },
		{ "version", AT(version), 9 },
		{ "field count", AT(field_count), 97 },
		{ "field count 0", AT(field_count), 0 },
		{ "hash", AT(abi_hash), 1 },
		{ "size", AT(size), 4096 },
		{ "size", AT(size), UINT64_MAX },
		{ "region offset", offsetof(struct zs_segment_header, field[3].offset), 8,
		  UINT64_MAX - 4095 },
		{ "region in header", offsetof(struct zs_segment_header, field[3].offset), 8, 4096 },
		{ "region unaligned", offsetof(struct zs_segment_header, field[3].offset), 8, 8193 },
		{ "region size", offsetof(struct zs_segment_header, field[3].size), 8, 1 << 20 },
		{ "endless name", offsetof(struct zs_segment_header, field[2].name[5]), 27, UINT64_MAX },
	};
	struct scratch *s = *state;
	struct zs_segment w, r;
	struct zs_error err;
	uint8_t fill[32];

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		make(&w, s->dir, 10);
		if (rows[i].size > 8)
			memset(fill, 'x', sizeof(fill));
		else
			memcpy(fill, &rows[i].value, 8);
		memcpy((uint8_t *)w.base + rows[i].offset, fill, rows[i].size);
		zs_segment_leave(&w);
		int rc = zs_segment_join(&r, s->dir, &kind, &err);
		if (rc != -EPROTO || err.exit != ZS_EXIT_LAYOUT)
			fail_msg("%s: join gave %d", rows[i].what, rc);
		assert_int_equal(zs_segment_adopt(&r, s->dir, &kind, NULL, &err), -EPROTO);
		assert_int_equal(zs_segment_delete(s->dir, &kind), 0);
	}
}

/* A kind whose contents are worth less than a start: the damaged file steps aside, once. */
static void test_damaged_is_set_aside(void **state)
{
	struct zs_segment_kind expendable = kind;
	struct scratch *s = *state;
	struct zs_segment w;
	struct zs_error err;
	char aside[160];

	expendable.expendable = true;
	make(&w, s->dir, 10);
	assert_int_equal(truncate(w.path, 8192), 0);
	w.writer = false;
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_join(&w, s->dir, &expendable, &err), -EPROTO); /* readers move nothing */
	snprintf(aside, sizeof(aside), "%s.damaged", w.path);
	assert_int_not_equal(access(aside, F_OK), 0);
	assert_int_equal(zs_segment_adopt(&w, s->dir, &expendable, NULL, &err), -ENOENT);
	assert_int_equal(err.code, -EUCLEAN);
	assert_int_equal(access(aside, F_OK), 0);
	assert_int_equal(zs_segment_adopt(&w, s->dir, &expendable, NULL, &err), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	/* Another layout is another build's: it stays. */
	make(&w, s->dir, 10);
	w.base->version = 9;
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_adopt(&w, s->dir, &expendable, NULL, &err), -EPROTO);
	assert_int_equal(zs_segment_delete(s->dir, &kind), 0);
}

static void test_short_and_deleted_files(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, r;
	struct zs_error err;

	make(&w, s->dir, 10);
	assert_int_equal(truncate(w.path, 100), 0);
	zs_fault_forget(&w);
	w.writer = false;
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_join(&r, s->dir, &kind, &err), -EPROTO);
	assert_int_equal(unlink(w.path), 0);
	make(&w, s->dir, 10);
	atomic_store(&w.base->magic, 0); /* a delete killed half-way */
	zs_segment_leave(&w);
	assert_int_equal(zs_segment_join(&r, s->dir, &kind, &err), -ENOENT);
	assert_int_equal(zs_segment_adopt(&r, s->dir, &kind, NULL, &err), -ENOENT);
	make(&w, s->dir, 10); /* the way is free */
	zs_segment_leave(&w);
}

static void test_no_space(void **state)
{
	struct scratch *s = *state;
	struct rlimit old, small;
	struct zs_segment w;
	struct zs_error err;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 1 << 20;
	setrlimit(RLIMIT_FSIZE, &small);
	int rc = zs_segment_new(&w, s->dir, &kind, &(struct shape){ 1 << 20 }, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(err.exit, ZS_EXIT_RESOURCE);
	assert_int_equal(zs_segment_new(&w, "/dev/shm/zs-no-such-folder", &kind, NULL, &err), -ENOENT);
	make(&w, s->dir, 10); /* nothing was left in the way */
	zs_segment_leave(&w);
}

static void test_dir(void **state)
{
	char name[40], dir[96];
	struct zs_error err;
	struct stat st;

	(void)state;
	snprintf(name, sizeof(name), "unit-%d", getpid());
	assert_int_equal(zs_segment_dir(dir, name, true, &err), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(zs_segment_dir(dir, name, true, &err), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(zs_segment_dir(dir, name, true, &err), -EPERM);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(symlink("/tmp", dir), 0);
	assert_int_equal(zs_segment_dir(dir, name, true, &err), -EPERM);
	assert_int_equal(unlink(dir), 0);
	static const char *const bad[] = { "", "A", "a/b", "..", "a b", "123456789012345678901234567890123" };
	for (size_t i = 0; i < ZS_ARRAY_LEN(bad); i++)
		assert_int_equal(zs_segment_dir(dir, bad[i], true, &err), -EINVAL);
}

static struct zs_fault fault; /* lives as long as the process */

static void crash(void)
{
	char path[] = "/dev/shm/zs-test-bus-XXXXXX";
	int fd = mkstemp(path);
	unlink(path);
	if (ftruncate(fd, 4096) < 0)
		_exit(1);
	char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (ftruncate(fd, 0) < 0)
		_exit(1);
	_exit(*(volatile char *)p);
}

/* A fault that is none of ours still ends the process as it did before. */
static void foreign_fault(void)
{
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		fault.before = (struct sigaction){ .sa_handler = SIG_DFL }; /* was cmocka's */
		crash();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void test_truncated_under_a_reader(void **state)
{
	struct scratch *s = *state;
	struct zs_segment w, r;
	struct zs_error err;

	assert_int_equal(zs_fault_install(&fault), 0);
	assert_int_equal(zs_fault_install(&fault), -EALREADY);
	make(&w, s->dir, 10000);
	assert_int_equal(zs_segment_join(&r, s->dir, &kind, &err), 0);
	assert_false(zs_segment_faulted(&r));
	assert_int_equal(truncate(w.path, 4096), 0);
	volatile struct thing *t = (struct thing *)((uint8_t *)r.base + 3 * 4096);
	volatile struct thing *last = (struct thing *)((uint8_t *)r.base + r.size - sizeof(struct thing));
	assert_int_equal(last->b, 0);
	assert_int_equal(t->b, 0);
	assert_int_equal(atomic_load(&r.faulted), 2);
	assert_false(zs_segment_faulted(&w));
	((volatile struct thing *)((uint8_t *)w.base + 3 * 4096))->b = 1; /* the writer may write */
	assert_true(zs_segment_faulted(&w));
	zs_segment_leave(&r);
	zs_segment_leave(&w);
	foreign_fault(); /* here, because cmocka sets handlers of its own for each test */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_life),
		T(test_unpublished_is_invisible),
		T(test_adopt),
		T(test_killed_writer),
		T(test_reused_pid_is_not_the_writer),
		T(test_other_layout_names_the_field),
		T(test_versions),
		T(test_damaged_headers),
		T(test_damaged_is_set_aside),
		T(test_short_and_deleted_files),
		T(test_no_space),
		T(test_dir),
		T(test_truncated_under_a_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
