/* A changed configuration with one thing going wrong, at each place where something can: it is in force or it is not, as the answer says,
 * and the next change finds nothing broken. */
#include "faults.h"

#include "admin_rig.h"

#define TRIES_MAX 100000

static uint16_t port; /* that nobody else of this machine's tests is told */

static char *request(const struct rig *r, const char *more)
{
	char text[2048];
	int n = own_text(r, text);
	json_t *req;
	char *line;

	snprintf(text + n, sizeof(text) - (size_t)n, "%s", more);
	req = json_pack("{s:i,s:s,s:{s:{s:s,s:s}}}", "v", 1, "verb", "config apply", "args", "file", "name",
			"next.yaml", "text", text);
	line = json_dumps(req, JSON_COMPACT);
	json_decref(req);
	return line;
}

enum said { DONE, REFUSED, NOTHING };

/* What was answered: nothing, as somebody who is cut off sees it; or a change that the audit file could not take note of any more,
 * which is told. */
static enum said ask(struct rig *r, const char *line)
{
	json_t *answer = NULL;
	enum said said = NOTHING;

	if (!rig_handle(&r->c, &callers[ZS_LEVEL_admin], line, strlen(line), &answer) && answer) {
		const char *error = json_string_value(json_object_get(answer, "error"));

		said = !error || !strncmp(error, "done, but not recorded", 22) ? DONE : REFUSED;
	}
	json_decref(answer);
	return said;
}

static bool is_published(struct rig *r)
{
	struct zs_published e;

	return zs_tables_published(zs_program_tables(r->c.program), port, &e);
}

static long change_at_each(struct rig *r, const char *before, const char *after, bool for_now)
{
	for (long n = 0; n < TRIES_MAX; n++) {
		uint32_t was = zs_revisions_now(r->c.revisions);
		enum said said;
		bool hit;

		assert_false(is_published(r));
		faults_arm(n, for_now);
		said = ask(r, after);
		hit = faults_disarm();
		if (said == DONE && !is_published(r))
			fail_msg("%s failed (call %ld): it is said to be in force and is not", faults.last,
				 n);
		if (said == REFUSED && (is_published(r) || zs_revisions_now(r->c.revisions) != was))
			fail_msg("%s failed (call %ld): refused, and in force", faults.last, n);
		if (is_published(r) != (zs_revisions_now(r->c.revisions) != was))
			fail_msg("%s failed (call %ld): the history says otherwise", faults.last, n);
		if (is_published(r) && ask(r, before) != DONE)
			fail_msg("%s failed (call %ld): there is no way back", faults.last, n);
		if (!hit) {
			assert_int_equal(said, DONE);
			return n;
		}
	}
	fail_msg("it does not end");
	return 0;
}

static void test_apply(void **state)
{
	struct rig *r = *state;
	char publish[80], *before, *after;
	long once, on;

	snprintf(publish, sizeof(publish), "publish: [{port: %u, target: \"10.0.0.9:443\"}]\n", port);
	before = request(r, "");
	after = request(r, publish);
	open_all(r);
	once = change_at_each(r, before, after, true);
	on = change_at_each(r, before, after, false);
	printf("# a change: %ld calls fail once, %ld from there on\n", once, on);
	assert_true(once > 10);
	close_all(r);
	free(after);
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apply, rig_setup, rig_teardown),
	};

	srand((unsigned)getpid());
	port = rig_port();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
