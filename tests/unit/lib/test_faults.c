/* Start-up with one thing going wrong, at each place where something can: the configuration, the segments of both planes, a key's file.
 * Either it works, or it is refused with a reason and leaves nothing that the next start would stumble over. */
#include "faults.h"
#include "shm_test.h"

#include "base/file.h"
#include "conf/conf.h"
#include "shm/events.h"
#include "shm/sessions.h"
#include "shm/state.h"
#include "shm/tables.h"
#include "shm/trace.h"

#define PORT	  4443
#define TRIES_MAX 100000

/* Returns 0 or refuses with err set. */
typedef int try_fn(void *ctx, struct zs_error *err);

/* How many tries there were; each fails at another call. `after` looks at what is left each time. */
static long at_each(try_fn *attempt, void (*after)(void *ctx, int rc), void *ctx, bool for_now)
{
	for (long n = 0; n < TRIES_MAX; n++) {
		struct zs_error err = { 0 };
		bool hit;
		int rc;

		faults_arm(n, for_now);
		rc = attempt(ctx, &err);
		hit = faults_disarm();
		if (rc && (!err.text[0] || !err.exit))
			fail_msg("%s failed (call %ld): status %d, no reason is told", faults.last, n, rc);
		after(ctx, rc);
		if (!hit) {
			assert_int_equal(rc, 0);
			return n;
		}
	}
	fail_msg("it does not end");
	return 0;
}

static void each_way(const char *what, try_fn *attempt, void (*after)(void *ctx, int rc), void *ctx)
{
	long once = at_each(attempt, after, ctx, true), on = at_each(attempt, after, ctx, false);

	printf("# %s: %ld calls fail once, %ld from there on\n", what, once, on);
	assert_true(once > 2);
	assert_true(on > 2);
}

/* --- the configuration --- */

static int load(void *ctx, struct zs_error *err)
{
	return zs_conf_load(ctx, "docs/examples/relay.yaml", err);
}

static void conf_is_whole(void *ctx, int rc)
{
	const struct zs_conf *c = ctx;

	if (!rc)
		assert_int_equal(c->publishes, 2);
}

static void test_conf(void **state)
{
	struct zs_conf *c = malloc(sizeof(*c));

	each_way("configuration", load, conf_is_whole, c);
	free(c);
}

/* --- segments --- */

struct planes {
	const char *dir;
	struct zs_state state;
	struct zs_tables tables;
	struct zs_sessions sessions;
	struct zs_events events;
	struct zs_trace trace;
};

static int open_dataplane(void *ctx, struct zs_error *err)
{
	static const struct zs_state_shape shape = { .flow_capacity = 1024,
						     .event_capacity = 256,
						     .partitions = 1,
						     .attachments = 64,
						     .sessions = 64,
						     .windows = 64 };
	static const struct zs_events_shape events = { 256 };
	struct planes *p = ctx;
	bool fresh;
	int rc;

	if ((rc = zs_state_open_writer(&p->state, p->dir, &shape, &fresh, err)))
		return rc;
	if (!(rc = zs_events_open_producer(&p->events, p->dir, &events, err))) {
		if (!(rc = zs_trace_open_producer(&p->trace, p->dir, err)))
			zs_trace_close(&p->trace);
		zs_events_close(&p->events);
	}
	zs_state_close(&p->state);
	return rc;
}

static int open_controlplane(void *ctx, struct zs_error *err)
{
	static const struct zs_sessions_shape sessions = { 64, 64 };
	struct planes *p = ctx;
	bool fresh;
	int rc;

	if ((rc = zs_tables_open_writer(&p->tables, p->dir, NULL, false, &fresh, err)))
		return rc;
	if (!(rc = zs_sessions_open_writer(&p->sessions, p->dir, &sessions, &fresh, err)))
		zs_sessions_close(&p->sessions);
	zs_tables_close(&p->tables);
	return rc;
}

/* Whatever went wrong before: now it works, and nothing is called damaged. */
static void dataplane_opens(void *ctx, int rc)
{
	struct zs_error err = { 0 };

	if (open_dataplane(ctx, &err) || err.code == -EUCLEAN)
		fail_msg("after %s failed: %s", faults.last, err.text);
}

static void controlplane_opens(void *ctx, int rc)
{
	struct zs_error err = { 0 };

	if (open_controlplane(ctx, &err) || err.code == -EUCLEAN)
		fail_msg("after %s failed: %s", faults.last, err.text);
}

/* … and what was written before is still there. */
static void port_is_published(void *ctx, int rc)
{
	struct planes *p = ctx;
	struct zs_published port;
	struct zs_error err = { 0 };

	controlplane_opens(ctx, rc);
	assert_int_equal(zs_tables_open_reader(&p->tables, p->dir, &err), 0);
	if (!zs_tables_published(&p->tables, PORT, &port) || port.generation != 7)
		fail_msg("after %s failed: what was published is lost", faults.last);
	zs_tables_close(&p->tables);
}

static void empty(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/*", dir);
	assert_int_equal(system(command), 0);
}

static int anew(try_fn *open, void *ctx, struct zs_error *err)
{
	struct planes *p = ctx;
	struct faults kept = faults;

	faults.left = -1;
	empty(p->dir);
	faults = kept;
	return open(ctx, err);
}

static int dataplane_anew(void *ctx, struct zs_error *err)
{
	return anew(open_dataplane, ctx, err);
}

static int controlplane_anew(void *ctx, struct zs_error *err)
{
	return anew(open_controlplane, ctx, err);
}

static void test_segments(void **state)
{
	struct scratch *s = *state;
	struct planes *p = calloc(1, sizeof(*p));

	p->dir = s->dir;
	each_way("the dataplane's segments, made", dataplane_anew, dataplane_opens, p);
	each_way("the dataplane's segments, adopted", open_dataplane, dataplane_opens, p);
	each_way("the control plane's segments, made", controlplane_anew, controlplane_opens, p);
	free(p);
}

static void test_adopted(void **state)
{
	struct zs_published port = { .used = 1, .target_port = 443, .generation = 7 };
	struct scratch *s = *state;
	struct planes *p = calloc(1, sizeof(*p));
	struct zs_error err;
	bool fresh;

	p->dir = s->dir;
	assert_int_equal(zs_addr_parse(&port.target, "192.0.2.1"), 0);
	assert_int_equal(zs_tables_open_writer(&p->tables, p->dir, NULL, false, &fresh, &err), 0);
	assert_int_equal(zs_tables_set_published(&p->tables, PORT, &port), 0);
	zs_tables_close(&p->tables);
	each_way("the control plane's segments, adopted", open_controlplane, port_is_published, p);
	free(p);
}

/* --- a key's file --- */

struct key {
	char path[128];
	uint32_t put; /* what is being written */
};

static int put(void *ctx, struct zs_error *err)
{
	struct key *k = ctx;
	int rc;

	k->put++;
	rc = zs_file_put(k->path, &k->put, sizeof(k->put), false);
	return rc ? zs_file_refuse(err, rc, k->path, strerror(-rc)) : 0;
}

/* The new one when it said so, else the old or the new one: whole. */
static void is_whole(void *ctx, int rc)
{
	struct key *k = ctx;
	struct zs_error err;
	uint32_t got;

	assert_int_equal(zs_file_get(k->path, &got, sizeof(got), &err), sizeof(got));
	if (rc)
		assert_in_range(got, 0, k->put);
	else
		assert_int_equal(got, k->put);
}

static void test_file(void **state)
{
	struct scratch *s = *state;
	struct key k = { .put = 0 };

	snprintf(k.path, sizeof(k.path), "%s/key", s->dir);
	assert_int_equal(zs_file_put(k.path, &k.put, sizeof(k.put), true), 0);
	each_way("a key's file", put, is_whole, &k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf),
		cmocka_unit_test_setup_teardown(test_segments, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_adopted, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_file, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
