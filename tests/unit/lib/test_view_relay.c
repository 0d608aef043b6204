/* Bindings and tunnels as JSON: what is there is shown, what is another's, over or hostile is not, and never a secret. */
#include "unit/lib/shm_test.h"

#include <arpa/inet.h>
#include "base/check.h"
#include "cli/view.h"

#define ID	   5
#define GENERATION 77
#define SLOT	   3

static void open_state(struct zs_state *st, struct scratch *s)
{
	struct zs_state_shape shape = { .flow_capacity = 64,
					.event_capacity = 64,
					.partitions = 2,
					.attachments = 64,
					.sessions = 64,
					.windows = 8 };
	struct zs_error err = { 0 };
	bool fresh;

	if (zs_state_open_writer(st, s->dir, &shape, &fresh, &err))
		fail_msg("%s", err.text);
}

static void bind_to(struct zs_state *st, uint32_t id, uint64_t for_ns)
{
	struct zs_binding b = { .generation = GENERATION,
				.port = 4000,
				.addr = zs_addr_from4(htonl(0xc0000201)),
				.expires_ns = zs_clock_ns() + for_ns,
				.bind_id = { 9, 8 },
				.holder = 2 };

	zs_seqlock_put(&st->binding[id], &b, sizeof(b));
}

static json_int_t num(json_t *o, const char *name)
{
	assert_true(json_is_integer(json_object_get(o, name)));
	return json_integer_value(json_object_get(o, name));
}

static void is_text(json_t *o, const char *name, const char *want)
{
	assert_string_equal(json_string_value(json_object_get(o, name)), want);
}

static void test_bindings(void **state)
{
	struct zs_state st;
	json_t *o;

	open_state(&st, *state);
	assert_null(zs_view_binding(&st, ID, GENERATION));
	assert_null(zs_view_binding(&st, st.attachments, GENERATION));
	bind_to(&st, ID, 60 * ZS_NS_PER_S);
	bind_to(&st, ID + 2, 60 * ZS_NS_PER_S);
	bind_to(&st, ID + 3, 0); /* over */
	zs_state_hot(&st, 0)[ID].meter[ZS_FROM_EDGE].bytes = 1000;
	zs_state_hot(&st, 1)[ID].meter[ZS_FROM_EDGE].bytes = 234;
	zs_state_hot(&st, 1)[ID].meter[ZS_TO_EDGE].packets = 7;
	assert_null(zs_view_binding(&st, ID, GENERATION + 1)); /* a successor's */
	o = zs_view_binding(&st, ID, GENERATION);
	is_text(o, "address", "192.0.2.1:4000");
	assert_int_equal(num(o, "bind_id"), 8);
	assert_in_range(num(o, "expires_ms"), 59000, 60000);
	assert_int_equal(num(o, "from_edge_bytes"), 1234);
	assert_int_equal(num(o, "to_edge_packets"), 7);
	json_decref(o);

	o = zs_view_bindings(&st, 0, 10);
	assert_int_equal(num(o, "listed"), 2);
	assert_true(json_is_null(json_object_get(o, "next")));
	json_decref(o);
	o = zs_view_bindings(&st, 0, 1);
	assert_int_equal(num(json_array_get(json_object_get(o, "bindings"), 0), "attachment"), ID);
	assert_int_equal(num(o, "next"), ID);
	json_decref(o);
	o = zs_view_bindings(&st, ID, 1);
	assert_int_equal(num(json_array_get(json_object_get(o, "bindings"), 0), "attachment"), ID + 2);
	json_decref(o);
	atomic_store(&st.binding[ID].seq, 1); /* its writer was killed inside */
	assert_null(zs_view_binding(&st, ID, GENERATION));
	zs_state_close(&st);
}

static struct zs_session a_session(const struct zs_state *st)
{
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_TUNNEL,
				.attachment = ID,
				.generation = GENERATION,
				.receiver = 0x5a000000 | SLOT,
				.peer = 12,
				.created_s = 1000,
				.incarnation = st->seg.base->incarnation };

	memset(v.root, 0xab, sizeof(v.root));
	return v;
}

static void test_tunnels(void **state)
{
	struct zs_tunnel_path path = { .to = { zs_addr_from4(htonl(0xc0000202)), 5000 },
				       .local = 1,
				       .size = 1472 };
	struct zs_tunnel_session *t;
	struct zs_session v;
	struct zs_state st;
	char *text;
	json_t *o;

	open_state(&st, *state);
	v = a_session(&st);
	t = &st.tunnel_session[SLOT];
	o = zs_view_tunnel(&st, &v); /* nothing was heard of it */
	assert_true(json_is_null(json_object_get(o, "endpoint")) &&
		    json_is_null(json_object_get(o, "heard_ms")));
	assert_true(json_is_true(json_object_get(o, "alive")));
	json_decref(o);

	t->tag = zs_tunnel_tag(&v);
	t->heard = 1;
	t->heard_ms = zs_clock_ns() / ZS_NS_PER_MS - 5000;
	atomic_store(&t->owner, 2);
	t->window[0] = 1;
	t->window[4] = 3;
	t->window[5] = st.windows + 1; /* scribbled on */
	st.tunnel_window[2] = (struct zs_window){ .epoch = 6, .highest = 99, .failed = 4 };
	t->roam.has_pending = 1;
	t->roam.pending.remote = (struct zs_endpoint){ zs_addr_from4(htonl(0xc0000203)), 6000 };
	t->pmtu.state = ZS_PMTU_DONE;
	zs_seqlock_put(&t->path, &path, sizeof(path));
	zs_tunnel_lane_take(&st.tunnel_lane[1 * st.sessions + SLOT], t->tag)->end = 65537;
	o = zs_view_tunnel(&st, &v);
	is_text(o, "endpoint", "192.0.2.2:5000");
	is_text(o, "pending", "192.0.2.3:6000");
	is_text(o, "lanes_seen", "0 4");
	is_text(o, "epochs", "0 6");
	is_text(o, "path_state", "found");
	assert_int_equal(num(o, "path_bytes"), 1472);
	assert_int_equal(num(o, "failed_tags"), 4);
	assert_int_equal(num(o, "worker"), 1);
	assert_in_range(num(o, "heard_ms"), 5000, 6000);
	assert_int_equal(num(json_array_get(json_object_get(o, "lanes_out"), 0), "below"), 65537);
	text = json_dumps(o, 0);
	assert_null(strstr(text, "abab"));
	assert_null(strstr(text, "root"));
	free(text);
	json_decref(o);

	v.created_s++; /* its successor in the slot */
	o = zs_view_tunnel(&st, &v);
	assert_true(json_is_null(json_object_get(o, "endpoint")) &&
		    json_is_null(json_object_get(o, "pending")));
	is_text(o, "lanes_seen", "");
	json_decref(o);
	t->pmtu.state = 200;
	v = a_session(&st);
	v.attachment = UINT32_MAX; /* no account of ours */
	t->tag = zs_tunnel_tag(&v);
	o = zs_view_tunnel(&st, &v);
	is_text(o, "path_state", "?");
	assert_null(json_object_get(o, "flows"));
	json_decref(o);
	zs_state_close(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bindings, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_tunnels, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
