/* Names that a relay kept from an earlier run of the edge: withdrawn where they are in the way, and what they stood in the way
 * of asked for again, without a word of refusals that mean nothing any more. */
#include "unit/p2p/attach_relay.h"

#define WITHDRAW true

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct scripted));
	return 0;
}

/* An edge with these names, up to the answer to its Hello. */
static void ask_for(struct scripted *s, const struct zs_attach_publish *publish, uint32_t count)
{
	struct zs_attach_client_config config = scripted_config(s);

	config.publish = publish;
	config.publishes = count;
	script(s, &config);
	zs_attach_client_start(s->client, s->now);
	connect_as(s, 1, HOME);
	s->log[0] = '\0';
}

static zs_pb_Port port(const char *name, uint32_t number)
{
	zs_pb_Port p = { .port = number, .service = 1 };

	snprintf(p.name, sizeof(p.name), "%s", name);
	return p;
}

static zs_pb_Port refusal(const char *name, uint32_t code)
{
	zs_pb_Port p = { .has_error = true, .error = { .code = code } };

	snprintf(p.name, sizeof(p.name), "%s", name);
	return p;
}

static void grant(struct scripted *s, const zs_pb_Port *ports, uint32_t count)
{
	struct zs_attach_frame f = a_grant(ZS_ATTACH_CONTINUITY_known);

	for (uint32_t i = 0; i < count; i++)
		f.grant.ports[i] = ports[i];
	f.grant.ports_count = (pb_size_t)count;
	answer(s, 1, &f);
}

static void come(struct scripted *s, uint64_t id, zs_pb_Port p)
{
	answer(s, 1, &(struct zs_attach_frame){ .id = id, .kind = ZS_ATTACH_PORT, .port = p });
}

static void assert_asked(const struct scripted *s, size_t at, const char *name, uint32_t number,
			 bool withdraw)
{
	const zs_pb_Publish *p = &s->sent[at].publish;

	assert_true(at < s->frames);
	assert_int_equal(s->sent[at].kind, ZS_ATTACH_PUBLISH);
	assert_string_equal(p->name, name);
	assert_int_equal(p->port, number);
	assert_int_equal(p->withdraw, withdraw);
}

static void what_fits_stays(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "any" }, { .name = "web", .port = 15000 } };

	ask_for(s, want, 2);
	grant(s, (zs_pb_Port[]){ port("any", 10001), port("web", 15000) }, 2);
	assert_log(s, "authenticated save granted1 port:any=10001 port:web=15000 ");
}

static void a_name_with_another_port(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "web", .port = 15001, .protection = 1 } };

	for (int order = 0; order < 2; order++) { /* of both ports of a relay's Grant */
		zs_pb_Port is = port("web", 15000), no = refusal("web", ZS_ATTACH_ERROR_denied);

		ask_for(s, want, 1);
		grant(s, order ? (zs_pb_Port[]){ is, no } : (zs_pb_Port[]){ no, is }, 2);
		assert_log(s, "Publish1 Publish1 authenticated save granted1 ");
		assert_asked(s, 1, "web", 0, WITHDRAW);
		assert_asked(s, 2, "web", 15001, false);
		assert_int_equal(s->sent[2].publish.protection, 1);
		come(s, s->sent[1].id, port("web", 0));
		assert_log(s, "port:web=0 ");
		come(s, s->sent[2].id, port("web", 15001));
		assert_log(s, "port:web=15001 ");
		if (!order) {
			scripted_teardown(state);
			*state = s = calloc(1, sizeof(*s));
		}
	}
	come(s, s->sent[2].id,
	     refusal("web", ZS_ATTACH_ERROR_port_taken)); /* of the last request: to be heard */
	assert_log(s, "port:web=0! ");
}

static void a_new_name_has_the_room_of_the_old(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "new" }, { .name = "more" } };
	zs_pb_Port full = refusal("new", ZS_ATTACH_ERROR_quota),
		   more = refusal("more", ZS_ATTACH_ERROR_quota);

	ask_for(s, want, 2);
	grant(s, (zs_pb_Port[]){ full, more, port("old", 15000) }, 3); /* room for one */
	assert_log(s, "Publish1 Publish1 authenticated save granted1 ");
	assert_asked(s, 1, "old", 0, WITHDRAW);
	assert_asked(s, 2, "new", 0, false);
	come(s, s->sent[1].id, port("old", 0));
	come(s, s->sent[2].id, port("new", 10007));
	assert_log(s, "port:old=0 port:new=10007 ");
	come(s, 0, port("older", 15002)); /* behind a Grant that was full */
	assert_log(s, "Publish1 Publish1 ");
	assert_asked(s, 3, "older", 0, WITHDRAW);
	assert_asked(s, 4, "more", 0, false);
	come(s, s->sent[3].id, refusal("older", ZS_ATTACH_ERROR_not_published));
	assert_log(s, "");
	come(s, s->sent[4].id, more); /* no: there is no room after all */
	assert_log(s, "port:more=0! ");
}

/* It stood in its own way: its port is free once the name of before is withdrawn. */
static void a_service_renamed_on_its_port(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "new", .port = 15000, .protection = 1 } };
	zs_pb_Port taken = refusal("new", ZS_ATTACH_ERROR_port_taken);

	ask_for(s, want, 1);
	grant(s, (zs_pb_Port[]){ port("old", 15000), taken }, 2);
	assert_log(s, "Publish1 Publish1 authenticated save granted1 ");
	assert_asked(s, 1, "old", 0, WITHDRAW);
	assert_asked(s, 2, "new", 15000, false);
	assert_int_equal(s->sent[2].publish.protection, 1);
	come(s, s->sent[1].id, port("old", 0));
	come(s, s->sent[2].id, taken); /* somebody else was faster: that is final */
	assert_log(s, "port:old=0 port:new=0! ");
}

/* A port that another one holds is not asked for again because some name of ours went. */
static void a_port_of_somebody_else(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "new", .port = 15001 } };

	ask_for(s, want, 1);
	grant(s, (zs_pb_Port[]){ port("old", 15000), refusal("new", ZS_ATTACH_ERROR_port_taken) }, 2);
	assert_log(s, "Publish1 authenticated save granted1 port:new=0! ");
	assert_asked(s, 1, "old", 0, WITHDRAW);
}

static void two_that_swap_ports(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "a", .port = 15002 }, { .name = "b", .port = 15001 } };

	ask_for(s, want, 2);
	grant(s,
	      (zs_pb_Port[]){ port("a", 15001), port("b", 15002), refusal("a", ZS_ATTACH_ERROR_denied),
			      refusal("b", ZS_ATTACH_ERROR_denied) },
	      4);
	assert_log(s, "Publish1 Publish1 Publish1 Publish1 authenticated save granted1 ");
	assert_asked(s, 1, "a", 0, WITHDRAW);
	assert_asked(s, 2, "b", 0, WITHDRAW);
	assert_asked(s, 3, "a", 15002, false);
	assert_asked(s, 4, "b", 15001, false);
}

/* The second of them is told behind a full Grant: what was asked for too early is asked for again, once. */
static void two_that_swap_ports_one_told_late(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "a", .port = 15002 }, { .name = "b", .port = 15001 } };
	zs_pb_Port taken = refusal("a", ZS_ATTACH_ERROR_port_taken);

	ask_for(s, want, 2);
	grant(s, (zs_pb_Port[]){ port("a", 15001) }, 1);
	come(s, 0, port("b", 15002));
	assert_asked(s, 1, "a", 0, WITHDRAW);
	assert_asked(s, 2, "a", 15002, false);
	assert_asked(s, 3, "b", 0, WITHDRAW);
	assert_asked(s, 4, "b", 15001, false);
	s->log[0] = '\0';
	come(s, s->sent[2].id, taken);
	assert_log(s, "Publish1 ");
	assert_asked(s, 5, "a", 15002, false);
	come(s, s->sent[5].id, taken);
	assert_log(s, "port:a=0! ");
}

static void without_room_the_refusal_is_told(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "a" }, { .name = "b" } };

	ask_for(s, want, 2);
	grant(s, (zs_pb_Port[]){ refusal("b", ZS_ATTACH_ERROR_quota), port("a", 10001) }, 2);
	assert_log(s, "authenticated save granted1 port:b=0! port:a=10001 ");
}

/* A name that a Publish asked for after the withdrawal is not asked for twice. */
static void names_beyond_a_hello(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[18] = { 0 };

	for (unsigned i = 0; i < 18; i++) {
		snprintf(want[i].name, sizeof(want[i].name), "n%u", i);
		want[i].port = (uint16_t)(20000 + i);
	}
	ask_for(s, want, 18);
	grant(s, (zs_pb_Port[]){ port("n17", 15000) }, 1);
	assert_log(s, "Publish1 Publish1 Publish1 authenticated save granted1 ");
	assert_asked(s, 1, "n17", 0, WITHDRAW);
	assert_asked(s, 2, "n17", 20017, false);
	assert_asked(s, 3, "n16", 20016, false);
}

/* A relay that never gives in: the edge does. */
static void there_is_an_end(void **state)
{
	struct scripted *s = *state;
	struct zs_attach_publish want[] = { { .name = "web", .port = 15001 } };

	ask_for(s, want, 1);
	grant(s, NULL, 0);
	for (int i = 0; i < ZS_ATTACH_PUBLISHED; i++) {
		s->log[0] = '\0';
		come(s, 0, port("web", 15000));
		assert_log(s, "Publish1 Publish1 ");
	}
	come(s, 0, port("web", 15000));
	assert_log(s, "port:web=15000 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scripted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_fits_stays),
		TEST(a_name_with_another_port),
		TEST(a_new_name_has_the_room_of_the_old),
		TEST(a_service_renamed_on_its_port),
		TEST(a_port_of_somebody_else),
		TEST(two_that_swap_ports),
		TEST(two_that_swap_ports_one_told_late),
		TEST(without_room_the_refusal_is_told),
		TEST(names_beyond_a_hello),
		TEST(there_is_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
