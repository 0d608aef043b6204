/* Tables come, are replaced and go; log levels come with them. */
#include "dp_rig.h"
#include "view.h"

/* A control plane that found no tables made new ones. */
static void replace(struct rig *r)
{
	struct zs_error err = { 0 };
	bool fresh;

	zs_tables_close(&r->writer);
	assert_int_equal(zs_segment_delete(r->dp.shm_dir, &zs_tables_kind), 0);
	assert_int_equal(zs_tables_open_writer(&r->writer, r->dp.shm_dir, NULL, false, &fresh, &err), 0);
	assert_true(fresh);
}

static void joined_and_replaced(void **state)
{
	struct rig *r = *state;
	struct zs_tables *first, *second;

	rig_state(r, 2, 64);
	assert_null(atomic_load(&r->dp.tables));
	zs_view_refresh(&r->dp);
	first = atomic_load(&r->dp.tables);
	assert_non_null(first);
	zs_view_refresh(&r->dp);
	assert_ptr_equal(atomic_load(&r->dp.tables), first);
	atomic_store(&r->worker[1].tables_seen, first); /* a worker is still in it */
	replace(r);
	zs_view_refresh(&r->dp);
	second = atomic_load(&r->dp.tables);
	assert_ptr_not_equal(second, first);
	assert_int_equal(second->seg.base->incarnation, r->writer.seg.base->incarnation);
	zs_view_refresh(&r->dp);
	assert_ptr_equal(r->dp.leaving, first); /* mapped as long as it is */
	assert_non_null(first->seg.base);
	atomic_store(&r->worker[1].tables_seen, second);
	zs_view_refresh(&r->dp);
	assert_null(r->dp.leaving);
	assert_null(first->seg.base);
	zs_view_close(&r->dp);
	assert_null(atomic_load(&r->dp.tables));
}

/* Sessions come when there is an attach server, and are left when no worker reads them any more. */
static void sessions(void **state)
{
	struct zs_sessions_shape shape = { .attachments = 16, .sessions = 16 };
	struct rig *r = *state;
	struct zs_sessions w, *first;
	struct zs_error err = { 0 };
	bool fresh;

	rig_state(r, 2, 64);
	zs_view_refresh(&r->dp);
	assert_null(atomic_load(&r->dp.sessions));
	assert_int_equal(zs_sessions_open_writer(&w, r->dp.shm_dir, &shape, &fresh, &err), 0);
	zs_view_refresh(&r->dp);
	first = atomic_load(&r->dp.sessions);
	assert_non_null(first);
	atomic_store(&r->worker[0].sessions_seen, first);
	zs_sessions_close(&w);
	shape.sessions = 32;
	assert_int_equal(zs_sessions_open_writer(&w, r->dp.shm_dir, &shape, &fresh, &err), 0);
	zs_view_refresh(&r->dp);
	zs_view_refresh(&r->dp);
	assert_int_equal(atomic_load(&r->dp.sessions)->sessions, 32);
	assert_int_equal(first->sessions, 16);
	atomic_store(&r->worker[0].sessions_seen, NULL);
	zs_view_refresh(&r->dp);
	assert_null(first->seg.base);
	zs_view_close(&r->dp);
	assert_null(atomic_load(&r->dp.sessions));
	zs_sessions_close(&w);
}

static void layout_is_told(void **state)
{
	struct rig *r = *state;
	struct zs_health_cell cell;

	rig_state(r, 1, 64);
	r->writer.seg.base->version = 9;
	zs_view_refresh(&r->dp);
	assert_null(atomic_load(&r->dp.tables));
	zs_health_read(r->dp.state.health, ZS_HEALTH_layout, &cell);
	assert_int_equal(cell.raised, 1);
	assert_non_null(strstr(cell.detail, "version 9"));
	r->writer.seg.base->version = ZS_TABLES_VERSION;
	zs_view_refresh(&r->dp);
	assert_non_null(atomic_load(&r->dp.tables));
	zs_health_read(r->dp.state.health, ZS_HEALTH_layout, &cell);
	assert_int_equal(cell.raised, 0);
	zs_view_close(&r->dp);
}

static uint32_t layout_raised(struct rig *r)
{
	struct zs_health_cell cell;

	zs_health_read(r->dp.state.health, ZS_HEALTH_layout, &cell);
	return cell.raised;
}

static void path_of(struct rig *r, const char *name, char out[160])
{
	snprintf(out, 160, "%s/%s", r->dp.shm_dir, name);
}

/* As an upgrade that is undone does: other tables take the name, then those of before have it again. */
static void layout_comes_back(void **state)
{
	struct rig *r = *state;
	struct zs_segment_kind newer = zs_tables_kind;
	char tables[160], kept[160];
	struct zs_tables *first;
	struct zs_segment seg;
	struct zs_error err;

	rig_state(r, 1, 64);
	zs_view_refresh(&r->dp);
	first = atomic_load(&r->dp.tables);
	path_of(r, "tables", tables);
	path_of(r, "kept", kept);
	assert_int_equal(rename(tables, kept), 0);
	newer.version++;
	assert_int_equal(zs_segment_new(&seg, r->dp.shm_dir, &newer, NULL, &err), 0);
	assert_int_equal(zs_segment_publish(&seg, &err), 0);
	zs_segment_leave(&seg);
	zs_view_refresh(&r->dp);
	assert_int_equal(layout_raised(r), 1);
	assert_ptr_equal(atomic_load(&r->dp.tables), first);
	assert_int_equal(rename(kept, tables), 0);
	zs_view_refresh(&r->dp);
	assert_int_equal(layout_raised(r), 0);
	assert_ptr_equal(atomic_load(&r->dp.tables), first);
	zs_view_close(&r->dp);
}

/* What is said of sessions takes nothing back of what is said of tables. */
static void layout_of_two(void **state)
{
	struct zs_sessions_shape shape = { .attachments = 16, .sessions = 16 };
	struct rig *r = *state;
	struct zs_health_cell cell;
	struct zs_sessions w;
	struct zs_error err = { 0 };
	bool fresh;

	rig_state(r, 1, 64);
	assert_int_equal(zs_sessions_open_writer(&w, r->dp.shm_dir, &shape, &fresh, &err), 0);
	r->writer.seg.base->version = 99;
	w.seg.base->version = 99;
	zs_view_refresh(&r->dp);
	w.seg.base->version = zs_sessions_kind.version;
	zs_view_refresh(&r->dp);
	assert_non_null(atomic_load(&r->dp.sessions));
	zs_health_read(r->dp.state.health, ZS_HEALTH_layout, &cell);
	assert_int_equal(cell.raised, 1);
	assert_int_equal(cell.count, 1); /* not cleared and raised again */
	r->writer.seg.base->version = ZS_TABLES_VERSION;
	zs_view_refresh(&r->dp);
	assert_int_equal(layout_raised(r), 0);
	zs_view_close(&r->dp);
	zs_sessions_close(&w);
}

static void set_levels(struct rig *r, uint8_t port, uint8_t worker)
{
	struct zs_settings s;

	assert_true(zs_tables_settings(&r->writer, &s));
	s.log_level[ZS_LOG_MODULE_port] = port;
	s.log_level[ZS_LOG_MODULE_worker] = worker;
	s.generation++;
	assert_int_equal(zs_tables_set_settings(&r->writer, &s), 0);
	zs_view_refresh(&r->dp);
}

static void levels(void **state)
{
	struct rig *r = *state;

	rig_state(r, 1, 64);
	r->log.level[ZS_LOG_MODULE_port] = ZS_LOG_NOTICE;
	zs_view_refresh(&r->dp);
	assert_int_equal(r->log.level[ZS_LOG_MODULE_port], ZS_LOG_NOTICE); /* 0 leaves it */
	set_levels(r, ZS_LOG_DEBUG, ZS_LOG_ERR);
	assert_int_equal(r->log.level[ZS_LOG_MODULE_port], ZS_LOG_DEBUG);
	assert_int_equal(r->log.level[ZS_LOG_MODULE_worker], ZS_LOG_ERR);
	set_levels(r, 200, 1); /* no levels: another process's word is judged */
	assert_int_equal(r->log.level[ZS_LOG_MODULE_port], ZS_LOG_DEBUG);
	assert_int_equal(r->log.level[ZS_LOG_MODULE_worker], ZS_LOG_ERR);
	zs_view_close(&r->dp);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(joined_and_replaced), T(sessions),      T(layout_is_told),
					    T(layout_comes_back),   T(layout_of_two), T(levels) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
